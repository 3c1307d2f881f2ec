"""The vendor surface: judge a request, commit it, and answer as the vendor does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from email.utils import formatdate
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, TypeVar

from aiohttp import web
from msgspec import Struct, structs

from mockserver.contract.contract import KEPT_PLACES, LONGEST_KEPT_TARGET, Contract, split_target
from mockserver.contract.serving import ServedContracts
from mockserver.core.body import LARGE, RequestBody
from mockserver.core.gates import preflight_problem
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Receipt, Terms
from mockserver.core.reply_plans import PlannedReply, quick_answer
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.errors import StoreError
from mockserver.recording.replay.playing import Playback
from mockserver.server import injection, logs
from mockserver.server.aiohttp_io import is_usual, problem, raw_planned, raw_reply, read_body, response, wire_request
from mockserver.server.connection import Connection, Watched
from mockserver.server.control import SESSION_PREFIX, is_control
from mockserver.server.handed_through import HandedThrough
from mockserver.server.repeated_headers import Head
from mockserver.server.replaying import Replayed, replay
from mockserver.server.turns import Turn
from mockserver.server.unseen import Unseen, plain_path
from mockserver.server.upstreams import Upstreams, is_own
from mockserver.sessions import steps
from mockserver.sessions.exchange import Exchange, Relayed
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import DEFAULT_SESSION, LongNameError, SessionNameError, session_name
from mockserver.sessions.steps import CLOSE_IDLE, Step
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.settings import ReplyMode, Settings

MIN_CEILING = 1024 * 1024
Deleted: TypeAlias = Mapping[str, Session]
NO_SESSIONS: Deleted = MappingProxyType({})
T = TypeVar("T")
COMPARED_AT_ONCE = 1_000_000
"""Bytes of all fault steps times bytes of a body up to which they are compared within a turn of the loop."""
SESSION_HEADER = b"x-mock-session"
ASK_FOR_MORE = ("HEAD", "OPTIONS", "CONNECT")
"""Methods whose replies have no body, or that are preflights."""
DELETED = ("X-Mock-Session-Deleted", "true")
"""The header of a reply to a request whose session was deleted while it was under way."""


def real_ms() -> int:
    """Return real time in ms since 1970."""
    return time.time_ns() // 1_000_000


class Arrival(Struct, kw_only=True, eq=False):
    """One vendor request with its session; it is judged again after a delay.

    `attempts` has the number of the attempt to deliver each event, or nothing where no fault step asks for it.
    """

    request: web.BaseRequest
    session: Session
    judged: Judged
    notes: tuple[str, ...]
    received_ms: int
    attempts: Sequence[int] = ()


class Later(NamedTuple):
    """A request that is committed, and answered when it is written; `planned` is its whole reply, if it is planned."""

    session: Session
    judged: Judged
    exchange: Exchange
    planned: bytes | None
    reply: PlannedReply | WireReply
    date: str | None


class Vendor:
    """Answers vendor requests from the contracts and the store."""

    def __init__(
        self,
        settings: Settings,
        contracts: ServedContracts,
        store: MemoryStore,
        unseen: Unseen,
        upstreams: Upstreams,
    ) -> None:
        self._settings = settings
        self._upstreams = upstreams
        self._unseen = unseen
        self._contracts = contracts
        self._store = store
        self._owners: dict[str, Contract | None] = {}
        self._owners_of = contracts.served

    async def handle(self, request: web.BaseRequest, target: str, prefixed: str | None) -> web.StreamResponse:
        """Answer one request; `target` is without the session prefix, `prefixed` the session it named."""
        path = "/" + split_target(target)[0].lstrip("/")
        served = self._contracts.owner(path)
        if served is None:
            return self._unowned(request.method, path)
        received, deleted = await self._receive(request, target, prefixed, served.name)
        body, place = RequestBody(received, fast=True), (prefixed, deleted)
        if body.large or self._store.waits:  # it is complete, so it is journalled, even if the client is gone meanwhile
            return await asyncio.shield(self._answer(request, body, served, place, large=body.large))
        return await self._answer(request, body, served, place, large=False)

    def answer_at_once(self, connection: Watched, head: Head, body: bytes) -> bytes | asyncio.Future[bytes] | None:
        """Return the whole reply to a request that is complete; None, and nothing is done, where `handle` has to.

        That is where something has to be awaited before the commit, or HTTP asks for more than a reply. Where the
        store has to write it first, the reply comes later. One that is not sent as usual is left with the connection.
        """
        method, target, headers, fields = head.method, head.target, head.headers, head.fields
        served = None if self._store.shared else self._plain_owner(target)
        if served is None or method in ASK_FOR_MORE or len(body) > LARGE:
            return None
        if b"expect" in fields or b"content-encoding" in fields:
            return None
        request = WireRequest(method=method, target=target, headers=headers, fields=fields, body=body)
        judged = route(RequestBody(request, fast=True), served)
        session, notes = self._session_of(judged, None, NO_SESSIONS)
        if session.faults or self._upstreams or session.playback is not None:
            return None
        if session.dormant or self._store.away is not None:
            return None
        now = real_ms()
        judged = self._judge(judged, session, now)
        session.saw(judged.credential)
        exchange, reply = self._store.commit_plain(session, judged, now, connection.peer, notes, quick_answer)
        logs.exchange_done(session, exchange, None, self._contracts.served.values())
        date = formatdate(exchange.now_ms // 1000, usegmt=True) if session.clock.moved else None
        planned = raw_planned(reply, date) if isinstance(reply, PlannedReply) and not session.deleted else None
        written = self._store.written()
        if written is not None:
            later = Later(session, judged, exchange, planned, reply, date)
            return self._answer_later(connection, later, written)
        if planned is not None:
            return planned
        final = self._final(session, reply.wire() if isinstance(reply, PlannedReply) else reply)
        if is_usual(final):
            return raw_reply(final, date)
        connection.unfinished = _response(session, exchange, final)
        return None

    def _answer_later(
        self, connection: Watched, later: Later, written: asyncio.Future[None]
    ) -> asyncio.Future[bytes] | None:
        """Return the reply to a request as it will be when the store has written it, or failed to."""
        reply = later.reply.wire() if isinstance(later.reply, PlannedReply) else later.reply
        told: asyncio.Future[Any] = written.get_loop().create_future()
        usual = later.planned is not None or is_usual(reply)

        def tell(done: asyncio.Future[None]) -> None:
            try:
                lost = done.exception() is not None
                if later.planned is not None and not lost and not later.session.deleted:
                    told.set_result(later.planned)
                    return
                own = self._store.unwritten(later.session, later.judged, later.exchange) if lost else reply
                final = self._final(later.session, own)
                told.set_result(
                    raw_reply(final, later.date) if usual else _response(later.session, later.exchange, final)
                )
            except Exception as error:
                told.set_exception(error)

        written.add_done_callback(tell)
        if usual:
            return told
        connection.unfinished = told
        return None

    def _plain_owner(self, target: str) -> Contract | None:
        """Return whose contract serves a target without a session prefix; None also for what only `handle` knows."""
        if self._owners_of is not self._contracts.served or len(self._owners) >= KEPT_PLACES:
            self._owners_of, self._owners = self._contracts.served, {}
        if target in self._owners:
            return self._owners[target]
        owner, path = None, target.partition("?")[0]
        if path.startswith("/") and not path.startswith(SESSION_PREFIX) and not is_control(path):
            owner = self._contracts.owner("/" + split_target(target)[0].lstrip("/"))
        if len(target) <= LONGEST_KEPT_TARGET:
            self._owners[target] = owner
        return owner

    async def _answer(
        self,
        request: web.BaseRequest,
        body: RequestBody,
        served: Contract,
        place: tuple[str | None, Deleted],
        *,
        large: bool,
    ) -> web.StreamResponse:
        """Answer a request that has arrived; `place` is the session it named, and the sessions deleted meanwhile."""
        judged = await _do(partial(route, body, served), large=True) if large else route(body, served)
        unready = self._store.away
        if self._store.shared and unready is None:
            unready = await self._ready(self._store.know_owners())
        session, notes = self._session_of(judged, *place)
        unready = unready or await self._wake(session)
        if unready is not None:
            return self._unavailable(session, judged, unready)
        if judged.request.headers is not request.raw_headers:
            notes = (*notes, "repeated_header")
        now = real_ms()
        if large:
            judged = await _do(partial(self._judge, judged, session, now), large=True)
        else:
            judged = self._judge(judged, session, now)
        if judged.preflight:
            self._count_preflight(judged, session)
        arrival = Arrival(request=request, session=session, judged=judged, notes=notes, received_ms=now)
        if session.faults:  # what a step does happens even if the client disconnects meanwhile
            return await asyncio.shield(self._under_faults(arrival))
        if (self._upstreams or session.playback is not None) and self._is_relayed(arrival):
            return await asyncio.shield(self._relayed(arrival))
        exchange, reply = await self._commit(arrival, large=large)
        return _response(session, exchange, self._final(session, reply))

    async def _wake(self, session: Session) -> str | None:
        """Make a session ready that the store has to make so; return why that failed, if it did."""
        if session.dormant or self._store.shared:
            return await self._ready(self._store.wake(session))
        return None

    async def _ready(self, work: Awaitable[None]) -> str | None:
        """Make something ready in the store; return why that failed, if it did."""
        try:
            await work
        except StoreError as error:
            return str(error)
        return None

    def _unavailable(self, session: Session, judged: Judged, why: str) -> web.Response:
        """Answer a request that cannot be stored, in the vendor's shape; it is not journalled."""
        self._unseen.add(f"a request that was answered with {steps.UNAVAILABLE}: {why}")
        judged.refusal = None
        receipt = Receipt(session=session.name, seq=session.newest, first_event=session.newest_event)
        return response(steps.reply_with_status(judged, receipt, steps.UNAVAILABLE))

    async def _under_faults(self, arrival: Arrival) -> web.StreamResponse:
        """Answer a request to a session with fault steps, one of which may be meant for it."""
        session, judged = arrival.session, arrival.judged
        scripts = sum(step.size for step in session.faults)
        large = judged.request_body.large or scripts * len(judged.request.body) > COMPARED_AT_ONCE
        arrival.attempts = await _do(partial(session.attempts_of, judged), large=large)
        try:
            step = await self._step_for(arrival, large=large)
        except StoreError as error:
            return self._unavailable(session, judged, str(error))
        if step is not None:
            return await self._injected(arrival, step, large=large)
        if self._is_relayed(arrival):
            return await self._relayed(arrival)
        exchange, reply = await self._commit(arrival, large=judged.request_body.large)
        return _response(session, exchange, self._final(session, reply))

    async def _step_for(self, arrival: Arrival, *, large: bool) -> Step | None:
        """Return the fault step that a request takes, used once. Raises StoreError."""
        session, judged = arrival.session, arrival.judged
        matching, drawn = steps.matching(list(session.faults), judged, arrival.attempts), False
        while (step := await _do(partial(steps.next_match, matching), large=large)) is not None:
            if self._store.shared:
                await self._store.wake(session)
            if step not in session.faults:  # another process has used or replaced steps meanwhile
                matching = steps.matching(list(session.faults), judged, arrival.attempts)
                continue
            drawn = True
            if step.use():
                break
        if drawn:
            await self._store.keep(session)
        return step

    def _mode(self, arrival: Arrival) -> ReplyMode:
        name = arrival.judged.contract.name
        return arrival.session.mode(name, has_upstream=name in self._upstreams)

    def _is_relayed(self, arrival: Arrival) -> bool:
        """Return whether an upstream or a recording may answer a request."""
        mode = self._mode(arrival)
        return mode == "replay" or (mode == "proxy" and self._can_go_on(arrival))

    def _can_go_on(self, arrival: Arrival) -> bool:
        """Return whether a request can be sent on to an upstream: there is one, and the request is complete."""
        request = arrival.judged.request
        is_there = arrival.judged.contract.name in self._upstreams
        return is_there and not (request.truncated or request.late or is_own(request.target))

    async def _ask(self, arrival: Arrival) -> Replayed:
        """Ask the recording or the upstream for a reply; nothing is returned where the contract gives it."""
        playback, judged = arrival.session.playback, arrival.judged
        if self._mode(arrival) == "replay" and isinstance(playback, Playback):
            replayed = await replay(playback, judged)
            if replayed is not None:
                return replayed
            if judged.preflight and not playback.records:
                return Replayed()
        if self._can_go_on(arrival):
            return Replayed(await self._upstreams.relay(judged.contract.name, judged.request))
        return Replayed()

    async def _relayed(self, arrival: Arrival) -> web.StreamResponse:
        """Answer with the reply of an upstream or a recording, journalled even if the client disconnects meanwhile."""
        session, judged, playback = arrival.session, arrival.judged, arrival.session.playback
        session.in_flight += 1
        try:
            asked = await self._ask(arrival)
            if asked.step is not None:
                return await self._injected(arrival, asked.step, large=judged.request_body.large, asks=False)
            exchange, reply = await self._commit(arrival, relayed=asked.relayed, large=judged.request_body.large)
            if injection.gone(arrival.request):
                self._revise(session, exchange, lost=True)
                _give_back(session, exchange, playback)
            return _response(session, exchange, self._final(session, reply))
        finally:
            session.leave()

    def _count_preflight(self, judged: Judged, session: Session) -> None:
        """Count a preflight after which a browser does not send the request, or that has no key."""
        rules, path = judged.place.cors, "/" + split_target(judged.request.target)[0].lstrip("/")
        problem = None if rules is None else preflight_problem(rules, judged.request)
        if problem is not None:
            self._unseen.add(f"preflight of {plain_path(path)}: {problem}, so the browser does not send the request")
        elif session.name == DEFAULT_SESSION:
            self._unseen.add(f"preflight of {plain_path(path)}: it has no key, so it is in the session {session.name}")

    def _judge(self, judged: Judged, session: Session, now: int) -> Judged:
        """Judge a routed request under the current settings of the session."""
        contract = self._contracts.of(session.settings.protocols, judged.contract.name)
        if contract is not judged.contract:
            judged = route(judged.request_body, contract)
        settings = session.settings
        terms = Terms(now_ms=session.clock.now(now), keys=settings.keys, rate_mode=settings.rate_limits)
        return judge(judged, terms)

    async def _receive(
        self, request: web.BaseRequest, target: str, prefixed: str | None, protocol: str
    ) -> tuple[WireRequest, Deleted]:
        """Read a request, up to the largest body that any contract of the server or of the named session allows.

        Also return the sessions that were deleted meanwhile, by their names and credentials.
        """
        if prefixed is not None and self._store.shared:
            await self._ready(self._store.load(self._store.owner(prefixed)))
        session = None if prefixed is None else self._store.peek(self._store.owner(prefixed))
        ceiling = max(MIN_CEILING, self._contracts.max_body)
        if session is not None and await self._wake(session) is None:
            ceiling = max(ceiling, self._contracts.of(session.settings.protocols, protocol).max_body)
        connection, deleted = request.protocol, NO_SESSIONS
        headers = connection.headers(request) if isinstance(connection, Watched) else None
        if request.content.is_eof():
            received = await read_body(request, ceiling, self._settings.body_timeout)
        else:
            with self._store.noting_deletions() as deleted:
                received = await read_body(request, ceiling, self._settings.body_timeout)
        return wire_request(request, target, received, headers), deleted

    def _session_of(self, judged: Judged, prefixed: str | None, deleted: Deleted) -> tuple[Session, tuple[str, ...]]:
        """Return the session of a request (by prefix, header, credential, or the default one), and notes.

        A request that came before its session was deleted belongs to that one, not to a new one of the same name.
        """
        requested = prefixed or judged.request.header(SESSION_HEADER)
        name, notes = requested or judged.credential or DEFAULT_SESSION, tuple[str, ...]()
        try:
            name = name if self._store.peek(name) is not None else session_name(name)
        except SessionNameError as error:
            kind = "long" if isinstance(error, LongNameError) else "invalid"
            name, notes = DEFAULT_SESSION, (f"{kind}_{'session' if requested else 'credential'}",)
        return deleted.get(name) or self._store.session(self._store.owner(name)), notes

    def _final(self, session: Session, reply: WireReply) -> WireReply:
        """Return a reply as it is sent. If the session was deleted meanwhile, a header says so, and it is counted."""
        if not session.deleted:
            return reply
        self._unseen.add("a request whose session was deleted or evicted while it was under way")
        return structs.replace(reply, headers=(*reply.headers, DELETED))

    async def _commit(
        self, arrival: Arrival, step: Step | None = None, relayed: Relayed | None = None, *, large: bool
    ) -> tuple[Exchange, WireReply]:
        connection = arrival.request.protocol
        arrival.session.saw(arrival.judged.credential)
        exchange, reply = await self._store.commit(
            arrival.session,
            arrival.judged,
            received_ms=arrival.received_ms,
            connection=connection.peer if isinstance(connection, Connection) else "",
            notes=arrival.notes,
            step=step,
            relayed=relayed,
        )
        done = arrival.session, exchange, step, self._contracts.served.values()
        if large:
            await _do(partial(logs.exchange_done, *done), large=True)
        else:
            logs.exchange_done(*done)
        return exchange, reply

    async def _injected(self, arrival: Arrival, step: Step, *, large: bool, asks: bool = True) -> web.StreamResponse:
        """Apply one fault step around the commit; record when and whether the complete reply was sent.

        With `asks`, an upstream or a recording may give the reply.
        """
        arrival.session.in_flight += 1
        playback = arrival.session.playback
        relayed: Relayed | None = None
        exchange: Exchange | None = None
        try:
            held_up = step.when == "before_commit" and await injection.pause(step, arrival.request)
            if held_up:
                fresh = route(arrival.judged.request_body, arrival.judged.contract)
                arrival.judged = self._judge(fresh, arrival.session, real_ms())
            if step.reject is not None:
                await _do(partial(steps.reject, arrival.judged, step, arrival.attempts), large=large)
            elif asks and step.stores and self._is_relayed(arrival):
                asked = await self._ask(arrival)
                relayed, step = asked.relayed, asked.step or step
            exchange, own = await self._commit(arrival, step, relayed, large=arrival.judged.request_body.large)
            if step.when == "after_commit":
                self._revise(arrival.session, exchange, lost=True)
                held_up = await injection.pause(step, arrival.request)
            reply = self._final(arrival.session, exchange.override.reply or own)
            whole = status_left = not (held_up and injection.given_up(arrival.request))
            sent: web.StreamResponse = _response(arrival.session, exchange, reply)
            if step.connection == CLOSE_IDLE:
                arrival.request.protocol.close()
            elif step.connection is not None and not injection.gone(arrival.request):
                status_left = status_left and step.connection in steps.PARTIAL
                sent, whole = injection.closed(), await injection.cut(arrival.request, step, reply) and whole
            answered = (real_ms(), arrival.session.newest)
            self._revise(arrival.session, exchange, lost=not whole, status_left=status_left, answered=answered)
            if not (whole and exchange.override.is_handed_through):
                _give_back(arrival.session, exchange, playback)
            return sent
        finally:
            if exchange is not None:
                self._store.note_answered(arrival.session, exchange)
            arrival.session.leave()

    def _revise(
        self,
        session: Session,
        exchange: Exchange,
        *,
        lost: bool,
        status_left: bool = False,
        answered: tuple[int, int] | None = None,
    ) -> None:
        """Record on a journalled exchange what of its reply was sent; it counts as lost until then."""
        self._store.revise(session, exchange, lost=lost, status_left=status_left, answered=answered)

    def _unowned(self, method: str, path: str) -> web.Response:
        self._unseen.add(f"no protocol serves {method} {plain_path(path)}")
        served = [
            f"{operation.method} {operation.path}"
            for contract in self._contracts.served.values()
            for operation in contract.operations.values()
        ]
        return problem(404, f"no protocol serves the path {path}", served=served)


async def _do(work: Callable[[], T], *, large: bool) -> T:
    """Do a piece of work, in a thread if it may take longer than a turn of the loop."""
    return await Turn().do(work, large=True) if large else work()


def _response(session: Session, exchange: Exchange, reply: WireReply) -> web.Response:
    override = exchange.override
    if override.origin == "recording" and override.is_handed_through and _has_no_date(reply):
        moment = formatdate(session.clock.now(real_ms()) // 1000, usegmt=True)
        return HandedThrough(structs.replace(reply, headers=(*reply.headers, ("Date", moment))))
    if override.relayed is not None and override.is_handed_through:
        return HandedThrough(reply)
    vendor_reply = response(reply)
    headers = vendor_reply.headers
    if "Connection" in headers and any(value.strip().lower() == "close" for value in headers.getall("Connection")):
        vendor_reply.force_close()
    if session.clock.moved and "Date" not in headers:
        headers["Date"] = formatdate(exchange.now_ms // 1000, usegmt=True)
    return vendor_reply


def _has_no_date(reply: WireReply) -> bool:
    return all(name.lower() != "date" for name, _ in reply.headers)


def _give_back(session: Session, exchange: Exchange, playback: object) -> None:
    """Let a recorded exchange be played again, whose reply the client did not get."""
    relayed = exchange.override.relayed
    number = None if relayed is None else relayed.number
    if number is not None and playback is session.playback and isinstance(playback, Playback):
        playback.give_back(number, exchange.contract)
