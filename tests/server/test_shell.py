"""Where HTTP ends and the vendors begin: framing, deadlines, connections cut at odd moments, odd sessions."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from urllib.parse import quote

import pytest

from mockserver.server.connection import LINGER_S, is_wait
from mockserver.server.wire import DRAIN_LIMIT
from mockserver.settings import Settings
from tests.server.attacks import CHUNKED, CLOSE
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import GOOD, headed, outlit, whisperr
from tests.server.raw import PATIENCE, Answer, Attack, Connection, End, Plain, carry_out, chunk, once, whole

KEY = "pk_shell"
DEADLINE = 0.3


@pytest.fixture
def settings() -> Settings:
    """Bodies and heads that are not sent on are given up soon."""
    return Settings(port=0, body_timeout=DEADLINE)


@pytest.fixture
def good() -> Plain:
    return outlit(KEY, "click")


async def sent(port: int, *pieces: bytes, end: End = "read", method: str = "POST") -> list[Answer]:
    """Send these bytes on one connection; return what came back, which is whole."""
    answers = await carry_out(port, Attack(pieces=pieces, end=end, method=method))
    assert whole(answers) == []
    return answers


async def received(server: AppServer, session: str = KEY) -> int:
    """Return how many requests a session has seen."""
    path = f"/_mock/sessions/{quote(session, safe='')}"
    counts: dict[str, int] = (await once(server.port, Plain(method="GET", path=path))).json["counts"]
    return counts["requests"]


async def unreadable(server: AppServer) -> int:
    listed = await once(server.port, Plain(method="GET", path="/_mock/sessions"))
    count: int = listed.json["unreadable"]
    return count


# What cannot be read


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
        (400, outlit(KEY, "a").wire(*(f"X-{i}: a" for i in range(300)))),
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
    assert await unreadable(app_server) == 1
    assert await received(app_server) == 0


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
    assert answers[0].json["detail"].startswith("the body cannot be read")
    assert await unreadable(app_server) == 1
    assert await received(app_server) == 0


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
    assert await received(app_server) == 1


# Odd but readable


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
        assert await received(app_server) == number


@pytest.mark.parametrize("upgrade", ["h2c", "websocket", "TLS/1.0"])
async def test_offer_to_upgrade_is_passed_over(app_server: AppServer, good: Plain, upgrade: str) -> None:
    """Java's HTTP client offers h2c with its first request, whatever that is."""
    offer = good.wire(f"Upgrade: {upgrade}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQ")
    connection = await Connection.open(app_server.port)
    answers = [await connection.ask(request) for request in (offer, good.wire(), offer)]
    await connection.close()
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert await received(app_server) == 3


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


# Slow senders


@pytest.mark.parametrize("name", GOOD)
async def test_slow_body_is_given_up_in_the_vendors_shape(app_server: AppServer, name: str) -> None:
    good = headed(GOOD[name](KEY, "click"), ("X-Mock-Session", KEY), ("Origin", "https://app.example"))
    connection = await Connection.open(app_server.port)
    answer = await connection.ask(good.wire()[:-5])
    assert answer.status == 408
    assert whole([answer]) == []
    assert "error" in answer.json or answer.json["errors"][0]["index"] == -1
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["connection"] == "close"
    await connection.close()
    row = (await once(app_server.port, Plain(method="GET", path=f"/_mock/sessions/{KEY}/requests/r1"))).json
    assert row["status"] == 408
    assert row["findings"][0]["message"] == "the body did not arrive before the deadline"
    assert row["request"]["body"]["text"] == good.body.decode()[:-5]
    assert row["events"] == 0


async def test_slow_body_of_a_control_call_is_given_up(app_server: AppServer) -> None:
    connection = await Connection.open(app_server.port)
    answer = await connection.ask(Plain(method="PUT", path="/_mock/sessions/a/clock").head("Content-Length: 9"))
    await connection.close()
    assert answer.status == 408
    assert answer.json["title"] == "Request Timeout"


@pytest.mark.parametrize("beginning", [b"P", b"POST / HT", outlit(KEY, "a").head()[:-2], b"\r\n"])
async def test_slow_head_is_given_up(app_server: AppServer, beginning: bytes) -> None:
    [answer] = await sent(app_server.port, beginning)
    assert answer.status == 408
    assert "head" in answer.json["detail"]
    assert await unreadable(app_server) == 1


async def test_idle_connection_is_kept_when_its_requests_were_whole(app_server: AppServer, good: Plain) -> None:
    idle, slow = await Connection.open(app_server.port), await Connection.open(app_server.port)
    assert (await idle.ask(good.wire())).status == 200
    assert (await slow.ask(b"POST")).status == 408
    assert (await idle.ask(good.wire())).status == 200
    for connection in (idle, slow):
        await connection.close()


# Large bodies


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


async def test_connection_lives_on_when_a_body_was_only_a_little_too_large(app_server: AppServer, good: Plain) -> None:
    connection = await Connection.open(app_server.port)
    large = replace(good, body=b" " * 1_048_577)
    statuses = [(await connection.ask(request.wire())).status for request in (large, good, large, good)]
    assert statuses == [413, 200, 413, 200]
    await connection.close()


# Clients that go away


@pytest.mark.parametrize("times", [1, 3])
async def test_client_that_closed_its_sending_side_gets_its_answers(
    app_server: AppServer, good: Plain, times: int
) -> None:
    answers = await sent(app_server.port, good.wire() * times, end="half")
    assert [answer.status for answer in answers] == [200] * times
    assert await received(app_server) == times


@pytest.mark.parametrize("end", ["close", "reset", "half"])
@pytest.mark.parametrize("name", GOOD)
async def test_request_is_journalled_when_its_client_is_gone_before_the_answer(
    app_server: AppServer, control: ControlClient, name: str, end: End
) -> None:
    """The wait shows it: the commit wakes that, with nobody there to be told of the event."""
    good = headed(GOOD[name](KEY, "click"), ("X-Mock-Session", KEY))
    await sent(app_server.port, good.wire(), end=end)
    status, waited = await control.post(f"/_mock/sessions/{KEY}/wait", {"count": 1, "timeout_ms": PATIENCE * 1000})
    assert (status, waited["reason"]) == (200, "ok")


@pytest.mark.parametrize("end", ["close", "reset", "half"])
async def test_nothing_is_journalled_when_a_client_is_gone_in_the_middle_of_a_body(
    app_server: AppServer, good: Plain, end: End
) -> None:
    before = asyncio.all_tasks()
    for data in (good.wire()[:-1], good.chunked(7)[:-3], good.head("Content-Length: 9", "Expect: 100-continue")):
        assert await sent(app_server.port, data, end=end) == []
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=PATIENCE)
    assert left == set()
    assert await received(app_server) == 0


@pytest.mark.parametrize("end", ["close", "reset", "half"])
async def test_wait_ends_when_its_caller_is_gone(app_server: AppServer, end: End) -> None:
    before = asyncio.all_tasks()
    call = Plain(path=f"/_mock/sessions/{KEY}/wait", body=b'{"timeout_ms": 600000}')
    assert await sent(app_server.port, call.wire(), end=end) == []
    left = asyncio.all_tasks() - before
    if left:
        _, left = await asyncio.wait(left, timeout=PATIENCE)
    assert left == set()
    assert app_server.app.store.session(KEY).waiters == set()


def test_only_waits_end_with_their_client() -> None:
    assert is_wait("/_mock/sessions/a/wait")
    assert is_wait("/_mock/sessions/a/wait?x")
    assert not is_wait("/_mock/sessions/a/clock?/wait")
    assert not is_wait("/_mock/s/a/v1/wait")


# Sessions with odd names


@pytest.mark.parametrize("name", ["a/b", "a\r\nb", "\x00", "\x1b[31m", "..", "%41", " ", "Größe 😀", "x" * 200, "?#&"])
async def test_session_of_any_name_is_kept_apart_and_read_back(app_server: AppServer, good: Plain, name: str) -> None:
    prefixed = replace(good, path=f"/_mock/s/{quote(name, safe='')}{good.path}")
    assert (await once(app_server.port, prefixed)).status == 200
    assert await received(app_server, name) == 1
    listed = (await once(app_server.port, Plain(method="GET", path="/_mock/sessions"))).json["sessions"]
    assert [row["session"] for row in listed] == [name]


@pytest.mark.parametrize("size", [201, 4000])
@pytest.mark.parametrize("place", ["path", "key", "header"])
async def test_long_name_leads_to_the_default_session_which_says_so(
    app_server: AppServer, place: str, size: int
) -> None:
    long = "pk_" + "a" * (size - 3)
    request = {
        "path": outlit(long, "click"),
        "key": whisperr(long, "click"),
        "header": headed(outlit(KEY, "click"), ("X-Mock-Session", long)),
    }[place]
    assert (await once(app_server.port, request)).status < 300
    row = (await once(app_server.port, Plain(method="GET", path="/_mock/sessions/default/requests/r1"))).json
    assert any("200 bytes" in finding["message"] for finding in row["findings"])


@pytest.mark.parametrize("prefix", ["/_mock/s/" + "a" * 201, "/_mock/s/", "/_mock/s//", "/_mock/s"])
async def test_prefix_without_a_usable_name_is_a_problem(app_server: AppServer, good: Plain, prefix: str) -> None:
    answer = await once(app_server.port, replace(good, path=prefix + good.path))
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"


# Our own bugs


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
