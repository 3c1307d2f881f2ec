"""The listening sockets: which addresses a host name stands for, and why one cannot be used."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from mockserver.errors import SettingsError

BACKLOG: Final = 1024
_SIX_ONLY: Final = (socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
_NOT_OURS: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class _Listener(socket.socket):
    """A listening socket that also accepts connections while a test has replaced `socket.socket`.

    The method of the standard library makes the new socket with that name.
    """

    _kind: ClassVar = socket.socket

    def accept(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        accept = getattr(super(), "_accept", None)
        if accept is None:
            return super().accept()
        number, address = accept()
        return self._kind(self.family, self.type, self.proto, fileno=number), address


def bound_sockets(host: str, port: int, *, share_port: bool = False) -> list[socket.socket]:
    """Return a listening socket for each address of `host`; port 0 selects one free port for all of them.

    `::` means every address of this machine, IPv4 included. With `share_port`, other processes of the same user can
    listen there too, and the system spreads new connections over them. Raises SettingsError.
    """
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise SettingsError(
            f"cannot listen on {host}: unknown host; "
            "set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
        ) from None
    both_families = host == "::" and socket.has_dualstack_ipv6()
    bound: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in dict.fromkeys((family, address) for family, _, _, _, address in entries):
        place = (address[0], port, *address[2:])
        try:
            options: dict[str, bool] = {"dualstack_ipv6": both_families, "reuse_port": share_port}
            with socket.create_server(place, family=family, backlog=BACKLOG, **options) as plain:
                sock = _Listener(family, plain.type, plain.proto, plain.detach())
        except OSError as error:
            if error.errno in _NOT_OURS:
                missing = error
                continue
            for other in bound:
                other.close()
            raise SettingsError(_why_not(host, port, error)) from None
        port = sock.getsockname()[1]
        bound.append(sock)
    if not bound and missing is not None:
        raise SettingsError(_why_not(host, port, missing))
    return bound


@contextlib.contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Keep a port for processes that share it, without listening there; yield its number. Raises SettingsError."""
    with contextlib.ExitStack() as kept:
        alone = bound_sockets(host, port)  # fails where another server has the port, also one that would share it
        names = [(sock.family, sock.getsockname()) for sock in alone]
        six_only = [sock.family == socket.AF_INET6 and sock.getsockopt(*_SIX_ONLY) for sock in alone]
        for sock in alone:
            sock.close()
        port = names[0][1][1]
        for (family, name), only in zip(names, six_only, strict=True):
            sock = kept.enter_context(socket.socket(family, socket.SOCK_STREAM))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections linger
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(*_SIX_ONLY, only)
            try:
                sock.bind(name)
            except OSError as error:
                raise SettingsError(_why_not(host, port, error)) from None
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)  # else a server beside could take the port
        yield port


def _why_not(host: str, port: int, error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            remedy = "the port is in use; stop the other program or choose another --port (0 selects a free one)"
        case errno.EACCES | errno.EPERM:
            remedy = "permission denied; choose a --port of 1024 or above"
        case number if number in _NOT_OURS:
            remedy = "set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
        case number:
            remedy = os.strerror(number or 0)
    return f"cannot listen on {host} port {port}: {remedy}"
