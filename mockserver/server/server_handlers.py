"""Handlers of the control surface about the server: its health, documents, facts and sessions."""

from __future__ import annotations

from aiohttp import web

from mockserver.contract import publish
from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import facts
from mockserver.contract.serving import ContractChoice
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json
from mockserver.server.aiohttp_io import SERVER, json_response
from mockserver.server.control import Call, RejectedError, document
from mockserver.server.handler_base import HandlerBase, eviction_of
from mockserver.server.turns import Turn


class ServerHandlers(HandlerBase):
    """The handlers of calls that name no session. `stopping` makes the server unready."""

    unreadable = 0

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
            raise RejectedError(404, f"{protocol}: {error.problem}", parameter="revision") from None

    async def sessions(self, call: Call) -> Json:
        """List all sessions with their counts."""
        rows, turn = list[Json](), Turn()
        for session in self.store.sessions():
            rows.append({"session": session.name, **session.counts.as_json(), **eviction_of(session)})
            await turn.end_if_over()
        counts = {"evicted": self.store.evicted_sessions, "unreadable": self.unreadable}
        gone = [{"session": name, **tombstone.as_json()} for name, tombstone in self.store.tombstones.known()]
        return {"sessions": rows, **counts, "evicted_sessions": gone, "unseen": self.unseen.as_json()}
