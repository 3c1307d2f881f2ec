"""Handlers of the control surface, by operationId of control.yaml."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import repeat
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.contract import publish
from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import facts
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.core.wording import SHOWN_ROWS
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import MAX_TIME_MS, epoch_ms, rfc3339_ms
from mockserver.jsonkit.jsontext import memory_of, render
from mockserver.recording.export import MANY_SECRETS, export_line, quickly_searched, secrets_of_session
from mockserver.recording.redact import LONGEST_SEARCHED, Redactor, key_prefixes, secrets_of
from mockserver.server import waiting
from mockserver.server.aiohttp_io import SERVER, json_headers, json_response, send_pieces
from mockserver.server.control import MAX_BODY, Call, RejectedError, document, resolve
from mockserver.server.explanation import explain
from mockserver.server.ledgers import Ledgers
from mockserver.server.pages import RenderedRow, page, rendered
from mockserver.server.turns import Turn, in_turns, spread
from mockserver.server.unseen import Unseen
from mockserver.server.vendor import real_ms
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.ledger import Delivery
from mockserver.sessions.matcher import ANY, matches
from mockserver.sessions.matcher import problem as matcher_problem
from mockserver.sessions.session import REAL_TIME, Session, SessionSettings
from mockserver.sessions.session_name import DEFAULT_SESSION, SessionNameError, session_name
from mockserver.sessions.steps import Step
from mockserver.sessions.steps import problem as step_problem
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from mockserver.sessions.vocabulary import name_problem

DEFAULT_LIMIT: Final = 1000

MANY_ATTEMPTS: Final = 1000
"""From more attempts on, a delivery's row is made in the thread for what may take longer than a turn."""

FILTERS: Final = ("protocol", "operation", "type")
"""Query parameters with names that contracts define."""


class Handlers:
    """The handlers: each public method named by an operationId takes a `Call`. `stopping` makes the server unready."""

    def __init__(
        self, contracts: ServedContracts, store: MemoryStore, defaults: SessionSettings, unseen: Unseen
    ) -> None:
        self.contracts = contracts
        self.store = store
        self.defaults = defaults
        self.unseen = unseen
        self.stopping = False
        self.unreadable = 0
        self._ledgers = Ledgers()
        self._open_waits = 0

    async def livez(self, call: Call) -> Json:
        """Report that the process is alive."""
        return {"status": "ok"}

    async def readyz(self, call: Call) -> Json | web.Response:
        """Report whether the server accepts requests; 503 while it stops."""
        if self.stopping:
            return json_response({"status": "stopping"}, 503, {"Content-Type": "application/json"})
        return {"status": "ok"}

    async def index(self, call: Call) -> Json:
        """List the protocols and the routes."""
        return self.describe()

    def describe(self) -> Json:
        """Return the reply for `/` and `/_mock/`."""
        routes = {
            path: sorted(method.upper() for method in item if method != "parameters")
            for path, item in document()["paths"].items()
        }
        served, unseen = list(self.contracts.served), self.unseen.as_json()
        return {"name": SERVER, "protocols": served, "routes": routes, "unseen": unseen}

    async def openapi(self, call: Call) -> Json:
        """Return the OpenAPI document of the control surface."""
        return document()

    async def protocols(self, call: Call) -> Json:
        """List the protocols with their operations and revisions."""
        rows = [
            {
                "name": name,
                "operations": list(contract.operations),
                "revisions": self.contracts.library.protocols[name].revision_names(),
                "revision": contract.revision,
            }
            for name, contract in self.contracts.served.items()
        ]
        return {"protocols": rows}

    async def protocol_openapi(self, call: Call) -> Json:
        """Return the OpenAPI document of a protocol."""
        return publish.openapi(self._contract(call.params["protocol"]))

    async def schemas(self, call: Call) -> Json:
        """Return the JSON Schemas of one contract document."""
        name = call.params["document"]
        if name not in publish.SCHEMA_DOCUMENTS:
            raise RejectedError(404, unknown("document", name, publish.SCHEMA_DOCUMENTS), parameter="document")
        base = f"http://{call.request.headers.get('Host', 'localhost')}"
        return publish.schemas(self._contract(call.params["protocol"]), name, base)

    async def fidelity(self, call: Call) -> Json:
        """List every fact with its source."""
        protocol, revision, basis = (call.query.get(name) for name in ("protocol", "revision", "basis"))
        names, listed, turn = list(self.contracts.served) if protocol is None else [protocol], list[Json](), Turn()
        for name in names:
            listed += await turn.do(lambda: facts(self._contract(name, revision)), large=True)  # noqa: B023
        return {"facts": [fact for fact in listed if basis in (None, fact["basis"])]}

    def _contract(self, protocol: str, revision: str | None = None) -> Contract:
        if protocol not in self.contracts.served:
            raise RejectedError(404, unknown("protocol", protocol, self.contracts.served), parameter="protocol")
        if revision is None:
            return self.contracts.served[protocol]
        try:
            return self.contracts.resolve(protocol, ContractChoice(revision=revision))
        except ContractError as error:
            raise RejectedError(404, error.problem, parameter="revision") from None

    async def sessions(self, call: Call) -> Json:
        """List all sessions with their counts."""
        rows, turn = list[Json](), Turn()
        for session in self.store.sessions():
            rows.append({"session": session.name, **session.counts.as_json(), **_eviction(session)})
            await turn.end_if_over()
        counts = {"evicted": self.store.evicted_sessions, "unreadable": self.unreadable}
        gone = [{"session": name, **tombstone.as_json()} for name, tombstone in self.store.tombstones.known()]
        return {"sessions": rows, **counts, "evicted_sessions": gone, "unseen": self.unseen.as_json()}

    def named(self, call: Call) -> Session:
        """Return the session of a call, created if necessary. Raises RejectedError for an invalid name."""
        name = self._name(call)
        new = self.store.peek(name) is None
        session = self.store.session(name)
        if new:
            session.opened_ms = real_ms()
        self.store.note_use(session)
        return session

    def read(self, call: Call) -> Session:
        """Return the session of a call that only reads; an empty one that is not kept if it does not exist."""
        return self.store.look_up(self._name(call))

    def _name(self, call: Call) -> str:
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

    def _check_filters(self, session: Session, query: Mapping[str, Any], *, of_events: bool = False) -> None:
        """Raise RejectedError for a query parameter with a name that is unknown in a session."""
        unknown_name = self._names_problem(session, query, of_events=of_events)
        if unknown_name is not None:
            parameter, detail = unknown_name
            raise RejectedError(400, f"{parameter}: {detail}", parameter=parameter)

    async def session(self, call: Call) -> Json:
        """Return the settings and counts of a session."""
        return self._describe(self.read(call))

    def _describe(self, session: Session) -> Json:
        settings = session.settings
        protocols: dict[str, Json] = {}
        for name in self.contracts.served:
            contract, choice = self.contracts.of(settings.protocols, name), settings.protocols.get(name)
            patch = None if choice is None else choice.patch
            protocols[name] = {"revision": contract.revision, "patch": patch, "contract_hash": contract.digest}
        evicted: dict[str, Json] = {
            "evicted_events": session.evicted_events,
            "evicted_refused": session.evicted_refused,
        }
        return {
            "session": session.name,
            "credentials": list(settings.credentials),
            "keys": None if settings.keys is None else sorted(settings.keys),
            "rate_limits": settings.rate_limits,
            "protocols": protocols,
            "journal_limit": settings.journal_limit,
            "counts": session.counts.as_json(),
            "evicted": session.evicted,
            **(evicted if session.evicted else {}),
            **_eviction(session),
        }

    async def change_session(self, call: Call) -> Json:
        """Replace the given settings; all are validated before any is applied."""
        change = call.body
        protocols = await to_thread(self._choices, change) if "protocols" in change else None  # it compiles contracts
        contracts = [] if protocols is None else [self.contracts.of(protocols, name) for name in protocols]
        self._check_memory(sum(contract.bytes for contract in contracts), "/protocols")
        credentials = self._credentials(self._name(call), change.get("credentials") or ())
        session = self.named(call)
        if "credentials" in change:
            self.store.give(session, credentials)
        settings = session.settings
        if protocols is not None:
            session.choose(protocols, contracts)
        if "keys" in change:
            settings.keys = None if change["keys"] is None else frozenset(key.strip() for key in change["keys"])
        if "rate_limits" in change:
            settings.rate_limits = change["rate_limits"] or self.defaults.rate_limits
        if "journal_limit" in change:
            settings.journal_limit = change["journal_limit"] or self.defaults.journal_limit
            self.store.trim(session)
        self.store.set_up(session)
        return self._describe(session)

    def _check_memory(self, size: int, pointer: str) -> None:
        """Raise RejectedError for settings that take more memory than there is, whatever else is evicted."""
        if size > self.store.max_bytes:
            detail = (
                f"{pointer or 'the body'}: this takes about {size} bytes of memory, and --memory-limit is "
                f"{self.store.max_bytes}; make it smaller, or start the server with a higher limit"
            )
            raise RejectedError(400, detail, pointer=pointer)

    def _credentials(self, owner: str, credentials: Iterable[str]) -> tuple[str, ...]:
        """Return credentials in their one form. Raises RejectedError for one that the session `owner` cannot have."""
        names: list[str] = []
        for index, credential in enumerate(credentials):
            try:
                names.append(session_name(credential))
            except SessionNameError as error:
                place = f"/credentials/{index}"
                detail = f"{place}: a credential selects a session: {error}"
                raise RejectedError(400, detail, pointer=place) from None
        taken = self.store.taken(owner, names)
        if taken is None:
            return tuple(dict.fromkeys(names))
        reason = f"{taken} is the name of an existing session; delete that session first, or use another credential"
        if taken == DEFAULT_SESSION:
            reason = f"{taken} is the session of requests that name none, so no session can own it"
        elif self.store.owner(taken) != taken:
            reason = f"the credential {taken} already belongs to the session {self.store.owner(taken)}"
        raise RejectedError(409, reason, pointer="/credentials")

    def _choices(self, change: Json) -> Mapping[str, ContractChoice]:
        choices = {
            name: ContractChoice(revision=choice.get("revision"), patch=choice.get("patch"))
            for name, choice in (change["protocols"] or {}).items()
            if choice is not None
        }
        for name, choice in choices.items():
            try:
                self.contracts.check({name: choice})
            except ContractError as error:
                member = "/revision" if error.pointer == "/revision" else "/patch" + (error.pointer or "")
                place = f"/protocols/{name}" + ("" if name not in self.contracts.served else member)
                raise RejectedError(400, f"{place}: {error.problem}", pointer=place) from None
        return choices

    async def forget_session(self, call: Call) -> web.Response:
        """Delete one session."""
        self.store.forget(self._name(call))
        turn = Turn()
        while self.store.remains.free_some():
            await turn.end_if_over()
        return web.Response(status=204, headers=CIMultiDict({"Server": SERVER}))

    async def requests(self, call: Call) -> web.StreamResponse:
        """Return a page of requests."""
        session = self.read(call)
        self._check_filters(session, call.query)

        async def rows() -> AsyncIterator[RenderedRow]:
            async for exchange in in_turns(session, call.query.get("after", 0)):
                if _request_matches(exchange, call.query):
                    yield exchange.seq, render(View(exchange).request_row())

        return await _send_page(call, "requests", rows())

    async def request(self, call: Call) -> web.StreamResponse:
        """Return one request with bodies and findings."""
        session, name = self.read(call), call.params["id"]
        number = name.removeprefix("r")
        if number.isascii() and number.isdigit() and len(number) < 18:
            exchange = next(session.exchanges(int(number) - 1), None)
            if exchange is not None and exchange.seq == int(number):
                view = View(exchange)
                detail = await Turn().do(lambda: render(view.request_detail()), large=view.large)
                return web.Response(body=detail, headers=json_headers())
        raise RejectedError(404, f"session {session.name} has no request {name}", parameter="id")

    async def events(self, call: Call) -> web.StreamResponse:
        """Return a page of events."""
        session, query = self.read(call), {**call.query, "verdict": call.query.get("verdict", ANY)}
        self._check_filters(session, query, of_events=True)
        match: dict[str, Json] = {name: query[name] for name in ("where", "request") if name in query}
        invalid = matcher_problem(match, "")
        if invalid is not None:
            raise RejectedError(400, f"{invalid[0]}: {invalid[1]}", parameter=invalid[0].split("/")[1])
        return await _send_page(call, "events", self._event_rows(session, query, match))

    async def _event_rows(
        self, session: Session, query: Mapping[str, Any], match: Mapping[str, Json]
    ) -> AsyncIterator[RenderedRow | None]:
        """Yield the event rows that fit the filters and the matcher, oldest first; None for a piece of other work."""
        after, rows = query.get("after", 0), 0
        attempts = AttemptNumbers() if "attempt" in match.get("request", {}) else None
        first = next(session.exchanges_with_events(after), None)
        async for exchange in in_turns(session, 0 if first is None or attempts is not None else first.seq - 1):
            view = View(exchange)
            async for row in spread(rendered(_matching_rows(view, query, match, attempts)), large=view.large):
                rows += row is not None
                yield row
        if not rows and not after:  # an event of an unknown type may be there, refused
            self._check_filters(session, {name: query[name] for name in FILTERS if name in query})

    async def export(self, call: Call) -> web.StreamResponse:
        """Stream the exchanges of a session as NDJSON."""
        session = self.read(call)
        headers = CIMultiDict({"Content-Type": "application/x-ndjson", "Server": SERVER, **call.headers})
        if call.request.method == "HEAD":
            return web.Response(headers=headers)
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(call.request)
        secrets, turn = await _secrets(self.contracts.served.values(), session, in_turns(session)), Turn()
        redactor = await _redactor(*secrets)
        async for exchange in in_turns(session):
            view = View(exchange)
            line = await turn.do(partial(_rendered_export, view, redactor), large=not quickly_searched(exchange))
            await stream.write(line)
        return stream

    async def secrets(self, call: Call) -> web.Response:
        """List what an export of a session hides: secrets, and what keys begin with."""
        session = self.read(call)
        secrets, prefixes = await _secrets(self.contracts.served.values(), session, in_turns(session))
        known = {"secrets": sorted({secret[:LONGEST_SEARCHED] for secret in secrets}), "prefixes": sorted(prefixes)}
        body = await Turn().do(partial(render, known), large=len(secrets) > MANY_SECRETS)
        return web.Response(body=body, headers=json_headers(headers=call.headers))

    async def wait(self, call: Call) -> web.StreamResponse:
        """Block until the wait is satisfied or has failed."""
        request, match = call.body or {}, (call.body or {}).get("match") or {}
        self._check_matcher(self.read(call), match, of_events=request.get("for") != "requests")
        exactly, count = request.get("exactly"), request.get("count", 1)
        if exactly is not None and count not in (1, exactly):
            raise RejectedError(400, f"/count: {count} is not {exactly}, which exactly asks for", pointer="/count")
        if self._open_waits >= waiting.MOST_OPEN:
            detail = (
                f"{self._open_waits} waits are open on this server, the maximum: end some of them first, or wait for "
                "several events with one wait (count)"
            )
            raise RejectedError(503, detail, headers={"Retry-After": "1"})
        session, began_ms = self.store.session(self._name(call)), real_ms()
        waiter = waiting.Waiter(session, request)
        guessed = "since_ms" not in request
        since_ms = request.get("since_ms", max(began_ms - waiting.LOOK_BACK_MS, session.opened_ms or 0))
        if self.stopping:
            waiter.end("evicted")
        self._open_waits += 1
        try:
            reason = await waiter.outcome(request.get("timeout_ms", waiting.DEFAULT_TIMEOUT_MS) / 1000)
            failed = reason != "ok"
            if failed:
                await waiter.look_for_misses()
            shown = waiter.shown(all_rows=call.query.get("rows") == "all")
            arrived = [] if reason != "too_many" else shown[:SHOWN_ROWS]
            answer: dict[str, Json] = {
                "satisfied": not failed,
                "reason": reason,
                "matched": len(waiter.matched),
                "near_misses": [miss.as_json() for miss in waiter.near_misses],
                "refused": await waiter.refused(),
                "refused_requests": await waiter.refused_requests() if failed else [],
                "faults_pending": [step.as_json() for step in session.faults if not step.spent],
                "unseen": self.unseen.as_json(since_ms),
                "other_sessions": waiting.other_sessions(
                    self.store, session, began_ms, since_ms if failed else None, guessed=guessed
                ),
            }
            rows = [row async for row in waiter.rows(arrived)]
            evidence = waiter.shown_exchanges(arrived, answer) if failed else []
            shown_exchanges = spread(iter(evidence), large=False)
            redactor = await _redactor(*await _secrets(self.contracts.served.values(), session, shown_exchanges))
            explained = partial(explain, waiter, request, answer, session, rows, redactor)
            large = not all(map(quickly_searched, evidence))
            answer["explanation"] = await Turn().do(explained, large=large)
        finally:
            self._open_waits -= 1
        kind, other = ("requests", "events") if waiter.for_requests else ("events", "requests")
        return await _send_page(
            call, kind, waiter.rendered(shown), limit=len(shown), head={**answer, other: []}, next_of=waiter.next
        )

    def _check_matcher(
        self, session: Session, match: Mapping[str, Json], place: str = "", *, of_events: bool = False
    ) -> None:
        """Raise RejectedError for a matcher that cannot be used; `place` is what it is in."""
        invalid = matcher_problem(match)
        unknown_name = self._names_problem(session, match, of_events=of_events)
        if invalid is None and unknown_name is not None:
            invalid = f"/match/{unknown_name[0]}", unknown_name[1]
        if invalid is not None:
            raise RejectedError(400, f"{place}{invalid[0]}: {invalid[1]}", pointer=place + invalid[0])

    async def faults(self, call: Call) -> Json:
        """List the fault steps of a session with their remaining uses."""
        return _steps(self.read(call))

    async def replace_faults(self, call: Call) -> Json:
        """Replace all fault steps."""
        steps, turn = [], Turn()
        for index, script in enumerate(call.body):
            steps.append(self._step(self.read(call), script, f"/{index}"))
            await turn.end_if_over()
        _check_size(steps)
        self._check_memory(memory_of(call.body), "")
        session = self.named(call)
        await _count_attempts(session, steps)
        session.faults[:] = steps
        self.store.set_up(session)
        return _steps(session)

    async def add_fault(self, call: Call) -> Json:
        """Append a fault step."""
        step, session = self._step(self.read(call), call.body, ""), self.named(call)
        _check_size([*session.faults, step])
        self._check_memory(session.settings_bytes + memory_of(call.body), "")
        await _count_attempts(session, [step])
        session.faults.append(step)
        self.store.set_up(session)
        return _steps(session)

    def _step(self, session: Session, script: Mapping[str, Json], place: str) -> Step:
        """Return a fault step. Raises RejectedError for one that cannot be used."""
        invalid = step_problem(script)
        if invalid is not None:
            place += invalid[0]
            raise RejectedError(400, f"{place or 'the step'}: {invalid[1]}", pointer=place)
        self._check_matcher(session, script.get("match") or {}, place)
        return Step(script)

    async def clear_faults(self, call: Call) -> Json:
        """Remove all fault steps."""
        session = self.named(call)
        session.faults.clear()
        self.store.set_up(session)
        return _steps(session)

    async def clock(self, call: Call) -> Json:
        """Return the session time and the real time."""
        return _clock(self.read(call), real_ms())

    async def set_clock(self, call: Call) -> Json:
        """Set the session time, absolute or as an offset from real time; running or frozen."""
        session, body, real = self.named(call), call.body, real_ms()
        if ("now" in body) == ("offset_ms" in body):
            raise RejectedError(400, "set either now or offset_ms", pointer="/now")
        if "now" in body:
            now = body["now"] if isinstance(body["now"], int) else epoch_ms(body["now"])
            if now is None:
                detail = f"/now: {body['now']!r} is not a valid RFC 3339 date-time"
                raise RejectedError(400, detail, pointer="/now")
        else:
            now = real + body["offset_ms"]
        place = "/now" if "now" in body else "/offset_ms"
        return self._move_clock(session, now, real, frozen=body.get("frozen", False), place=place)

    async def advance_clock(self, call: Call) -> Json:
        """Advance the session time."""
        session, real = self.named(call), real_ms()
        now = session.clock.now(real) + call.body["ms"]
        return self._move_clock(session, now, real, frozen=session.clock.frozen_ms is not None, place="/ms")

    def _move_clock(self, session: Session, now: int, real: int, *, frozen: bool, place: str) -> Json:
        if not 0 <= now <= MAX_TIME_MS:
            detail = f"{place}: session time must be between the years 1970 and 9999, got {now} ms since 1970"
            raise RejectedError(400, detail, pointer=place)
        session.clock = session.clock.set_to(now, real, frozen=frozen)
        self.store.set_up(session)
        return _clock(session, real)

    async def reset_clock(self, call: Call) -> Json:
        """Reset the session time to real time."""
        session = self.named(call)
        session.clock = REAL_TIME
        self.store.set_up(session)
        return _clock(session, real_ms())

    async def deliveries(self, call: Call) -> web.StreamResponse:
        """List the deliveries: one row per logical event with all its attempts."""
        session, final = self.read(call), call.query.get("final", False)
        after, deliveries = call.query.get("after", 0), await self._ledgers.rows(session)

        async def rows() -> AsyncIterator[RenderedRow | None]:
            turn = Turn()
            for position in range(after, len(deliveries)):
                row = partial(_rendered_delivery, deliveries[position], final)
                large = len(deliveries[position].attempts) > MANY_ATTEMPTS
                yield position + 1, await turn.do(row, large=large)

        return await _send_page(call, "deliveries", rows())


def _rendered_export(view: View, redactor: Redactor) -> bytes:
    return render(export_line(view, redactor)) + b"\n"


def _rendered_delivery(delivery: Delivery, final: bool) -> bytes:
    return render(delivery.as_json(final=final))


async def _secrets(
    served: Iterable[Contract], session: Session, exchanges: AsyncIterator[Exchange]
) -> tuple[set[str], set[str]]:
    """Return the secrets of a session and of some of its exchanges, and what keys begin with."""
    secrets, contracts, turn = secrets_of_session(session), set(served), Turn()
    async for exchange in exchanges:
        contracts.add(exchange.contract)
        found = partial(secrets_of, exchange.request, exchange.contract)
        secrets |= await turn.do(found, large=not quickly_searched(exchange))
    return secrets, {prefix for contract in contracts for prefix in key_prefixes(contract)}


async def _redactor(secrets: set[str], prefixes: set[str]) -> Redactor:
    return await Turn().do(partial(Redactor, secrets, prefixes), large=len(secrets) > MANY_SECRETS)


async def _send_page(
    call: Call, name: str, rows: AsyncIterator[RenderedRow | None], *, limit: int | None = None, **options: Any
) -> web.StreamResponse:
    """Send a page of rows as they are made; at most as many as the call asks for, unless there is another limit."""
    most = call.query.get("limit", DEFAULT_LIMIT) if limit is None else limit
    return await send_pieces(call.request, page(name, rows, most, **options), json_headers(headers=call.headers))


def _eviction(session: Session) -> Mapping[str, Json]:
    return {} if session.eviction is None else {"eviction": session.eviction.as_json()}


def _request_matches(exchange: Exchange, query: Mapping[str, Any]) -> bool:
    return (
        query.get("protocol") in (None, exchange.contract.name)
        and query.get("operation") in (None, exchange.operation)
        and query.get("status") in (None, exchange.client_status)
    )


def _matching_rows(
    view: View, query: Mapping[str, Any], match: Mapping[str, Json], attempts: AttemptNumbers | None
) -> Iterator[tuple[int, Json] | None]:
    """Yield the event rows of an exchange that fit the filters and the matcher, oldest first; None for other events.

    `attempts` has counted the exchanges before this one, if the matcher asks for attempts.
    """
    exchange, verdict, type_ = view.exchange, query["verdict"], query.get("type")
    fits = _request_matches(exchange, query) and (verdict == ANY or verdict in exchange.verdicts)
    if not fits and attempts is None:
        return
    numbers = repeat(None) if attempts is None else attempts.adding(exchange, view.sent.events)
    for number, index in zip(numbers, range(len(exchange.verdicts)), strict=False):
        seq = exchange.receipt.first_event + index
        fits_filters = (
            fits
            and seq > query.get("after", 0)
            and verdict in (ANY, exchange.verdicts[index])
            and type_ in (None, view.sent.type_of(index))
        )
        if fits_filters and (not match or matches(match, waiting.row_to_match(view, index, number))):
            yield seq, view.event_row(index)
        else:
            yield None


def _steps(session: Session) -> Json:
    return {"steps": [step.as_json() for step in session.faults]}


def _check_size(steps: Sequence[Step]) -> None:
    """Raise RejectedError for more steps than a session may have."""
    most: int = resolve({"$ref": "#/components/schemas/StepList"})["maxItems"]
    size = sum(step.size for step in steps)
    if len(steps) > most or size > MAX_BODY:
        limit = f"{most} fault steps" if len(steps) > most else f"{MAX_BODY} bytes of fault steps"
        sent = f"{len(steps)} steps" if len(steps) > most else f"{size} bytes"
        raise RejectedError(400, f"a session has at most {limit}, and this would make {sent}; delete some", pointer="")


async def _count_attempts(session: Session, steps: Iterable[Step]) -> None:
    """Start to count attempts if a step asks for them, from the requests that are in the journal.

    Raises RejectedError if the session is deleted meanwhile.
    """
    if session.attempts is None and any(step.needs_attempts for step in steps):
        attempts = AttemptNumbers()
        async for exchange in in_turns(session):
            attempts.add(exchange)
        session.attempts = attempts
    if session.deleted:
        raise RejectedError(409, f"session {session.name} was deleted during this call")


def _clock(session: Session, real: int) -> Json:
    now, frozen = session.clock.now(real), session.clock.frozen_ms is not None
    return {"now": rfc3339_ms(now), "offset_ms": now - real, "frozen": frozen, "real_now": rfc3339_ms(real)}
