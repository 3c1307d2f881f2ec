"""A server of one test, spoken to over real HTTP: vendor requests as bytes, control calls held to control.yaml."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import yarl

from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.server.control_client import ControlClient

AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back: header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A running server and an HTTP client for it."""

    url: str
    http: aiohttp.ClientSession
    control: ControlClient

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Reply:
        """Send exactly these headers and bytes to a raw path, beside Host and the framing; follow nowhere."""
        url = yarl.URL(self.url + path, encoded=True)
        async with self.http.request(
            method,
            url,
            data=io.BytesIO(body) if body else None,
            headers=headers,
            skip_auto_headers=AUTOMATIC,
            allow_redirects=False,
        ) as reply:
            names = {name.lower(): value for name, value in reply.headers.items()}
            return Reply(status=reply.status, headers=names, body=await reply.read())

    async def events(self, session: str, query: str = "") -> list[Any]:
        """Return the rows of a session's events."""
        status, page = await self.control.get(f"/_mock/sessions/{quote(session, safe='')}/events?limit=10000{query}")
        assert status == 200, page
        rows: list[Any] = page["events"]
        return rows


@asynccontextmanager
async def live(settings: Settings) -> AsyncIterator[Live]:
    """Serve on a free port for as long as the block runs."""
    async with serving(settings) as (_, url), aiohttp.ClientSession(auto_decompress=False) as http:
        yield Live(url=url, http=http, control=ControlClient(http, url))
