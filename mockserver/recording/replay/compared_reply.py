"""How a reply differs from the recorded reply to the same request, where ids, times and counts may be others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

from msgspec.structs import replace

from mockserver.core.gates import media_type
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import render, view
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.comparison import MATCH, NUMBER, Difference, reply_differences
from mockserver.lint.golden_cases import ExpectedReply
from mockserver.recording.normalisation.normal_form import NormalForm
from mockserver.recording.recordings import RecordedExchange
from mockserver.recording.redaction.scrubbed import recorded_reply_body

MATTERING: Final = ("content-type", "allow", "location", "retry-after", "www-authenticate")
"""Headers of replies that are compared, beside those of CORS and those that the contract gives."""
CORS: Final = "access-control-"
_MARKED: Final = re.compile("<(?:id|time|credential|port|duration|count)>")
_SPECIAL: Final = re.compile(r"[.*+?^${}()|\[\]\\/]")
_ANYTHING: Final = r"[\s\S]*"
Place: TypeAlias = "tuple[str | int, ...]"


class ComparedReplies:
    """Compares the replies to the requests of a recording, in order.

    Ids that were equal in the recording must be equal again, and others must not.
    """

    def __init__(self) -> None:
        self._got: dict[Json, tuple[Json, str]] = {}
        self._recorded: dict[Json, tuple[Json, str]] = {}

    def differences(self, exchange: RecordedExchange, reply: WireReply, form: NormalForm) -> Iterator[Difference]:
        """Yield how a reply differs from that of an exchange: in its status, else in headers that matter and body."""
        recorded, reply = exchange.row["reply"], _readable(reply)
        if recorded["status"] != reply.status:
            yield from reply_differences(ExpectedReply(status=recorded["status"]), reply)
            return
        body = recorded["body"]
        expected = ExpectedReply(
            status=recorded["status"],
            headers=dict(_expected_headers(recorded["headers"], reply, form)),
            json=_expected_json(body["json"], form) if "json" in body else MISSING,
            text=body.get("text"),
        )
        found = list(reply_differences(expected, reply))
        yield from found
        if not found and "json" in body:
            yield from self._ids(exchange, body["json"], view(reply.body), form)

    def _ids(self, exchange: RecordedExchange, recorded: Json, got: Json, form: NormalForm) -> Iterator[Difference]:
        for mark in form.marks(recorded, "reply"):
            value = pointer.get(got, map(str, mark.place))
            if mark.kind != "id" or not isinstance(value, str | int | float):
                continue
            known, where = self._got.setdefault(mark.value, (value, exchange.id))
            other, there = self._recorded.setdefault(value, (mark.value, exchange.id))
            place = "/json" + pointer.build(mark.place)
            if known != value:
                message = f"expected the id of {where} again, {known!r}, got another one: {value!r}"
                yield Difference(place, known, value, message)
            elif other != mark.value:
                message = f"got the id of {there} again, {value!r}, expected another one"
                yield Difference(place, None, value, message)


def _readable(reply: WireReply) -> WireReply:
    """Return a reply with its body decompressed; what cannot be read stays as it is."""
    body = recorded_reply_body(reply, None)
    if "json" in body:
        return replace(reply, body=render(body["json"]))
    return replace(reply, body=body["text"].encode("utf-8", "surrogatepass")) if "text" in body else reply


def _expected_headers(headers: Sequence[Json], reply: WireReply, form: NormalForm) -> Iterator[tuple[str, Json]]:
    """Yield the recorded headers that matter, as expectations: ids and counts may be others, media types have parts."""
    for name, value in headers:
        lower = name.lower()
        if lower not in MATTERING and not lower.startswith(CORS) and lower not in form.reply_headers:
            continue
        own = next((got for known, got in reply.headers if known.lower() == lower), None)
        if lower == "content-type" and own is not None and media_type(own) == media_type(value):
            value = own
        yield lower, _expected_text(value, form.header(lower, value) or value)


def _expected_json(value: Json, form: NormalForm) -> Json:
    """Return a recorded body as an expectation, in which ids, times and counts may be others."""
    marks = {mark.place: mark.value for mark in form.marks(value, "reply")}
    return _expected(value, (), marks, form)


def _expected(
    value: Json, place: tuple[str | int, ...], marks: Mapping[tuple[str | int, ...], Json], form: NormalForm
) -> Json:
    if isinstance(value, dict):
        return {name: _expected(member, (*place, name), marks, form) for name, member in value.items()}
    if isinstance(value, list):
        return [_expected(item, (*place, index), marks, form) for index, item in enumerate(value)]
    if place in marks:
        return {MATCH: _ANYTHING} if isinstance(value, str) else {NUMBER: True}
    return _expected_text(value, form.text(value)) if isinstance(value, str) else value


def _expected_text(value: str, normal: str) -> Json:
    """Return a text as an expectation; what varies in it may be anything."""
    if normal == value:
        return value
    parts = [_SPECIAL.sub(lambda found: "\\" + found[0], part) for part in _MARKED.split(normal)]
    return {MATCH: _ANYTHING.join(parts)}
