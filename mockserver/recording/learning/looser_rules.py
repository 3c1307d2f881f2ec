"""Changes of the rules by which the mock refuses what a recorded server took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mockserver.contract.contract import EVENT_TYPES
from mockserver.core.gates import media_type
from mockserver.core.route import SLASHES
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import FORMATS
from mockserver.jsonkit.jsontext import render
from mockserver.recording.learning.bounds import (
    bounds,
    numbers_in,
    patterns_in,
    quoted_in,
    whole_duration,
    wider_patterns,
)
from mockserver.recording.learning.changes import Change
from mockserver.recording.learning.play_again import Played
from mockserver.recording.learning.seen_values import SeenValues, ages_of, refused_events
from mockserver.recording.learning.text_changes import Broken, broken_in_event, broken_in_request

Tokens = tuple[str, ...]
UPPER: Final = frozenset({"maxItems", "maxLength", "maxProperties", "maximum"})
LOWER: Final = frozenset({"minItems", "minLength", "minProperties", "minimum"})
TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
}
CREATED_FROM: Final = "a schema for the type was chosen that takes what was seen"
PATTERN_CHOSEN: Final = "the pattern is one that fits what was taken"
ORDER_SEEN: Final = "only which of two gates comes first was seen"
NO_LIMIT: Final = "nothing was seen that is refused"


def looser_rules(played: Played, seen: SeenValues, *, refused_too: bool = False) -> Iterator[Change]:
    """Yield the changes after which the mock may take what it refuses, likelier ones first.

    Events that the server refuses too are left out, unless with `refused_too`.
    """
    judged = played.judged
    if not played.is_refusal or played.reply.template is None or judged.event_errors:
        refused = refused_events(played)
        for error in judged.event_errors:
            broken = broken_in_event(played, error.index)
            if broken is not None and (refused_too or error.index not in refused):
                yield from _of_a_schema(played, broken, seen, error.index)
    if not played.is_refusal:
        return
    broken = broken_in_request(played)
    if broken is not None:
        index = next((token for token in broken.prefix if isinstance(token, int)), 0 if judged.events else None)
        yield from _policies(played, "partial")
        yield from _of_a_schema(played, broken, seen, index)
    yield from _of_the_protocol(played, seen)


def _policies(played: Played, policy: str) -> Iterator[Change]:
    operation, form = played.judged.operation, played.judged.form
    if operation is not None and form is not None and not form.single and form.policy != policy:
        yield Change.of(("protocol", "operations", operation.name, "forms", form.name, "policy"), policy)


def _of_a_schema(played: Played, broken: Broken, seen: SeenValues, index: int | None) -> Iterator[Change]:
    """Yield the changes of a schema or a window that an event or an envelope breaks."""
    violation, holder = broken.violation, broken.holder
    contract = played.judged.contract
    value, keyword = violation.got, violation.keyword
    if broken.rule == EVENT_TYPES:
        yield from _new_types(played, value)
    elif broken.rule.startswith("/protocol/windows/"):
        yield from _windows(played, broken, index)
    elif broken.rule.startswith("/protocol/"):
        yield from _without_rule(played, pointer.parse(broken.rule))
    elif keyword == "required":
        yield from _not_required(contract.documents, holder, str(violation.tokens[-1]))
    elif keyword == "additionalProperties":
        yield Change.of((*holder, "properties", str(violation.tokens[-1])), {}, NO_LIMIT)
        yield Change.of((*holder, keyword), True)
    elif keyword == "enum":
        listed = violation.expected["enum"]
        yield Change.of((*holder, keyword), [*listed, value])
    elif keyword == "type":
        known = violation.expected["type"]
        types = [*(known if isinstance(known, list) else [known]), TYPES.get(type(value), "null")]
        yield Change.of((*holder, keyword), "number" if set(types) == {"integer", "number"} else types)
    elif keyword == "pattern":
        texts = [text for text in [*_taken_at(seen, holder), value] if isinstance(text, str)]
        yield from (
            Change.of((*holder, keyword), pattern, PATTERN_CHOSEN)
            for pattern in wider_patterns(violation.expected["pattern"], texts, ())
        )
    elif keyword == "format":
        others = [name for name, fits in FORMATS.items() if isinstance(value, str) and fits(value)]
        yield from (Change.of((*holder, keyword), name, "a format that fits what was taken") for name in others)
    elif keyword in UPPER | LOWER:
        yield from _limits(holder, keyword, value, seen)
    if keyword not in ("required", "unknown_type", "not_an_object", "additionalProperties") and broken.is_of_a_schema:
        yield Change.of((*holder, keyword), None, NO_LIMIT)


def _taken_at(seen: SeenValues, holder: Tokens) -> list[Json]:
    return seen.at(pointer.build(holder))


def _limits(holder: Tokens, keyword: str, value: Json, seen: SeenValues) -> Iterator[Change]:
    """Yield limits that a value keeps, as near as can be to the largest or smallest one that was taken."""
    alike = [one for one in [*_taken_at(seen, holder), value] if type(one) is type(value)]
    taken = [len(one) if isinstance(one, list | str | dict) else one for one in alike]
    low, high = (max(taken), None) if keyword in UPPER else (None, min(taken))
    for bound, note in bounds(low, high, ""):
        yield Change.of((*holder, keyword), None) if high == 0 else Change.of((*holder, keyword), bound, note)


def _not_required(documents: Mapping[str, Json], holder: Tokens, name: str) -> Iterator[Change]:
    """Yield the change that drops a name from the list that has it, which may be that of a shared schema."""
    while True:
        listed = pointer.get(documents, (*holder, "required"))
        if isinstance(listed, list) and name in listed:
            rest = [other for other in listed if other != name]
            yield Change.of((*holder, "required"), rest or None)
            return
        shared = pointer.get(documents, (*holder, "use"))
        if not isinstance(shared, str):
            return
        holder = (holder[0], "shared", shared)


def _new_types(played: Played, type: Json) -> Iterator[Change]:
    """Yield schemas for an event type that the contract does not know: like the others, or any object."""
    if not isinstance(type, str):
        return
    written = pointer.get(played.judged.contract.documents, ("events",))
    used = [schema["use"] for schema in written.values() if "use" in schema] if isinstance(written, dict) else []
    for name in dict.fromkeys(sorted(used, key=used.count, reverse=True)):
        yield Change.of(("events", type), {"use": name}, CREATED_FROM)
    yield Change.of(("events", type), {"type": "object"}, CREATED_FROM)


def _windows(played: Played, broken: Broken, index: int | None) -> Iterator[Change]:
    name, member = broken.rule.split("/")[-2:]
    age = dict(ages_of(played, index)).get(name) if index is not None else None
    if age is None:
        return
    place = ("protocol", "windows", name)
    least = whole_duration(abs(age))
    yield Change.of((*place, member), least, f"{least} ms chosen; an event {abs(age)} ms off was taken")
    yield Change.of(place, None, NO_LIMIT)


def _without_rule(played: Played, tokens: Tokens) -> Iterator[Change]:
    """Yield the changes that take a sender or a type out of a rule of the adapter, or the rule out of the contract."""
    rule = pointer.get(played.judged.contract.documents, tokens)
    body = played.judged.body
    sender = body.get("source") if isinstance(body, dict) else None
    if isinstance(rule, dict) and sender in rule.get("senders", ()):
        yield Change.of((*tokens, "senders"), [one for one in rule["senders"] if one != sender])
    yield Change.of(tokens, None)


def _of_the_protocol(played: Played, seen: SeenValues) -> Iterator[Change]:
    """Yield the changes of what a gate or the routing refused by."""
    judged, contract, operation = played.judged, played.judged.contract, played.judged.operation
    finding = None if judged.refusal is None else judged.refusal.finding
    rule = "" if finding is None or played.receipt.refused is not None else finding.rule
    got = None if finding is None else finding.got
    if rule == SLASHES:
        yield Change.of(pointer.parse(SLASHES), "served")
    elif rule.startswith("/protocol/limits/") and rule.endswith("/max_bytes"):
        yield from _sizes(played, pointer.parse(rule), seen)
    elif rule == "/protocol/content_types/accepted":
        accepted = [] if contract.content_types is None else contract.content_types.accepted
        kind = media_type(judged.request.header(b"content-type"))
        if kind:
            yield Change.of(pointer.parse(rule), [*accepted, kind])
        yield Change.of(("protocol", "content_types", "anything"), True)
    elif rule.startswith("/protocol/credentials/") and rule.endswith("/pattern") and finding is not None:
        known = seen.credentials.get(rule.split("/")[3], [])
        for pattern in wider_patterns(str(finding.expected), [*known, str(got)], ()):
            yield Change.of(pointer.parse(rule), pattern, PATTERN_CHOSEN)
        yield Change.of(pointer.parse(rule), None, NO_LIMIT)
    elif rule.endswith("/allowed_origins") and finding is not None:
        yield Change.of(pointer.parse(rule), [*list(finding.expected or ()), got])
        yield Change.of(pointer.parse(rule), [], NO_LIMIT)
    elif rule.startswith("/protocol/identity/"):
        yield from _without_rule(played, pointer.parse(rule))
    if operation is None:
        return
    if played.receipt.refused is not None:
        yield from _without_claim(played)
    for name in operation.query:
        yield Change.of(("protocol", "operations", operation.name, "query"), [q for q in operation.query if q != name])
    refusal = judged.refusal
    if refusal is not None:
        gates = [gate.name for gate in operation.gates]
        kept = [gate.name for gate in operation.gates if gate.order != refusal.order]
        if kept != gates:
            yield Change.of(("protocol", "operations", operation.name, "gates"), kept)


def order_changes(played: Played) -> Iterator[Change]:
    """Yield what puts the gate that refused a request after another one, which may refuse it otherwise."""
    operation, refusal = played.judged.operation, played.judged.refusal
    if operation is None or refusal is None:
        return
    own = next((gate for gate in operation.gates if gate.order == refusal.order), None)
    for gate in operation.gates if own is not None else ():
        if own is not None and gate.order > own.order:
            yield Change.of(("protocol", "gates", own.name, "order"), gate.order + 1, ORDER_SEEN)
            yield Change.of(("protocol", "gates", gate.name, "order"), max(1, own.order - 1), ORDER_SEEN)


def _without_claim(played: Played) -> Iterator[Change]:
    """Yield what a request needs that is refused because of earlier ones, or because nothing was stored before."""
    operation = played.judged.operation
    assert operation is not None
    place = ("protocol", "operations", operation.name)
    if operation.lookup is not None:
        yield Change.of((*place, "lookup"), None)
    if operation.rate is not None and played.receipt.over_rate:
        limits = ("protocol", "limits", operation.rate.name, "requests")
        yield Change.of(limits, operation.rate.requests + 1, "one more than before was taken")
        yield Change.of((*place, "rate"), None, NO_LIMIT)


def _sizes(played: Played, place: Tokens, seen: SeenValues) -> Iterator[Change]:
    sizes = [size for size, _ in seen.sizes]
    taken = max([*sizes, len(played.judged.request.body)])
    if place[2] != "body":
        limit = played.judged.contract.member_limits[place[2]]
        taken = max((len(render(pointer.get(body, limit.tokens))) for body in _bodies(played)), default=0)
    for bound, note in bounds(taken, None, ""):
        yield Change.of(place, bound, note)


def _bodies(played: Played) -> Sequence[Json]:
    return [played.judged.body] if isinstance(played.judged.body, dict) else []


def restated_limits(played: Played, text: str) -> Iterator[Change]:
    """Yield other values of the rule by which both refuse a request, where the recorded text says one."""
    indexes = [error.index for error in played.judged.event_errors]
    found = [broken_in_request(played), *(broken_in_event(played, index) for index in indexes)]
    for broken in found:
        if broken is None:
            continue
        keyword, holder = broken.violation.keyword, broken.holder
        if broken.rule.startswith("/protocol/windows/"):
            for number in numbers_in(text):
                for member in ("past_ms", "future_ms"):
                    yield Change.of((*holder, member), number)
        elif keyword in UPPER | LOWER:
            yield from (Change.of((*holder, keyword), number) for number in numbers_in(text))
        elif keyword == "pattern":
            yield from (Change.of((*holder, keyword), pattern) for pattern in patterns_in(text))
        elif keyword == "enum":
            words = [word for word in quoted_in(text) if word != broken.violation.got]
            if words:
                yield Change.of((*holder, keyword), words)
    refusal = played.judged.refusal
    if refusal is not None and refusal.finding.rule.endswith("/max_bytes"):
        place = pointer.parse(refusal.finding.rule)
        yield from (Change.of(place, number) for number in numbers_in(text) if number > 0)
