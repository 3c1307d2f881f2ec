"""The files of the live page over HTTP: who gets them, with which headers, and that they can be turned off."""

from __future__ import annotations

import re
import signal

import aiohttp
import pytest
from yarl import URL

from mockserver.server.control import HEADERS
from mockserver.server.live_page import INDEX, MEDIA_TYPES, PAGE, PAGE_HEADERS, is_page
from mockserver.settings import Settings
from tests.live_page.harness import UI
from tests.processes import run, served
from tests.server.conftest import AppServer

NAMES = sorted(file.name for file in UI.iterdir() if file.suffix in MEDIA_TYPES)


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> Settings:
    """The server's settings: plain ones, or those a test is parametrized with."""
    found: Settings = getattr(request, "param", Settings(port=0))
    return found


async def test_each_file_is_served_as_what_it_is(app_server: AppServer, http: aiohttp.ClientSession) -> None:
    for name in (*NAMES, ""):
        async with http.get(f"{app_server.url}{PAGE}{name}") as reply:
            assert reply.status == 200
            assert await reply.read() == (UI / (name or INDEX)).read_bytes()
            suffix = "." + (name or INDEX).rpartition(".")[2]
            assert reply.headers["Content-Type"] == f"{MEDIA_TYPES[suffix]}; charset=utf-8"
            assert {**HEADERS, **PAGE_HEADERS}.items() <= dict(reply.headers).items()


def test_files_name_only_files_that_there_are() -> None:
    named = set[str]()
    for name in NAMES:
        text = (UI / name).read_text()
        named |= set(re.findall(r'(?:from "\./|href="|src=")([\w.]+)"', text))
    assert named <= set(NAMES)
    assert set(NAMES) - named == {INDEX, "types.js"}, "a file that nothing loads; types.js is for the type checker"
    assert not re.search(
        r"https?://(?!www\.w3\.org)", "".join((UI / name).read_text() for name in NAMES if name[-3:] == "css")
    )


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", PAGE, 200),
        ("GET", PAGE.rstrip("/"), 308),
        ("GET", f"{PAGE}nothing.js", 404),
        ("GET", f"{PAGE}%2e%2e/control.yaml", 404),
        ("GET", f"{PAGE}..%2fcontrol.yaml", 404),
        ("POST", PAGE, 405),
        ("OPTIONS", PAGE, 405),
    ],
)
async def test_what_is_no_file_is_an_error(
    app_server: AppServer, http: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    url = URL(app_server.url + path, encoded=True)
    async with http.request(method, url, allow_redirects=False) as reply:
        assert reply.status == status
        if status == 308:
            assert reply.headers["Location"] == PAGE


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "mock", "User-Agent": "Mozilla/5.0"}, 421),
    ],
)
async def test_page_asks_for_the_host_alone(
    app_server: AppServer, http: aiohttp.ClientSession, headers: dict[str, str], status: int
) -> None:
    async with http.get(app_server.url + PAGE, headers=headers) as reply:
        assert reply.status == status


@pytest.mark.parametrize("settings", [Settings(port=0, admin_token="t")], indirect=True)
async def test_page_needs_no_token_since_it_has_no_data(app_server: AppServer, http: aiohttp.ClientSession) -> None:
    async with http.get(app_server.url + PAGE) as reply:
        assert reply.status == 200
    async with http.get(f"{app_server.url}/_mock/sessions") as reply:
        assert reply.status == 401


@pytest.mark.parametrize("settings", [Settings(port=0, no_ui=True)], indirect=True)
async def test_page_can_be_turned_off(app_server: AppServer, http: aiohttp.ClientSession) -> None:
    async with http.get(app_server.url + PAGE) as reply:
        assert reply.status == 404
    async with http.get(app_server.url) as reply:
        assert "page" not in await reply.json()


async def test_root_says_where_the_page_is(app_server: AppServer, http: aiohttp.ClientSession) -> None:
    async with http.get(app_server.url) as reply:
        assert (await reply.json())["page"] == PAGE


def test_server_says_where_the_page_is_when_it_is_ready() -> None:
    with served() as server:
        assert server.ready_line == f"mockserver ready on {server.url}"
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == f"mockserver live page {server.url}{PAGE}\n"
    with served("--no-ui") as server:
        server.tell(signal.SIGTERM)
        assert server.process.stdout is not None
        assert server.process.stdout.read() == ""
    assert "--no-ui" in run("serve", "--help").stdout


@pytest.mark.parametrize(("path", "is_one"), [("/_mock/ui", True), ("/_mock/ui/x", True), ("/_mock/uix", False)])
def test_paths_of_the_page(path: str, is_one: bool) -> None:
    assert is_page(path) is is_one
