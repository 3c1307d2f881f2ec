"""Binding: every address of a host on one port, and errors that say what to do."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mockserver.errors import SettingsError
from mockserver.server.sockets import bound_sockets, reserved_port


@contextmanager
def bound(host: str, port: int = 0) -> Iterator[list[socket.socket]]:
    """Bind and close again."""
    opened = bound_sockets(host, port)
    try:
        yield opened
    finally:
        for sock in opened:
            sock.close()


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[socket.AddressFamily, tuple[str | int, ...]]) -> None:
    """Let any host stand for these addresses."""
    entries = [(family, socket.SOCK_STREAM, 6, "", address) for family, address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: entries)


def test_free_port_is_taken_when_none_is_named() -> None:
    with bound("127.0.0.1") as opened:
        ((host, port),) = [sock.getsockname() for sock in opened]
        assert host == "127.0.0.1"
        assert port > 0


def test_named_port_is_taken_again_as_soon_as_it_is_free() -> None:
    with bound("127.0.0.1") as (first,):
        port = first.getsockname()[1]
    with bound("127.0.0.1", port) as (second,):
        assert second.getsockname()[1] == port


def test_port_can_be_bound_again_while_old_connections_linger() -> None:
    with bound("127.0.0.1") as (sock,):
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR) == 1


def test_every_address_of_a_host_has_one_port(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, ("127.0.0.2", 0)))
    with bound("two.example") as opened:
        names = [sock.getsockname() for sock in opened]
    assert [name[0] for name in names] == ["127.0.0.1", "127.0.0.2"]
    assert len({name[1] for name in names}) == 1


def test_address_that_is_listed_twice_is_bound_once(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, *[(socket.AF_INET, ("127.0.0.1", 0))] * 2)
    with bound("twice.example") as opened:
        assert len(opened) == 1


def test_address_this_machine_lacks_is_left_out_when_another_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, (socket.AF_INET, ("192.0.2.1", 0)), (socket.AF_INET, ("127.0.0.1", 0)))
    with bound("mixed.example") as opened:
        assert [sock.getsockname()[0] for sock in opened] == ["127.0.0.1"]


def test_error_says_what_to_give_when_no_address_is_of_this_machine() -> None:
    with pytest.raises(SettingsError) as caught:
        bound_sockets("192.0.2.1", 0)
    assert str(caught.value) == (
        "cannot listen on 192.0.2.1 port 0: set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
    )


def test_error_says_what_to_do_when_the_port_is_taken() -> None:
    with bound("127.0.0.1") as (taken,):
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError) as caught:
            bound_sockets("127.0.0.1", port)
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1 port {port}: "
        "the port is in use; stop the other program or choose another --port (0 selects a free one)"
    )


def test_what_was_bound_is_closed_when_another_address_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with bound("127.0.0.2") as (taken,):
        taken.listen()
        port = taken.getsockname()[1]
        resolving(monkeypatch, (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, ("127.0.0.2", 0)))
        with pytest.raises(SettingsError, match=f"cannot listen on two.example port {port}"):
            bound_sockets("two.example", port)
    monkeypatch.undo()
    with bound("127.0.0.1", port) as opened:
        assert len(opened) == 1


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example", "exa mple", ""])
def test_error_names_a_host_that_does_not_exist(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SettingsError) as caught:
        bound_sockets(host, 0)
    assert str(caught.value) == (
        f"cannot listen on {host}: unknown host; set --host (or MOCKSERVER_SERVE_HOST) to an address of this machine"
    )


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "permission denied; choose a --port of 1024 or above"),
        (errno.EPERM, "permission denied; choose a --port of 1024 or above"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_error_says_why_the_system_refused(number: int, remedy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(number, "Too many open files")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(SettingsError) as caught:
        bound_sockets("127.0.0.1", 80)
    assert str(caught.value) == f"cannot listen on 127.0.0.1 port 80: {remedy}"


@pytest.mark.parametrize(("host", "only_six"), [("::", 0), ("::1", 1)])
def test_any_address_of_version_six_means_those_of_version_four_too(host: str, only_six: int) -> None:
    try:
        opened = bound_sockets(host, 0)
    except SettingsError:
        pytest.skip("this machine has no IPv6")
    with opened[0] as sock:
        assert sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == only_six


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_reserved_port_is_there_for_those_who_share_it_and_for_nobody_else(host: str) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with reserved_port(host, 0) as port:
        shared = [sock for _ in range(2) for sock in bound_sockets(host, port, share_port=True)]
        for taking in (bound_sockets, lambda *place: reserved_port(*place).__enter__()):
            with pytest.raises(SettingsError, match="the port is in use"):
                taking(host, port)
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        for sock in shared:
            sock.close()
        with pytest.raises(SettingsError, match="the port is in use"):
            bound_sockets(host, port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), timeout=5)
    with bound(host, port) as opened:
        assert len(opened) == 1


def test_port_can_be_reserved_while_old_connections_linger() -> None:
    with bound("127.0.0.1") as (sock,):
        port = sock.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            sock.accept()[0].close()
    with reserved_port("127.0.0.1", port) as reserved:
        assert reserved == port


def test_every_address_of_a_host_is_reserved(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, ("127.0.0.2", 0)))
    with reserved_port("two.example", 0) as port:
        monkeypatch.undo()
        for address in ("127.0.0.1", "127.0.0.2"):
            with pytest.raises(SettingsError, match="the port is in use"):
                bound_sockets(address, port)
