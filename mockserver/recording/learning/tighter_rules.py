"""Changes of rules after which the mock refuses what a recorded server refused, and nothing that it took."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from mockserver.contract.extension import BUILT_IN
from mockserver.contract.schema import POINTER
from mockserver.core.explain import dotted
from mockserver.core.gates import media_type
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import FORMATS
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.learning.bounds import bounds, narrower_patterns, quoted_in
from mockserver.recording.learning.changes import Change
from mockserver.recording.learning.fewer_operations import is_of_an_unknown_path, without_operation
from mockserver.recording.learning.looser_rules import TYPES
from mockserver.recording.learning.play_again import Played
from mockserver.recording.learning.seen_values import (
    Seen,
    SeenValues,
    ages_of,
    in_envelope,
    in_event,
    is_named,
    missing_members,
    refused_events,
    unseen_members,
)

Tokens = tuple[str, ...]
ONLY_SEEN: Final = "the rule is one that tells what was refused from what was taken"
NOT_NAMED: Final = 5
TOO_LITTLE: Final = re.compile(r"\b(?:at least|min\w*|too (?:few|short|small)|fewer|shorter|empty|blank)\b", re.I)
_OF_SIZE: Final = re.compile(r"\b(?:large|long|big|size|bytes|exceed\w*|limit\w*|[kKmM]i?B)\b", re.I)
FEW: Final = 2
"""So many items or characters may be too few although the server does not say so."""
Ranked = tuple[int, Change]
"""A change after a number: the smaller it is, the likelier is the change."""


def tighter_rules(played: Played, seen: SeenValues) -> Iterator[Change]:
    """Yield the changes after which the mock may refuse a request or an event, likelier ones first."""
    found: list[Ranked] = []
    refused = refused_events(played)
    mocks = {error.index for error in played.judged.event_errors}
    if refused and not _is_refused_whole(played):
        for index, text in refused.items():
            if index not in mocks:
                found += _in_an_event(played, index, text, seen)
    elif played.answer.is_refusal:
        text = played.answer.words
        if mocks:
            found += [(0, change) for change in _atomic(played)]
        if not _speaks_of_another_gate(played):
            found += _in_the_envelope(played, text, seen)
            for index in range(min(len(played.judged.events), 20)):
                found += _in_an_event(played, index, text, seen)
        found += _of_the_protocol(played, text, seen)
    found.sort(key=lambda pair: pair[0])
    is_named_somewhere = any(rank < 3 for rank, _ in found)
    yield from (change for rank, change in found if not (is_named_somewhere and rank == NOT_NAMED))


def _is_refused_whole(played: Played) -> bool:
    return played.answer.is_refusal and not refused_events(played)


def _speaks_of_another_gate(played: Played) -> bool:
    """Tell whether the status is one for keys, rates and sizes by the contract, and not one for what is in a body."""
    operation, status = played.judged.operation, played.answer.reply.status
    if operation is None:
        return False
    reasons: dict[bool, set[int]] = {True: set(), False: set()}
    for gate in operation.gates:
        for outcome in BUILT_IN[gate.check].outcomes if gate.check in BUILT_IN else ():
            of_a_body = gate.check in ("envelope", "events", "measures")
            reasons[of_a_body].add(operation.family.template(gate.reason(outcome)).status)
    return status in reasons[False] - reasons[True]


def _atomic(played: Played) -> Iterator[Change]:
    operation, form = played.judged.operation, played.judged.form
    if operation is not None and form is not None and form.policy == "partial":
        yield Change.of(("protocol", "operations", operation.name, "forms", form.name, "policy"), "atomic")


def _in_an_event(played: Played, index: int, text: str, seen: SeenValues) -> Iterator[Ranked]:
    form = played.judged.form
    if form is None:
        return
    for part in in_event(played, index):
        rank = _rank(part, text)
        yield from ((rank, change) for change in _of_a_part(played, part, text, seen))
    kind = form.type_of(played.judged.events[index]) if form.schema is None else None
    if kind is not None and kind not in seen.types:
        yield 3, Change.of(("events", kind), None)
    taken = seen.ages
    for name, age in ages_of(played, index):
        others = [abs(other) for other, _ in taken.get(name, ()) if (other < 0) == (age < 0)]
        low = max(others, default=0)
        member = "future_ms" if age < 0 else "past_ms"
        if abs(age) > low:
            place = ("protocol", "windows", name, member)
            window_rank = 1 if name in text else 4
            for bound, note in bounds(low, abs(age) - 1, text):
                yield window_rank, Change.of(place, bound, note)


def _rank(part: Seen, text: str) -> int:
    """Return how likely a part is meant by a text: its place is in it, or only its name, or neither."""
    place = dotted(part.tokens)
    if not place:
        return 4
    if place in text:
        return 1
    return 2 if is_named(part, text) else NOT_NAMED


def _in_the_envelope(played: Played, text: str, seen: SeenValues) -> Iterator[Ranked]:
    for part in in_envelope(played):
        rank = min(_rank(part, text), 3)
        yield from ((rank, change) for change in _of_a_part(played, part, text, seen))


def _of_a_part(played: Played, part: Seen, text: str, seen: SeenValues) -> Iterator[Change]:
    """Yield the keywords that a value breaks and no value that was taken does."""
    written = pointer.parse(part.schema[POINTER])
    holders = dict.fromkeys([written, part.place])
    taken = seen.at(part.schema[POINTER])
    for keyword, value, note in _keywords(part, taken, text):
        for holder in holders:
            yield Change.of((*holder, keyword), value, note)
    if isinstance(part.value, dict):
        yield from _of_members(played, part, list(holders), taken, text)


def _keywords(part: Seen, taken: Sequence[Json], text: str) -> Iterator[tuple[str, Json, str]]:
    schema, value = part.schema, part.value
    alike = [one for one in taken if type(one) is type(value)]
    listed = schema.get("enum")
    if isinstance(listed, list) and value in listed and value not in alike:
        rest = [one for one in listed if one != value]
        words = [word for word in quoted_in(text) if word in rest]
        if words and words != rest:
            yield "enum", words, ""
        if rest:
            yield "enum", rest, ""
    elif isinstance(value, str) and value not in alike:
        words = [word for word in quoted_in(text) if word != value]
        if len(words) > 1 and all(one in words for one in alike):
            yield "enum", words, ""
        yield from (("pattern", *pattern) for pattern in narrower_patterns(alike, value, text))
        for name, fits in FORMATS.items():
            if "format" not in schema and alike and all(map(fits, alike)) and not fits(value):
                yield "format", name, ONLY_SEEN
    measures = {str: ("minLength", "maxLength"), list: ("minItems", "maxItems")}
    if isinstance(value, str | list):
        lengths, length = [len(one) for one in alike], len(value)
        least, most = measures[type(value)]
        if length > max(lengths, default=0):
            limits = bounds(max(lengths, default=None), length - 1, text)
            yield from ((most, bound, note) for bound, note in limits if bound >= 0)
        few = length <= FEW or TOO_LITTLE.search(text) is not None
        if few and length < min(lengths, default=length + 1):
            limits = bounds(length + 1, min(lengths, default=None), text)
            yield from ((least, bound, note) for bound, note in limits)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        numbers = [one for one in taken if isinstance(one, int | float) and not isinstance(one, bool)]
        if isinstance(value, float) and all(isinstance(one, int) for one in numbers):
            yield "type", "integer", ONLY_SEEN
        for keyword, beyond in (
            ("maximum", value > max(numbers, default=0)),
            ("minimum", value < min(numbers, default=0)),
        ):
            if beyond and numbers:
                yield keyword, max(numbers) if keyword == "maximum" else min(numbers), ONLY_SEEN
    kinds = {TYPES.get(type(one), "null") for one in taken}
    own = TYPES.get(type(value), "null")
    if kinds and own not in kinds and not kinds & {"number"}:
        yield "type", kinds.pop() if len(kinds) == 1 else sorted(kinds), ONLY_SEEN


def _of_members(
    played: Played, part: Seen, holders: Sequence[Tokens], taken: Sequence[Json], text: str
) -> Iterator[Change]:
    """Yield that a member is required, or not known, or that no unknown one is taken."""
    documents, schema = played.judged.contract.documents, part.schema
    declared = schema.get("properties", {})
    absent = missing_members(part, taken)
    named = [name for name in declared if name not in part.value and name not in absent and name in text]
    for name in [*(name for name in absent if name in text), *(name for name in absent if name not in text)]:
        note = "" if name in text else ONLY_SEEN
        for holder in holders:
            if name not in schema.get("required", ()):
                own = pointer.get(documents, (*holder, "required"))
                yield Change.of((*holder, "required"), [*(own if isinstance(own, list) else ()), name], note)
    if not taken:
        for name in named:
            for holder in holders:
                own = pointer.get(documents, (*holder, "required"))
                yield Change.of((*holder, "required"), [*(own if isinstance(own, list) else ()), name])
    for name in unseen_members(part, taken):
        for holder in holders:
            if name not in declared and schema.get("additionalProperties") is not False:
                yield Change.of((*holder, "additionalProperties"), False, "" if name in text else ONLY_SEEN)
            elif name in declared and schema.get("additionalProperties") is False:
                yield Change.of((*holder, "properties", name), None)


def _of_the_protocol(played: Played, text: str, seen: SeenValues) -> Iterator[Ranked]:
    """Yield what else may refuse a request: its size, its media type, its key, its origin, a gate, its path."""
    judged, contract, operation = played.judged, played.judged.contract, played.judged.operation
    request = judged.request
    size = len(request.body)
    low = max((size for size, _ in seen.sizes), default=0)
    if size > max(low, 1) and _OF_SIZE.search(text) is not None:
        for bound, note in bounds(max(low, 1), size - 1, text):
            yield 3, Change.of(("protocol", "limits", "body", "max_bytes"), bound, note)
    yield from ((3, change) for change in _member_sizes(played, text, seen))
    kind = media_type(request.header(b"content-type"))
    if kind not in seen.media_types and contract.content_types is not None:
        if contract.content_types.anything:
            yield 3, Change.of(("protocol", "content_types", "anything"), False)
        rest = [one for one in contract.content_types.accepted if one != kind]
        if kind in contract.content_types.accepted:
            yield 3, Change.of(("protocol", "content_types", "accepted"), rest)
    name, key = judged.credential_name, judged.credential
    if name is not None and key is not None and key not in seen.credentials.get(name, ()):
        for pattern, note in narrower_patterns(seen.credentials.get(name, ()), key, text):
            yield _rank_of_keys(played), Change.of(("protocol", "credentials", name, "pattern"), pattern, note)
    if name is not None and operation is not None and not seen.credentials.get(name):
        rest = [one.name for one in operation.credentials if one.name != name]
        yield 4, Change.of(("protocol", "operations", operation.name, "credentials"), rest)
    origin = request.header(b"origin")
    if origin is not None and origin not in seen.origins and operation is not None and operation.cors is not None:
        place = ("protocol", "cors", operation.cors.name, "allowed_origins")
        yield 3, Change.of(place, sorted(seen.origins) or ["null"], "" if seen.origins else ONLY_SEEN)
    if judged.place.leading_slashes or judged.place.trailing_slash:
        yield 2, Change.of(("protocol", "paths", "extra_slashes"), "unknown_path")
    if operation is None:
        return
    yield from ((4, change) for change in _more_gates(played))
    yield from ((4, change) for change in _senders(played, seen))
    rank = 1 if is_of_an_unknown_path(played) else 4
    yield from ((rank, change) for change in without_operation(played, operation.name))
    if operation.method != "POST":
        return
    yield 5, Change.of(("protocol", "nulls", "members"), "refused")


def _rank_of_keys(played: Played) -> int:
    """Return how likely a request is refused for its key: its reply has the status of such a refusal."""
    operation = played.judged.operation
    gate = None if operation is None else operation.gate("key")
    if operation is None or gate is None:
        return 3
    statuses = {operation.family.template(gate.reason(outcome)).status for outcome in ("missing", "malformed")}
    return 1 if played.answer.reply.status in statuses else 3


def _more_gates(played: Played) -> Iterator[Change]:
    """Yield the gates of the protocol that an operation does not have."""
    operation, contract = played.judged.operation, played.judged.contract
    assert operation is not None
    own = [gate.name for gate in operation.gates]
    for name in dict.fromkeys(gate.name for other in contract.operations.values() for gate in other.gates):
        if name not in own:
            yield Change.of(("protocol", "operations", operation.name, "gates"), [*own, name])


def _senders(played: Played, seen: SeenValues) -> Iterator[Change]:
    body = played.judged.body
    sender = body.get("source") if isinstance(body, dict) else None
    for rule in played.judged.contract.identity.values():
        place = ("protocol", "identity", rule.name)
        if isinstance(sender, str) and rule.senders and sender not in rule.senders:
            yield Change.of((*place, "senders"), [*rule.senders, sender])
        elif rule.senders:
            left = [one for one in rule.pointers if pointer.get(body, pointer.parse(one)) is MISSING]
            yield Change.of((*place, "pointers"), left)


def _member_sizes(played: Played, text: str, seen: SeenValues) -> Iterator[Change]:
    """Yield smaller limits on the size of one member of an event."""
    form, events = played.judged.form, played.judged.events
    for limit in played.judged.contract.member_limits.values():
        if form is None or form.schema is None or form.schema.name != limit.schema or not events:
            continue
        value = pointer.get(events[0], limit.tokens)
        place = f"/events/{limit.schema}/properties" + pointer.build(limit.tokens)
        taken = [len(render(one)) for one in seen.at(place)]
        size = len(render(value)) if isinstance(value, dict | list | str) else 0
        if size > max(taken, default=1):
            for bound, note in bounds(max(taken, default=1), size - 1, text):
                yield Change.of(("protocol", "limits", limit.name, "max_bytes"), bound, note)
