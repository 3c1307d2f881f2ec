"""What the handlers of the control surface share: the session of a call, and checks of what it names."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web

from mockserver.contract.serving import ServedContracts
from mockserver.jsonkit import Json
from mockserver.server.aiohttp_io import json_headers, send_pieces, write
from mockserver.server.control import Call, RejectedError
from mockserver.server.pages import RenderedRow, page
from mockserver.server.unseen import Unseen
from mockserver.server.upstreams import Upstreams
from mockserver.server.vendor import real_ms
from mockserver.sessions.match_problems import problem as matcher_problem
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.session_name import SessionNameError, session_name
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.vocabulary import name_problem

DEFAULT_LIMIT: Final = 1000

FILTERS: Final = ("protocol", "operation", "type")
"""Query parameters with names that contracts define."""


class HandlerBase:
    """The sessions and contracts that handlers work on."""

    def __init__(
        self,
        contracts: ServedContracts,
        store: MemoryStore,
        defaults: SessionSettings,
        unseen: Unseen,
        upstreams: Upstreams,
    ) -> None:
        self.contracts = contracts
        self.store = store
        self.defaults = defaults
        self.unseen = unseen
        self.upstreams = upstreams
        self.stopping = False

    @asynccontextmanager
    async def around(self, call: Call, *, changes: bool, reads: bool) -> AsyncIterator[None]:
        """Make the sessions ready that a call `reads`, keep what it `changes`. Raises RejectedError, StoreError."""
        if not ("session" in call.params or "session" in call.query):
            yield
            return
        await self.store.know_owners()
        if "session" in call.query:
            await self.store.load(self.store.owner(call.query["session"]))
        if "session" not in call.params:
            yield
            return
        name = self.name_of(call)
        if reads:
            await self.store.load(name)
        if not changes:
            yield
            return
        async with self.store.changing(name):
            yield

    def named(self, call: Call) -> Session:
        """Return the session of a call, created if necessary. Raises RejectedError for an invalid name."""
        name = self.name_of(call)
        new = self.store.peek(name) is None
        session = self.store.session(name)
        if new:
            session.opened_ms = real_ms()
        self.store.note_use(session)
        return session

    def read(self, call: Call) -> Session:
        """Return the session of a call that only reads; an empty one that is not kept if it does not exist."""
        return self.store.look_up(self.name_of(call))

    def name_of(self, call: Call) -> str:
        """Return the name of the session of a call. Raises RejectedError for an invalid one."""
        try:
            return self.store.owner(session_name(call.params["session"]))
        except SessionNameError as error:
            raise RejectedError(400, str(error), parameter="session") from None

    def _names_problem(
        self, session: Session, match: Mapping[str, Json], *, of_events: bool = False
    ) -> tuple[str, str] | None:
        """Return the member of a matcher with a name that is unknown in a session, and why; None if there is none."""
        if match.keys().isdisjoint(FILTERS):
            return None
        choices = session.settings.protocols
        contracts = {name: self.contracts.of(choices, name) for name in self.contracts.served}
        return name_problem(match, contracts, of_events=of_events)

    def check_filters(self, session: Session, query: Mapping[str, Any], *, of_events: bool = False) -> None:
        """Raise RejectedError for a query parameter with a name that is unknown in a session."""
        unknown_name = self._names_problem(session, query, of_events=of_events)
        if unknown_name is not None:
            parameter, detail = unknown_name
            raise RejectedError(400, f"{parameter}: {detail}", parameter=parameter)

    def check_matcher(
        self, session: Session, match: Mapping[str, Json], place: str = "", *, of_events: bool = False
    ) -> None:
        """Raise RejectedError for a matcher that cannot be used; `place` is what it is in."""
        invalid = matcher_problem(match)
        unknown_name = self._names_problem(session, match, of_events=of_events)
        if invalid is None and unknown_name is not None:
            invalid = f"/match/{unknown_name[0]}", unknown_name[1]
        if invalid is not None:
            raise RejectedError(400, f"{place}{invalid[0]}: {invalid[1]}", pointer=place + invalid[0])

    def check_memory(self, size: int, pointer: str) -> None:
        """Raise RejectedError for settings that take more memory than there is, whatever else is evicted."""
        if size > self.store.max_bytes:
            detail = (
                f"{pointer or 'the body'}: this takes about {size} bytes of memory, and --memory-limit is "
                f"{self.store.max_bytes}; make it smaller, or start the server with a higher limit"
            )
            raise RejectedError(400, detail, pointer=pointer)


async def send_page(
    call: Call, name: str, rows: AsyncIterator[RenderedRow | None], *, limit: int | None = None, **options: Any
) -> web.StreamResponse:
    """Send a page of rows as they are made; at most as many as the call asks for, unless there is another limit."""
    most = call.query.get("limit", DEFAULT_LIMIT) if limit is None else limit
    return await send_pieces(call.request, page(name, rows, most, **options), json_headers(headers=call.headers))


async def send_lines(call: Call, headers: Mapping[str, str], lines: Iterable[bytes]) -> web.StreamResponse:
    """Send lines as they are read by the client; only the headers for HEAD."""
    if call.request.method == "HEAD":
        return web.Response(headers=headers)
    stream = web.StreamResponse(headers=headers)
    await stream.prepare(call.request)
    for line in lines:
        await write(stream, line)
    return stream


def eviction_of(session: Session) -> Mapping[str, Json]:
    """Return what is shown of the eviction of a session, nothing where there was none."""
    return {} if session.eviction is None else {"eviction": session.eviction.as_json()}
