"""Handlers of the control surface for reading: protocols, contracts, sessions, requests, events."""

from __future__ import annotations

from asyncio import sleep
from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.contract import fidelity as facts
from mockserver.contract import publish
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.realtime import monotonic
from mockserver.recording.export import Scrubber, export_line, secrets_of
from mockserver.server import control
from mockserver.server.aiohttp_io import SERVER, json_response
from mockserver.server.control import Call, RejectedError
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View

MAX_SESSION_BYTES: Final = 200
DEFAULT_LIMIT: Final = 1000
AT_ONCE: Final = 10
TURN_S: Final = 0.01
"""How long a handler reads a journal before it yields to the loop; checked every `AT_ONCE` exchanges."""


class Handlers:
    """The reading handlers, by operationId of control.yaml."""

    def __init__(self, contracts: ServedContracts, store: MemoryStore, defaults: SessionSettings) -> None:
        self.contracts = contracts
        self.store = store
        self.defaults = defaults
        self.stopping = False
        self.unreadable = 0

    def table(self) -> dict[str, control.Handler]:
        """Return the handlers by operationId."""
        return {
            "livez": self.livez,
            "readyz": self.readyz,
            "index": self.index,
            "openapi": self.openapi,
            "protocols": self.protocols,
            "protocol_openapi": self.protocol_openapi,
            "schemas": self.schemas,
            "fidelity": self.fidelity,
            "sessions": self.sessions,
            "session": self.session,
            "change_session": self.change_session,
            "forget_session": self.forget_session,
            "requests": self.requests,
            "request": self.request,
            "events": self.events,
            "export": self.export,
        }

    async def livez(self, call: Call) -> web.Response:
        """Report that the process is alive."""
        return json_response({"status": "ok"})

    async def readyz(self, call: Call) -> web.Response:
        """Report whether the server accepts requests; 503 while it stops."""
        if not self.stopping:
            return json_response({"status": "ok"})
        return json_response({"status": "stopping"}, 503, {"Content-Type": "application/json"})

    async def index(self, call: Call) -> web.Response:
        """List the protocols and the routes."""
        return self.describe()

    def describe(self) -> web.Response:
        """Return the reply for `/` and `/_mock/`."""
        links = {
            path: sorted(m.upper() for m in item if m != "parameters")
            for path, item in control.document()["paths"].items()
        }
        return json_response({"name": SERVER, "protocols": list(self.contracts.served), "routes": links})

    async def openapi(self, call: Call) -> web.Response:
        """Return the OpenAPI document of the control surface."""
        return json_response(control.document())

    async def protocols(self, call: Call) -> web.Response:
        """List the protocols with their operations and revisions."""
        return json_response(
            {
                "protocols": [
                    {
                        "name": name,
                        "operations": list(contract.operations),
                        "revisions": self.contracts.library.protocols[name].revision_names(),
                        "revision": contract.revision,
                    }
                    for name, contract in self.contracts.served.items()
                ]
            }
        )

    async def protocol_openapi(self, call: Call) -> web.Response:
        """Return the OpenAPI document of a protocol."""
        return json_response(publish.openapi(self._contract(call)))

    async def schemas(self, call: Call) -> web.Response:
        """Return the JSON Schemas of one contract document."""
        name = call.params["document"]
        if name not in publish.SCHEMA_DOCUMENTS:
            problem = unknown("document", name, publish.SCHEMA_DOCUMENTS)
            raise RejectedError(404, "Not Found", problem, parameter="document")
        base = f"http://{call.request.headers.get('Host', 'localhost')}"
        return json_response(publish.schemas(self._contract(call), name, base))

    async def fidelity(self, call: Call) -> web.Response:
        """Every fact with its source."""
        wanted = call.query.get("protocol")
        if wanted is not None and wanted not in self.contracts.served:
            problem = unknown("protocol", wanted, self.contracts.served)
            raise RejectedError(404, "Not Found", problem, parameter="protocol")
        found: list[Json] = []
        for name, contract in self.contracts.served.items():
            if wanted in (None, name):
                if "revision" in call.query:
                    contract = self._revision(name, call.query["revision"])
                found += facts.facts(contract)
        basis = call.query.get("basis")
        return json_response({"facts": [fact for fact in found if basis in (None, fact["basis"])]})

    def _revision(self, name: str, revision: str) -> Any:
        try:
            return self.contracts.resolve(name, ContractChoice(revision=revision))
        except ContractError as error:
            raise RejectedError(404, "Not Found", error.problem, parameter="revision") from None

    def _contract(self, call: Call) -> Any:
        name = call.params["protocol"]
        if name not in self.contracts.served:
            problem = unknown("protocol", name, self.contracts.served)
            raise RejectedError(404, "Not Found", problem, parameter="protocol")
        return self.contracts.served[name]

    async def sessions(self, call: Call) -> web.Response:
        """List all sessions with their counts."""
        rows = [{"session": session.name, **session.counts.as_json()} for session in self.store.sessions()]
        counts = {"evicted": self.store.evicted_sessions, "unreadable": self.unreadable}
        return json_response({"sessions": rows, **counts})

    def named(self, call: Call) -> Session:
        """Return the session of a call, created if necessary. Raises RejectedError for an invalid name."""
        name = call.params["session"]
        if not name or len(name.encode("utf-8", "surrogatepass")) > MAX_SESSION_BYTES:
            raise RejectedError(
                400,
                "Bad Request",
                f"the name of a session must have 1 to {MAX_SESSION_BYTES} bytes",
                parameter="session",
            )
        return self.store.session(self.store.owner(name))

    async def session(self, call: Call) -> web.Response:
        """Return the settings and counts of a session."""
        return json_response(self._describe(self.named(call)))

    def _describe(self, session: Session) -> Json:
        settings = session.settings
        protocols: dict[str, Json] = {}
        for name in self.contracts.served:
            contract = self.contracts.of(session.settings.protocols, name)
            own = settings.protocols.get(name)
            patch = None if own is None else own.patch
            protocols[name] = {"revision": contract.revision, "patch": patch, "contract_hash": contract.digest}
        return {
            "session": session.name,
            "credentials": list(settings.credentials),
            "keys": None if settings.keys is None else sorted(settings.keys),
            "rate_limits": settings.rate_limits,
            "protocols": protocols,
            "journal_limit": settings.journal_limit,
            "counts": session.counts.as_json(),
            "evicted": session.evicted,
        }

    async def change_session(self, call: Call) -> web.Response:
        """Replace the given settings; all are validated before any is applied."""
        session, change = self.named(call), call.body
        protocols = self._protocols(session, change) if "protocols" in change else None
        if "credentials" in change:
            taken = self.store.give(session, tuple(dict.fromkeys(change["credentials"] or ())))
            if taken is not None:
                raise RejectedError(
                    409,
                    "Conflict",
                    f"the credential {taken} already belongs to another session",
                    pointer="/credentials",
                )
        settings = session.settings
        if protocols is not None:
            settings.protocols = protocols
        if "keys" in change:
            settings.keys = None if change["keys"] is None else frozenset(change["keys"])
        if "rate_limits" in change:
            settings.rate_limits = change["rate_limits"] or self.defaults.rate_limits
        if "journal_limit" in change:
            settings.journal_limit = change["journal_limit"] or self.defaults.journal_limit
            self.store.trim(session)
        return json_response(self._describe(session))

    def _protocols(self, session: Session, change: Json) -> Mapping[str, ContractChoice]:
        made = {
            name: ContractChoice(revision=wanted.get("revision"), patch=wanted.get("patch"))
            for name, wanted in (change["protocols"] or {}).items()
            if wanted is not None
        }
        for name, wanted in made.items():
            try:
                self.contracts.check({name: wanted})
            except ContractError as error:
                member = "/revision" if error.pointer == "/revision" else "/patch" + (error.pointer or "")
                place = f"/protocols/{name}" + ("" if name not in self.contracts.served else member)
                raise RejectedError(400, "Bad Request", f"{place}: {error.problem}", pointer=place) from None
        return made

    async def forget_session(self, call: Call) -> web.Response:
        """Delete one session."""
        name = self.store.owner(call.params["session"])
        self.store.forget(name)
        return web.Response(status=204, headers=CIMultiDict({"Server": SERVER}))

    async def requests(self, call: Call) -> web.Response:
        """Return a page of requests."""
        limit = call.query.get("limit", DEFAULT_LIMIT)
        rows: list[Json] = []
        more = False
        for exchange in self.named(call).exchanges(call.query.get("after", 0)):
            if not _request_wanted(exchange, call.query):
                continue
            if len(rows) == limit:
                more = True
                break
            rows.append(View(exchange).request_row())
        return json_response({"requests": rows, "next": rows[-1]["seq"] if more else None})

    async def request(self, call: Call) -> web.Response:
        """Return one request with bodies and findings."""
        session, wanted = self.named(call), call.params["id"]
        number = wanted.removeprefix("r")
        if number.isascii() and number.isdigit() and len(number) < 18:
            for exchange in session.exchanges(int(number) - 1):
                if exchange.seq == int(number):
                    return json_response(View(exchange).request_detail())
                break
        raise RejectedError(404, "Not Found", f"session {session.name} has no request {wanted}", parameter="id")

    async def events(self, call: Call) -> web.Response:
        """Return a page of events."""
        limit = call.query.get("limit", DEFAULT_LIMIT)
        rows: list[Json] = []
        more = False
        session, after = self.named(call), call.query.get("after", 0)
        first = next(session.exchanges_with_events(after), None)
        async for exchange in in_turns(session, 0 if first is None else first.seq - 1):
            wanted = event_rows(exchange, call.query, after)
            rows += islice(wanted, limit - len(rows))
            more = next(wanted, None) is not None
            if more:
                break
        return json_response({"events": rows, "next": rows[-1]["seq"] if more else None})

    async def export(self, call: Call) -> web.StreamResponse:
        """Stream the exchanges of a session as NDJSON."""
        session = self.named(call)
        headers = CIMultiDict({"Content-Type": "application/x-ndjson", "Server": SERVER})
        if call.request.method == "HEAD":
            return web.Response(headers=headers)
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(call.request)
        secrets = {*session.settings.credentials, *(session.settings.keys or ())}
        async for exchange in in_turns(session):
            secrets |= secrets_of(exchange)
        scrub = Scrubber(secrets)
        async for exchange in in_turns(session):
            await stream.write(render(export_line(View(exchange), scrub)) + b"\n")
        return stream


def _request_wanted(exchange: Exchange, query: Mapping[str, Any]) -> bool:
    return (
        query.get("protocol") in (None, exchange.contract.name)
        and query.get("operation") in (None, exchange.operation)
        and query.get("status") in (None, exchange.client_status)
    )


async def in_turns(session: Session, after: int = 0) -> AsyncIterator[Exchange]:
    """Yield the exchanges of a session after a request number; regularly yields to the event loop."""
    turn = monotonic()
    while found := list(islice(session.exchanges(after), AT_ONCE)):
        for exchange in found:
            yield exchange
        after = found[-1].seq
        if monotonic() - turn > TURN_S:
            await sleep(0)
            turn = monotonic()


def event_rows(exchange: Exchange, query: Mapping[str, Any], after: int) -> Iterator[dict[str, Json]]:
    """Yield the event rows of an exchange after `after` that match the filters, oldest first."""
    verdict = query.get("verdict")
    if query.get("protocol") not in (None, exchange.contract.name):
        return
    if query.get("operation") not in (None, exchange.operation):
        return
    if verdict not in (None, "any") and verdict not in exchange.verdicts:
        return
    for row in View(exchange).event_rows():
        if row["seq"] > after and verdict in (None, "any", row["verdict"]) and query.get("type") in (None, row["type"]):
            yield row
