"""A connection that sees into aiohttp: the one module that uses names which aiohttp keeps to itself.

They are looked up when a server is made. Where one is missing, a warning says so and connections are plain ones: every
request is still served, without what `Watched` adds.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

import aiohttp
from aiohttp import StreamReader, http_exceptions, web, web_protocol

from mockserver.server.connection import Connection

_log = logging.getLogger("mockserver")

ATTRIBUTES: Final = (
    # The requests that were read and wait for their turn, each with its body. Of the newest, the body has to end when
    # its framing breaks off; and as long as one waits, an answer is due to a client that sends nothing more.
    "_messages",
    # The future that is open between requests. Bytes that came while it stays open are an incomplete head.
    "_waiter",
    # Whether a request is being answered. A server that stops closes the other connections at once.
    "_request_in_progress",
    # The task that ends with the connection. A server that stops waits for it.
    "_task_handler",
)
"""Private attributes of aiohttp's connection."""

# What stands in `_messages` for a request that aiohttp's parser refused, and has no body of its own.
_ERROR_MESSAGE: Final[Any] = getattr(web_protocol, "_ErrInfo", None)

# Errors of the parser whose text repeats what was sent, which may hold a key: it is replaced.
_LINE_TOO_LONG: Final[Any] = getattr(http_exceptions, "LineTooLong", None)
_INVALID_URL: Final[Any] = getattr(http_exceptions, "InvalidURLError", None)

CLASSES: Final = {"_ErrInfo": _ERROR_MESSAGE, "LineTooLong": _LINE_TOO_LONG, "InvalidURLError": _INVALID_URL}
"""Classes that aiohttp keeps to itself or does not document; None where they are missing."""


def can_be_watched(connection: web.RequestHandler) -> bool:
    """Tell whether aiohttp has every name that `Watched` needs; log one warning where it has not."""
    missing = [name for name in ATTRIBUTES if not hasattr(connection, name)]
    missing += [name for name, found in CLASSES.items() if found is None]
    if missing:
        _log.warning(
            "aiohttp %s has no %s: requests are served, but there is no deadline for the head of a request, no answer "
            "to a client that has closed its sending side, and no reason in the answer to one that cannot be read",
            aiohttp.__version__,
            ", ".join(missing),
        )
    return not missing


class Watched(Connection):
    """One connection of a client.

    A client that closes its sending side still gets its answers, except that of a wait, which ends with the client. A
    head that does not arrive within `head_timeout` seconds is given up. A body whose framing breaks off ends at once.
    """

    __slots__ = ("_answered", "_half_closed", "_head_timeout", "_head_timer", "_newest")

    def __init__(
        self,
        manager: web.Server,
        *,
        loop: asyncio.AbstractEventLoop,
        on_unreadable: Callable[[str], None],
        head_timeout: float,
    ) -> None:
        super().__init__(manager, loop=loop, on_unreadable=on_unreadable)
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None
        self._newest: tuple[str, StreamReader] | None = None
        self._answered: StreamReader | None = None
        self._half_closed = False

    @property
    def busy(self) -> bool:
        """Whether a request is being read or answered; aiohttp's own way to close would stop reading its body."""
        return self._request_in_progress or bool(self._messages)

    @property
    def half_closed(self) -> bool:
        """Whether the client sends nothing more and still reads."""
        return self._half_closed

    @property
    def task(self) -> asyncio.Task[None] | None:
        """What ends with the connection."""
        return self._task_handler

    def data_received(self, data: bytes) -> None:
        """Take what came; a body whose framing breaks off ends for its reader, who would wait for ever."""
        super().data_received(data)
        queue: Sequence[tuple[Any, StreamReader]] = self._messages
        if queue:
            for message, payload in reversed(queue):
                if not isinstance(message, _ERROR_MESSAGE):
                    self._newest = (message.path, payload)
                    break
            if isinstance(queue[-1][0], _ERROR_MESSAGE):
                self._break_body(queue[-1][0])
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            if self._head_timer is None:
                self._head_timer = asyncio.get_running_loop().call_later(self._head_timeout, self._give_up_head)
        elif self._head_timer is not None:
            self._stop_head_timer()

    def _break_body(self, error: Any) -> None:
        payload = self._newest and self._newest[1]
        if payload and not payload.is_eof():
            if payload is not self._answered:
                _, detail = self.what_is_wrong(error.status, error.exc, error.message)
                payload.set_exception(web.RequestPayloadError(detail))
            payload.feed_eof()

    def what_is_wrong(self, status: int, error: BaseException | None, message: str | None) -> tuple[int, str]:
        """Return status and one line for what the parser found; what was sent is not repeated, it may hold a key."""
        if isinstance(error, _LINE_TOO_LONG):
            return 431, f"the request line or a header is longer than {error.args[1]} bytes"
        if isinstance(error, _INVALID_URL):
            return status, "the request target is not a URL"
        line = (message or str(error)).partition("\n")[0].strip().rstrip(":")
        return status, line or "the request cannot be read"

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up_head(self) -> None:
        self._head_timer = None
        self.end_with(408, f"the head of a request did not arrive within {self._head_timeout:g} s")

    def connection_lost(self, exc: BaseException | None) -> None:
        """Let go of everything."""
        self._stop_head_timer()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Stay open for the answer to what was sent whole; asyncio closes the connection when this is false."""
        if not self._answer_due():
            return False
        self._half_closed = True
        self._close_when_done()
        return True

    def _answer_due(self) -> bool:
        if self._newest is None or (self._waiter is not None and not self._messages):
            return False
        target, payload = self._newest
        return payload.is_eof() and not is_wait(target)

    def answering(self, payload: StreamReader) -> None:
        """Learn that the request with this payload is being answered: the rest of it is only read away."""
        self._answered = payload
        self._close_when_done()

    def _close_when_done(self) -> None:
        """Close after the answer that is being made, where the client sends nothing more and nothing is queued."""
        if self._half_closed and not self._messages:
            self.close()


def is_wait(target: str) -> bool:
    """Tell whether a target is that of a blocking call, which nobody needs once its caller is gone."""
    return target.startswith("/_mock/sessions/") and target.partition("?")[0].endswith("/wait")
