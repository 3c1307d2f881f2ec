"""The fixtures of the server tests: a server on a free port of this machine, and clients of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import aiohttp
import pytest

from mockserver.server.app import App
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient


@dataclass(frozen=True, slots=True, kw_only=True)
class AppServer:
    """A running server: where it listens, and what stands behind it."""

    url: str
    app: App

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])


@pytest.fixture
def settings() -> Settings:
    """How the server runs; a module or a test that wants it otherwise replaces this fixture."""
    return Settings(port=0)


@pytest.fixture
async def app_server(settings: Settings) -> AsyncIterator[AppServer]:
    """A server of this test alone."""
    async with serving(settings) as (app, url):
        yield AppServer(url=url, app=app)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client for vendor requests; its connections are not shared, so that a cut one is nobody else's."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as client:
        yield client


@pytest.fixture
async def control(app_server: AppServer, http: aiohttp.ClientSession) -> ControlClient:
    """A client of the control surface that holds every reply to control.yaml."""
    return ControlClient(http, app_server.url)


@pytest.fixture
def key() -> str:
    """A credential, and so a session, of this test alone; Outlit, Whisperr and Apex's browser routes take it."""
    return f"pk_{uuid4().hex}"


@pytest.fixture
def vendor(app_server: AppServer, http: aiohttp.ClientSession, key: str) -> VendorClient:
    """A client of the vendor surface under this test's key."""
    return VendorClient(http=http, url=app_server.url, key=key)


@pytest.fixture
def session(key: str) -> str:
    """Where the control surface has this test's session."""
    return f"/_mock/sessions/{key}"
