"""The reply of a recorded exchange as a client gets it: with its own ids, and compressed if the headers say so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import ahocorasick_rs

from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json, jsontext
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.recording.recorded_body import GZIP, packed, stable
from mockserver.recording.recordings import RecordedExchange
from mockserver.recording.redaction.scrubbed import VOLATILE
from mockserver.recording.redaction.secret_names import is_random

ENCODING: Final = "content-encoding"
_SHORTEST_INSIDE: Final = 4
"""Characters of a value that is also replaced inside of longer texts."""

Live = Callable[[Json], Json | None]
"""Returns what stands for a value of the recording, or None."""


def replayed_reply(
    exchange: RecordedExchange, pairs: Mapping[Json, Json], live: Live, request: WireRequest
) -> WireReply:
    """Return the reply to a request; values of the recorded request become those that the client sent in their place.

    `pairs` are those of this request, `live` knows the ids of all requests of the session.
    """
    reply = exchange.reply
    assert reply is not None, "there is a reply"
    put = _Replacing(pairs, live)
    headers = [
        (name, _line(put.text(value)))
        for name, value in reply.headers
        if name.lower().encode("utf-8", "replace") not in VOLATILE
    ]
    body = reply.body
    if "json" in exchange.row["reply"]["body"]:
        value = exchange.row["reply"]["body"]["json"]
        replaced = put.value(value)
        body = body if replaced == value else stable(replaced).encode("utf-8", "surrogatepass")
    elif body:
        body = put.text(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    encoding = next((value for name, value in headers if name.lower() == ENCODING), "")
    if encoding and body:
        if _accepts(request, encoding):
            body = packed(body, encoding)
        else:
            headers = [pair for pair in headers if pair[0].lower() != ENCODING]
    return WireReply(status=reply.status, headers=tuple(headers), body=body)


def _line(text: str) -> str:
    """Return a text as a header can carry it; it may hold what a client sent."""
    return "".join("?" if char in "\r\n\0" else char for char in text)


def _accepts(request: WireRequest, encoding: str) -> bool:
    """Return whether a client takes a content encoding that we can make."""
    name = encoding.strip().lower()
    names = GZIP if name in GZIP else frozenset({name})
    if not names & {*GZIP, "deflate"}:
        return False
    accepted = {
        part.partition(";")[0].strip().lower()
        for part in (request.header(b"accept-encoding") or "").split(",")
        if part.partition(";")[2].replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    }
    return bool(accepted & (names | {"*"}))


class _Replacing:
    """Puts the values of a client in place of recorded ones."""

    def __init__(self, pairs: Mapping[Json, Json], live: Live) -> None:
        self._pairs = pairs
        self._live = live
        self._inside = [
            old
            for old, new in pairs.items()
            if isinstance(old, str) and isinstance(new, str) and old != new and _is_found_inside(old)
        ]
        self._finder: ahocorasick_rs.AhoCorasick | None = None
        if self._inside:
            words = [without_surrogates(text) for text in self._inside]
            self._finder = ahocorasick_rs.AhoCorasick(words, matchkind=ahocorasick_rs.MatchKind.LeftmostLongest)

    def value(self, value: Json) -> Json:
        """Return a JSON value with the values of the client."""
        if isinstance(value, dict):
            return {name: self.value(member) for name, member in value.items()}
        if isinstance(value, list):
            return list(map(self.value, value))
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            other = self._pairs.get(value)
            return other if jsontext.render(value).isdigit() and len(str(value)) >= _LONGEST_COUNT and other else value
        return value

    def text(self, text: str) -> str:
        """Return a text with the values of the client."""
        whole = self._pairs.get(text, self._live(text))
        if isinstance(whole, str):
            return whole
        if self._finder is None:
            return text
        parts, position = list[str](), 0
        for word, start, end in self._finder.find_matches_as_indexes(without_surrogates(text)):
            new = self._pairs[self._inside[word]]
            assert isinstance(new, str)
            parts += [text[position:start], new]
            position = end
        return "".join([*parts, text[position:]])


_LONGEST_COUNT: Final = 10
"""Digits from which on a number is no count but a moment or an id."""


def _is_found_inside(text: str) -> bool:
    return len(text) >= _SHORTEST_INSIDE and (is_random(text) or (text.startswith("<") and text.endswith(">")))
