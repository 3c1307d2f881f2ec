"""A header that HTTP allows once and that came twice: the first value counts, however the bytes are cut."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from mockserver.server.repeated_headers import LIMITS, TAKEN, restored
from tests.server.attacks import CHUNKED, CLOSE
from tests.server.conftest import AppServer
from tests.server.mutators import outlit
from tests.server.raw import Connection, Plain, once, received, sent, unreadable

KEY = "pk_repeated"
WARNING = "/server/repeated_header"


def browser(*headers: tuple[str, str]) -> Plain:
    plain = outlit(KEY, "click")
    return replace(plain, headers=(*plain.headers, *headers))


async def details(app_server: AppServer) -> list[Any]:
    rows = (await once(app_server.port, Plain(method="GET", path=f"/_mock/sessions/{KEY}/requests"))).json["requests"]
    paths = [f"/_mock/sessions/{KEY}/requests/{row['id']}" for row in rows]
    return [(await once(app_server.port, Plain(method="GET", path=path))).json for path in paths]


TWICE = browser(("Content-Type", "text/html"), ("User-Agent", "one"), ("user-agent", "two"))


@pytest.mark.parametrize("name", [name.decode().title() for name in TAKEN])
async def test_first_value_is_taken_and_the_journal_has_both(app_server: AppServer, name: str) -> None:
    request = replace(browser(), headers=((name, "application/json"), (name.lower(), "x"), (name.upper(), "y")))
    assert (await once(app_server.port, request)).status == 200
    [detail] = await details(app_server)
    names = [pair[0] for pair in detail["request"]["headers"]]
    assert [each for each in names if each.lower() == name.lower()] == [name, name.lower(), name.upper()]
    rules = [finding["rule"] for finding in detail["findings"]]
    assert [rule for rule in rules if rule != "/protocol/content_types/accepted"] == [WARNING]


async def test_other_requests_have_no_warning(app_server: AppServer) -> None:
    connection = await Connection.open(app_server.port)
    tilde = browser(("~erver", "a"), ("^x", "b"))
    assert [(await connection.ask(each.wire())).status for each in (tilde, TWICE, tilde)] == [200, 200, 200]
    await connection.close()
    rows = await details(app_server)
    assert [[finding["rule"] for finding in row["findings"]] for row in rows] == [[], [WARNING], [WARNING]]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, 10_000])
async def test_packets_may_be_cut_anywhere(app_server: AppServer, size: int) -> None:
    plain = outlit(KEY, "click")
    spaced = replace(plain, body=plain.body + b"\n\n\r\n\r\n")
    stream = plain.wire() + TWICE.chunked(9) + spaced.wire() + TWICE.wire() + plain.wire() + TWICE.wire(CLOSE)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    answers = await sent(app_server.port, *pieces)
    assert [answer.status for answer in answers] == [200] * 6
    rows = await details(app_server)
    assert [len(row["findings"]) for row in rows] == [0, 1, 0, 1, 0, 1]
    assert all(row["request"]["body"]["text"].strip() == plain.body.decode() for row in rows)


async def test_body_is_left_alone_when_it_looks_like_a_head(app_server: AppServer) -> None:
    lines = b"\r\n\r\nPOST / HTTP/1.1\r\nUser-Agent: a\r\nUser-Agent: b\r\n\r\n"
    request = replace(TWICE, body=lines)
    connection = await Connection.open(app_server.port)
    for form in (request.wire(), request.wire(), request.chunked(11)):
        assert (await connection.ask(form)).status == 400
    await connection.close()
    assert [row["request"]["body"]["text"] for row in await details(app_server)] == [lines.decode()] * 3


async def test_requests_of_all_kinds_come_before_it(app_server: AppServer) -> None:
    plain = outlit(KEY, "click")
    long = replace(plain, body=plain.body + b" " * 300_000)
    connection = await Connection.open(app_server.port)
    for before in (plain.wire(), plain.chunked(), b"\r\n" + plain.wire(), long.wire(), plain.wire()):
        assert (await connection.ask(before)).status == 200
    assert (await connection.ask(TWICE.wire())).status == 200
    await connection.close()


async def test_request_in_the_same_packet_as_the_end_of_a_body(app_server: AppServer) -> None:
    plain = outlit(KEY, "click")
    for first in (plain.wire(), plain.chunked(5)):
        cut = len(first) - 10
        connection = await Connection.open(app_server.port)
        await connection.send(first[:cut])
        await connection.send(first[cut:] + TWICE.wire(CLOSE))
        assert [answer.status for answer in await connection.answers()] == [200, 200]
        await connection.close()


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 3",),
        (CHUNKED,),
        ("Host: other",),
        ("User-Agent: a", "User-Agent: b", "Host: other"),
        ("User-Agent: a", "User-Agent: b", "Content-Length: 3"),
        ("User-Agent: a", "User-Agent: b", CHUNKED),
    ],
)
async def test_what_would_smuggle_a_request_stays_refused(app_server: AppServer, lines: tuple[str, ...]) -> None:
    [answer] = await sent(app_server.port, outlit(KEY, "click").wire(*lines))
    assert answer.status == 400
    assert await received(app_server.port, KEY) == 0
    assert await unreadable(app_server.port) == 1


async def test_request_with_many_and_long_headers_is_taken(app_server: AppServer) -> None:
    request = browser(("Cookie", "c" * 9_000), *((f"X-{number}", "a") for number in range(300)))
    long = replace(request, path=request.path + "?q=" + "a" * 12_000)
    assert [(await once(app_server.port, each)).status for each in (request, long)] == [200, 200]


TOO_MUCH = {
    "one header": browser(("Cookie", "c" * (LIMITS["field_bytes"] + 1))),
    "request line": replace(browser(), path="/" + "a" * LIMITS["line_bytes"]),
    "number": browser(*((f"X-{number}", "a") for number in range(LIMITS["headers"] + 1))),
    "sum": browser(*((f"X-{number}", "a" * 2_000) for number in range(LIMITS["head_bytes"] // 2_000 + 1))),
    "sum of repeated ones": browser(
        *((name, "a" * 2_000) for _ in range(LIMITS["head_bytes"] // 4_000 + 1) for name in ("User-Agent", "X-A"))
    ),
}


@pytest.mark.parametrize("name", TOO_MUCH)
async def test_page_sees_the_431(app_server: AppServer, name: str) -> None:
    request = TOO_MUCH[name]
    request = replace(request, headers=(("Origin", "https://shop.example"), *request.headers))
    [answer] = await sent(app_server.port, request.wire())
    assert answer.status == 431
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert (
        "larger" in answer.json["detail"] or "longer" in answer.json["detail"] or "more than" in answer.json["detail"]
    )


async def test_every_page_may_read_it_when_the_origin_is_unknown(app_server: AppServer) -> None:
    [answer] = await sent(app_server.port, b"garbage\r\n\r\n")
    assert answer.headers["access-control-allow-origin"] == "*"


def test_headers_are_the_same_object_when_nothing_is_restored() -> None:
    headers = ((b"Host", b"a"), (b"~other", b"b"))
    assert restored(headers) == headers
    plain = headers[:1]
    assert restored(plain) is plain
    assert restored(((b"~ser-agent", b"a"), (b"^ser-Agent", b"b"))) == ((b"user-agent", b"a"), (b"User-Agent", b"b"))


async def test_curl_may_send_a_header_twice(app_server: AppServer) -> None:
    plain = outlit(KEY, "click")
    twice = ("-H", "Content-Type: application/json", "-H", "Content-Type: text/plain", "-H", "User-Agent: a")
    command = ("curl", "--silent", "--fail", *twice, "-H", "User-Agent: b", "-d", plain.body.decode())
    curl = await asyncio.create_subprocess_exec(*command, app_server.url + plain.path)
    assert await curl.wait() == 0
    [detail] = await details(app_server)
    assert [finding["rule"] for finding in detail["findings"]] == [WARNING]
