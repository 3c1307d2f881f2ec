"""Proxy mode: the client gets the upstream's reply, the journal has the contract's verdict and both replies."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mockserver import MockServer
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.processes import served
from tests.sdks.harness import absent
from tests.sending import send_whisperr, whisperr_event
from tests.server.control_client import ControlClient
from tests.server.raw import SEARCH, Connection, Plain
from tests.server.scripted_upstream import OK, Upstream, upstream
from tests.server.vendor_client import VendorClient, track_body
from tests.threaded import listening

KEY = "wrk_proxied"
SESSION = f"/_mock/sessions/{KEY}"
TEAPOT = (
    b"HTTP/1.1 418 I'm a teapot\r\nSERVER: nginx\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nset-cookie: a=1\r\n"
    b"Set-Cookie: b=\xff\r\nContent-Length: 5\r\nConnection: close\r\n\r\nshort"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A server whose Whisperr is proxied, and clients of it."""

    url: str
    vendor: VendorClient
    control: ControlClient

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    async def rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (await self.control.get(f"{SESSION}/requests"))[1]["requests"]
        return rows

    async def verdicts(self) -> list[str]:
        return [row["verdict"] for row in (await self.control.get(f"{SESSION}/events"))[1]["events"]]

    async def detail(self, id: str = "r1") -> dict[str, Any]:
        detail: dict[str, Any] = (await self.control.get(f"{SESSION}/requests/{id}"))[1]
        return detail


@asynccontextmanager
async def proxying(url: str, **settings: Any) -> AsyncIterator[Proxy]:
    """Serve with an upstream for Whisperr."""
    async with (
        serving(Settings(port=0, upstreams={"whisperr": url}, **settings)) as (_, own),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SEARCH)) as http_client,
    ):
        vendor = VendorClient(http=http_client, url=own, key=KEY)
        yield Proxy(url=own, vendor=vendor, control=ControlClient(http_client, own))


@asynccontextmanager
async def proxied(*replies: bytes, **settings: Any) -> AsyncIterator[tuple[Proxy, Upstream]]:
    """Serve with an upstream that says these replies."""
    async with upstream(*replies) as there, proxying(there.url, **settings) as proxy:
        yield proxy, there


def track(path: str = "/v1/events/batch", **headers: str) -> Plain:
    given = (("X-API-Key", KEY), ("Content-Type", "application/json"), *headers.items())
    return Plain(path=path, headers=given, body=json.dumps(track_body("m1")).encode())


async def raw_reply(port: int, request: bytes) -> bytes:
    connection = await Connection.open(port)
    try:
        await connection.send(request)
        async with asyncio.timeout(SEARCH):
            return await connection.reader.read()
    finally:
        await connection.close()


async def test_client_gets_the_bytes_of_the_upstream_and_the_upstream_those_of_the_client() -> None:
    async with proxied(TEAPOT) as (proxy, there):
        request = track()
        reply = await raw_reply(proxy.port, request.wire("Connection: close", "x-ODD: kept"))
    head, _, body = TEAPOT.partition(b"\r\n\r\n")
    lines = head.replace(b"418 I'm a teapot", b"418 I'm a Teapot").split(b"\r\n")
    expected = [line for line in lines if not line.startswith((b"Content-Length", b"Connection"))]
    assert reply.partition(b"\r\n\r\n")[2] == body
    assert reply.partition(b"\r\n\r\n")[0].split(b"\r\n") == [*expected, b"Content-Length: 5", b"Connection: close"]
    assert there.requests[0].endswith(b"\r\n\r\n" + request.body)
    assert b"\r\nx-ODD: kept\r\n" in there.requests[0]
    assert f"Host: 127.0.0.1:{there.port}\r\n".encode() in there.requests[0]


async def test_journal_has_the_verdict_of_the_contract_and_both_replies() -> None:
    async with proxied(TEAPOT) as (proxy, _):
        assert (await proxy.vendor.track("m1", "m2")).status == 418
        assert await proxy.verdicts() == ["accepted", "accepted"]
        (row,) = await proxy.rows()
        assert (row["status"], row["from"], row["fault"]) == (418, "upstream", None)
        detail = await proxy.detail()
        assert detail["reply"]["body"] == {"text": "short"}
        assert ["SERVER", "nginx"] in detail["reply"]["headers"]
        assert detail["contract_reply"]["status"] == 202
        assert json.loads(detail["contract_reply"]["body"]["text"])["accepted"] == 2
        assert detail["upstream_reply"] is None


async def test_event_that_the_upstream_refused_is_not_a_duplicate_when_it_is_sent_again() -> None:
    async with proxied(TEAPOT, OK) as (proxy, _):
        for _ in range(3):
            await proxy.vendor.track("m1")
        assert await proxy.verdicts() == ["accepted", "accepted", "duplicate"]
        assert [row["status"] for row in await proxy.rows()] == [418, 200, 200]


async def test_request_that_the_contract_refuses_goes_on_all_the_same() -> None:
    async with proxied(OK) as (proxy, there):
        assert (await proxy.vendor.post("/v1/events/batch", b"[", {"X-API-Key": KEY})).status == 200
        assert there.requests[0].endswith(b"\r\n\r\n[")
        detail = await proxy.detail()
        assert (detail["from"], detail["contract_reply"]["status"]) == ("upstream", 400)
        assert detail["findings"][0]["severity"] == "error"


async def test_upstream_that_is_down_is_named_and_journalled_and_nothing_is_stored() -> None:
    async with upstream() as there:
        url = there.url
    async with proxying(url) as proxy:
        reply = await proxy.vendor.track("m1")
        assert (reply.status, reply.headers["Content-Type"]) == (502, "application/problem+json")
        assert f"whisperr ({url}) cannot be reached" in reply.json["detail"]
        (row,) = await proxy.rows()
        assert (row["status"], row["from"]) == (502, "proxy")
        detail = await proxy.detail()
        assert detail["findings"][0]["rule"] == "/server/upstream"
        assert (detail["contract_reply"], detail["upstream_reply"]) == (None, None)
        (event,) = (await proxy.control.get(f"{SESSION}/events"))[1]["events"]
        assert (event["verdict"], event["stored"]) == ("rejected", None)
        assert url in event["findings"][0]["message"]
        await proxy.control.patch(SESSION, {"protocols": {"whisperr": {"mode": "mock"}}})
        assert (await proxy.vendor.track("m1")).status == 202
        assert await proxy.verdicts() == ["rejected", "accepted"]


async def test_page_can_read_why_there_is_no_reply() -> None:
    async with upstream() as there:
        url = there.url
    async with proxying(url) as proxy:
        headers = {"X-API-Key": KEY, "Origin": "https://app.example"}
        reply = await proxy.vendor.post("/v1/events/batch", track_body("m1"), headers)
        assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (502, "https://app.example")


async def test_slow_upstream_is_given_up_and_others_are_answered_meanwhile() -> None:
    async with upstream(waits=True) as there, proxying(there.url, upstream_timeout=0.5) as proxy:
        slow = asyncio.create_task(proxy.vendor.track("m1"))
        async with asyncio.timeout(SEARCH):
            await there.arrived.wait()
        outlit = VendorClient(http=proxy.vendor.http, url=proxy.url, key="pk_no_upstream")
        assert (await outlit.clicks("c")).status == 200
        reply = await slow
        assert reply.status == 504
        assert "did not reply within 0.5 s" in reply.json["detail"]
        assert [row["from"] for row in await proxy.rows()] == ["proxy"]


async def test_client_that_leaves_meanwhile_is_journalled_as_one_without_a_reply() -> None:
    async with upstream(waits=True) as there, proxying(there.url) as proxy:
        connection = await Connection.open(proxy.port)
        await connection.send(track().wire())
        async with asyncio.timeout(SEARCH):
            await there.arrived.wait()
        await connection.close(reset=True)
        waiting = asyncio.create_task(
            proxy.control.post(f"{SESSION}/wait", {"for": "requests", "timeout_ms": 1000 * SEARCH})
        )
        there.released.set()
        assert (await waiting)[1]["satisfied"]
        (row,) = await proxy.rows()
        assert (row["status"], row["from"]) == (None, "upstream")
        assert await proxy.verdicts() == ["accepted"]


async def test_session_is_not_quiet_while_an_upstream_works() -> None:
    async with upstream(waits=True) as there, proxying(there.url) as proxy:
        sent = asyncio.create_task(proxy.vendor.track("m1"))
        async with asyncio.timeout(SEARCH):
            await there.arrived.wait()
        wait = {"for": "requests", "count": 0, "quiet_ms": 1, "timeout_ms": 200}
        answer = (await proxy.control.post(f"{SESSION}/wait", wait))[1]
        assert (answer["satisfied"], answer["reason"]) == (False, "not_quiet")
        there.released.set()
        assert (await sent).status == 200


@pytest.mark.parametrize(
    "path", ["/_mock/sessions", "/_mock/s/a/_mock/sessions", "/_mock/s/a/v1/../_mock/sessions", "/v1/%2e%2e/_mock/x"]
)
async def test_own_surface_is_never_forwarded(path: str) -> None:
    async with proxied(OK) as (proxy, there):
        await raw_reply(proxy.port, track(path).wire("Connection: close"))
        await proxy.vendor.track("m1")
        assert there.paths == ["/v1/events/batch"]


async def test_session_prefix_and_header_stay_here() -> None:
    async with proxied(OK) as (proxy, there):
        await proxy.vendor.track("m1", prefix="/_mock/s/mine")
        await proxy.vendor.post("/v1/events/batch", track_body("m2"), {"X-API-Key": KEY, "X-Mock-Session": "mine"})
        assert there.paths == ["/v1/events/batch"] * 2
        assert b"mine" not in b"".join(there.requests)
        assert (await proxy.control.get("/_mock/sessions/mine"))[1]["counts"]["requests"] == 2


async def test_session_switches_between_the_modes() -> None:
    async with proxied(OK) as (proxy, there):
        assert (await proxy.control.get(SESSION))[1]["protocols"]["whisperr"]["mode"] == "proxy"
        for mode, status, asked in (("mock", 202, 0), ("proxy", 200, 1), ("mock", 202, 1), (None, 200, 2)):
            changed = await proxy.control.patch(SESSION, {"protocols": {"whisperr": {"mode": mode}}})
            assert changed[1]["protocols"]["whisperr"]["mode"] == (mode or "proxy")
            assert (await proxy.vendor.track(f"m{status}{asked}")).status == status
            assert len(there.requests) == asked
        other = VendorClient(http=proxy.vendor.http, url=proxy.url, key="wrk_other")
        assert (await other.track("m9")).status == 200


async def test_session_can_name_no_upstream() -> None:
    async with proxied(OK) as (proxy, there):
        status, problem = await proxy.control.patch(SESSION, {"protocols": {"outlit": {"mode": "proxy"}}})
        assert (status, problem["pointer"]) == (409, "/protocols/outlit/mode")
        assert "--upstream outlit=URL" in problem["detail"]
        for change in ({"upstream": there.url}, {"protocols": {"whisperr": {"upstream": there.url}}}):
            status, problem = await proxy.control.patch(SESSION, change)
            assert status == 400
            assert "upstream" in problem["pointer"]
        assert (await proxy.control.get(SESSION))[1]["protocols"]["outlit"]["mode"] == "mock"
        listed = {row["name"]: row["upstream"] for row in (await proxy.control.get("/_mock/protocols"))[1]["protocols"]}
        assert listed == {"apex": None, "outlit": None, "whisperr": there.url}


async def faults(proxy: Proxy, *steps: dict[str, Any]) -> None:
    assert (await proxy.control.put(f"{SESSION}/faults", list(steps)))[0] == 200


async def test_reply_that_is_injected_before_the_commit_spares_the_upstream() -> None:
    async with proxied(OK) as (proxy, there):
        await faults(proxy, {"reply": {"status": 503}, "times": 1})
        assert [(await proxy.vendor.track("m1")).status for _ in range(2)] == [503, 200]
        assert len(there.requests) == 1
        assert [row["from"] for row in await proxy.rows()] == ["contract", "upstream"]
        assert await proxy.verdicts() == ["rejected", "accepted"]


async def test_reply_that_is_injected_after_the_commit_keeps_that_of_the_upstream() -> None:
    async with proxied(TEAPOT) as (proxy, there):
        await faults(proxy, {"reply": {"status": 500}, "when": "after_commit"})
        assert (await proxy.vendor.track("m1")).status == 500
        assert len(there.requests) == 1
        detail = await proxy.detail()
        assert (detail["status"], detail["from"]) == (500, "upstream")
        assert (detail["upstream_reply"]["status"], detail["upstream_reply"]["body"]) == (418, {"text": "short"})
        assert detail["contract_reply"]["status"] == 202


async def test_reply_of_the_upstream_is_truncated_dribbled_or_lost() -> None:
    async with proxied(TEAPOT) as (proxy, there):
        for number, step in enumerate(("truncate", "dribble", "reset"), 1):
            await faults(proxy, {"connection": step, "when": "after_commit", "times": 1})
            connection = await Connection.open(proxy.port)
            await connection.send(track().wire())
            try:
                async with asyncio.timeout(SEARCH):
                    reply = await connection.reader.read()
            except ConnectionError:
                reply = b""
            await connection.close()
            assert reply.partition(b"\r\n\r\n")[2] == {"truncate": b"sh", "dribble": b"short", "reset": b""}[step]
            assert len(there.requests) == number
        assert [row["status"] for row in await proxy.rows()] == [418, 418, None]


async def test_delay_holds_the_request_up_and_then_it_goes_on() -> None:
    async with proxied(OK) as (proxy, there):
        await faults(proxy, {"delay_ms": 200})
        began = time.monotonic()
        assert (await proxy.vendor.track("m1")).status == 200
        assert time.monotonic() - began >= 0.2
        assert len(there.requests) == 1
        assert (await proxy.rows())[0]["from"] == "upstream"


async def test_events_that_a_step_rejects_are_answered_by_the_contract() -> None:
    async with proxied(OK) as (proxy, there):
        await faults(proxy, {"reject": {"message": "no"}})
        reply = await proxy.vendor.track("m1")
        assert (reply.status, reply.json) == (202, {"accepted": 0, "rejected": 1})
        assert there.requests == []
        assert (await proxy.rows())[0]["from"] == "contract"


async def test_body_that_did_not_arrive_whole_is_answered_by_the_contract() -> None:
    async with proxied(OK, body_timeout=0.3) as (proxy, there):
        connection = await Connection.open(proxy.port)
        answer = await connection.ask(track().wire()[:-3])
        await connection.close()
        assert (answer.status, there.requests) == (408, [])


async def test_export_hides_what_is_secret_in_replies_of_the_upstream() -> None:
    body = gzip.compress(json.dumps({"token": "Zs3cr3tToken9", "ok": KEY}).encode())
    reply = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=c00kieS3cret\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    secret = b"HTTP/1.1 500 x\r\nX-Debug: header5ecret\r\nContent-Length: 4\r\n\r\n\xff\xfe\x00x"
    async with proxied(reply % len(body) + body, secret) as (proxy, _):
        await faults(proxy, {"reply": {"status": 500}, "when": "after_commit", "times": 1})
        for _ in range(2):
            await proxy.vendor.track("m1")
        await faults(proxy)
        async with proxy.control.http.get(f"{proxy.url}{SESSION}/export") as reply_of_export:
            lines = [json.loads(line) for line in (await reply_of_export.text()).splitlines()]
    text = json.dumps(lines)
    for word in ("Zs3cr3tToken9", KEY, "c00kieS3cret", "header5ecret"):
        assert word not in text
    shown = lines[0]["upstream_reply"]["body"]
    assert "base64" in shown
    assert "left out" in lines[1]["reply"]["body"]["text"]
    assert lines[1]["contract_reply"]["status"] == 202


def test_one_of_ours_under_another_patch_is_the_upstream() -> None:
    with MockServer() as there, MockServer(upstreams={"whisperr": there.target.url}) as proxy:
        patched, session = there.session("wrk_patched"), proxy.session("wrk_patched")
        patched.patch("whisperr", {"protocol": {"replies": {"counted": {"status": 299}}}})
        assert send_whisperr(session, whisperr_event("trial_started")) == 299
        assert [event.type for event in patched.events()] == ["trial_started"]
        (row,) = session.requests()
        exchange = session.request(row.id)
        assert (row.reply_from, exchange.status, exchange.upstream_reply) == ("upstream", 299, None)
        assert exchange.contract_reply is not None
        assert (exchange.contract_reply.status, exchange.contract_reply.message.json()) == (202, exchange.reply.json())


def test_mode_of_a_session_outlives_other_changes_of_its_protocols() -> None:
    with MockServer() as there, MockServer(upstreams={"whisperr": there.target.url}) as proxy:
        assert proxy.settings().protocols["whisperr"].mode == "proxy"
        proxy.mode("whisperr", "mock")
        proxy.revision("whisperr", "classic-2026-06")
        proxy.revision("outlit", "r1-2026-01")
        assert proxy.settings().protocols["whisperr"].mode == "mock"
        proxy.mode("whisperr", None)
        state = proxy.settings().protocols["whisperr"]
        assert (state.mode, state.revision) == ("proxy", "classic-2026-06")


class _Plain(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(b"got %d bytes" % len(body))


async def test_server_of_the_standard_library_is_the_upstream() -> None:
    with listening(_Plain) as url:
        async with proxying(url) as proxy:
            reply = await proxy.vendor.track("m1")
            assert (reply.status, reply.headers["Server"].startswith("BaseHTTP")) == (201, True)
            assert reply.body == b"got %d bytes" % len(json.dumps(track_body("m1")))


def test_flag_and_its_variable_name_upstreams_whose_certificate_is_verified(tmp_path: Path) -> None:
    try:
        import trustme
    except ImportError:
        absent("trustme is not installed")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    pair = authority.issue_cert("127.0.0.1")
    pair.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    pair.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    tls = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
    with served(*tls) as there:
        trusting = {"SSL_CERT_FILE": str(tmp_path / "ca.pem"), "MOCKSERVER_SERVE_UPSTREAM": f"whisperr={there.url}"}
        for variables, status in ((trusting, 202), ({**trusting, "SSL_CERT_FILE": ""}, 502)):
            with served(variables=variables) as proxy, MockServer.connect(proxy.url) as session:
                assert send_whisperr(session, whisperr_event("trial_started"), key="wrk_1") == status
