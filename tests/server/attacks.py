"""Named ways to send what is no HTTP, or only nearly: each takes a connection of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

import aiohttp

from tests.server.raw import Attack, Plain, chunk

Maker = Callable[[Random, Plain], Attack]
ATTACKS: Final[dict[str, Maker]] = {}

WEBSOCKET_OFFERS_HAVE_BODIES: Final = tuple(map(int, re.findall("[0-9]+", aiohttp.__version__)[:3])) >= (3, 14, 2)
"""Before 3.14.2, aiohttp takes the body of a request that offers a websocket for the websocket's own bytes, and drops
the connection."""

CHUNKED: Final = "Transfer-Encoding: chunked"
CLOSE: Final = "Connection: close"


def attack(made: Maker) -> Maker:
    ATTACKS[made.__name__] = made
    return made


def sent(*pieces: bytes) -> Attack:
    return Attack(pieces=pieces)


@attack
def bad_chunking(rng: Random, request: Plain) -> Attack:
    tails = [
        *(b"zz\r\n{}\r\n0\r\n\r\n", b"5\r\nabcdefghij\r\n0\r\n\r\n", b"FFFFFFFFFFFFFFFFF\r\n{}\r\n0\r\n\r\n"),
        *(b"-1\r\n{}\r\n", b"0x2\r\n{}\r\n0\r\n\r\n", b"2\n{}\n0\n\n", b"\r\n\r\n"),
        *(b"2;" + b"a" * 20_000 + b"\r\n{}\r\n0\r\n\r\n", b"2\r\n{}\r\n0\r\nX-A: " + b"b" * 20_000 + b"\r\n\r\n"),
    ]
    start = chunk(request.body) if rng.random() < 0.5 else b""
    return sent(request.head(CHUNKED, CLOSE), start + rng.choice(tails))


@attack
def bad_content_length(rng: Random, request: Plain) -> Attack:
    length = rng.choice(["abc", "-5", "+5", "1e3", "0x10", "", "5, 5", "99999999999999999999999", "5 5", "\xb2"])
    return replace(sent(request.head(f"Content-Length: {length}", CLOSE) + request.body), end="half")


@attack
def two_lengths(rng: Random, request: Plain) -> Attack:
    other = rng.choice(["Content-Length: 3", CHUNKED, "Transfer-Encoding: junk", "Transfer-Encoding: gzip, chunked"])
    return replace(sent(request.wire(other, CLOSE)), end="half")


@attack
def broken_off(rng: Random, request: Plain) -> Attack:
    data = rng.choice([request.wire(), request.chunked(50)])
    return Attack(pieces=(data[: rng.randrange(len(data))],), end=rng.choice(["half", "close", "reset"]))


@attack
def gone_before_the_answer(rng: Random, request: Plain) -> Attack:
    return Attack(pieces=(request.wire(),), end=rng.choice(["close", "reset"]))


@attack
def half_closed(rng: Random, request: Plain) -> Attack:
    return Attack(pieces=(rng.choice([request.wire(), request.chunked(50), request.wire() * 3]),), end="half")


@attack
def pipelined(rng: Random, request: Plain) -> Attack:
    return sent(request.wire() * rng.choice([2, 20]) + request.wire(CLOSE))


@attack
def garbage_after(rng: Random, request: Plain) -> Attack:
    return sent(request.wire() + rng.choice([b"garbage\r\n\r\n", b"\0" * 50, b"{}" * 5000]))


@attack
def long_line(rng: Random, request: Plain) -> Attack:
    lines = [("X-A: " + "a" * 20_000), "a" * 20_000 + ": x", *(f"X-{i}: {'v' * 100}" for i in range(300))]
    return sent(request.wire(*rng.choice([lines[:1], lines[1:2], lines[2:]]), CLOSE))


@attack
def long_target(rng: Random, request: Plain) -> Attack:
    return sent(replace(request, path=request.path + "?" + "q" * 20_000).wire(CLOSE))


@attack
def odd_header(rng: Random, request: Plain) -> Attack:
    lines = [
        "no colon",
        ": no name",
        "X A: b",
        "X-A : b",
        "X-A: b\r\n folded",
        "X-A: a\0b",
        "X-A: a\rb",
        "X-A: a\nX-B: b",
        "(x): y",
        "\xff: \xff",
    ]
    return replace(sent(request.wire(rng.choice(lines), CLOSE)), end="half")


@attack
def odd_host(rng: Random, request: Plain) -> Attack:
    host = rng.choice([None, "", "a\r\nHost: b", "[::1", "a:b:c", "\xff", "x" * 5000])
    return sent(request.wire(CLOSE, host=host))


@attack
def odd_target(rng: Random, request: Plain) -> Attack:
    targets = [
        *("*", "", "x", "?a=b", "a.b:443", "//", "/\0", "/\xff\xfe", "/a b", "/%", "/" * 5000, "/../../etc/passwd"),
        *("http://", "http://[::1", "http://a.b", "http://a.b/_mock/sessions", "https://a.b:99999/v1/identify"),
        *("/_mock/s/x/http://a.b/", "javascript:alert(1)"),
    ]
    method = rng.choice(["OPTIONS", "CONNECT", "GET", "POST"])
    made = replace(request, method=method, path=rng.choice(targets), body=b"")
    return replace(sent(made.head(CLOSE)), method=method, end="half")


@attack
def odd_verb(rng: Random, request: Plain) -> Attack:
    verb = rng.choice(["post", "BREW", "P(ST", "", "GET\t", "\xff", "X" * 9000, "PRI", "_"])
    return replace(sent(replace(request, method=verb).wire(CLOSE)), end="half")


@attack
def odd_version(rng: Random, request: Plain) -> Attack:
    data = request.wire(CLOSE)
    version = rng.choice(
        [b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2.0", b"HTTP/3.7", b"HTTP/1.10", b"HTTP/1", b"ICY", b"", b"http/1.1"]
    )
    return replace(sent(data.replace(b"HTTP/1.1", version, 1)), end="half")


@attack
def odd_expectation(rng: Random, request: Plain) -> Attack:
    wanted = rng.choice(["100-continue", "100-Continue", "200-ok", "", "x" * 3000])
    return sent(request.wire(f"Expect: {wanted}", CLOSE, version=rng.choice(["1.0", "1.1"])))


@attack
def expectation_left(rng: Random, request: Plain) -> Attack:
    head = request.head("Content-Length: 100", "Expect: 100-continue")
    return Attack(pieces=(head,), end=rng.choice(["half", "close", "reset"]))


@attack
def upgrade(rng: Random, request: Plain) -> Attack:
    websocket = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    plain_h2 = ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA")
    offers = [plain_h2, ("Upgrade: \xff",), *([websocket] if WEBSOCKET_OFFERS_HAVE_BODIES else [])]
    data = request.wire("Connection: Upgrade", *rng.choice(offers))
    return Attack(pieces=(data, request.wire()), end="half")


@attack
def other_protocol(rng: Random, request: Plain) -> Attack:
    hello = bytes.fromhex("1603010200010001fc0303") + rng.randbytes(200)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
    greetings = [
        hello,
        preface,
        b"GET /\r\n",
        b"SSH-2.0-x\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        rng.randbytes(300) + b"\r\n\r\n",
        b"\r\n" * 50,
        b"",
    ]
    return Attack(pieces=(rng.choice(greetings),), end=rng.choice(["half", "close", "reset"]))


@attack
def blank_lines_first(rng: Random, request: Plain) -> Attack:
    return sent(b"\r\n\r\n" + request.wire(CLOSE))


@attack
def in_drops(rng: Random, request: Plain) -> Attack:
    data = rng.choice([request.wire(CLOSE), request.chunked(7)])
    size = len(data) // 20 + 1
    pieces = tuple(data[start : start + size] for start in range(0, len(data), size))
    return Attack(pieces=pieces, end="half")
