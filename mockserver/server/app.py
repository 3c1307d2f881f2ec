"""One handler for everything: control surface, session prefixes, vendor surface."""

from __future__ import annotations

import asyncio
import logging
from functools import cached_property
from pathlib import Path
from typing import Final

from aiohttp import web

from mockserver.contract.contract import split_target
from mockserver.jsonkit.wiretext import unquoted
from mockserver.recording.redaction.find_secrets import key_prefixes
from mockserver.recording.replay.playing import Playback
from mockserver.server import logs, reloading, replaying
from mockserver.server.aiohttp_io import in_pieces, json_response, problem, unreadable
from mockserver.server.connection import Watched
from mockserver.server.control import HEADERS, SESSION_PREFIX, Control, is_call, is_control
from mockserver.server.handlers.all_handlers import Handlers
from mockserver.server.live_page import is_page, page_reply
from mockserver.server.repeated_headers import Head
from mockserver.server.turns import Turn
from mockserver.server.unseen import Unseen, plain_path
from mockserver.server.upstreams import Upstreams
from mockserver.server.vendor import Vendor
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.session_name import SessionNameError, session_name
from mockserver.sessions.stores.opening import open_store
from mockserver.settings import Settings

_log = logging.getLogger("mockserver")

BASE_URL: Final = f"the base URL of a client is that of the server, or ends with {SESSION_PREFIX}<session>"


class App:
    """The server without its socket. Raises ContractError for invalid contracts, SettingsError, FormatError."""

    def __init__(self, settings: Settings) -> None:
        reloading.check(settings)
        contracts = reloading.load(settings)
        defaults = SessionSettings(rate_limits=settings.rate_limits, journal_limit=settings.journal_limit)
        self.unseen = Unseen(prefix for contract in contracts.served.values() for prefix in key_prefixes(contract))
        self.ca_file: Path | None = None
        self._secure = settings.tls is not None or settings.tls_cert is not None
        self.upstreams = Upstreams(settings.upstreams, contracts.served, settings.upstream_timeout)
        tape = replaying.tape_of(settings, contracts.served)
        self.store = open_store(settings, contracts, defaults)
        self.store.on_new_session = logs.new_session
        if tape is not None:
            mode, repeats = settings.record_mode, settings.replay_repeats
            self.store.new_playback = lambda: Playback(tape, mode, repeats=repeats)
            for session in self.store.sessions():
                session.playback = self.store.new_playback()
        self.vendor = Vendor(settings, contracts, self.store, self.unseen, self.upstreams)
        self.handlers = Handlers(contracts, self.store, defaults, self.unseen, self.upstreams)
        self.handlers.has_page = not settings.no_ui
        self.control = Control(settings, self.handlers)

    @cached_property
    def _turn(self) -> Turn:
        return Turn()

    def stop(self) -> None:
        """Start to stop: report as not ready, answer open waits, end streams, close connections after their reply."""
        self.handlers.stopping = True
        for session in self.store.sessions():
            for waiter in tuple(session.waiters):
                waiter.end("evicted")
        self.store.feed.close()

    def count_unreadable(self, detail: str) -> None:
        """Count a request that cannot be parsed, and so cannot be journalled."""
        self.handlers.unreadable += 1
        self.unseen.add(detail)

    def answer_at_once(self, connection: Watched, head: Head, body: bytes) -> bytes | asyncio.Future[bytes] | None:
        """Return the whole reply to a complete request of the vendor surface; None leaves the request to `handle`."""
        if self.handlers.stopping or self._turn.is_over():
            return None
        try:
            return self.vendor.answer_at_once(connection, head, body)
        except Exception as error:
            connection.unfinished = error
            return None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request; an exception is a bug in this server and gets a 500 reply in JSON."""
        connection, unfinished = request.protocol, None
        if isinstance(connection, Watched):
            unfinished, connection.unfinished = connection.unfinished, None
        try:
            if self._turn.is_over():  # so that not all requests that come at once are answered in one turn
                await self._turn.end()
            if connection.writing_paused:  # the client has not taken the reply to its last request
                await request.writer.drain()
            reply = await self._answer(request) if unfinished is None else await _finished(unfinished)
        except asyncio.CancelledError:
            if not request.content.is_eof():
                self.unseen.add("a client disconnected before the body of its request was complete")
            raise
        except ConnectionError:
            reply = _failed(request, unreadable(400, "the client disconnected"))  # nobody is there to read it
        except web.RequestPayloadError as error:
            detail = f"invalid request body: {error}"
            self.count_unreadable(detail)
            reply = _failed(request, unreadable(400, detail, request.headers.get("Origin")))
        except Exception:
            _log.exception("internal error at %s %s", request.method, plain_path(request.raw_path))
            reply = _failed(request, problem(500, "internal error; see the log of the server for details"))
        if self.handlers.stopping or not request.content.is_eof():
            reply.force_close()
        if isinstance(connection, Watched):
            connection.answering(request.content)
        return await in_pieces(request, reply) if self._secure else reply

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        target = request.raw_path
        if not target.startswith("/"):
            path, query = split_target(target)
            target = f"{path}?{query}" if query else path
        if target.startswith(SESSION_PREFIX):
            return await self._answer_under_prefix(request, target)
        path = target.partition("?")[0]
        if self.handlers.has_page and is_page(path):
            return page_reply(self.control.guard, request, path)
        if is_control(path):
            reply = await self.control.handle(request)
            if reply.status >= 400 and not is_call(request.method, path):
                self.unseen.add(f"no control call is {request.method} {plain_path(path)}; {BASE_URL}")
            return reply
        if path == "/" and request.method in ("GET", "HEAD"):
            return json_response(self.handlers.describe(), headers=HEADERS)
        return await self.vendor.handle(request, target, None)

    async def _answer_under_prefix(self, request: web.BaseRequest, target: str) -> web.StreamResponse:
        encoded_name, slash, rest = target[len(SESSION_PREFIX) :].partition("/")
        try:
            name, reason = session_name(unquoted(encoded_name)), "" if slash else "the vendor path is missing"
        except SessionNameError as error:
            reason = str(error)
        if reason:
            self.unseen.add(f"a path below {SESSION_PREFIX} that names no session: {reason}")
            return problem(404, f"expected {SESSION_PREFIX}<session>/<vendor path>: {reason}")
        return await self.vendor.handle(request, "/" + rest, name)


async def _finished(
    unfinished: web.StreamResponse | asyncio.Future[web.StreamResponse] | Exception,
) -> web.StreamResponse:
    """Return what is left to be sent of a request that was begun at once; raise the error that came up."""
    if isinstance(unfinished, Exception):
        raise unfinished
    return await asyncio.shield(unfinished) if isinstance(unfinished, asyncio.Future) else unfinished


def _failed(request: web.BaseRequest, reply: web.Response) -> web.Response:
    """Return the reply to a request that failed, with the headers of the control surface if it is a control call."""
    if is_control(split_target(request.raw_path)[0]):
        reply.headers.update(HEADERS)
    return reply
