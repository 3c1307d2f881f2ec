"""A health probe that checks whether a server is ready, with as few imports as possible.

It speaks HTTP over a plain socket: it needs only the status line and a few bytes of the body, and importing
`http.client` would take longer than everything else here.
"""

from __future__ import annotations

import os
import re
import socket
import time
from typing import TYPE_CHECKING, Final

from mockserver.errors import SettingsError, UnreachableError, reason_of
from mockserver.settings import DEFAULT_HOST, DEFAULT_PORT, Address, server_address, url_of

if TYPE_CHECKING:
    from os import PathLike
    from ssl import SSLContext

PATH: Final = "/readyz"
PAUSE_S: Final = 0.1
SHORTEST_S: Final = 0.001
"""The timeout of a probe whose time is up: the machine was busy while it paused."""
PROBE_TIMEOUT_S: Final = 5.0
WAIT_TIMEOUT_S: Final = 30.0
MAX_REPLY: Final = 8192
READY: Final = re.compile(rb'"status" *: *"ok"')
"""What the body of a mockserver that is ready contains."""
OTHER_STATUS: Final = re.compile(rb"(?!HTTP/[0-9.]+ 200\b).*\n")


def run(
    url: str | None, *, wait: bool = False, timeout: float | None = None, ca_file: str | PathLike[str] | None = None
) -> None:
    """Print that the server is ready.

    Without a URL, probe the one in MOCKSERVER_URL, or else the address that the environment gives `mockserver serve`.
    The certificate of an https server is verified, with those in `ca_file` too; that of the own address is not.
    Raises UnreachableError if the server is not ready, SettingsError for an invalid URL.
    """
    verified = url is not None
    url = url or _own_url()
    tls = _tls(_parts(url).scheme, ca_file, verified=verified)
    deadline = time.monotonic() + (timeout or (WAIT_TIMEOUT_S if wait else PROBE_TIMEOUT_S))
    while problem := ask(url, min(max(deadline - time.monotonic(), SHORTEST_S), PROBE_TIMEOUT_S), tls):
        if not wait or time.monotonic() + PAUSE_S >= deadline:
            raise UnreachableError(f"{url} is not ready: {problem}")
        time.sleep(PAUSE_S)
    print(f"{url} is ready", flush=True)


def ask(url: str, timeout: float, tls: SSLContext | None = None) -> str | None:
    """Probe once; return None if the server is ready, else the reason. Raises SettingsError for an invalid URL."""
    _, host, port, path = _parts(url)
    try:
        with _connect(host, port, timeout, tls) as connection:
            name = f"[{host}]" if ":" in host else host
            request = f"GET {path}{PATH} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n"
            connection.sendall(request.encode())
            reply = _reply(connection, time.monotonic() + timeout)
    except (OSError, UnicodeError) as error:
        return reason_of(error)
    words = reply.partition(b"\n")[0].decode("latin-1").strip().split(" ", 2)
    if not words[0].startswith("HTTP/") or len(words) < 2:
        return "the reply is not HTTP"
    if words[1] != "200":
        return f"{PATH} returned {' '.join(words[1:])}"
    body = reply.partition(b"\r\n\r\n")[2]
    return None if READY.search(body) else f"it is not a mockserver: {PATH} returned 200 {body[:80]!r}"


def _own_url() -> str:
    """Return the URL that the environment names for clients, or else the one of `mockserver serve` in it."""
    if url := os.environ.get("MOCKSERVER_URL"):
        return url
    host = os.environ.get("MOCKSERVER_SERVE_HOST") or DEFAULT_HOST
    port = os.environ.get("MOCKSERVER_SERVE_PORT") or os.environ.get("PORT") or ""
    secure = any(os.environ.get(f"MOCKSERVER_SERVE_{name}") for name in ("TLS", "TLS_CERT"))
    return url_of(host, int(port) if port.isdecimal() else DEFAULT_PORT, secure=secure)


def _parts(url: str) -> Address:
    try:
        return server_address(url)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def _tls(scheme: str, ca_file: str | PathLike[str] | None, *, verified: bool) -> SSLContext | None:
    """Return the context for an https server; None for http. Raises SettingsError for an unusable CA file."""
    if scheme == "http":
        return None
    from mockserver.client.calls import default_tls

    context = default_tls(scheme, ca_file)
    if context is not None and not verified:
        from ssl import CERT_NONE

        context.check_hostname, context.verify_mode = False, CERT_NONE
    return context


def _connect(host: str, port: int, timeout: float, tls: SSLContext | None) -> socket.socket:
    connection = socket.create_connection((host, port), timeout)
    return connection if tls is None else tls.wrap_socket(connection, server_hostname=host)


def _reply(connection: socket.socket, deadline: float) -> bytes:
    """Read a reply until it says that the server is ready, has another status or ends."""
    data = b""
    while len(data) < MAX_REPLY and not READY.search(data) and not OTHER_STATUS.match(data):
        connection.settimeout(max(deadline - time.monotonic(), SHORTEST_S))
        chunk = connection.recv(MAX_REPLY)
        if not chunk:
            break
        data += chunk
    return data
