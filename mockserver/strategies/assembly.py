"""From the parts of a request to the request: credentials, path, headers, body bytes."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlencode

from mockserver.contract.operation import Operation
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING, Tokens
from mockserver.strategies.places import put
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
    before_path: str = ""
    after_path: str = ""


class Assembly:
    """Puts requests of one operation together. `keys` gives credentials by their names in the contract."""

    def __init__(self, operation: Operation, keys: Mapping[str, str]) -> None:
        self.operation = operation
        self.keys = {
            credential.name: keys.get(credential.name, credential.example or "key_1")
            for credential in operation.credentials
        }

    def body_keys(self) -> list[tuple[Tokens, str]]:
        """Return where in a body the operation looks for a credential, and which one it gets."""
        in_body = (credential for credential in self.operation.credentials if credential.place == "body")
        return [(credential.tokens, self.keys[credential.name]) for credential in in_body]

    def request(self, parts: Parts) -> Request:
        """Return the request."""
        parts = self._with_credential(parts)
        headers: dict[str, str] = {}
        if parts.content_type is not None and not (parts.body is MISSING and parts.raw is None):
            headers["content-type"] = parts.content_type
        headers |= parts.headers
        if parts.encoding is not None:
            headers["content-encoding"] = parts.encoding
        content, value = _content(parts)
        method, path = parts.method or self.operation.method, self._path(parts)
        return Request(method=method, path=path, headers=tuple(headers.items()), body=content, json=value)

    def _with_credential(self, parts: Parts) -> Parts:
        """Put the credential where it belongs, or take away those that stand in the body."""
        body, credentials = parts.body, self.operation.credentials
        if parts.credential == NO_CREDENTIAL:
            for tokens, _ in self.body_keys() if isinstance(body, dict) else ():
                body = put(body, tokens, MISSING)
            return replace(parts, body=body)
        if not credentials:
            return parts
        credential = credentials[parts.credential % len(credentials)]
        name, key = credential.parameter, self.keys[credential.name] if parts.key is None else parts.key
        match credential.place:
            case "path":
                return replace(parts, params={**parts.params, name: key})
            case "query":
                return replace(parts, query={**parts.query, name: key})
            case "header":
                return replace(parts, headers={name.lower(): key, **parts.headers})
            case "bearer":
                return replace(parts, headers={"authorization": f"Bearer {key}", **parts.headers})
        return replace(parts, body=put(body, credential.tokens, key)) if isinstance(body, dict) else parts

    def _path(self, parts: Parts) -> str:
        path = self.operation.path
        for name in self.operation.parameters():
            path = path.replace("{" + name + "}", quote(parts.params.get(name, f"{name}_1"), safe=""))
        query = f"?{urlencode(parts.query)}" if parts.query else ""
        return f"{parts.before_path}{path}{parts.after_path}{query}"


def _content(parts: Parts) -> tuple[bytes, Json]:
    """Return a body's bytes, and its value where the bytes are just that value's compact JSON."""
    text = parts.raw
    if text is None:
        text = b"" if parts.body is MISSING else render(parts.body)
    if parts.compress:
        return _compressed(text, parts.padded), MISSING
    plain = parts.raw is None and not parts.padded
    return text.ljust(parts.padded), parts.body if plain else MISSING


@lru_cache(maxsize=256)
def _compressed(text: bytes, length: int) -> bytes:
    """Compress a text filled up with spaces: megabytes, which callers ask for again and again."""
    return gzip.compress(text.ljust(length), compresslevel=1, mtime=0)
