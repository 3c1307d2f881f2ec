"""The control surface as a whole: its document, its routes, and what it says of calls it cannot carry out."""

from __future__ import annotations

import inspect
from typing import Any

import aiohttp
import pytest

from mockserver.server import control as surface
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient, track_body

ORIGIN = {"Origin": "https://app.example"}
STREAMS = ("stream_server", "stream_session")
"""Operations whose replies have no end."""
AROUND = {"begin", "end"}
"""What happens around each call is none itself."""


async def test_openapi_document_lists_exactly_the_routes_that_have_handlers(
    app_server: AppServer, control: ControlClient
) -> None:
    status, document = await control.get("/_mock/openapi.json")
    assert (status, document["openapi"]) == (200, "3.1.0")
    named = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    assert len(named) == len(set(named))
    handlers = inspect.getmembers(app_server.app.handlers, inspect.iscoroutinefunction)
    assert set(named) == {name for name, _ in handlers} - AROUND


async def test_every_route_of_the_document_is_answered_as_it_says(control: ControlClient, vendor: VendorClient) -> None:
    """Each reply is held to its schema by the client; here nothing may be unknown, or be refused without a reason."""
    await vendor.track("m1", "m2")
    words = {"session": vendor.key, "protocol": "whisperr", "document": "events", "name": "event", "id": "r1"}
    bodies: dict[str, Any] = {
        "change_session": {"rate_limits": "off"},
        "wait_for_traffic": {},
        "replace_faults": [{"delay_ms": 0}],
        "add_fault": {"connection": "reset"},
        "set_clock": {"offset_ms": 0},
        "advance_clock": {"ms": 1},
        "set_recording": None,
    }
    called = 0
    for route, item in surface.document()["paths"].items():
        for method, operation in item.items():
            if method == "parameters" or operation["operationId"] == "forget_session":
                continue
            path = route.replace("{", "{0[").replace("}", "]}").format(words)
            if operation["operationId"] in STREAMS:
                assert await control.call("HEAD", path) == (200, None)
                continue
            status, _ = await control.call(method.upper(), path, bodies.get(operation["operationId"]))
            assert str(status) in operation["responses"], (method, path, status)
            if method == "get":
                assert (await control.call("HEAD", path)) == (status, None)
            called += 1
    operations = sum(len(item) - ("parameters" in item) for item in surface.document()["paths"].values())
    assert called == operations - len(STREAMS) - 1
    assert await control.delete(f"/_mock/sessions/{vendor.key}") == (204, None)


@pytest.mark.parametrize("path", ["/", "/_mock", "/_mock/"])
async def test_root_says_what_this_is(app_server: AppServer, http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(app_server.url + path) as reply:
        assert reply.status == 200
        described = await reply.json()
    assert (described["name"], described["protocols"]) == ("mockserver", ["apex", "outlit", "whisperr"])
    assert described["routes"]["/_mock/sessions/{session}/clock"] == ["DELETE", "GET", "PUT"]
    async with http.head(app_server.url + path) as reply:
        assert (reply.status, await reply.read()) == (200, b"")


async def test_health_is_never_journalled(control: ControlClient) -> None:
    assert await control.get("/livez") == (200, {"status": "ok"})
    assert await control.get("/readyz") == (200, {"status": "ok"})
    assert (await control.get("/_mock/sessions"))[1]["sessions"] == []


async def test_readiness_ends_when_the_server_stops(app_server: AppServer, control: ControlClient) -> None:
    app_server.app.handlers.stopping = True
    assert await control.get("/readyz") == (503, {"status": "stopping"})
    assert await control.get("/livez") == (200, {"status": "ok"})


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        ("requests?limit=0", "limit"),
        ("requests?limit=10001", "limit"),
        ("requests?limit=ten", "limit"),
        ("requests?limit=1&limit=2", "limit"),
        ("requests?after=-1", "after"),
        ("requests?status=ok", "status"),
        ("requests?type=a", "type"),
        ("events?verdict=good", "verdict"),
        ("events?status=200", "status"),
        ("deliveries?final=yes", "final"),
        ("deliveries?verdict=any", "verdict"),
        ("export?format=pcap", "format"),
        ("export?format=har&normalise=true", "normalise"),
        ("clock?x=", "x"),
        ("faults?limit=1", "limit"),
        ("requests/e1", "id"),
        ("requests/r1", "id"),
    ],
)
async def test_unusable_query_or_path_member_is_named(
    control: ControlClient, session: str, path: str, parameter: str
) -> None:
    status, problem = await control.get(f"{session}/{path}")
    assert (status, problem["parameter"]) == (404 if parameter == "id" else 400, parameter)


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/_mock/nothing", None, 404),
        ("GET", "/_mock/sessions/x/nothing", None, 404),
        ("GET", "/_mock/openapi/nobody.json", None, 404),
        ("GET", "/_mock/schemas/outlit/nothing.json", None, 404),
        ("GET", "/_mock/fidelity?protocol=nobody", None, 404),
        ("POST", "/_mock/sessions", None, 405),
        ("DELETE", "/_mock/sessions", None, 405),
        ("POST", "/_mock/sessions/x/requests", {}, 405),
        ("GET", "/_mock/sessions/x/wait", None, 405),
        ("PATCH", "/_mock/sessions/x/clock", {}, 405),
        ("DELETE", "/_mock/sessions/x", {}, 400),
        ("PUT", "/_mock/sessions/x/faults", None, 400),
        ("PUT", "/_mock/sessions/x/faults", b"[", 400),
        ("PUT", "/_mock/sessions/x/clock", b'{"now": 1, "now": 2}', 400),
        ("GET", f"/_mock/sessions/{'x' * 201}", None, 400),
        ("PUT", "/_mock/sessions/x/faults", b" " * (2 * 1024 * 1024 + 1), 413),
    ],
)
async def test_call_that_cannot_be_carried_out_is_a_problem(
    control: ControlClient, method: str, path: str, body: object, status: int
) -> None:
    got, problem = await control.call(method, path, body)
    assert (got, problem["status"]) == (status, status)
    assert problem["detail"]


async def test_method_not_allowed_names_those_that_are(app_server: AppServer, http: aiohttp.ClientSession) -> None:
    async with http.post(f"{app_server.url}/_mock/sessions/x/clock") as reply:
        assert (reply.status, reply.headers["Allow"]) == (405, "DELETE, GET, PUT")


async def test_vendor_surface_under_a_prefix_is_open_to_pages_of_any_site(
    app_server: AppServer, http: aiohttp.ClientSession
) -> None:
    url = f"{app_server.url}/_mock/s/any/v1/events/batch"
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST", "Sec-Fetch-Site": "cross-site", "Host": "evil.example"}
    async with http.options(url, headers=asked) as reply:
        assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN["Origin"])
    sent = {**ORIGIN, "X-API-Key": "k", "Sec-Fetch-Site": "cross-site", "Host": "evil.example"}
    async with http.post(url, json=track_body("m1"), headers=sent) as reply:
        assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (202, ORIGIN["Origin"])
    async with http.post(url, json={}, headers=sent) as reply:
        assert (reply.status, reply.headers["Access-Control-Allow-Origin"]) == (400, ORIGIN["Origin"])


async def test_control_reply_has_no_cors_headers(app_server: AppServer, http: aiohttp.ClientSession) -> None:
    async with http.get(f"{app_server.url}/_mock/sessions") as reply:
        assert not [name for name in reply.headers if name.lower().startswith("access-control-")]
