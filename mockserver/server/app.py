"""One handler for everything: control surface, session prefixes, vendor surface."""

from __future__ import annotations

import asyncio
import logging
from urllib.parse import unquote

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from mockserver.contracts_in_force import ContractsInForce
from mockserver.core.jsontext import render
from mockserver.loader import Library, library
from mockserver.server import logs
from mockserver.server.control import UNGUARDED, Control
from mockserver.server.handlers import Handlers
from mockserver.server.remote import Remote
from mockserver.server.vendor import MAX_CREDENTIAL_BYTES, Vendor
from mockserver.server.wire import problem
from mockserver.settings import Settings
from mockserver.stores.memory import MemoryStore
from mockserver.stores.session import SessionSettings

_log = logging.getLogger("mockserver")

CONTROL_PREFIX = "/_mock/"
SESSION_PREFIX = "/_mock/s/"


class App:
    """The server without its socket. Raises ContractError when its contracts cannot be used."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.contracts = ContractsInForce(Library(settings.contracts) if settings.contracts else library(), settings)
        defaults = SessionSettings(rate_limits=settings.rate_limits, journal_limit=settings.journal_limit)
        self.store = MemoryStore(defaults, max_bytes=settings.memory_limit, max_sessions=settings.max_sessions)
        self.store.on_new_session = logs.new_session
        self.vendor = Vendor(settings, self.contracts, self.store)
        self.handlers = Handlers(self.contracts, self.store, defaults)
        self.control = Control(settings, {**self.handlers.table(), **Remote(self.handlers).table()})
        self.parser_errors = 0

    def server(self) -> Server:
        """Return aiohttp's low-level server around the one handler."""
        return Server(self)

    def stop(self) -> None:
        """Begin to stop: readiness says so, open waits are answered, connections close after their answer."""
        self.handlers.stopping = True
        for session in self.store.sessions():
            for waiter in tuple(session.waiters):
                waiter.end("evicted")

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        reply = await self._answer(request)
        if self.handlers.stopping:
            reply.force_close()
        return reply

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Find who answers; an exception there is our bug and answers 500 in JSON, never a page."""
        try:
            target = request.raw_path
            if target.startswith(SESSION_PREFIX):
                return await self._prefixed(request, target)
            if (
                target.startswith(CONTROL_PREFIX)
                or target.partition("?")[0] in UNGUARDED
                or target.partition("?")[0] == "/_mock"
            ):
                return await self.control.handle(request)
            if target.partition("?")[0] == "/" and request.method in ("GET", "HEAD"):
                return self.handlers.describe()
            return await self.vendor.handle(request, target, None)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            _log.exception("internal error at %s %s", request.method, request.raw_path)
            return problem(500, "Internal Server Error", "a bug of this server; its log has the details")

    async def _prefixed(self, request: web.BaseRequest, target: str) -> web.StreamResponse:
        raw, slash, rest = target[len(SESSION_PREFIX) :].partition("/")
        name = unquote(raw, errors="replace")
        if not slash or not name or len(name.encode("utf-8", "surrogatepass")) > MAX_CREDENTIAL_BYTES:
            return problem(404, "Not Found", f"expected {SESSION_PREFIX}<session>/<vendor path>")
        return await self.vendor.handle(request, "/" + rest, name)


class Server(web.Server):
    """Hands out connection handlers that answer even unreadable requests in JSON."""

    def __init__(self, app: App) -> None:
        super().__init__(app.handle, handler_cancellation=True)
        self._app = app

    def __call__(self) -> RequestHandler:
        """Return the handler of a new connection."""
        return Connection(self, loop=self._loop, app=self._app)

    def busy_connections(self) -> list[Connection]:
        """Return the connections that are at a request; the others are closed."""
        ours = [connection for connection in self.connections if isinstance(connection, Connection)]
        for connection in ours:
            if not connection.busy:
                connection.force_close()
        return [connection for connection in ours if connection.busy]


class Connection(RequestHandler):
    """One connection of a client."""

    __slots__ = ("_app",)

    def __init__(self, manager: Server, *, loop: asyncio.AbstractEventLoop, app: App) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]
            auto_decompress=False,
            lingering_time=5.0,
        )
        self._app = app

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered; aiohttp's own way to close would stop reading its body."""
        return self._request_in_progress or bool(self._messages)

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What ends with the connection."""
        return self._task_handler

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what aiohttp's parser refused. Such requests are counted, not journalled."""
        self._app.parser_errors += 1
        detail = (message or str(exc) or "the request cannot be read").partition("\n")[0].strip()
        _log.info("unreadable request: %s", detail)
        made = web.Response(
            status=status,
            body=render({"error": "unreadable_request", "detail": detail, "status": status}),
            content_type="application/json",
        )
        made.force_close()
        return made
