"""Where HTTP ends and the vendors begin: what cannot be read, odd forms of what can, large bodies, our own bugs."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from mockserver.server.aiohttp_io import DRAIN_LIMIT
from mockserver.server.connection import LINGER_S
from tests.server.attacks import CHUNKED, CLOSE, WEBSOCKET_OFFERS_HAVE_BODIES
from tests.server.conftest import AppServer
from tests.server.mutators import GOOD, headed, outlit
from tests.server.raw import Connection, Plain, chunk, once, received, sent, unreadable, whole

KEY = "pk_shell"


@pytest.fixture
def good() -> Plain:
    return outlit(KEY, "click")


@pytest.fixture
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server read away the rest of a refused body for one second only, which a test waits for."""
    monkeypatch.setattr("mockserver.server.connection.LINGER_S", 1.0)


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200)),
        (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (400, b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
        (400, outlit(KEY, "a").wire(host=None)),
        (400, outlit(KEY, "a").wire(host="a\r\nHost: b")),
        (400, outlit(KEY, "a").wire("Content-Length: 3")),
        (400, outlit(KEY, "a").wire(CHUNKED)),
        (400, outlit(KEY, "a").head("Content-Length: many")),
        (400, outlit(KEY, "a").head("Transfer-Encoding: junk")),
        (400, outlit(KEY, "a").head(CHUNKED) + b"zz\r\n"),
        (400, outlit(KEY, "a").wire("X-A: b\r\n folded")),
        (400, outlit(KEY, "a").wire("no colon")),
        (400, replace(outlit(KEY, "a"), method="BREW").wire()),
        (400, replace(outlit(KEY, "a"), method="post").wire()),
        (400, replace(outlit(KEY, "a"), path="/api/i/v1/pk_\0/events").wire()),
        (400, replace(outlit(KEY, "a"), path="/api/i/v1/pk_\xff/events").wire()),
        (400, replace(outlit(KEY, "a"), path="http://[::1").wire()),
        (400, outlit(KEY, "a").wire(version="3.7")),
        (431, outlit(KEY, "a").wire("X-A: " + "a" * 20_000)),
        (431, outlit(KEY, "a").wire("a" * 20_000 + ": x")),
        (431, replace(outlit(KEY, "a"), path="/" + "a" * 20_000).wire()),
        (431, outlit(KEY, "a").wire(*(f"X-{i}: a" for i in range(2_001)))),
    ],
)
async def test_request_is_answered_in_json_and_counted_when_it_cannot_be_read(
    app_server: AppServer, status: int, data: bytes
) -> None:
    [answer] = await sent(app_server.port, data)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json == {"error": "unreadable_request", "detail": answer.json["detail"], "status": status}
    assert answer.json["detail"]
    assert "aaaa" not in answer.json["detail"]
    assert await unreadable(app_server.port) == 1
    assert await received(app_server.port, KEY) == 0


@pytest.mark.parametrize("path", [outlit(KEY, "a").path, "/_mock/sessions/a/clock"])
@pytest.mark.parametrize(
    "tail", [b"zz\r\n", b"2\r\n{}oops\r\n", b"FFFFFFFFFFFFFFFFFF\r\n", b"0\r\nX-A: " + b"b" * 20_000]
)
async def test_handler_is_told_when_the_framing_of_the_body_breaks_off(
    app_server: AppServer, path: str, tail: bytes
) -> None:
    """The answer 100 shows that the body is being read by the time it breaks."""
    connection = await Connection.open(app_server.port)
    method = "PUT" if path.startswith("/_mock") else "POST"
    await connection.send(Plain(method=method, path=path).head(CHUNKED, "Expect: 100-continue"))
    assert await connection.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await connection.send(chunk(b'{"a": ') + tail)
    answers = await connection.answers()
    await connection.close()
    assert whole(answers) == []
    assert [(answer.status, answer.json["error"]) for answer in answers] == [(400, "unreadable_request")]
    assert answers[0].json["detail"].startswith("invalid request body")
    assert await unreadable(app_server.port) == 1
    assert await received(app_server.port, KEY) == 0


async def test_framing_may_break_off_after_the_answer(app_server: AppServer, caplog: pytest.LogCaptureFixture) -> None:
    connection = await Connection.open(app_server.port)
    answer = await connection.ask(Plain(path="/nobody/serves/this").head(CHUNKED))
    assert answer.status == 404
    await connection.send(b"zz\r\n")
    assert await connection.answers() == []
    await connection.close()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_requests_before_the_unreadable_one_are_answered(app_server: AppServer, good: Plain) -> None:
    connection = await Connection.open(app_server.port)
    assert (await connection.ask(good.wire())).status == 200
    await connection.send(b"\0\0\0 garbage\r\n\r\n")
    assert [answer.status for answer in await connection.answers()] == [400]
    await connection.close()
    assert await received(app_server.port, KEY) == 1


@pytest.mark.parametrize("name", GOOD)
async def test_request_is_served_in_every_form_http_allows(app_server: AppServer, name: str) -> None:
    good = headed(GOOD[name](KEY, "click"), ("X-Mock-Session", KEY))
    forms = [
        good.wire(CLOSE),
        good.wire(version="1.0"),
        good.chunked(7).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1),
        good.wire(CLOSE, "Expect: 100-continue"),
        good.wire("Expect: 100-continue", version="1.0"),
        good.wire(CLOSE, "Expect: something-else"),
        b"\r\n\r\n" + good.wire(CLOSE),
        replace(good, path="http://localhost" + good.path).wire(CLOSE),
        replace(good, path=f"http://localhost/_mock/s/{KEY}{good.path}").wire(CLOSE),
    ]
    for number, form in enumerate(forms, 1):
        [answer] = await sent(app_server.port, form)
        assert 200 <= answer.status < 300, (form, answer)
        assert await received(app_server.port, KEY) == number


@pytest.mark.parametrize(
    "upgrade",
    [
        "h2c",
        pytest.param(
            "websocket",
            marks=pytest.mark.skipif(
                not WEBSOCKET_OFFERS_HAVE_BODIES, reason="aiohttp before 3.14.2 reads no body of such a request"
            ),
        ),
        "TLS/1.0",
    ],
)
async def test_offer_to_upgrade_is_passed_over(app_server: AppServer, good: Plain, upgrade: str) -> None:
    """Java's HTTP client offers h2c with its first request, whatever that is."""
    offer = good.wire(f"Upgrade: {upgrade}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQ")
    connection = await Connection.open(app_server.port)
    answers = [await connection.ask(request) for request in (offer, good.wire(), offer)]
    await connection.close()
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert await received(app_server.port, KEY) == 3


async def test_pipelined_requests_are_answered_in_order(app_server: AppServer, good: Plain) -> None:
    other = replace(good, path="/api/i/v1/nokey/events")
    answers = await sent(app_server.port, (good.wire() + other.wire()) * 100 + good.wire(CLOSE))
    assert [answer.status for answer in answers] == [200, 400] * 100 + [200]


@pytest.mark.parametrize(
    ("method", "target"), [("OPTIONS", "*"), ("CONNECT", "a.b:443"), ("GET", "http://a.b"), ("GET", "/x")]
)
async def test_path_that_nobody_owns_gets_a_problem_that_lists_what_is_served(
    app_server: AppServer, method: str, target: str
) -> None:
    answers = await sent(app_server.port, Plain(method=method, path=target).wire(CLOSE), method=method)
    if target == "http://a.b":
        assert answers[0].json["name"] == "mockserver"
        return
    assert [answer.status for answer in answers] == [404]
    assert answers[0].headers["content-type"] == "application/problem+json"
    assert "POST /v1/events/batch" in answers[0].json["served"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_root_says_what_this_is(app_server: AppServer, method: str) -> None:
    [answer] = await sent(app_server.port, Plain(method=method).wire(CLOSE), method=method)
    assert answer.status == 200
    assert (answer.json["name"] if method == "GET" else answer.body.decode()) == (
        "mockserver" if method == "GET" else ""
    )


async def test_control_surface_is_reached_in_absolute_form(app_server: AppServer) -> None:
    answer = await once(app_server.port, Plain(method="GET", path="http://localhost/_mock/sessions?"))
    assert answer.json["sessions"] == []


@pytest.mark.usefixtures("short_linger")
@pytest.mark.parametrize("chunked", [True, False])
async def test_sender_sees_the_refusal_when_it_is_still_sending(
    app_server: AppServer, good: Plain, *, chunked: bool
) -> None:
    """More than is read away before the answer: that comes while the client still sends, and is not lost."""
    size = DRAIN_LIMIT + 8 * 1024 * 1024
    block = b" " * (1024 * 1024)
    connection = await Connection.open(app_server.port)
    await connection.send(good.head(CHUNKED if chunked else f"Content-Length: {size}"))
    for _ in range(size // len(block)):
        await connection.send(chunk(block) if chunked else block)
    async with asyncio.timeout(LINGER_S * 2):
        answers = await connection.answers()
    await connection.close()
    assert [answer.status for answer in answers] == [413]
    assert answers[0].json["success"] is False
    row = (await once(app_server.port, Plain(method="GET", path=f"/_mock/sessions/{KEY}/requests/r1"))).json
    assert len(row["request"]["body"]["text"]) < DRAIN_LIMIT / 8
    assert app_server.app.store.bytes < DRAIN_LIMIT / 8


@pytest.mark.usefixtures("short_linger")
@pytest.mark.parametrize("chunked", [True, False])
async def test_sender_of_too_much_is_answered_when_it_stalls(
    app_server: AppServer, good: Plain, *, chunked: bool
) -> None:
    """The answer takes neither the rest of the body, which never comes, nor the deadline for whole bodies."""
    size = 99_000_000
    connection = await Connection.open(app_server.port)
    await connection.send(good.head(CHUNKED if chunked else f"Content-Length: {size}"))
    await connection.send(chunk(b" " * 11_000_000) if chunked else b" " * 2_000_000)
    async with asyncio.timeout(LINGER_S * 2):
        answers = await connection.answers()
    await connection.close()
    assert [(answer.status, answer.json["success"]) for answer in answers] == [(413, False)]


async def test_connection_lives_on_when_a_body_was_only_a_little_too_large(app_server: AppServer, good: Plain) -> None:
    connection = await Connection.open(app_server.port)
    large = replace(good, body=b" " * 1_048_577)
    statuses = [(await connection.ask(request.wire())).status for request in (large, good, large, good)]
    assert statuses == [413, 200, 413, 200]
    await connection.close()


async def test_bug_of_ours_is_told_in_json_and_logged(
    app_server: AppServer, good: Plain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*arguments: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(app_server.app.vendor, "handle", broken)
    answer = await once(app_server.port, good)
    assert answer.status == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "a bug" not in answer.body.decode().replace("a bug of this server", "")
    [record] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
