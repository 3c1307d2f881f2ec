"""The vendor surface: a request in, judged, committed, answered as the vendor answers."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate

from aiohttp import web

from mockserver.contracts_in_force import ContractsInForce
from mockserver.core import faults
from mockserver.core.contract import split_target
from mockserver.core.faults import Step
from mockserver.core.intake import Intake
from mockserver.core.judge import approach, judge
from mockserver.core.model import Exchange, Injected, Judged, Terms, WireReply
from mockserver.server import injection, logs
from mockserver.server.wire import BodyTimeoutError, problem, read_body, response, wire_request
from mockserver.settings import Settings
from mockserver.stores.memory import DEFAULT_SESSION, MemoryStore
from mockserver.stores.session import Session

MAX_CREDENTIAL_BYTES = 200
MIN_CEILING = 1024 * 1024
SESSION_HEADER = b"x-mock-session"


def real_ms() -> int:
    """Return real time in ms since 1970."""
    return time.time_ns() // 1_000_000


class Vendor:
    """Answers vendor requests out of contracts and the store."""

    def __init__(self, settings: Settings, contracts: ContractsInForce, store: MemoryStore) -> None:
        self._settings = settings
        self._contracts = contracts
        self._store = store
        self._ceiling = max([MIN_CEILING, *(contract.max_body for contract in contracts.served.values())])

    async def handle(self, request: web.BaseRequest, target: str, prefixed: str | None) -> web.StreamResponse:
        """Answer one request; `target` is without the session prefix, `prefixed` the session it named."""
        path = "/" + split_target(target)[0].lstrip("/")
        served = self._contracts.owner(path)
        if served is None:
            return self._unowned(path)
        try:
            body, truncated = await read_body(
                request, self._ceiling_for(prefixed, served.name), self._settings.body_timeout
            )
        except BodyTimeoutError:
            return problem(408, "Request Timeout", f"the body did not arrive within {self._settings.body_timeout:g} s")
        intake = Intake(wire_request(request, target, body, truncated))
        judged = approach(intake, served)
        session, notes = self._session_of(judged, prefixed)
        contract = self._contracts.of(session, served.name)
        if contract is not served:
            judged = approach(intake, contract)
        now = real_ms()
        session.last_used_ms = now
        judge(judged, self._terms(session, now))
        step = faults.take(session.faults, judged) if session.faults else None
        if step is not None:
            return await asyncio.shield(self._injected(request, session, judged, step, notes))
        exchange, reply = await self._commit(session, judged, now, notes, request)
        return self._answer(session, exchange, reply)

    def _ceiling_for(self, prefixed: str | None, name: str) -> int:
        session = None if prefixed is None else self._store.peek(prefixed)
        return self._ceiling if session is None else max(self._ceiling, self._contracts.of(session, name).max_body)

    def _terms(self, session: Session, now: int) -> Terms:
        settings = session.settings
        return Terms(now_ms=session.clock.now(now), keys=settings.keys, rate_mode=settings.rate_limits)

    def _session_of(self, judged: Judged, prefixed: str | None) -> tuple[Session, tuple[str, ...]]:
        """Return the session a request belongs to: prefix, header, credential, default; and notes on the way."""
        if prefixed is not None:
            return self._store.session(prefixed), ()
        named = judged.request.header(SESSION_HEADER)
        if named:
            return self._store.session(named[:MAX_CREDENTIAL_BYTES]), ()
        credential = judged.credential
        if credential is None:
            return self._store.session(DEFAULT_SESSION), ()
        if len(credential.encode("utf-8", "surrogatepass")) > MAX_CREDENTIAL_BYTES:
            return self._store.session(DEFAULT_SESSION), ("long_credential",)
        return self._store.session(self._store.owner(credential)), ()

    async def _commit(
        self, session: Session, judged: Judged, now: int, notes: tuple[str, ...], request: web.BaseRequest
    ) -> tuple[Exchange, WireReply]:
        exchange, reply = await self._store.commit(
            session, judged, received_ms=now, connection=connection_of(request), notes=notes
        )
        logs.exchange_done(session, exchange)
        return exchange, reply

    def _answer(self, session: Session, exchange: Exchange, reply: WireReply) -> web.Response:
        made = response(reply)
        if session.clock.moved:
            made.headers["Date"] = formatdate(exchange.now_ms / 1000, usegmt=True)
        return made

    async def _injected(
        self, request: web.BaseRequest, session: Session, judged: Judged, step: Step, notes: tuple[str, ...]
    ) -> web.StreamResponse:
        """Carry out one fault step around the commit; a client that goes away meanwhile changes nothing."""
        session.in_flight += 1
        try:
            return await self._carry_out(request, session, judged, step, notes)
        finally:
            session.in_flight -= 1

    async def _carry_out(
        self, request: web.BaseRequest, session: Session, judged: Judged, step: Step, notes: tuple[str, ...]
    ) -> web.StreamResponse:
        spec = step.spec
        if step.when == "before_commit":
            await injection.pause(step)
        if session.deleted:
            session = self._store.session(session.name)
        now = real_ms()
        if "reject" in spec:
            faults.reject(judged, step)
        lost = step.when == "before_commit" and ("reply" in spec or "connection" in spec)
        exchange, own = await self._store.commit(
            session,
            judged,
            received_ms=now,
            connection=connection_of(request),
            notes=notes,
            injected=Injected(step=step.as_json(), spec=spec, stored=not lost),
        )
        logs.exchange_done(session, exchange)
        reply = exchange.reply or own
        if step.when == "after_commit":
            await injection.pause(step)
        if "connection" in spec:
            return await injection.cut(request, step, reply)
        return self._answer(session, exchange, reply)

    def _unowned(self, path: str) -> web.Response:
        served = [
            f"{operation.method} {operation.path}"
            for contract in self._contracts.served.values()
            for operation in contract.operations.values()
        ]
        return problem(404, "Not Found", f"no protocol serves {path}", served=served)


def connection_of(request: web.BaseRequest) -> str:
    """Return a short name of the connection a request came on: the peer's address and port."""
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else ""
