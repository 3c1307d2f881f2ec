"""The report over HTTP is that of the command, whatever the server needs of its callers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from mockserver.server.handlers import report_handlers
from mockserver.server.handlers.report_handlers import MEDIA_TYPES, OwnAddress, environment_of
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient

STARTS = {
    "json": '{\n  "url":',
    "text": "session pk_",
    "junit": "<?xml",
    "markdown": "### ✅ mockserver session",
    "html": "<!doctype html>",
    "github": "::",
}


@pytest.fixture(params=[None, "let me in"], ids=["open", "token"])
async def guarded(request: pytest.FixtureRequest) -> AsyncIterator[tuple[str, dict[str, str]]]:
    """A server without and with an admin token: its URL, and the headers of control calls."""
    token: str | None = request.param
    async with serving(Settings(port=0, admin_token=token)) as (_, url):
        yield url, {} if token is None else {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("format", MEDIA_TYPES)
async def test_report_comes_in_each_format(
    guarded: tuple[str, dict[str, str]], http: aiohttp.ClientSession, format: str
) -> None:
    url, headers = guarded
    await VendorClient(http=http, url=url, key="pk_report").track("m1")
    async with http.get(f"{url}/_mock/sessions/pk_report/report?format={format}", headers=headers) as reply:
        text = await reply.text()
    assert (reply.status, reply.headers["X-Mock-Verdict"]) == (200, "passed")
    assert reply.headers["Content-Type"] == MEDIA_TYPES[format]
    assert text.startswith(STARTS[format])
    assert reply.headers["Content-Security-Policy"].startswith("sandbox; " if format == "html" else "frame-ancestors")


async def test_verdict_is_that_of_the_options(control: ControlClient, vendor: VendorClient, session: str) -> None:
    status, report = await control.get(f"{session}/report")
    assert (status, report["failures"]) == (200, {"empty": 1})
    assert (await control.get(f"{session}/report?allow_empty=true"))[1]["passed"] is True
    await vendor.track("m1")
    await vendor.track("m1")
    assert (await control.get(f"{session}/report"))[1]["passed"] is True
    assert (await control.get(f"{session}/report?min_events=2"))[1]["failures"] == {"empty": 1}
    gated = await control.get(f"{session}/report?fail_on=duplicate,lost")
    assert gated[1]["failures"] == {"duplicate": 1}
    assert vendor.key not in json.dumps(gated[1])


@pytest.mark.parametrize(
    ("query", "parameter"),
    [("format=pdf", "format"), ("fail_on=x", "fail_on"), ("fail_on=lost,", ""), ("min_events=-1", "min_events")],
)
async def test_wrong_parameter_is_named(control: ControlClient, session: str, query: str, parameter: str) -> None:
    status, problem = await control.get(f"{session}/report?{query}")
    assert (status, problem.get("parameter")) == ((400, parameter) if parameter else (200, None))


async def test_report_that_cannot_be_made_is_a_problem(
    app_server: AppServer, control: ControlClient, session: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app_server.app.handlers.own_address = OwnAddress(url="http://127.0.0.1:9")
    status, problem = await control.get(f"{session}/report")
    assert (status, problem["detail"][:65]) == (
        503,
        "the report could not be made: Error: no answer from http://127.0.",
    )
    monkeypatch.setattr(report_handlers, "TIMEOUT_S", 0.001)
    status, problem = await control.get(f"{session}/report")
    assert (status, problem["detail"]) == (503, "the report could not be made: it took too long")


def test_environment_has_what_the_command_needs_and_nothing_else_of_ours() -> None:
    before = {"PATH": "/bin", "MOCKSERVER_REPORT_FORMAT": "html", "MOCKSERVER_SERVE_PORT": "1"}
    address = OwnAddress(url="https://127.0.0.1:1", token="t", ca_file=Path("/ca.pem"))
    assert environment_of(before, address, "pk_1") == {
        "PATH": "/bin",
        "PYTHONIOENCODING": "utf-8",
        "MOCKSERVER_URL": "https://127.0.0.1:1",
        "MOCKSERVER_REPORT_SESSION": "pk_1",
        "MOCKSERVER_REPORT_ADMIN_TOKEN": "t",
        "MOCKSERVER_REPORT_CA_FILE": "/ca.pem",
    }
