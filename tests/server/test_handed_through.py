"""How a reply of an upstream is written: framed anew, everything else as it came."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from mockserver.core.wire import WireReply
from mockserver.server.handed_through import head
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.sdks.harness import absent
from tests.server.raw import SEARCH, Connection, Plain
from tests.server.scripted_upstream import upstream

LARGE = b"x" * 1_500_000
BATCH = Plain(
    path="/v1/events/batch", headers=(("X-API-Key", "wrk_1"), ("Content-Type", "application/json")), body=b"{}"
)


def reply(status: int = 200, body: bytes = b"") -> bytes:
    return b"HTTP/1.1 %d x\r\nX-A: b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def test_head_has_the_headers_of_the_upstream_and_a_length() -> None:
    made = WireReply(status=299, headers=(("x-A", "1"), ("X-a", "é\udcff")), body=b"ab")
    expected = "HTTP/1.1 299 Status 299\r\nx-A: 1\r\nX-a: é".encode() + b"\xff\r\n"
    assert head(made, bare=False, close=False) == expected + b"Content-Length: 2\r\n\r\n"
    assert head(made, bare=True, close=True) == expected + b"Connection: close\r\n\r\n"


async def test_connection_stays_open_for_replies_of_any_kind() -> None:
    replies = (reply(204), reply(304), reply(200, LARGE), reply(200, b"ok"))
    async with upstream(*replies) as there, serving(Settings(port=0, upstreams={"whisperr": there.url})) as (_, url):
        connection = await Connection.open(int(url.rpartition(":")[2]))
        answers = [await connection.ask(BATCH.wire()) for _ in replies]
        await connection.close()
    assert [(answer.status, answer.body) for answer in answers] == [(204, b""), (304, b""), (200, LARGE), (200, b"ok")]
    assert all(answer.headers["x-a"] == "b" for answer in answers)
    assert ["content-length" in answer.headers for answer in answers] == [False, False, True, True]
    assert not any("server" in answer.headers or "date" in answer.headers for answer in answers)


@pytest.mark.parametrize(("version", "method"), [("1.0", "POST"), ("1.1", "HEAD")])
async def test_old_clients_and_head_requests_are_answered(version: str, method: str) -> None:
    async with (
        upstream(reply(200, b"" if method == "HEAD" else b"ok")) as there,
        serving(Settings(port=0, upstreams={"whisperr": there.url})) as (_, url),
    ):
        connection = await Connection.open(int(url.rpartition(":")[2]))
        request = Plain(method=method, path=BATCH.path, headers=BATCH.headers, body=BATCH.body)
        await connection.send(request.wire("Connection: close", version=version))
        answers = await connection.answers(method)
        await connection.close()
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"" if method == "HEAD" else b"ok")]


async def test_large_reply_arrives_whole_over_tls() -> None:
    try:
        import trustme
    except ImportError:
        absent("trustme is not installed")
    assert trustme
    async with (
        upstream(reply(200, LARGE)) as there,
        serving(Settings(port=0, upstreams={"whisperr": there.url}, tls="self-signed")) as (app, url),
    ):
        context = ssl.create_default_context(cafile=app.ca_file)
        streams = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]), ssl=context)
        connection = Connection(*streams)
        answer = await connection.ask(BATCH.wire(), within=SEARCH)
        await connection.close()
    assert (answer.status, answer.headers["x-a"], answer.body) == (200, "b", LARGE)
