"""A later aiohttp may rename what it keeps to itself: the server says so once, and serves."""

from __future__ import annotations

import http.client
import signal
from types import SimpleNamespace
from unittest import mock

import aiohttp
import pytest
from aiohttp import StreamReader

from mockserver.server.connection import ATTRIBUTES, CLASSES, Server
from mockserver.server.repeated_headers import LenientParser, Parsed
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.processes import SEARCH, ServerProcess, served
from tests.server.mutators import outlit
from tests.server.raw import once

KEY = "pk_renamed"
WARNING = f"aiohttp {aiohttp.__version__} has no "


def requests_of(server: ServerProcess) -> int:
    """Send two vendor requests on one connection; return how many the server has journalled."""
    good = outlit(KEY, "click")
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=SEARCH)
    try:
        for _ in range(2):
            connection.request(good.method, good.path, good.body, dict(good.headers))
            reply = connection.getresponse()
            assert (reply.status, reply.read()[:16]) == (200, b'{"success":true,')
        connection.request("GET", f"/_mock/sessions/{KEY}/requests")
        reply = connection.getresponse()
        return reply.read().count(b'"path"')
    finally:
        connection.close()


@pytest.mark.parametrize("name", [*ATTRIBUTES, *CLASSES])
def test_vendor_request_is_answered_when_aiohttp_lacks_a_private_name(name: str) -> None:
    with served(python=("-m", "tests.server.renamed", name)) as server:
        assert requests_of(server) == 2
        with server.connect("\0 garbage\r\n\r\n") as connection:
            assert connection.recv(100).startswith(b"HTTP/1.0 400 Bad Request\r\nContent-Type: application/json")
        idle = server.connect("")
        code, _, log = server.end(signal.SIGTERM)
        idle.close()
    assert (code, log.count(WARNING)) == (0, 1), log
    assert f"{WARNING}{name}: requests are served, but there is no deadline for the head of a request" in log
    assert "Traceback" not in log


class OtherParser:
    """A parser of an aiohttp whose names are the same, but which answers otherwise."""

    def __init__(self, *made: object) -> None:
        self.renames = False

    def feed_data(self, data: bytes) -> list[object]:
        return [[]]


class RefusingParser(OtherParser):
    """A parser that is not made as before."""

    def __init__(self) -> None:
        super().__init__()


class RenamingParser(OtherParser):
    """A parser that changes what it reads."""

    def feed_data(self, data: bytes) -> list[object]:
        return [[(SimpleNamespace(method="GET", path="trial", raw_headers=()), StreamReader(mock.Mock(), 1))]]


@pytest.mark.parametrize(
    ("parser", "why"),
    [
        (OtherParser, "ValueError: not enough values to unpack"),
        (RefusingParser, "TypeError: "),
        (RenamingParser, "it reads ('GET', 'trial',"),
    ],
)
async def test_server_falls_back_when_a_private_name_has_another_meaning(
    parser: type[OtherParser], why: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("mockserver.server.connection.LenientParser", parser)
    async with serving(Settings(port=0)) as (_, url):
        assert (await once(int(url.rpartition(":")[2]), outlit(KEY, "click"))).status == 200
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [
        text.startswith(f"aiohttp {aiohttp.__version__} does not read requests as expected ({why}") for text in warnings
    ] == [True]


def test_nothing_is_said_when_aiohttp_has_every_private_name() -> None:
    with served(python=("-m", "tests.server.renamed", "nothing_has_this_name")) as server:
        assert requests_of(server) == 2
        _, _, log = server.end(signal.SIGTERM)
    assert WARNING not in log


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the parsers of all connections are given."""
    pieces: list[bytes] = []
    feed = LenientParser.feed_data

    def noted(self: LenientParser, data: bytes) -> Parsed:
        pieces.append(data)
        return feed(self, data)

    monkeypatch.setattr(LenientParser, "feed_data", noted)
    return pieces


async def test_nothing_is_parsed_again_after_a_body_was_read(fed: list[bytes]) -> None:
    async with serving(Settings(port=0)) as (_, url):
        fed.clear()
        assert (await once(int(url.rpartition(":")[2]), outlit(KEY, "click"))).status == 200
    assert len(fed) == 1


async def test_sender_that_was_held_up_goes_on_once(fed: list[bytes]) -> None:
    server = Server(mock.AsyncMock(), on_unreadable=mock.Mock(), timeout=SEARCH)
    connection, transport = server(), mock.Mock()
    transport.get_extra_info.return_value = None
    connection.connection_made(transport)
    fed.clear()
    connection.data_received(outlit(KEY, "click").wire()[:-1])
    connection.pause_reading()
    for _ in range(2):
        connection.resume_reading()
    assert (fed[1:], transport.pause_reading.call_count, transport.resume_reading.call_count) == ([b""], 1, 1)
    connection.force_close()
