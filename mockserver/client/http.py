"""Control calls over HTTP: what a call is, what its answer means, and the blocking way to make one."""

from __future__ import annotations

import http.client
import json
import selectors
import ssl
import threading
from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar
from urllib.parse import quote, urlencode, urlsplit

from mockserver.errors import ControlError, UnreachableError
from mockserver.jsonkit import Json

R = TypeVar("R")
CALL_TIMEOUT: Final = 30.0
"""Seconds an answer may take, beyond the time a wait was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One control call; `max_wait` is the number of seconds that the server may hold it.

    The answer is JSON, or with `text` the body as it is.
    """

    method: str
    path: str
    body: Json = None
    max_wait: float = 0.0
    text: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


Steps: TypeAlias = Generator[Call, Json, R]
"""An operation: yields calls, is sent their answers, returns its result. Knows neither threads nor loops."""


class Target:
    """Where a server is, and the token its control surface wants. Raises ValueError for an unusable URL."""

    def __init__(self, url: str, token: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"expected a URL such as http://127.0.0.1:8207, got {url!r}")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise ValueError("an admin token must be printable ASCII")
        self.url = url.rstrip("/")
        self.token = token
        self.host = parts.hostname
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (80 if self.tls is None else 443)
        self.prefix = parts.path.rstrip("/")

    def headers(self) -> dict[str, str]:
        """Return the headers of a control call."""
        made = {"Content-Type": "application/json", "Accept": "application/json"}
        return made if self.token is None else {**made, "Authorization": f"Bearer {self.token}"}


def at(session: str, *parts: str, **query: Json) -> str:
    """Return the path of something below a session; query parameters that are None are left out."""
    path = "/".join(["/_mock/sessions", *(quote(part, safe="") for part in (session, *parts))])
    given = {name: _queried(member) for name, member in query.items() if member is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _queried(member: Json) -> str:
    return str(member).lower() if isinstance(member, bool) else str(member)


def payload(call: Call) -> bytes | None:
    """Return the body of a call; lone surrogates are written as escapes."""
    return None if call.body is None else json.dumps(call.body).encode("ascii")


def unreachable(target: Target, call: Call, error: Exception) -> UnreachableError:
    """Return the error that says which call could not be made."""
    return UnreachableError(f"{target.url}: {call}: {str(error) or type(error).__name__}")


def outcome(target: Target, call: Call, status: int, body: bytes) -> Json:
    """Return the result of a call. Raises ControlError for a refusal, UnreachableError for a foreign reply."""
    if status == 204:
        return None
    if call.text and status < 400:
        return body.decode()
    try:
        answered = json.loads(body)
    except ValueError:
        raise UnreachableError(f"{target.url} is not a mockserver: {call} returned {status} {body[:80]!r}") from None
    if status < 400:
        return answered
    if not isinstance(answered, dict) or "detail" not in answered:
        raise UnreachableError(f"{target.url} is not a mockserver: {call} returned {status} {body[:80]!r}")
    raise ControlError(
        str(call), status, answered["detail"], answered.get("pointer") or answered.get("parameter") or None
    )


class Connections:
    """Kept-alive connections to one server, usable from any thread."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._lock = threading.Lock()
        self._idle: list[http.client.HTTPConnection] = []
        self._closed = False

    def run(self, steps: Steps[R]) -> R:
        """Carry out an operation, one call after the other."""
        __tracebackhide__ = True
        try:
            call = next(steps)
            while True:
                call = steps.send(self._send(call))
        except StopIteration as done:
            result: R = done.value
            return result

    def close(self) -> None:
        """Close what is idle now, and what is in use as soon as it is done."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def _send(self, call: Call) -> Json:
        connection = self._take()
        kept = False
        try:
            _set_timeout(connection, CALL_TIMEOUT + call.max_wait)
            connection.request(call.method, self.target.prefix + call.path, payload(call), self.target.headers())
            reply = connection.getresponse()
            status, body = reply.status, reply.read()
            kept = not reply.will_close
        except (OSError, http.client.HTTPException) as error:
            raise unreachable(self.target, call, error) from error
        finally:
            self._give_back(connection, kept=kept)
        return outcome(self.target, call, status, body)

    def _take(self) -> http.client.HTTPConnection:
        while (connection := self._pop()) is not None:
            if _alive(connection):
                return connection
            connection.close()
        where = self.target
        if where.tls is not None:
            return http.client.HTTPSConnection(where.host, where.port, context=where.tls)
        return http.client.HTTPConnection(where.host, where.port)

    def _pop(self) -> http.client.HTTPConnection | None:
        with self._lock:
            return self._idle.pop() if self._idle else None

    def _give_back(self, connection: http.client.HTTPConnection, *, kept: bool) -> None:
        with self._lock:
            if kept and not self._closed:
                self._idle.append(connection)
                return
        connection.close()


def _set_timeout(connection: http.client.HTTPConnection, seconds: float) -> None:
    connection.timeout = seconds
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def _alive(connection: http.client.HTTPConnection) -> bool:
    """Tell whether the server has not hung up on an idle connection, so that no call is ever sent twice."""
    if connection.sock is None:
        return False
    with selectors.DefaultSelector() as selector:
        selector.register(connection.sock, selectors.EVENT_READ)
        return not selector.select(0)
