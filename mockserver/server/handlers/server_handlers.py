"""Handlers of the control surface about the server: its health, protocols and sessions."""

from __future__ import annotations

from aiohttp import web

from mockserver.jsonkit import Json
from mockserver.server.aiohttp_io import SERVER, json_response
from mockserver.server.control import Call, document
from mockserver.server.handlers.handler_base import HandlerBase, eviction_of
from mockserver.server.live_page import PAGE
from mockserver.server.turns import Turn


class ServerHandlers(HandlerBase):
    """The handlers of calls that name no session. `stopping` makes the server unready."""

    unreadable = 0
    has_page = True

    async def get_liveness(self, call: Call) -> Json:
        """Report that the process is alive."""
        return {"status": "ok"}

    async def get_readiness(self, call: Call) -> Json | web.Response:
        """Report whether the server accepts requests; 503 while it stops, or while its store cannot be used."""
        status = "stopping" if self.stopping else None if self.store.away is None else "store unavailable"
        if status is not None:
            return json_response({"status": status}, 503, {"Content-Type": "application/json"})
        return {"status": "ok"}

    async def get_overview(self, call: Call) -> Json:
        """List the protocols and the routes."""
        return self.describe()

    def describe(self) -> Json:
        """Return the reply for `/` and `/_mock/`."""
        routes = {
            path: sorted(method.upper() for method in item if method != "parameters")
            for path, item in document()["paths"].items()
        }
        served, unseen = list(self.contracts.served), self.unseen.as_json()
        page = {"page": PAGE} if self.has_page else {}
        return {"name": SERVER, **page, "protocols": served, "routes": routes, "unseen": unseen}

    async def list_protocols(self, call: Call) -> Json:
        """List the protocols with their operations and revisions."""
        rows = [
            {
                "name": name,
                "operations": list(contract.operations),
                "revisions": self.contracts.library.protocols[name].revision_names(),
                "revision": contract.revision,
                "newest": self.contracts.library.protocols[name].newest,
                "upstream": self.upstreams.url(name),
                "clients": [setup.as_json() for setup in self.contracts.library.protocols[name].client_setups],
            }
            for name, contract in self.contracts.served.items()
        ]
        return {"protocols": rows}

    async def list_sessions(self, call: Call) -> Json:
        """List all sessions with their counts."""
        await self.store.load_all()
        rows, turn = list[Json](), Turn()
        for session in self.store.sessions():
            rows.append({"session": session.name, **session.counts.as_json(), **eviction_of(session)})
            await turn.end_if_over()
        counts = {"evicted": self.store.evicted_sessions, "unreadable": self.unreadable}
        gone = [{"session": name, **tombstone.as_json()} for name, tombstone in self.store.tombstones.known()]
        return {"sessions": rows, **counts, "evicted_sessions": gone, "unseen": self.unseen.as_json()}
