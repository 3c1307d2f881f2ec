"""Control calls: what a call is, how it is written as an HTTP request, and what the reply means. Does no I/O."""

from __future__ import annotations

import json
from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from mockserver.client.messages import ExchangeError, HttpReply, HttpRequest
from mockserver.errors import ControlError, SettingsError, UnreachableError, reason_of
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable
from mockserver.settings import server_address, usable_token

if TYPE_CHECKING:
    import ssl
    from os import PathLike

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

R = TypeVar("R")
SERVER_NAME: Final = "mockserver"
"""The header `Server` of our replies; a proxy may replace it."""
CALL_TIMEOUT: Final = 30.0
"""Seconds the server may send nothing, beyond the time a wait was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One control call; `max_wait` is the number of seconds that the server may hold it.

    The answer is JSON, or with `text` the body as it is, and with `header` that and the value of a header. `lines` is
    a body of another kind: lines. A call with `content` is a request of a vendor's client: its `headers` and its body
    are sent as they are, and the answer is the reply, an `HttpReply`.
    """

    method: str
    path: str
    body: Json = None
    max_wait: float = 0.0
    text: bool = False
    header: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    lines: bytes | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


Steps: TypeAlias = Generator[Call, Json, R]
"""An operation: yields calls, is sent their answers, returns its result. Knows neither threads nor loops."""


class Target:
    """Where a server is, and the token for its control surface.

    `ca_file` has the certificates to trust besides those of the system. Raises ValueError for an unusable URL or token,
    SettingsError for an unusable CA file.
    """

    def __init__(self, url: str, token: str | None = None, ca_file: PathLike[str] | str | None = None) -> None:
        address = server_address(url)
        self.url = address.url
        self.token = None if token is None else usable_token(token)
        self.host = address.host
        self.tls = default_tls(address.scheme, ca_file)
        self.port = address.port
        self.prefix = address.path


def at(session: str, *parts: str, **query: Json) -> str:
    """Return the path of something below a session; query parameters that are None are left out."""
    path = "/".join(["/_mock/sessions", *(quote(part, safe="") for part in (session, *parts))])
    parameters = {
        name: str(member).lower() if isinstance(member, bool) else member
        for name, member in query.items()
        if member is not None
    }
    return f"{path}?{urlencode(parameters)}" if parameters else path


def default_tls(scheme: str, ca_file: PathLike[str] | str | None = None) -> ssl.SSLContext | None:
    """Return the context that verifies an https server's certificate; None for http. Raises SettingsError.

    It trusts the certificates of the system (or of SSL_CERT_FILE), and those in `ca_file`.
    """
    if scheme != "https":
        return None
    import ssl

    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # a server's own certificate can be trusted as well
        except ssl.SSLError:
            raise SettingsError(f"the CA file {ca_file} has no certificate in PEM format") from None
        except OSError as error:
            raise SettingsError(f"cannot read the CA file {ca_file}: {error.strerror}") from None
    return context


def request_of(target: Target, call: Call) -> HttpRequest:
    """Return a call as an HTTP request; lone surrogates in its body are written as escapes."""
    if call.content is not None:
        return HttpRequest(
            method=call.method,
            target=target.prefix + call.path,
            headers=call.headers,
            body=call.content,
            idle_timeout=CALL_TIMEOUT,
        )
    kind = "application/json" if call.lines is None else "application/x-ndjson"
    headers = [("Content-Type", kind), ("Accept", "application/json")]
    if target.token is not None:
        headers.append(("Authorization", f"Bearer {target.token}"))
    return HttpRequest(
        method=call.method,
        target=target.prefix + call.path,
        headers=headers,
        body=call.lines or (b"" if call.body is None else json.dumps(call.body).encode("ascii")),
        idle_timeout=CALL_TIMEOUT + call.max_wait,
    )


def unreachable(target: Target, call: Call, error: ExchangeError) -> UnreachableError:
    """Return the error that says which call could not be made."""
    hint = "check the URL, and that the server is running"
    return UnreachableError(f"no answer from {target.url} to {call}: {reason_of(error.reason)}; {hint}")


def answer_of(target: Target, call: Call, reply: HttpReply) -> Json:
    """Return a call's answer. Raises ControlError when it was refused, UnreachableError when no mockserver replied."""
    if call.content is not None:
        return reply
    if reply.status == 204:
        return None
    if call.text and reply.status < 400:
        text = reply.body.decode()
        return (text, reply.headers.get(call.header, "")) if call.header else text
    try:
        answer = json.loads(reply.body)
    except ValueError:
        raise _not_ours(target, call, reply) from None
    if reply.status < 400:
        return answer
    if not isinstance(answer, dict) or "detail" not in answer or answer.get("status") != reply.status:
        raise _not_ours(target, call, reply)
    member = answer.get("pointer") or answer.get("parameter") or None
    raise ControlError(str(call), reply.status, printable(str(answer["detail"])), member)


def resume(steps: Steps[R], target: Target, call: Call, reply: HttpReply) -> Call:
    """Continue an operation with the answer to its last call; return its next call.

    Raises StopIteration with the result at the end, ControlError, UnreachableError for an answer of another server.
    """
    answer = answer_of(target, call, reply)
    try:
        return steps.send(answer)
    except (KeyError, TypeError, AttributeError) as error:
        if reply.headers.get("server") == SERVER_NAME:
            raise
        raise _not_ours(target, call, reply) from error


def _not_ours(target: Target, call: Call, reply: HttpReply) -> UnreachableError:
    return UnreachableError(f"{target.url} is not a mockserver: {call} returned {reply.status} {reply.body[:80]!r}")
