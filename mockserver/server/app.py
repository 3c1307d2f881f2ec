"""One handler for everything: control surface, session prefixes, vendor surface."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import unquote

from aiohttp import web

from mockserver.contract.contract import split_target
from mockserver.contract.library import Library, library
from mockserver.contract.serving import ServedContracts
from mockserver.server import logs
from mockserver.server.aiohttp_io import problem, unreadable
from mockserver.server.connection import Connection
from mockserver.server.control import UNGUARDED, Control
from mockserver.server.handlers import Handlers
from mockserver.server.steering import Remote
from mockserver.server.vendor import MAX_CREDENTIAL_BYTES, Vendor
from mockserver.server.watched import Watched, can_be_watched
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.settings import Settings

_log = logging.getLogger("mockserver")

CONTROL_PREFIX = "/_mock/"
SESSION_PREFIX = "/_mock/s/"


class App:
    """The server without its socket. Raises ContractError when its contracts cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.contracts = ServedContracts(Library(settings.contracts) if settings.contracts else library(), settings)
        defaults = SessionSettings(rate_limits=settings.rate_limits, journal_limit=settings.journal_limit)
        self.store = MemoryStore(defaults, max_bytes=settings.memory_limit, max_sessions=settings.max_sessions)
        self.store.on_new_session = logs.new_session
        self.vendor = Vendor(settings, self.contracts, self.store)
        self.handlers = Handlers(self.contracts, self.store, defaults)
        self.control = Control(settings, {**self.handlers.table(), **Remote(self.handlers).table()})

    def server(self) -> Server:
        """Return aiohttp's low-level server around the one handler."""
        return Server(self)

    def stop(self) -> None:
        """Begin to stop: readiness says so, open waits are answered, connections close after their answer."""
        self.handlers.stopping = True
        for session in self.store.sessions():
            for waiter in tuple(session.waiters):
                waiter.end("evicted")

    def count_unreadable(self, detail: str) -> None:
        """Count a request that cannot be journalled, because it cannot be read."""
        self.handlers.unreadable += 1
        _log.info("unreadable request: %s", detail)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; an exception on the way is our bug and answers 500 in JSON, never a page."""
        try:
            reply = await self._answer(request)
        except ConnectionError:
            reply = unreadable(400, "the client is gone")  # nobody is there to read it
        except web.RequestPayloadError as error:
            detail = f"the body cannot be read: {error}"
            self.count_unreadable(detail)
            reply = unreadable(400, detail)
        except Exception:
            _log.exception("internal error at %s %s", request.method, request.raw_path)
            reply = problem(500, "Internal Server Error", "a bug of this server; its log has the details")
        if self.handlers.stopping or not request.content.is_eof():
            reply.force_close()
        if isinstance(request.protocol, Connection):
            request.protocol.answering(request.content)
        return reply

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        if not target.startswith("/"):
            path, query = split_target(target)
            target = f"{path}?{query}" if query else path
        if target.startswith(SESSION_PREFIX):
            return await self._prefixed(request, target)
        path = target.partition("?")[0]
        if path.startswith(CONTROL_PREFIX) or path == "/_mock" or path in UNGUARDED:
            return await self.control.handle(request)
        if path == "/" and request.method in ("GET", "HEAD"):
            return self.handlers.describe()
        return await self.vendor.handle(request, target, None)

    async def _prefixed(self, request: web.BaseRequest, target: str) -> web.StreamResponse:
        raw, slash, rest = target[len(SESSION_PREFIX) :].partition("/")
        name = unquote(raw, errors="replace")
        if not slash or not name or len(name.encode("utf-8", "surrogatepass")) > MAX_CREDENTIAL_BYTES:
            return problem(404, "Not Found", f"expected {SESSION_PREFIX}<session>/<vendor path>")
        return await self.vendor.handle(request, "/" + rest, name)


class Server(web.Server):
    """Hands out connections of our own. Made on the running loop, which is the one it serves on."""

    def __init__(self, app: App) -> None:
        super().__init__(app.handle, handler_cancellation=True)
        self._app = app
        self.watches = can_be_watched(self._plain())

    def __call__(self) -> Connection:
        """Return the handler of a new connection."""
        return self._watched() if self.watches else self._plain()

    def _plain(self) -> Connection:
        return Connection(self, loop=asyncio.get_running_loop(), on_unreadable=self._app.count_unreadable)

    def _watched(self) -> Watched:
        return Watched(
            self,
            loop=asyncio.get_running_loop(),
            on_unreadable=self._app.count_unreadable,
            head_timeout=self._app.settings.body_timeout,
        )

    def busy_connections(self) -> list[Watched]:
        """Return the connections that are at a request; the others are closed."""
        ours = [connection for connection in self.connections if isinstance(connection, Watched)]
        for connection in ours:
            if not connection.busy:
                connection.force_close()
        return [connection for connection in ours if connection.busy]
