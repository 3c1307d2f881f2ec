"""What a page's server is asked and answers, as plain values, and the aiohttp handler around it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from aiohttp import web

Json = Any
LARGEST: Final = 16 * 1024 * 1024
"""No page says how long a body may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: header names are lower case; `now` is in seconds since 1970."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    now: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply: `value` is sent as JSON, None for no body."""

    status: int
    value: Json = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return b"" if self.value is None else json.dumps(self.value).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Silent:
    """What the pages do not say: how a refusal looks, whether members that no table lists are taken, what null is.

    `refused` is the status of a refusal, `taken` the status of a success where a page gives none, `none_taken` that of
    a batch in which every event is bad; `words` begins the sentences of refusals.
    """

    refused: int = 400
    taken: int = 200
    none_taken: int = 400
    unlisted: bool = True
    null_is_absent: bool = False
    words: str = "not valid: "
    headers: Mapping[str, str] = field(default_factory=dict)


Server = Callable[[Asked, Silent], Answer]


def members(value: Json, silent: Silent) -> dict[str, Json]:
    """Return the members of an object, without nulls where those count as absent."""
    return {name: member for name, member in value.items() if member is not None or not silent.null_is_absent}


def handler(
    server: Server, silent: Silent, now: Callable[[], float]
) -> Callable[[web.BaseRequest], Awaitable[web.Response]]:
    """Return the aiohttp handler of a page's server."""

    async def handle(request: web.BaseRequest) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        asked = Asked(
            method=request.method, path=request.raw_path, headers=headers, body=await request.read(), now=now()
        )
        answer = server(asked, silent)
        headers = {**answer.headers, **silent.headers}
        if answer.value is not None:
            headers["Content-Type"] = "application/json"
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    return handle
