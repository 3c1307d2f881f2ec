"""Whisperr's pinned revisions refuse what their sources refuse, and take what those take.

`pinned/whisperr.yaml` has the sources' schemas, written down from the public documents. Both judge bodies that are
good, nearly good and bad. What a revision refuses beside its source is listed there with its reason.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend

from mockserver.jsonkit import yamltext
from mockserver.jsonkit.pointer import MISSING
from tests.judging import NOW, contract_of, judged, wire_request

Json = Any
SOURCES: Final[dict[str, Json]] = yamltext.load(Path(__file__).parent / "pinned" / "whisperr.yaml")
PATHS: Final = {"batch": "/v1/events/batch", "track": "/v1/events/track", "identify": "/v1/identify"}
KEY: Final = {"X-API-Key": "wrk_pinned", "Content-Type": "application/json"}
BODIES: Final = 1000
"""Drawn bodies for each operation of each revision."""
CONSTRAINTS: Final = frozenset(
    ("type", "enum", "pattern", "format", "required", "additionalProperties", "minLength", "maxLength", "minItems")
) | {"maxItems", "anyOf"}
REFUSED: Final = "refused"
Outcome = str | tuple[bool, ...]
"""What becomes of a body: refused as a whole, or which of its events are taken."""

# The bodies


def _ago(**span: float) -> str:
    moment = datetime.fromtimestamp(NOW / 1000, UTC) - timedelta(**span)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


TIMES: Final = (
    *(_ago(seconds=seconds) for seconds in (0, 1.25, 3600, -299)),
    *(_ago(days=30), _ago(minutes=-5), _ago(days=30, seconds=1), _ago(minutes=-5, seconds=-1), _ago(days=400)),
    *("2026-06-14T12:00:00Z", "2026-06-14T12:00:00.123456Z", "2026-06-14T14:00:00.000+02:00"),
    *("2026-06-14t12:00:00.000z", "2026-06-14T12:00:00.000", "2026-06-14", "2026-06-31T12:00:00.000Z"),
    *("2026-06-14 12:00:00.000Z", "1781438400000", ""),
)
NAMES: Final = ("payment_failed", "a", "9_lives", "Trial Expired", "$page", "a__b", "a_", "", "opened\n", "é")
ODD: Final[tuple[Json, ...]] = (None, "", "text", 0, 1.5, True, [], {}, [{}], {"a": 1}, "x" * 129)


def _event(draw: random.Random, good: float) -> Json:
    """Draw an event; each member is a good one with a probability of `good`, else any of its pool."""
    event: dict[str, Json] = {
        "external_user_id": "user_1" if draw.random() < good else draw.choice(("user_1", "", 7)),
        "event_type": "opened" if draw.random() < good else draw.choice(NAMES),
        "context": {"$message_id": f"m-{draw.random()}"},
    }
    if draw.random() < 0.6:
        event["occurred_at"] = draw.choice(TIMES[:4] if draw.random() < good else TIMES)
    if draw.random() < 0.5:
        event["properties"] = draw.choice(({}, {"amount": 4900}, {"deep": {"list": [None]}}))
    if draw.random() < 0.15:
        event["anonymous_id"] = draw.choice(("anon", "anon", "x" * 128, "x" * 129, "", 7))
        if draw.random() < 0.6:
            del event["external_user_id"]
    if draw.random() < 0.3:
        preferred = "email" if draw.random() < good else draw.choice(("voice", 7))
        channels = _channels(draw, good) if draw.random() < good else {}
        event["user"] = draw.choice(({"preferred_channel": preferred}, {"channels": channels}))
    if draw.random() > good:
        event["context"] = draw.choice(({}, {"$message_id": ""}, {"$message_id": 7}, {"$message_id": "m", "page": {}}))
    return event


def _channels(draw: random.Random, good: float) -> list[Json]:
    count = draw.choice((0, 1, 2, 10, 11) if draw.random() > good else (1, 2))
    return [_channel(draw, 1.0 if count > 2 else good) for _ in range(count)]


def _channel(draw: random.Random, good: float) -> Json:
    channel: dict[str, Json] = {
        "channel": draw.choice(("email", "sms", "push")),
        "address": draw.choice(("ada@example.com", "fcm_tok_a")),
    }
    for name in ("opted_in", "verified"):
        if draw.random() < 0.5:
            channel[name] = draw.choice((True, False))
    if draw.random() > good:
        name = draw.choice(("kind", "platform", "push_env", "type", "channel", "address", "opted_in", "verified"))
        channel[name] = draw.choice(("fcm", 7, "voice", ""))
    return channel


def _identify(draw: random.Random, good: float) -> Json:
    body: dict[str, Json] = {"external_user_id": "user_1"}
    if draw.random() < 0.4:
        size = draw.choice((0, 100, 51_200 - len('{"note":""}'), 51_201)) if draw.random() > good else 5
        body["traits"] = {"note": "x" * size}
    if draw.random() < 0.4:
        body["preferred_channel"] = draw.choice(("email", "sms", "push", "voice"))
    if draw.random() < 0.6:
        body["channels"] = _channels(draw, good)
    if draw.random() < 0.2:
        body["anonymous_id"] = draw.choice(("anon", "x" * 129, ""))
    return body


CHANNEL: Final = {"channel": "push", "address": "fcm_tok_a", "opted_in": True, "verified": False}
PERSON: Final = {"channels": [CHANNEL], "preferred_channel": "email"}
EVENT: Final = {
    "external_user_id": "user_1",
    "event_type": "opened",
    "occurred_at": TIMES[0],
    "properties": {"plan": "pro"},
    "context": {"$message_id": "m"},
}
WHOLE: Final[dict[str, list[Json]]] = {
    "track": [EVENT, {**EVENT, "user": PERSON}, {**EVENT, "anonymous_id": "anon"}],
    "batch": [
        {"events": [EVENT]},
        {"events": [{**EVENT, "user": PERSON}]},
        {"events": [{**EVENT, "anonymous_id": "anon"}]},
    ],
    "identify": [
        {"external_user_id": "user_1", "traits": {"plan": "pro"}, **PERSON},
        {"external_user_id": "user_1", "anonymous_id": "anon", "channels": [{**CHANNEL, "kind": "fcm"}]},
    ],
}
"""Good bodies that between them have every member."""


def _with_one_change(body: Json) -> Iterator[Json]:
    """Yield copies of a body in which one member or element is gone or odd, or one member is too many."""
    for number, inner in enumerate(_containers(body)):
        for where in list(inner) if isinstance(inner, dict) else range(len(inner)):
            for odd in (MISSING, *ODD):
                changed = list(_containers(copy := deepcopy(body)))[number]
                if odd is MISSING:
                    del changed[where]
                else:
                    changed[where] = odd
                yield copy
        if isinstance(inner, dict):
            copy = deepcopy(body)
            list(_containers(copy))[number]["foo"] = 1
            yield copy


def _spoilt(draw: random.Random, body: Json) -> Json:
    """Return a body with one change anywhere."""
    changed = [draw.choice(ODD), *_with_one_change(body)]
    return draw.choice(changed)


def _containers(value: Json) -> Iterator[Json]:
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _containers(inner)


def bodies(operation: str, draw: random.Random) -> Iterator[Json]:
    """Yield bodies of an operation: good ones with one change, anywhere; then drawn ones.

    Of those a third is good, a third has odd parts, and a third is spoilt in one place.
    """
    for whole in WHOLE[operation]:
        yield whole
        yield from _with_one_change(whole)
    for number in range(BODIES):
        good = (1.0, 0.7, 0.95)[number % 3]
        if operation == "identify":
            body = _identify(draw, good)
        elif operation == "track":
            body = _event(draw, good)
        elif number % 240 == 0:
            body = {"events": [EVENT] * (500 + number // 240 % 2)}
        else:
            body = {"events": [_event(draw, good) for _ in range(draw.choice((0, 1, 2, 3)))]}
        yield _spoilt(draw, body) if number % 3 == 2 else body


# What the documents say in words


def _is_object(value: Json) -> bool:
    return isinstance(value, dict)


def _message_id(event: Json) -> Json:
    context = event.get("context") if isinstance(event, dict) else None
    return context.get("$message_id") if isinstance(context, dict) else None


def _out_of_window(event: Json) -> bool:
    text = event.get("occurred_at") if _is_object(event) else None
    if not _is_date_time(text) or not isinstance(text, str):
        return False
    at = datetime.fromisoformat(text.upper().replace("Z", "+00:00")).timestamp() * 1000
    return not NOW - 30 * 24 * 3_600_000 <= at <= NOW + 5 * 60_000


RULES: Final[dict[str, Callable[[Json], bool]]] = {
    "name_not_snake_case": lambda event: (
        _is_object(event) and re.fullmatch("[a-z0-9]+(?:_[a-z0-9]+)*", str(event.get("event_type"))) is None
    ),
    "no_message_id": lambda event: _is_object(event) and _message_id(event) is None,
    "message_id_not_a_text": lambda event: _message_id(event) is not None and not isinstance(_message_id(event), str),
    "message_id_empty": lambda event: _message_id(event) == "",
    "user_id_empty": lambda event: _is_object(event) and event.get("external_user_id") == "",
    "out_of_window": _out_of_window,
    "over_500_events": lambda body: (
        _is_object(body) and isinstance(body.get("events"), list) and len(body["events"]) > 500
    ),
    "over_10_channels": lambda body: (
        _is_object(body) and isinstance(body.get("channels"), list) and len(body["channels"]) > 10
    ),
    "traits_over_50_kb": lambda body: (
        _is_object(body) and len(json.dumps(body.get("traits"), separators=(",", ":"))) > 50 * 1024
    ),
}
"""Whether a body or an event breaks a rule that a document has in words, by the rule's name."""
OF_A_BODY: Final = frozenset(("over_500_events", "over_10_channels", "traits_over_50_kb"))
FORMATS: Final = FormatChecker(())
Reader: Final = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "pattern": lambda _, pattern, text, __: (
            [ValidationError("another pattern")] if isinstance(text, str) and not re.fullmatch(pattern, text) else ()
        )
    },
)
"""The patterns are anchored, and Python's `$` also matches before a final newline."""


@FORMATS.checks("date-time")
def _is_date_time(value: object) -> bool:
    if not isinstance(value, str):
        return True
    form = r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})"
    if re.fullmatch(form, value, re.ASCII) is None:
        return False
    try:
        datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
    except ValueError:
        return False
    return True


class Source:
    """What a document makes of the bodies of one operation."""

    def __init__(self, revision: str, operation: str) -> None:
        self.source, self.operation = SOURCES[revision], operation
        self.partial = revision == "async-2026-10" and operation == "batch"
        self.seen: set[tuple[str, ...]] = set()
        self.validator = self._validator(self.source["bodies"][operation])
        self.of_event = self._validator({"$ref": "#/$defs/event"}) if operation != "identify" else None

    def _validator(self, schema: Json) -> Any:
        return Reader({**schema, "$defs": self.source["$defs"]}, format_checker=FORMATS)

    def outcome(self, body: Json, rules: frozenset[str]) -> Outcome:
        """Say what becomes of a body under the schema and some rules."""
        errors = list(self.validator.iter_errors(body))
        self.seen |= {path for error in errors for path in _broken(error)}
        inside = self.partial and all(
            list(error.absolute_path)[:1] == ["events"] and len(error.absolute_path) > 1 for error in errors
        )
        broken = any(RULES[name](body) for name in rules if name in OF_A_BODY)
        if broken or (errors and not inside):
            return REFUSED
        events = body["events"] if self.operation == "batch" else [body]
        taken = tuple(self._taken(event, rules) for event in events)
        return taken if self.partial or all(taken) else REFUSED

    def _taken(self, event: Json, rules: frozenset[str]) -> bool:
        if self.of_event is None:
            return True
        words = any(RULES[name](event) for name in rules if name not in OF_A_BODY)
        return not words and self.of_event.is_valid(event)

    def constraints(self) -> set[tuple[str, ...]]:
        """Return where each constraint of the schema stands, references followed."""
        return set(_constraints(self.source["bodies"][self.operation], self.source["$defs"], ()))


def _broken(error: ValidationError) -> Iterator[tuple[str, ...]]:
    yield tuple(str(token) for token in error.absolute_schema_path if token != "$ref")
    for inner in error.context or ():
        yield from _broken(inner)


def _constraints(schema: Json, defs: Json, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        schema = defs[schema["$ref"].removeprefix("#/$defs/")]
    yield from ((*place, keyword) for keyword in schema if keyword in CONSTRAINTS)
    for name, inner in schema.get("properties", {}).items():
        yield from _constraints(inner, defs, (*place, "properties", name))
    yield from _constraints(schema.get("items"), defs, (*place, "items"))


# The comparison


def ours(revision: str, operation: str, body: Json) -> Outcome:
    """Say what becomes of a body under a revision of the contract."""
    result = judged(_contract(revision), wire_request(PATHS[operation], body, KEY))
    if result.refusal is not None:
        return REFUSED
    bad = {error.index for error in result.event_errors}
    return tuple(index not in bad for index in range(len(result.events)))


@cache
def _contract(revision: str) -> Any:
    return contract_of("whisperr", revision=revision)


CASES: Final = [(revision, operation) for revision, source in SOURCES.items() for operation in source["bodies"]]


class Compared(NamedTuple):
    """What came of the bodies of one operation under one revision.

    `differing` are those that the revision judges in another way than its source with the list `beside`, `taken` counts
    what the source alone does, `decided` how often one entry of the list makes the difference.
    """

    differing: list[tuple[Json, Outcome, Outcome]]
    taken: Counter[bool]
    decided: Counter[str]
    not_met: set[tuple[str, ...]]


@cache
def compared(revision: str, operation: str) -> Compared:
    """Compare a revision with its source on the bodies of an operation."""
    source = Source(revision, operation)
    said, beside = frozenset(source.source["rules"]), frozenset(source.source["beside"])
    differing, taken, decided = [], Counter[bool](), Counter[str]()
    for body in bodies(operation, random.Random(f"{revision} {operation}")):
        found, alone = ours(revision, operation, body), source.outcome(body, said)
        taken[alone != REFUSED and all(alone)] += 1
        if alone != found:
            decided.update(name for name in beside if source.outcome(body, said | {name}) == found)
            if (expected := source.outcome(body, said | beside)) != found:
                differing.append((body, expected, found))
    return Compared(differing, taken, decided, source.constraints() - source.seen)


@pytest.mark.parametrize(("revision", "operation"), CASES)
def test_revision_takes_and_refuses_what_its_source_does(revision: str, operation: str) -> None:
    result = compared(revision, operation)
    print(f"{revision} {operation}: {dict(result.taken)} taken by the source; decided by {dict(result.decided)}")
    assert result.differing[:3] == []
    assert min(result.taken[True], result.taken[False]) > BODIES / 6
    assert result.not_met == set(), "constraints of the source that no body breaks"


@pytest.mark.parametrize("revision", SOURCES)
def test_what_a_revision_refuses_beside_its_source_is_what_is_listed(revision: str) -> None:
    results = [compared(revision, operation) for operation in SOURCES[revision]["bodies"]]
    decided = sum((result.decided for result in results), Counter[str]())
    assert sum(result.taken.total() for result in results) > 2000
    assert {name for name, count in decided.items() if count > 1} == set(SOURCES[revision]["beside"])
