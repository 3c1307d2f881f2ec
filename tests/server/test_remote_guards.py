"""Who may use the control surface: no page of another site, no foreign host, nobody without the token."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from mockserver.errors import SettingsError
from mockserver.server.app import App
from mockserver.settings import Settings
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.raw import Plain, read_answer
from tests.server.vendor_client import VendorClient

TOKEN = "correct horse"


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """The server's settings: plain ones, or those a test is parametrized with."""
    found: Settings = getattr(request, "param", Settings(port=0))
    return found


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "http://localhost", "Host": "localhost"}, 200),
        ({"Origin": "http://localhost:1", "Host": "localhost:1"}, 200),
        ({"Origin": "http://LOCALHOST:1", "Host": "localhost:1"}, 200),
        ({"Origin": "http://localhost:2", "Host": "localhost:1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Host": "localhost"}, 200),
        ({"Host": "LocalHost:8207"}, 200),
        ({"Host": "app.localhost"}, 200),
        ({"Host": "127.0.0.1:1"}, 200),
        ({"Host": "192.168.1.5"}, 200),
        ({"Host": "[::1]:8207"}, 200),
        ({"Host": "[fe80::1]"}, 200),
        ({"Host": "mock"}, 200),
        ({"Host": "mock:8207"}, 200),
        ({"Host": "mock", "User-Agent": "Mozilla/5.0"}, 421),
        ({"Host": "mock", "Origin": "http://mock"}, 421),
        ({"Host": "mock", "Sec-Fetch-Site": "same-origin"}, 421),
        ({"Host": "localhost", "User-Agent": "Mozilla/5.0"}, 200),
        ({"Origin": "https://localhost:1", "Host": "localhost:1"}, 403),
        ({"Host": "host.docker.internal:8207"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8207"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"Host": "localhost."}, 421),
        ({"Host": "user@localhost"}, 421),
        ({"Host": "localhost/x"}, 421),
        ({"Host": "localhost:x"}, 421),
        ({"Host": ""}, 421),
    ],
)
async def test_guard_lets_nobody_in_from_elsewhere(
    control: ControlClient, headers: dict[str, str], status: int
) -> None:
    got, _ = await control.get("/_mock/sessions", headers)
    assert got == status


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/_mock/", None),
        ("GET", "/_mock/openapi.json", None),
        ("GET", "/_mock/nothing", None),
        ("PATCH", "/_mock/sessions/x", {"keys": []}),
        ("DELETE", "/_mock/sessions/x", None),
        ("POST", "/_mock/sessions/x/wait", {"timeout_ms": 0}),
        ("PUT", "/_mock/sessions/x/faults", []),
        ("OPTIONS", "/_mock/sessions/x", None),
    ],
)
async def test_every_control_call_is_guarded(control: ControlClient, method: str, path: str, body: object) -> None:
    status, _ = await control.call(method, path, body, {"Sec-Fetch-Site": "cross-site"})
    assert status == 403


async def test_refused_call_changes_nothing(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await vendor.track("m1")
    for headers in ({"Origin": "https://evil.example"}, {"Host": "evil.example"}):
        await control.delete(session, headers)
        await control.patch(session, {"keys": []}, headers)
    _, described = await control.get(session)
    assert (described["counts"]["requests"], described["keys"]) == (1, None)


async def test_health_is_open_to_everybody(control: ControlClient) -> None:
    for path in ("/livez", "/readyz"):
        assert (await control.get(path, {"Host": "evil.example", "Sec-Fetch-Site": "cross-site"}))[0] == 200


@pytest.mark.parametrize("settings", [Settings(port=0, allowed_hosts=("Mock.Example", "other.example"))], indirect=True)
async def test_allowed_hosts_are_let_in(control: ControlClient) -> None:
    hosts = ("mock.example", "MOCK.example:1", "other.example", "localhost", "third.example")
    statuses = [(await control.get("/_mock/sessions", {"Host": host}))[0] for host in hosts]
    assert statuses == [200, 200, 200, 200, 421]


@pytest.mark.parametrize("settings", [Settings(port=0, admin_token=TOKEN)], indirect=True)
@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer", 401),
        ("Bearer wrong", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer \u00fc", 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
    ],
)
async def test_token_is_asked_for_where_there_is_one(
    control: ControlClient, authorization: str | None, status: int
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    got, _ = await control.get("/_mock/sessions", headers)
    assert got == status


@pytest.mark.parametrize("settings", [Settings(port=0, admin_token=TOKEN)], indirect=True)
async def test_token_is_not_asked_of_vendor_requests_and_probes(control: ControlClient, vendor: VendorClient) -> None:
    assert (await vendor.track("m1")).status == 202
    assert (await vendor.track("m2", prefix="/_mock/s/other")).status == 202
    assert (await control.get("/readyz"))[0] == 200
    async with control.http.get(control.url + "/_mock/sessions") as reply:
        assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, "Bearer")


PAGE = "http://localhost:5173"
OPEN_TO_PAGE = Settings(port=0, allowed_origins=(PAGE, "https://App.example:443"))
ASKED = {"Origin": PAGE, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "content-type"}


async def cors_of(
    control: ControlClient, method: str, path: str, headers: dict[str, str]
) -> tuple[int, dict[str, str]]:
    async with control.http.request(method, control.url + path, headers=headers) as reply:
        await reply.read()
        return reply.status, {name: value for name, value in reply.headers.items() if name.startswith(("Acc", "Var"))}


@pytest.mark.parametrize("settings", [OPEN_TO_PAGE], indirect=True)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_mock/sessions", 200),
        ("GET", "/_mock/sessions/a/export", 200),
        ("GET", "/_mock/nothing", 404),
        ("PUT", "/_mock/sessions", 405),
        ("PATCH", "/_mock/sessions/a", 400),
        ("DELETE", "/_mock/sessions/a", 204),
        ("GET", "/readyz", 200),
    ],
)
async def test_page_of_an_allowed_origin_reads_every_reply(
    control: ControlClient, method: str, path: str, status: int
) -> None:
    headers = {"Origin": PAGE, "Sec-Fetch-Site": "same-site"}
    expected = {"Vary": "Origin", "Access-Control-Allow-Origin": PAGE}
    assert await cors_of(control, method, path, headers) == (status, expected)


@pytest.mark.parametrize("settings", [OPEN_TO_PAGE._replace(admin_token=TOKEN)], indirect=True)
async def test_preflight_of_an_allowed_origin_needs_no_token(control: ControlClient) -> None:
    status, headers = await cors_of(control, "OPTIONS", "/_mock/sessions/a", ASKED)
    assert (status, headers) == (
        204,
        {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": PAGE,
            "Access-Control-Allow-Methods": "DELETE, GET, PATCH",
            "Access-Control-Allow-Headers": "authorization, content-type",
            "Access-Control-Max-Age": "600",
        },
    )
    assert (await cors_of(control, "GET", "/_mock/sessions", {"Origin": PAGE}))[0] == 401
    private = {**ASKED, "Access-Control-Request-Private-Network": "true"}
    assert "Access-Control-Allow-Private-Network" in (await cors_of(control, "OPTIONS", "/_mock/", private))[1]


@pytest.mark.parametrize("settings", [OPEN_TO_PAGE], indirect=True)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://localhost:5174"},
        {"Origin": "https://localhost:5173"},
        {"Origin": "http://localhost:5173.evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {**ASKED, "Origin": "https://evil.example"},
    ],
)
async def test_other_origins_stay_out(control: ControlClient, headers: dict[str, str]) -> None:
    for method in ("GET", "OPTIONS"):
        assert await cors_of(control, method, "/_mock/sessions", headers) == (403, {"Vary": "Origin"})


@pytest.mark.parametrize("settings", [OPEN_TO_PAGE], indirect=True)
async def test_host_is_still_checked_and_default_ports_do_not_matter(control: ControlClient) -> None:
    assert (await cors_of(control, "GET", "/_mock/sessions", {"Origin": PAGE, "Host": "evil.example"}))[0] == 421
    assert (await cors_of(control, "GET", "/_mock/sessions", {"Origin": "https://app.example"}))[0] == 200


async def test_refusal_names_the_flag(control: ControlClient) -> None:
    _, problem = await control.get("/_mock/sessions", {"Origin": PAGE})
    assert problem["detail"].endswith("add it with --allow-origin")


@pytest.mark.parametrize(
    ("origin", "why"),
    [
        ("*", "any page could read and change every session"),
        ("http://*.example", "any page"),
        ("null", "an origin is a scheme, host and port"),
        ("localhost:5173", "an origin is"),
        ("http://localhost:5173/", "an origin is"),
        ("http://localhost:x", "an origin is"),
        ("http://user@localhost", "an origin is"),
        ("ftp://localhost", "an origin is"),
        ("", "an origin is"),
    ],
)
def test_origin_that_is_not_exactly_one_is_refused_at_the_start(origin: str, why: str) -> None:
    with pytest.raises(SettingsError, match=r"--allow-origin '") as error:
        App(Settings(allowed_origins=(origin,)))
    assert why in str(error.value)
    assert "such as http://localhost:5173" in str(error.value)


SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",
}


def safe_headers(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in SAFE if name in headers}


@pytest.mark.parametrize("settings", [OPEN_TO_PAGE], indirect=True)
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/livez", 200),
        ("GET", "/readyz", 200),
        ("HEAD", "/readyz", 200),
        ("GET", "/_mock", 200),
        ("GET", "/_mock/", 200),
        ("GET", "/_mock/openapi.json", 200),
        ("GET", "/_mock/openapi/outlit.json", 200),
        ("GET", "/_mock/sessions", 200),
        ("GET", "/_mock/sessions/a", 200),
        ("GET", "/_mock/sessions/a/events", 200),
        ("HEAD", "/_mock/sessions/a/events", 200),
        ("GET", "/_mock/sessions/a/export", 200),
        ("HEAD", "/_mock/sessions/a/export", 200),
        ("GET", "/_mock/sessions/a/requests/r1", 404),
        ("DELETE", "/_mock/sessions/a", 204),
        ("OPTIONS", "/_mock/sessions/a", 204),
        ("PATCH", "/_mock/sessions/a", 400),
        ("PUT", "/_mock/sessions", 405),
        ("GET", "/_mock/nothing", 404),
        ("GET", "/_mock/s", 404),
    ],
)
async def test_no_control_reply_is_sniffed_kept_or_framed(
    control: ControlClient, method: str, path: str, status: int
) -> None:
    async with control.http.request(method, control.url + path, headers={"Origin": PAGE}) as reply:
        assert (reply.status, safe_headers(reply.headers)) == (status, SAFE)


@pytest.mark.parametrize("settings", [Settings(port=0, admin_token=TOKEN)], indirect=True)
@pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"Host": "evil.example"}, 421), ({"Origin": "null"}, 403)])
async def test_refusal_of_a_guard_is_not_framed_either(
    control: ControlClient, headers: dict[str, str], status: int
) -> None:
    async with control.http.get(control.url + "/_mock/sessions", headers=headers) as reply:
        assert (reply.status, safe_headers(reply.headers)) == (status, SAFE)


async def test_page_that_is_sent_in_pieces_and_an_internal_error_are_not_framed_either(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vendor.track("m1")
    monkeypatch.setattr("mockserver.server.aiohttp_io.WHOLE", 10)
    async with control.http.get(control.url + session + "/events") as reply:
        assert (reply.headers["Transfer-Encoding"], safe_headers(reply.headers)) == ("chunked", SAFE)
    monkeypatch.setattr(app_server.app.handlers, "describe", lambda: 1 / 0)
    async with control.http.get(control.url + "/_mock/") as reply:
        assert (reply.status, safe_headers(reply.headers)) == (500, SAFE)


async def test_control_body_that_breaks_off_is_answered_without_framing(app_server: AppServer) -> None:
    head = Plain(method="PATCH", path="/_mock/sessions/a").head("Transfer-Encoding: chunked", "Expect: 100-continue")
    reader, writer = await asyncio.open_connection("127.0.0.1", app_server.port)
    writer.write(head)
    await reader.readuntil(b"100 Continue\r\n\r\n")
    writer.write(b"zz\r\n")
    answer = await read_answer(reader)
    writer.close()
    assert answer is not None
    assert answer.status == 400
    assert {name: answer.headers.get(name.lower()) for name in SAFE} == SAFE


async def test_vendor_replies_have_none_of_the_control_headers(control: ControlClient, vendor: VendorClient) -> None:
    for prefix in ("", "/_mock/s/other", "/_mock/s/_mock"):
        reply = await vendor.track("m1", prefix=prefix)
        assert (reply.status, safe_headers(reply.headers)) == (202, {})


async def test_internal_error_is_logged_without_the_key_and_the_query(
    app_server: AppServer,
    control: ControlClient,
    key: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(app_server.app.vendor, "handle", lambda *_: 1 / 0)
    async with control.http.post(f"{control.url}/api/i/v1/{key}/events?token=s3cret") as reply:
        assert reply.status == 500
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert line == "internal error at POST /api/i/v1/…/events"
    assert key not in line
    assert "s3cret" not in line
