"""From the parts of a request to the request: credentials, path, headers, body bytes."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.places import put
from mockserver.strategies.reading import Told
from mockserver.strategies.samples import Request

JSON_TYPE: Final = "application/json"
NO_CREDENTIAL: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a request is made of.

    `body` is JSON, MISSING for none; `raw` stands in its place. `padded` is the length the body is filled up to with
    spaces. `credential` is the number of one that the operation takes. `encoding` "gzip" compresses, another one only
    says so.
    """

    body: Json = MISSING
    raw: bytes | None = None
    padded: int = 0
    credential: int = 0
    key: str | None = None
    content_type: str | None = JSON_TYPE
    encoding: str | None = None
    compress: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None
    path: str | None = None
    before_path: str = ""
    after_path: str = ""


class Assembly:
    """Puts requests of one operation together. `keys` gives credentials by their names in the contract."""

    def __init__(self, contract: Contract, operation: Operation, keys: Mapping[str, str]) -> None:
        self.operation = operation
        self.specs: Mapping[str, Json] = contract.protocol["credentials"]
        self.keys = {name: keys.get(name, self.specs[name].get("example", "key_1")) for name in operation.credentials}

    def body_keys(self) -> list[tuple[tuple[str, ...], str]]:
        """Return where in a body the operation looks for a credential, and which one it gets."""
        specs = ((name, self.specs[name]) for name in self.operation.credentials)
        return [(pointer.parse(spec["pointer"]), self.keys[name]) for name, spec in specs if spec["in"] == "body"]

    def request(self, parts: Parts) -> Request:
        """Return the request."""
        headers: dict[str, str] = {} if parts.content_type is None else {"content-type": parts.content_type}
        params, query, body = dict(parts.params), dict(parts.query), parts.body
        if self.keys and parts.credential != NO_CREDENTIAL:
            name = self.operation.credentials[parts.credential % len(self.operation.credentials)]
            key = self.keys[name] if parts.key is None else parts.key
            match self.specs[name]["in"]:
                case "path":
                    params[self.specs[name]["name"]] = key
                case "header":
                    headers[self.specs[name]["name"].lower()] = key
                case "bearer":
                    headers["authorization"] = f"Bearer {key}"
                case "query":
                    query[self.specs[name]["name"]] = key
                case _ if isinstance(body, dict):
                    body = put(body, pointer.parse(self.specs[name]["pointer"]), key)
        if parts.credential == NO_CREDENTIAL and isinstance(body, dict):
            for tokens, _ in self.body_keys():
                body = put(body, tokens, MISSING)
        content, value = _content(parts, body)
        if body is MISSING and parts.raw is None:
            headers.pop("content-type", None)
        if parts.encoding is not None:
            headers["content-encoding"] = parts.encoding
        return Request(
            method=parts.method or self.operation.method,
            path=self._path(parts, params, query),
            headers=tuple({**headers, **parts.headers}.items()),
            body=content,
            json=value,
        )

    def _path(self, parts: Parts, params: Mapping[str, str], query: Mapping[str, str]) -> str:
        path = parts.path or self.operation.path
        for name in path_names(path):
            path = path.replace("{" + name + "}", quote(params.get(name, f"{name}_1"), safe=""))
        asked = f"?{urlencode(query)}" if query else ""
        return f"{parts.before_path}{path}{parts.after_path}{asked}"

    def told(self, parts: Parts, request: Request) -> Told:
        """Return what of a request its reply may repeat."""
        query = dict(parse_qsl(request.path.partition("?")[2]))
        headers = {name.lower(): value for name, value in request.headers}
        return Told(body=parts.body, params=parts.params, query=query, headers=headers)


def path_names(path: str) -> list[str]:
    """Return the names of a path's parameters."""
    return [part[1:-1] for part in path.split("/") if part.startswith("{")]


def _content(parts: Parts, body: Json) -> tuple[bytes, Json]:
    """Return a body's bytes, and its value where the bytes are just that value's compact JSON."""
    content = parts.raw
    if content is None:
        content = b"" if body is MISSING else render(body)
    plain = parts.raw is None and not parts.padded and not parts.compress
    content = content.ljust(parts.padded)
    if parts.compress:
        content = gzip.compress(content, mtime=0)
    return content, body if plain else MISSING
