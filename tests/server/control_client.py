"""A client of the control surface that holds every reply to control.yaml."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from typing import Any

import aiohttp
import jsonschema_rs

from mockserver.jsonkit import pointer
from mockserver.server import control

JSON_TYPES = ("application/json", "application/problem+json")


class ControlClient:
    """Calls of the control surface, each answered with (status, parsed body); None where there is no body."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self.http = http
        self.url = url

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        return await self.call("GET", path, headers=headers)

    async def put(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        return await self.call("PUT", path, body, headers)

    async def patch(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        return await self.call("PATCH", path, body, headers)

    async def post(self, path: str, body: object = None, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        return await self.call("POST", path, body, headers)

    async def delete(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, Any]:
        return await self.call("DELETE", path, headers=headers)

    async def call(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Any]:
        """Send one call; bytes go out as they are, anything else as JSON, None as no body."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = None if data is None else BytesIO(data)
        async with self.http.request(method, self.url + path, data=sent, headers=headers) as reply:
            text, kind = await reply.read(), reply.headers.get("Content-Type", "")
            hold(method, path.partition("?")[0], reply.status, kind, text)
            return reply.status, json.loads(text) if text and kind in JSON_TYPES else text.decode() or None


def hold(method: str, path: str, status: int, kind: str, body: bytes) -> None:
    """Fail when a reply of the control surface is not what control.yaml says of its route and status."""
    spec = _spoken_for(method, path, status)
    content = spec.get("content")
    if content is None:
        assert not body, f"{method} {path} {status} has no body by control.yaml, got {body[:200]!r}"
        return
    assert kind in content, f"{method} {path} {status} is {kind}, control.yaml says {', '.join(content)}"
    if method == "HEAD":
        assert not body
    elif kind in JSON_TYPES:
        engine = _engine(json.dumps(content[kind]["schema"]))
        errors = [f"{pointer.build(e.instance_path)}: {e.message}" for e in engine.iter_errors(json.loads(body))]
        assert not errors, f"{method} {path} {status} breaks control.yaml: {errors}"


def _spoken_for(method: str, path: str, status: int) -> Any:
    """Return what control.yaml says of a reply; a route or a method it does not know is answered with a problem."""
    problem = control.document()["components"]["responses"]["Problem"]
    item = next((item for route, item in control.document()["paths"].items() if _matches(route, path)), None)
    operation = (item or {}).get("get" if method == "HEAD" else method.lower())
    if operation is None:
        assert status >= 400, f"{method} {path} is not in control.yaml, and was answered {status}"
        return problem
    found = control.resolve(operation["responses"].get(str(status)) or operation["responses"][f"{status // 100}XX"])
    assert found is not problem or status >= 400, f"{method} {path} answers {status}, which control.yaml does not list"
    return found


def _matches(route: str, path: str) -> bool:
    wanted, got = route.rstrip("/").split("/"), path.rstrip("/").split("/")
    if len(wanted) != len(got):
        return False
    return all(
        want == have or (want.startswith("{") and have.endswith(want.partition("}")[2]))
        for want, have in zip(wanted, got, strict=True)
    )


@cache
def _engine(schema: str) -> jsonschema_rs.Draft202012Validator:
    registry = jsonschema_rs.Registry([("mock:/control.yaml", control.document())])
    rooted = json.loads(schema.replace('"#/', '"mock:/control.yaml#/'))
    return jsonschema_rs.Draft202012Validator(rooted, registry=registry)
