"""The table of checks by name: those of every protocol and those that an adapter adds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from mockserver.core.adapter import adapter_of
from mockserver.core.events import judge_events
from mockserver.core.gates import CHECKS, Check


@cache
def checks_of(adapter: str) -> Mapping[str, Check]:
    """Return the function of every check that a contract with this adapter may name."""
    return {**CHECKS, "events": judge_events, **adapter_of(adapter).run}
