"""Reading HAR archives (HAR 1.2) as browsers, proxies and test tools write them.

They differ in how they record bodies: as text, as base64 with or without saying so, decoded or still compressed, as
form parameters, in part, or not at all. A null stands for a missing member.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import SplitResult, urlencode, urlsplit

from mockserver.core.body import RequestBody
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.items import RequestItem
from mockserver.lint.wire_requests import IN_SESSION, wire_request

LONGEST_BODY: Final = 64 * 1024 * 1024
"""The most bytes that a recorded body is decompressed to."""
WITHOUT_BODY: Final = frozenset({204, 304})
"""Statuses of replies that have no body."""
WITHOUT_REQUEST_BODY: Final = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})
"""Methods of requests that have no body unless the file says so."""
DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}
REPLACED: Final = "\N{REPLACEMENT CHARACTER}"
"""What a recorder writes for bytes that are not text."""

_WHITESPACE: Final = re.compile(r"\s+")
_BOUNDARY: Final = re.compile(r'boundary="?([^";]+)')
_TEXT: Final[Json] = {"type": "string"}
_PAIR: Final[Json] = {"type": "object", "required": ["name"], "properties": {"name": _TEXT, "value": _TEXT}}
_PAIRS: Final[Json] = {"type": "array", "items": _PAIR}
_ENTRY: Final = DocumentSchema(
    {
        "type": "object",
        "required": ["request"],
        "properties": {
            "startedDateTime": _TEXT,
            "request": {
                "type": "object",
                "required": ["method", "url"],
                "properties": {
                    "method": _TEXT,
                    "url": _TEXT,
                    "headers": _PAIRS,
                    "postData": {
                        "type": "object",
                        "properties": {"text": _TEXT, "mimeType": _TEXT, "encoding": _TEXT, "params": _PAIRS},
                    },
                },
            },
            "response": {
                "type": "object",
                "properties": {
                    "headers": _PAIRS,
                    "content": {"type": "object", "properties": {"text": _TEXT, "encoding": _TEXT}},
                },
            },
        },
    }
)


Headers: TypeAlias = Sequence[tuple[str, str]]


class Body(NamedTuple):
    """What a body may have been. `exact` says that these are the bytes that were sent."""

    content: bytes
    exact: bool


def har_item(entry: Json, file: str, place: str) -> RequestItem:
    """Return the request and the reply of a HAR entry. Raises FormatError."""
    entry = _without_nulls(entry, "request", "response", "startedDateTime")
    _ENTRY.check(entry, file, place)
    sent = entry["request"]
    headers = list(_headers(sent))
    url = _url(sent["url"], file, place)
    target = url.path + (f"?{url.query}" if url.query else "")
    request = _request(sent, target, headers)
    return RequestItem(
        file=file,
        place=place,
        request=request or wire_request(sent["method"], target, headers, b""),
        now_ms=epoch_ms(entry.get("startedDateTime", "")),
        origin=None if IN_SESSION.match(target) else _origin(url, sent),
        body_recorded=request is not None,
        reply=_reply(entry.get("response", {})),
    )


def _without_nulls(value: Json, *names: str) -> Json:
    """Return a copy without null members and items; of the topmost object only the named members."""
    if isinstance(value, dict):
        members = {name: value.get(name) for name in names} if names else value
        return {name: _without_nulls(member) for name, member in members.items() if member is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value if item is not None]
    return value


def _headers(message: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """Yield the headers of a request or a reply; `:authority` and the like of HTTP/2 and HTTP/3 are none."""
    for header in message.get("headers", ()):
        if not header["name"].startswith(":"):
            yield header["name"], header.get("value", "")


def _url(text: str, file: str, place: str) -> SplitResult:
    try:
        url = urlsplit(text)
        url.port  # noqa: B018  raises ValueError
    except ValueError as error:
        raise FormatError(file, place, "/request/url", f"is not a valid URL: {error}") from None
    return url


def _origin(url: SplitResult, sent: Mapping[str, Json]) -> str:
    """Return scheme, host and port of a request; the host of a relative URL is in the headers."""
    named = {header["name"].lower(): header.get("value", "") for header in sent.get("headers", ())}
    host = url.netloc or ("" if url.scheme else named.get(":authority") or named.get("host", ""))
    return origin_of(f"{url.scheme or 'https'}://{host}")


def origin_of(url: str) -> str:
    """Return scheme, host and port of a URL, lower case and without a default port."""
    scheme, _, rest = url.lower().partition("://")
    authority = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    return f"{scheme}://{authority.removesuffix(DEFAULT_PORTS.get(scheme, ':'))}"


def _request(sent: Mapping[str, Json], target: str, headers: Headers) -> WireRequest | None:
    """Return the request with the body that was recorded; None where the body, or a part of it, was not."""
    post = sent.get("postData", {})
    bodies, size = list(_bodies(post)), _size(sent, headers)
    if not any(body.content for body in bodies):
        return None if _lacks_body(sent, headers, size) else _with(sent, target, headers, b"")
    if "encoding" not in post and len(bodies[0].content) == size:
        bodies = bodies[:1]  # the text is as long as what was sent
    decoded = _without_encoding(headers)
    request = _with(sent, target, headers, bodies[0].content)
    if RequestBody(request).encoding_problem(LONGEST_BODY) == "unsupported_encoding":
        return request
    for kept in (headers, decoded):
        for body in bodies:
            candidate = _with(sent, target, kept, body.content)
            if RequestBody(candidate).parse(LONGEST_BODY):
                return candidate
    lossy = not bodies[0].exact and (len(decoded) < len(headers) or REPLACED in post.get("text", ""))
    in_part = size is not None and len(bodies[0].content) < size
    return None if lossy or in_part else request


def _lacks_body(sent: Mapping[str, Json], headers: Headers, size: int | None) -> bool:
    """Tell whether a body may have been sent that is not in the file.

    For the body of a beacon, browsers write no text and the size 0: it was empty only if a text or a header says so.
    """
    if size or sent["method"] in WITHOUT_REQUEST_BODY:
        return bool(size)
    is_empty = "text" in sent.get("postData", {}) or any(name.lower() == "content-length" for name, _ in headers)
    return size is None or not is_empty


def _without_encoding(headers: Headers) -> list[tuple[str, str]]:
    return [pair for pair in headers if pair[0].lower() != "content-encoding"]


def _with(sent: Mapping[str, Json], target: str, headers: Iterable[tuple[str, str]], body: bytes) -> WireRequest:
    return wire_request(sent["method"], target, headers, body)


def _size(sent: Mapping[str, Json], headers: Headers) -> int | None:
    """Return how many bytes the body had as far as the recorder says; None if it does not."""
    lengths = [value.strip() for name, value in headers if name.lower() == "content-length"]
    sizes = [int(length) for length in lengths if length.isascii() and length.isdigit() and len(length) < 18]
    size = sent.get("bodySize")
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        sizes.append(size)
    return max(sizes, default=None)


def _bodies(post: Mapping[str, Json]) -> Iterator[Body]:
    """Yield what the body may have been, most likely first."""
    text = post.get("text")
    if text is None:
        if post.get("params"):
            yield Body(_form(post["params"], post.get("mimeType", "")), exact=False)
        return
    plain, decoded = Body(text.encode("utf-8", "surrogatepass"), exact=False), _from_base64(text)
    labelled = post.get("encoding", "").lower() == "base64"
    if decoded is not None:
        yield from [Body(decoded, exact=True), plain] if labelled else [plain, Body(decoded, exact=False)]
    else:
        yield plain
    if not text.isascii() and max(text) <= "\xff":  # bytes written as the characters of these numbers
        yield Body(text.encode("latin-1"), exact=False)


def _from_base64(text: str) -> bytes | None:
    compact = _WHITESPACE.sub("", text).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(compact + "=" * (-len(compact) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _form(params: Iterable[Mapping[str, Json]], media_type: str) -> bytes:
    """Return the body that form parameters stand for."""
    pairs = [(param["name"], param.get("value", "")) for param in params]
    boundary = _BOUNDARY.search(media_type)
    if boundary is not None:
        form = 'Content-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
        parts = "".join(f"--{boundary[1]}\r\n{form.format(name, value)}" for name, value in pairs)
        return f"{parts}--{boundary[1]}--\r\n".encode("utf-8", "surrogatepass")
    if len(pairs) == 1 and not pairs[0][1]:  # a text that was taken for a form
        return str(pairs[0][0]).encode("utf-8", "surrogatepass")
    return urlencode(pairs, errors="surrogatepass").encode()


def _reply(response: Mapping[str, Json]) -> WireReply | None:
    """Return the reply, its body decoded; None where there was none or its body was not recorded."""
    status, content = response.get("status"), response.get("content", {})
    if not isinstance(status, int) or isinstance(status, bool) or not 100 <= status <= 599:
        return None
    headers, text = tuple(_headers(response)), content.get("text")
    if not text:  # browsers write an empty text for the reply to a beacon, whatever it was
        empty = status in WITHOUT_BODY or _size({}, headers) == 0
        return WireReply(status=status, headers=headers, body=b"") if empty else None
    body = _reply_body(text, content, headers)
    return None if body is None else WireReply(status=status, headers=headers, body=body)


def _reply_body(text: str, content: Mapping[str, Json], headers: Headers) -> bytes | None:
    """Return the body of a reply, decoded; None where only a part of it is in the file, or what cannot be read."""
    plain, decoded = text.encode("utf-8", "surrogatepass"), _from_base64(text)
    labelled = content.get("encoding", "").lower() == "base64"
    bodies = [body for body in ((decoded, plain) if labelled else (plain, decoded)) if body]
    for kept in (_without_encoding(headers), headers):
        for body in bodies:
            candidate = RequestBody(wire_request("POST", "/", kept, body))
            if candidate.parse(LONGEST_BODY):
                return candidate.text
    size, still_encoded = content.get("size"), labelled and len(_without_encoding(headers)) < len(headers)
    in_part = isinstance(size, int) and size > len(bodies[0])
    return None if in_part or still_encoded or REPLACED in text else bodies[0]
