"""Finding the secrets of a request or a JSON text: where the contract looks for keys, and by the names of places."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote_plus

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.route import credentials, route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json, jsontext
from mockserver.recording.redaction.assigned_values import SECRET_NAMES, SPOKEN_WORDS, assigned_texts
from mockserver.recording.redaction.encoded_text import decoded_runs
from mockserver.recording.redaction.secret_names import (
    LONG_NUMBER,
    VALUE_MEMBERS,
    WITH_SCHEME,
    is_pair,
    is_random,
    is_secret_name,
    names_sibling,
)
from mockserver.recording.redaction.word_search import lower_case

_HEADER_PART: Final = re.compile("[^\\s,;=\"']+")


def secrets_of(request: WireRequest, contract: Contract) -> set[str]:
    """Return every credential that a request carries: where the contract looks for one, and by the names of places.

    The time grows with the body: a megabyte takes seconds in the worst case.
    """
    request_body = RequestBody(request)
    judged = route(request_body, contract)
    known = {value for _, value in (*credentials(judged, judged.operation), *credentials(judged, None))}
    by_name = set(_named_in_headers(request)) | set(assigned_texts(unquote_plus(request.target)))
    if request_body.parse(contract.max_body):
        by_name.update(_named_in(request_body.value))
    for text in {readable(request.body) or "", readable(request_body.text) or "", unquote_plus(request.target)}:
        by_name.update(assigned_texts(text))
        by_name.update(value for _, _, decoded in decoded_runs(text) for value in assigned_texts(decoded))
    if judged.operation is None:
        known.update(_segments_for_keys(request, contract))
        by_name.update(_strange_segments(request, contract))
    return known | set(filter(is_random, by_name))


def secrets_of_reply(reply: WireReply, content: bytes) -> set[str]:
    """Return what the names of headers and members give away in a reply; `content` is its body before compression."""
    by_name = {value for name, text in reply.headers for value in _named_in_header(name, text.strip())}
    text = readable(content)
    if text is None:
        return set(filter(is_random, by_name))
    try:
        value = jsontext.view(content)
    except jsontext.NotJSONError:
        value = None
    return set(filter(is_random, by_name)) | secrets_in(value, content)


def secrets_of_url(url: str) -> set[str]:
    """Return the segments of the path of a URL that may be keys."""
    return {unquote_plus(part) for part in url.partition("://")[2].split("/")[1:] if is_random(part)}


def secrets_in(value: Json, text: bytes) -> set[str]:
    """Return the secrets in a JSON text, and in its value, that names give away."""
    characters = text.decode("utf-8", "replace")
    lower, by_name = lower_case(characters), set[str]()
    may_be_escaped = any(mark in characters for mark in "\\%~")
    words = (SECRET_NAMES, SPOKEN_WORDS)
    if may_be_escaped or "@" in characters or any(next(known.starts(lower), None) is not None for known in words):
        by_name.update(assigned_texts(characters), _named_in(value))
    by_name.update(secret for _, _, decoded in decoded_runs(characters) for secret in assigned_texts(decoded))
    return set(filter(is_random, by_name))


def key_prefixes(contract: Contract) -> set[str]:
    """Return how the keys of a contract begin: their patterns and examples up to the first `_`."""
    written = contract.credentials.values()
    texts = [text.removeprefix("^") for known in written for text in (known.pattern, known.example) if text]
    return {match[0] for text in texts if (match := re.match("[A-Za-z0-9]{2,8}_", text))}


def readable(body: bytes) -> str | None:
    """Return a body as text; None for bytes that are not UTF-8, in which nothing can be found."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


def _named_in_headers(request: WireRequest) -> Iterator[str]:
    for raw_name, raw_value in request.headers:
        name = raw_name.decode("latin-1")
        for value in {raw_value.decode("latin-1").strip(), raw_value.decode("utf-8", "replace").strip()}:
            yield from _named_in_header(name, value)


def _named_in_header(name: str, value: str) -> Iterator[str]:
    if name.lower() in WITH_SCHEME:
        value = value.partition(" ")[2].strip() or value
        yield value
        yield from _HEADER_PART.findall(value)
        try:
            yield from base64.b64decode(value, validate=True).decode("utf-8").split(":")
        except ValueError:  # it is not Base64, not ASCII or not UTF-8
            return
    elif name.lower() in ("cookie", "set-cookie"):
        pairs = value.split(";")
        for pair in pairs if name.lower() == "cookie" else pairs[:1]:
            before, sign, after = pair.partition("=")
            yield (after if sign else before).strip()
    elif is_secret_name(name):
        yield value
    else:
        yield from assigned_texts(value)


def _named_in(value: Json, *, secret: bool = False) -> Iterator[str]:
    remaining = [(value, secret)]
    while remaining:
        inner, hidden = remaining.pop()
        if isinstance(inner, dict):
            named = names_sibling(inner)
            remaining += [
                (member, hidden or is_secret_name(name) or (named and name in VALUE_MEMBERS))
                for name, member in inner.items()
            ]
        elif isinstance(inner, list):
            pair = is_pair(inner)
            remaining += [
                (item, hidden or (pair and index > 0))
                for index, item in enumerate(inner)
                if isinstance(item, dict | list | str | int)
            ]
        elif isinstance(inner, str) and hidden:
            yield inner
        elif isinstance(inner, int) and hidden and abs(inner) >= LONG_NUMBER:
            yield str(inner)


def _segments_for_keys(request: WireRequest, contract: Contract) -> Iterator[str]:
    """Yield the segments of a path that is not served where one that begins alike has a parameter."""
    segments = request.target.partition("?")[0].split("/")
    for operation in contract.operations.values():
        for template, segment in zip(operation.path.split("/"), segments, strict=False):
            if template.startswith("{"):
                yield unquote_plus(segment)
            elif template != segment:
                break


def _strange_segments(request: WireRequest, contract: Contract) -> Iterator[str]:
    """Yield what may be a key in a path that is not served: the segments that are in no path of the contract."""
    served = {part for operation in contract.operations.values() for part in operation.path.split("/")}
    for segment in request.target.partition("?")[0].split("/"):
        if segment not in served:
            yield unquote_plus(segment)
