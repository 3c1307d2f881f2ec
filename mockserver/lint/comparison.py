"""Comparing what a server answered with what a golden case expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly, render
from mockserver.jsonkit.patterns import matches
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.golden_cases import ExpectedEvent, ExpectedReply

MATCH: Final = "$match"
NUMBER: Final = "$number"
SHOWN: Final = 300


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where a value is not the expected one. `pointer` is the place in the expectation.

    `expected` or `got` is None for a member that is on one side only; `message` says which.
    """

    pointer: str
    expected: Json
    got: Json
    message: str

    def __str__(self) -> str:
        return f"{self.pointer}: {self.message}"


def reply_differences(expect: ExpectedReply, reply: WireReply) -> Iterator[Difference]:
    """Yield how a reply differs in status, in the headers that the expectation names, and in the complete body."""
    if reply.status != expect.status:
        message = f"expected {expect.status}, got {reply.status} with the body {_cut(_text(reply.body))}"
        yield Difference("/status", expect.status, reply.status, message)
    yield from _header_differences(expect.headers, reply.headers)
    if expect.text is not None:
        yield from differences(expect.text, _text(reply.body), "/text")
    elif expect.json is not MISSING:
        yield from _json_differences(expect.json, reply.body)


def _header_differences(expected: Mapping[str, Json], headers: Sequence[tuple[str, str]]) -> Iterator[Difference]:
    """Yield how the named headers differ; a null stands for a header that must be absent."""
    named = {name.lower(): value for name, value in expected.items()}
    present = {name.lower(): value for name, value in headers if name.lower() in named}
    required = {name: value for name, value in named.items() if value is not None}
    yield from _member_differences(required, present, "/headers")


def _json_differences(expected: Json, body: bytes) -> Iterator[Difference]:
    try:
        value = parse_exactly(body)
    except NotJSONError as error:
        text = _text(body)
        message = f"expected JSON, got {_cut(text)}, which is not valid JSON: {error}"
        yield Difference("/json", expected, text, message)
    else:
        yield from differences(expected, value, "/json")


def row_differences(expected: Sequence[ExpectedEvent], rows: Sequence[Mapping[str, Json]]) -> Iterator[Difference]:
    """Yield how the event rows of a request differ from the expected ones."""
    if len(expected) != len(rows):
        message = f"expected {len(expected)} rows, got {len(rows)}"
        yield Difference("/events", len(expected), len(rows), message)
        return
    for index, (event, row) in enumerate(zip(expected, rows, strict=True)):
        place = f"/events/{index}"
        yield from differences(event.type, row["type"], f"{place}/type")
        yield from differences(event.verdict, row["verdict"], f"{place}/verdict")
        if event.stored is not MISSING:
            yield from differences(event.stored, row["stored"], f"{place}/stored")
        if event.findings is not None:
            errors = {finding["pointer"] for finding in row["findings"] if finding["severity"] == "error"}
            yield from differences(sorted(event.findings), sorted(errors), f"{place}/findings")


def differences(expected: Json, got: Json, place: str = "") -> Iterator[Difference]:
    """Yield each place where a value is not the expected one; `$match` and `$number` stand for several values."""
    if isinstance(expected, dict) and isinstance(got, dict) and not expected.keys() & {MATCH, NUMBER}:
        yield from _member_differences(expected, got, place)
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (left, right) in enumerate(zip(expected, got, strict=True)):
            yield from differences(left, right, f"{place}/{index}")
    elif not _fits(expected, got):
        yield Difference(place, expected, got, f"expected {_described(expected)}, got {_shown(got)}")


def _member_differences(expected: Mapping[str, Json], got: Mapping[str, Json], place: str) -> Iterator[Difference]:
    for name in dict.fromkeys((*expected, *got)):
        inner = f"{place}/{pointer.escape(name)}"
        if name not in got:
            yield Difference(inner, expected[name], None, f"missing, expected {_described(expected[name])}")
        elif name not in expected:
            yield Difference(inner, None, got[name], f"unexpected, got {_shown(got[name])}")
        else:
            yield from differences(expected[name], got[name], inner)


def in_words(expected: Json, got: Json) -> str:
    """Return how a value differs from the expected one; None stands for no value."""
    if got is None:
        return f"missing, expected {_described(expected)}"
    return (
        f"unexpected, got {_shown(got)}" if expected is None else f"expected {_described(expected)}, got {_shown(got)}"
    )


def _fits(expected: Json, got: Json) -> bool:
    if isinstance(expected, dict) and MATCH in expected:
        return isinstance(got, str) and matches(f"^(?:{expected[MATCH]})$", got)
    if isinstance(expected, dict) and NUMBER in expected:
        return isinstance(got, int | float) and not isinstance(got, bool)
    return type(expected) is type(got) and bool(expected == got)


def _described(expected: Json) -> str:
    if isinstance(expected, dict) and MATCH in expected:
        return f"a text that matches {expected[MATCH]}"
    if isinstance(expected, dict) and NUMBER in expected:
        return "a number"
    return _shown(expected)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _shown(value: Json) -> str:
    return _cut(render(value).decode("utf-8", "replace"))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
