"""A client of the vendor surface that sends well-formed requests under one key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorClient:
    """Sends to one server under one key, and so into one session."""

    http: aiohttp.ClientSession
    url: str
    key: str

    async def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Reply:
        """Post JSON, or bytes as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        async with self.http.post(self.url + path, data=data, headers=sent, allow_redirects=False) as reply:
            return Reply(status=reply.status, headers=reply.headers, body=await reply.read())

    async def track(self, *ids: str, prefix: str = "", **members: object) -> Reply:
        """Send a Whisperr batch with one event of each id."""
        return await self.post(f"{prefix}/v1/events/batch", track_body(*ids, **members), {"X-API-Key": self.key})

    async def clicks(self, *names: str, prefix: str = "", **members: object) -> Reply:
        """Send an Outlit batch with one custom event of each name; they have no ids."""
        return await self.post(f"{prefix}/api/i/v1/{self.key}/events", clicks_body(*names, **members))


def track_body(*ids: str, **members: object) -> dict[str, Any]:
    """Return a Whisperr batch."""
    common = {"external_user_id": "u1", "event_type": "paid", **members}
    return {"events": [{**common, "context": {"$message_id": id}} for id in ids]}


def clicks_body(*names: str, **members: object) -> dict[str, Any]:
    """Return an Outlit batch."""
    common = {"type": "custom", "userId": "u1", "url": "server://u1", "path": "/", **members}
    return {"source": "server", "events": [{**common, "eventName": name} for name in names]}
