"""What is sent of a happening: blocks of `text/event-stream`. That of a request is made once for all its readers."""

from __future__ import annotations

from asyncio import Task, ensure_future, shield, sleep
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.findings import as_rows
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.realtime import monotonic
from mockserver.recording.exporting import MANY_SECRETS, quickly_searched, redacted_rows, secrets_of_session
from mockserver.recording.redaction.find_secrets import key_prefixes, secrets_of
from mockserver.recording.redaction.redact import Redactor
from mockserver.server.turns import Turn
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import tagged
from mockserver.sessions.views import View

LARGEST: Final = 1024 * 1024
"""Bytes of the event rows of one request. Those beyond are left out; the list of events has them."""

MANY_EVENTS: Final = 50
"""From more events on, the rows of a request are made in the thread for what may take longer than a turn."""

KEPT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of rows that are kept for other readers, the latest ones."""

SHARE: Final = 0.05
"""The part of the time that all streams together may take while requests arrive, which they would slow down. What they
cannot send in it they send later."""


def block(kind: str, cursor: str, data: bytes) -> bytes:
    """Return one event of a stream. JSON has no line break that is not escaped."""
    return f"id: {cursor}\nevent: {kind}\ndata: ".encode() + data + b"\n\n"


class Pace:
    """How long streams pause after their work, so that it takes no more than a share of the time."""

    def __init__(self, share: float) -> None:
        self._pause_per_work = 1 / share - 1
        self._free_at = 0.0

    def spent(self, seconds: float) -> None:
        """Note work that was done."""
        self._free_at = max(self._free_at, monotonic()) + seconds * self._pause_per_work

    async def rest(self) -> None:
        """Wait until the work done so far is within the share."""
        pause = self._free_at - monotonic()
        if pause > 0:
            await sleep(pause)


class StreamRows:
    """Requests as blocks, each made when its first reader comes to it, and kept for a while for the others."""

    def __init__(self, served: Callable[[], Iterable[Contract]]) -> None:
        self.pace = Pace(SHARE)
        self._served = served
        self._kept: OrderedDict[tuple[str, bool], bytes] = OrderedDict()
        self._size = 0
        self._making: dict[tuple[str, bool], Task[bytes]] = {}

    async def of(self, cursor: str, session: Session, exchange: Exchange, *, hidden: bool) -> bytes:
        """Return the block of a request; with `hidden`, without secrets."""
        key = (cursor, hidden)
        kept = self._kept.get(key)
        if kept is not None:
            return kept
        making = self._making.get(key)
        if making is None:
            making = self._making[key] = ensure_future(self._make(key, session, exchange))
        return await shield(making)  # others may wait for it too

    async def _make(self, key: tuple[str, bool], session: Session, exchange: Exchange) -> bytes:
        cursor, hidden = key
        view = View(exchange)
        large = (
            view.large
            or len(exchange.verdicts) > MANY_EVENTS
            or (hidden and not self._quickly_hidden(session, exchange))
        )
        work = partial(self._block, cursor, session, view, hidden=hidden)
        began = monotonic()
        try:
            made = await Turn().do(work, large=large)
        finally:
            self.pace.spent(monotonic() - began)
            del self._making[key]
        self._kept[key] = made
        self._size += len(made)
        while self._size > KEPT_BYTES:
            self._size -= len(self._kept.popitem(last=False)[1])
        return made

    def _quickly_hidden(self, session: Session, exchange: Exchange) -> bool:
        keys = len(session.settings.keys or ()) + len(session.settings.credentials)
        return quickly_searched(exchange) and keys <= MANY_SECRETS

    def _block(self, cursor: str, session: Session, view: View, *, hidden: bool) -> bytes:
        hide = self._hiding(session, view.exchange) if hidden else _as_it_is
        rows, size, count = list[bytes](), 0, len(view.exchange.verdicts)
        for row in view.event_rows():
            text = render(hide(row))
            size += len(text)
            if size > LARGEST:
                break
            rows.append(text)
        shown = {"request": view.request_row(), "findings": as_rows(view.findings())}
        name = tagged(session.name) if hidden else session.name
        head = render({"session": name, **hide(shown), "left_out": count - len(rows)})
        return block("request", cursor, head[:-1] + b',"events":[' + b",".join(rows) + b"]}")

    def _hiding(self, session: Session, exchange: Exchange) -> Callable[[Json], Json]:
        """Return what hides the secrets of an exchange and of its session in rows."""
        secrets = secrets_of(exchange.request, exchange.contract) | secrets_of_session(session)
        contracts = {exchange.contract, *self._served()}
        redactor = Redactor(secrets, {prefix for contract in contracts for prefix in key_prefixes(contract)})
        return partial(redacted_rows, redactor=redactor)


def _as_it_is(rows: Json) -> Json:
    return rows
