"""An HTTP exchange as values: a request, its reply, and the error if there is none. Imports no HTTP library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request. It is sent exactly as given; only Host and Content-Length are added.

    `target` is the raw request target, including the query. A repeated header name must have the same case each time.
    Timeouts are in seconds: `idle_timeout` limits how long the server may send nothing, `total_timeout` the whole
    exchange. `max_reply` is the maximum size of the reply's body in bytes.
    """

    method: str
    target: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    idle_timeout: float | None = None
    total_timeout: float | None = None
    max_reply: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """A complete reply. Header names are lower case; the values of a repeated header are joined with commas."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ReplyError(Exception):
    """The server sent something other than one complete HTTP reply."""


class ExchangeError(Exception):
    """A request got no complete reply, because of `reason`. `reused` tells whether it used a kept-alive connection."""

    def __init__(self, reason: Exception, *, reused: bool) -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.reused = reused


class RefusedError(Exception):
    """A request whose reply was to be read as it arrives was answered with another status than 200."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(f"the status is {reply.status}")
        self.reply = reply
