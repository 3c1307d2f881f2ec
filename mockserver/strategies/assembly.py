"""From the parts of a request to the request: credentials, path, headers, body bytes."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
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
        headers: dict[str, str] = {} if parts.content_type is None else {"content-type": parts.content_type}
        params, query = dict(parts.params), dict(parts.query)
        body = self._with_credential(parts, headers, params, query)
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

    def _with_credential(
        self, parts: Parts, headers: dict[str, str], params: dict[str, str], query: dict[str, str]
    ) -> Json:
        """Put the credential where it belongs; return the body, with it or without any."""
        body, credentials = parts.body, self.operation.credentials
        if parts.credential == NO_CREDENTIAL:
            for tokens, _ in self.body_keys() if isinstance(body, dict) else ():
                body = put(body, tokens, MISSING)
        elif credentials:
            credential = credentials[parts.credential % len(credentials)]
            key = self.keys[credential.name] if parts.key is None else parts.key
            match credential.place:
                case "path":
                    params[credential.parameter] = key
                case "header":
                    headers[credential.parameter.lower()] = key
                case "bearer":
                    headers["authorization"] = f"Bearer {key}"
                case "query":
                    query[credential.parameter] = key
                case "body" if isinstance(body, dict):
                    body = put(body, credential.tokens, key)
        return body

    def _path(self, parts: Parts, params: Mapping[str, str], query: Mapping[str, str]) -> str:
        path = self.operation.path
        for name in self.operation.parameters():
            path = path.replace("{" + name + "}", quote(params.get(name, f"{name}_1"), safe=""))
        parameters = f"?{urlencode(query)}" if query else ""
        return f"{parts.before_path}{path}{parts.after_path}{parameters}"


def _content(parts: Parts, body: Json) -> tuple[bytes, Json]:
    """Return a body's bytes, and its value where the bytes are just that value's compact JSON."""
    text = parts.raw
    if text is None:
        text = b"" if body is MISSING else render(body)
    if parts.compress:
        return _compressed(text, parts.padded), MISSING
    plain = parts.raw is None and not parts.padded
    return text.ljust(parts.padded), body if plain else MISSING


@lru_cache(maxsize=256)
def _compressed(text: bytes, length: int) -> bytes:
    """Compress a text filled up with spaces: megabytes, which callers ask for again and again."""
    return gzip.compress(text.ljust(length), compresslevel=1, mtime=0)
