"""What goes on to an upstream, and what is made of an upstream that gives no reply."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mockserver.core.wire import WireRequest
from mockserver.errors import SettingsError
from mockserver.server.upstreams import MOST_BYTES, Upstreams, forwarded, is_own, received_headers, url_of
from mockserver.sessions.exchange import Relayed
from mockserver.settings import server_address
from tests.sdks.harness import absent
from tests.server.raw import SEARCH
from tests.server.scripted_upstream import OK, upstream

Header = tuple[bytes, bytes]


def request_of(
    *headers: Header, target: str = "/v1/events/batch", method: str = "POST", body: bytes = b"{}"
) -> WireRequest:
    return WireRequest(method=method, target=target, headers=headers, fields={}, body=body)


@asynccontextmanager
async def upstreams(url: str, within: float = SEARCH) -> AsyncIterator[Upstreams]:
    known = Upstreams({"whisperr": url}, ["whisperr"], within)
    try:
        yield known
    finally:
        await known.close()


async def relayed(url: str, request: WireRequest | None = None, within: float = SEARCH) -> Relayed:
    async with upstreams(url, within) as known, asyncio.timeout(SEARCH):
        return await known.relay("whisperr", request or request_of())


@pytest.mark.parametrize(
    ("base", "target", "url"),
    [
        ("http://a.test", "/v1/x?y=%2F&z", "http://a.test/v1/x?y=%2F&z"),
        ("https://a.test:444/base/", "/v1/x", "https://a.test:444/base/v1/x"),
        ("http://a.test", "//v1/%65/../x#y", "http://a.test//v1/%65/../x#y"),
        ("http://[::1]:81", "/x", "http://[::1]:81/x"),
        ("http://a.test", "/caf\udcc3\udca9", "http://a.test/caf%C3%A9"),
    ],
)
def test_target_is_sent_on_as_it_was_written(base: str, target: str, url: str) -> None:
    made = url_of(server_address(base), target)
    assert f"{made.scheme}://{made.raw_authority}{made.raw_path_qs}" == url


@pytest.mark.parametrize(
    "target",
    [
        "/_mock",
        "/_mock/",
        "/_mock/sessions?x=/v1",
        "//_mock/x",
        "/%5Fmock/x",
        "/%255Fmock/x",
        "/v1/../_mock/x",
        "/v1/%2e%2e/_mock",
        "/v1\\..\\_mock\\x",
    ],
)
def test_path_of_this_servers_own_surface_is_recognised_however_it_is_written(target: str) -> None:
    assert is_own(target)


@pytest.mark.parametrize("target", ["/v1/events?next=/_mock/", "/api/_mock/x", "/_mocked/x"])
def test_other_paths_are_not_this_servers_own(target: str) -> None:
    assert not is_own(target)


def test_headers_of_one_connection_and_those_for_this_server_stay_here() -> None:
    headers = [
        (b"Host", b"127.0.0.1:8207"),
        (b"X-Api-KEY", b"wrk_1"),
        (b"Connection", b"keep-alive, X-Hop"),
        (b"x-hop", b"1"),
        (b"Keep-Alive", b"timeout=5"),
        (b"TE", b"trailers"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Upgrade", b"h2c"),
        (b"Proxy-Authorization", b"Basic eA=="),
        (b"Expect", b"100-continue"),
        (b"Content-Length", b"2"),
        (b"X-Mock-Session", b"mine"),
        (b"Accept", b"*/*"),
        (b"X-Twice", b"1"),
        (b"X-Twice", "é".encode()),
    ]
    kept = [("X-Api-KEY", "wrk_1"), ("Accept", "*/*"), ("X-Twice", "1"), ("X-Twice", "é")]
    assert list(forwarded(request_of(*headers))) == kept


def test_headers_of_a_reply_keep_order_case_repetition_and_bytes() -> None:
    headers = [(b"SERVER", b"nginx"), (b"set-cookie", b"a=1"), (b"Set-Cookie", b"b=\xff"), (b"Connection", b"close")]
    kept = received_headers(headers)
    assert kept == (("SERVER", "nginx"), ("set-cookie", "a=1"), ("Set-Cookie", "b=\udcff"))
    assert kept[2][1].encode("utf-8", "surrogateescape") == b"b=\xff"


async def test_request_arrives_as_it_was_sent_and_nothing_is_added() -> None:
    sent = request_of(
        (b"host", b"127.0.0.1:8207"), (b"X-API-Key", b"wrk_1"), (b"content-ENCODING", b"gzip"), body=b"\x1f\x8b\xff\x00"
    )
    async with upstream() as there:
        reply = await relayed(there.url, sent)
    expected = f"POST /v1/events/batch HTTP/1.1\r\nHost: 127.0.0.1:{there.port}\r\nX-API-Key: wrk_1\r\n"
    assert there.requests == [
        f"{expected}content-ENCODING: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\n".encode()
        + b"\x1f\x8b\xff\x00"
    ]
    assert (reply.origin, reply.reply.status, reply.reply.body) == ("upstream", 200, b'{"ok":true}')
    assert reply.reply.headers == (("Content-Type", "application/json"),)


async def test_request_without_a_body_says_so_where_its_method_may_have_one() -> None:
    async with upstream() as there:
        await relayed(there.url, request_of(body=b""))
        await relayed(there.url, request_of(body=b"", method="GET"))
    assert b"content-length: 0" in there.requests[0].lower()
    assert b"content-length" not in there.requests[1].lower()


async def test_redirect_is_handed_through_and_no_cookie_is_kept() -> None:
    moved = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\nSet-Cookie: a=1\r\nContent-Length: 0\r\n\r\n"
    async with upstream(moved) as there, upstreams(there.url) as known:
        first = await known.relay("whisperr", request_of())
        await known.relay("whisperr", request_of())
    assert (first.reply.status, dict(first.reply.headers)) == (307, {"Location": "/other", "Set-Cookie": "a=1"})
    assert there.paths == ["/v1/events/batch"] * 2
    assert b"cookie" not in there.requests[1].lower()


def assert_held(failed: Relayed, status: int, reason: str) -> None:
    """Check that our reply names the upstream and says why there is none of its own."""
    body = json.loads(failed.reply.body)
    assert (failed.origin, failed.reply.status, body["status"], body["upstream"]) == (
        "proxy",
        status,
        status,
        "whisperr",
    )
    assert dict(failed.reply.headers)["Content-Type"] == "application/problem+json"
    assert reason in body["detail"]
    assert body["detail"] == f"the upstream {failed.failure}"


async def test_upstream_that_is_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    failed = await relayed(url)
    assert_held(failed, 502, "cannot be reached: Connection refused")
    assert url in failed.failure


async def test_upstream_whose_name_cannot_be_resolved() -> None:
    assert_held(await relayed("http://nowhere.invalid"), 502, "its host name cannot be resolved")


async def test_upstream_that_is_slow() -> None:
    async with upstream(waits=True) as there:
        assert_held(await relayed(there.url, within=0.2), 504, "did not reply within 0.2 s")


async def test_upstream_that_sends_its_reply_slowly() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc"
    async with upstream(begun, endless=b"") as there, upstreams(there.url, 0.2) as known:
        assert_held(await known.relay("whisperr", request_of()), 502, "breaks off")


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n", "is not valid"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "breaks off or is not valid"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nshort", "breaks off or is not valid"),
        (b"", "closed the connection without a reply"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", "sent no final reply"),
        (b"HTTP/1.1 099 Early\r\nContent-Length: 0\r\n\r\n", "sent no final reply"),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n", "is not valid HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nx", f"more than {MOST_BYTES} bytes"),
    ],
)
async def test_upstream_whose_reply_is_broken(reply: bytes, reason: str) -> None:
    async with upstream(reply) as there:
        assert_held(await relayed(there.url), 502, reason)


@pytest.mark.parametrize(
    ("method", "reply", "status", "body"),
    [
        (
            "POST",
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            200,
            b"ok",
        ),
        ("POST", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        ("GET", b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 5\r\n\r\n', 304, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", 200, b""),
        (
            "POST",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
            200,
            b"ok",
        ),
        ("POST", b"HTTP/1.1 200\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 200, b"abc"),
    ],
    ids=["interim", "204", "304", "HEAD", "trailers", "broken gzip"],
)
async def test_reply_that_is_odd_but_valid_is_handed_through(
    method: str, reply: bytes, status: int, body: bytes
) -> None:
    async with upstream(reply) as there:
        got = await relayed(there.url, request_of(method=method, body=b"" if method != "POST" else b"{}"))
    assert (got.origin, got.reply.status, got.reply.body) == ("upstream", status, body)


@pytest.mark.parametrize("chunked", [True, False])
async def test_endless_reply_is_given_up_at_the_limit(chunked: bool) -> None:
    framing, piece = (
        (b"Transfer-Encoding: chunked", b"10000\r\n" + b"x" * 65536 + b"\r\n") if chunked else (b"X: y", b"x" * 65536)
    )
    async with upstream(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n", endless=piece) as there:
        assert_held(await relayed(there.url), 502, f"more than {MOST_BYTES} bytes")
        async with asyncio.timeout(SEARCH):
            await there.ended.wait()
        assert there.written < 8 * MOST_BYTES


async def test_upstream_with_a_certificate_of_nobody_or_without_tls() -> None:
    try:
        import trustme
    except ImportError:
        absent("trustme is not installed")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with upstream(context=context) as there:
        assert_held(await relayed(f"https://127.0.0.1:{there.port}"), 502, "has no valid TLS certificate: ")
        assert there.requests == []


async def test_upstream_without_tls_is_not_asked_over_https() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    listener = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    assert_held(await relayed(f"https://127.0.0.1:{port}"), 502, "cannot be reached over TLS: ")
    listener.close()


async def test_reply_of_http_1_0_ends_with_its_connection_and_the_next_has_its_own() -> None:
    async with upstream(b"HTTP/1.0 201 Created\r\n\r\nto the end", OK) as there, upstreams(there.url) as known:
        first = await known.relay("whisperr", request_of())
        second = await known.relay("whisperr", request_of())
    assert (first.reply.status, first.reply.body) == (201, b"to the end")
    assert second.reply.body == b'{"ok":true}'


@pytest.mark.parametrize(
    ("urls", "problem"),
    [
        ({"whispr": "http://a.test"}, 'unknown protocol "whispr", did you mean "whisperr"?'),
        ({"whisperr": "ftp://a.test"}, "the scheme must be http or https"),
        ({"whisperr": "http://user:secret@a.test"}, "credentials in a URL are not supported"),
        ({"whisperr": "http://a.test/_mock/s/x"}, "write it without /_mock/s/x"),
    ],
)
def test_upstream_that_cannot_be_one_is_refused_at_the_start(urls: dict[str, str], problem: str) -> None:
    with pytest.raises(SettingsError, match=r"^--upstream") as error:
        Upstreams(urls, ["outlit", "whisperr"], 1)
    assert problem in str(error.value)
    assert "secret" not in str(error.value)
