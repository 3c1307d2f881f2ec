"""The delivery ledger: one row per logical event, over all attempts to deliver it."""

from __future__ import annotations

from collections.abc import Iterable

from mockserver.core.model import Exchange, Json


def deliveries(exchanges: Iterable[Exchange], *, final: bool = False) -> list[Json]:
    """Return the ledger of a session's exchanges, oldest event first. With `final`, what is pending is lost."""
    raise NotImplementedError
