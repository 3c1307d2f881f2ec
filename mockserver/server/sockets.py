"""Binding to every address of a host name on one port, with errors that say what to do."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any, ClassVar, Final, NoReturn, TypeAlias

from mockserver.errors import SettingsError

_NOT_HERE: Final = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
_ANY_ADDRESS: Final = "::"

_Address: TypeAlias = tuple[str | int, ...]


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


def bound_sockets(host: str, port: int) -> list[socket.socket]:
    """Return a bound socket for each address of `host`; port 0 selects one free port for all of them.

    `::` means every address of this machine, IPv4 included. Raises SettingsError.
    """
    bound: list[socket.socket] = []
    missing: OSError | None = None
    for family, address in _addresses(host, port):
        try:
            sock = _bound(family, (address[0], port, *address[2:]), both=host == _ANY_ADDRESS)
        except OSError as error:
            if error.errno in _NOT_HERE:
                missing = error
                continue
            for other in bound:
                other.close()
            _fail(host, port, error)
        port = sock.getsockname()[1]
        bound.append(sock)
    if not bound and missing is not None:
        _fail(host, port, missing)
    return bound


def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, Any]]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError):
        raise SettingsError(
            f"cannot listen on {host}: unknown host; "
            "set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
        ) from None
    return list(dict.fromkeys((family, address) for family, _, _, _, address in found))


def _bound(family: socket.AddressFamily, address: _Address, *, both: bool) -> socket.socket:
    sock = _Listener(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


def _fail(host: str, port: int, error: OSError) -> NoReturn:
    where = f"cannot listen on {host} port {port}"
    if error.errno == errno.EADDRINUSE:
        remedy = "the port is in use; stop the other program or choose another --port (0 selects a free one)"
    elif error.errno in (errno.EACCES, errno.EPERM):
        remedy = "permission denied; choose a --port of 1024 or above"
    elif error.errno in _NOT_HERE:
        remedy = "set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
    else:
        remedy = error.strerror or str(error)
    raise SettingsError(f"{where}: {remedy}")
