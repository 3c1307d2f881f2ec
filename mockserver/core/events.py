"""What becomes of the events of a request: judged by the schema of their type and by time windows, claims named.

Most events are good, so a request is first searched for suspects with as little work per event as possible; only
those are looked at closely.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from itertools import repeat
from operator import itemgetter
from typing import Final

from msgspec import UNSET

from mockserver.contract.contract import EVENT_TYPES
from mockserver.contract.form_decoder import Decoded
from mockserver.contract.operation import BoundGate, Form
from mockserver.contract.sections import Window
from mockserver.core.adapter import EventRule, adapter_of
from mockserver.core.explain import Violation
from mockserver.core.model import EventError, Judged, Refusal
from mockserver.core.refusals import broken_by, refuse_violation, vendor_text
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import CANONICAL, DIGITS_TO_ZERO, epoch_ms, rfc3339_ms
from mockserver.jsonkit.patterns import are_steps_left
from mockserver.jsonkit.pointer import MISSING

LONG_ID: Final = 64
"""Ids up to this many bytes are remembered as they are, longer ones as a digest."""
INVALID_EVENT: Final = "invalid_event"


def judge_events(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Judge each event; refuse the whole request where one bad event does that."""
    form = judged.form
    if form is None or form.events is None:
        return None
    if judged.decoded is not None and _is_in_time(judged, judged.decoded):
        _name_decoded(judged, judged.decoded)
        return None
    events = judged.events = events_of(form, judged.body)
    event_rule = adapter_of(judged.contract.adapter).event_rules(judged.contract)
    errors = []
    for index in _suspects(judged, form, events, event_rule):
        violation = next(broken_rules(judged, form, events[index], event_rule), None)
        if violation is None:
            continue
        prefix: tuple[str | int, ...] = () if form.single else (*form.events, index)
        reason = violation.refusal or gate.reason(INVALID_EVENT)
        message, finding = vendor_text(judged, violation, prefix), None if are_steps_left() else violation.finding()
        errors.append(EventError(index=index, reason=reason, message=message, finding=finding))
        if form.atomic:
            judged.event_errors = tuple(errors)
            return refuse_violation(judged, gate, violation, prefix, INVALID_EVENT)
    judged.event_errors = tuple(errors)
    _name_claims(judged, {error.index for error in errors})
    return None


def events_of(form: Form, body: Json) -> list[Json]:
    """Return the events of a parsed body; empty when there is no array where they should be."""
    return form.events_of(body)


def _is_in_time(judged: Judged, decoded: Decoded) -> bool:
    """Tell whether the times in good events are inside the windows for certain."""
    for window in judged.contract.windows:
        texts = set(decoded.column(window.tokens) or ())
        texts.discard(UNSET)
        if not _are_inside(window, texts, judged.terms.now_ms):
            return False
    return True


def _name_decoded(judged: Judged, decoded: Decoded) -> None:
    """Name the claims of good events."""
    contract = judged.contract
    if contract.dedup is not None:
        judged.dedup = _keys(decoded.column(contract.dedup.tokens))
    if contract.entity is not None:
        ids, mark = decoded.column(contract.entity), contract.no_entity
        texts = None if mark is None else decoded.column(mark.tokens)
        if ids is not None and texts is not None and mark is not None and texts.count(UNSET) != len(texts):
            marked = [type(text) is str and text in mark.values for text in texts]
            ids = [None if is_marked else id for id, is_marked in zip(ids, marked, strict=True)]
        judged.entities = _keys(ids)


def _keys(ids: list[Json] | None) -> list[bytes | None] | None:
    """Return what the ids are remembered as, None when no event has one."""
    if not ids or (ids[0] is UNSET and ids.count(UNSET) == len(ids)):
        return None
    keys = id_keys(ids)
    return keys if any(keys) else None


def _suspects(judged: Judged, form: Form, events: list[Json], event_rule: EventRule | None) -> Sequence[int]:
    """Return the positions of the events that are not plainly good."""
    if judged.request_body.lone_surrogates or event_rule is not None:
        return range(len(events))
    if not all(_all_inside(window, events, judged.terms.now_ms) for window in judged.contract.windows):
        return range(len(events))
    return _misfits(form, events)


def _misfits(form: Form, events: list[Json]) -> list[int]:
    """Return the positions of the events that do not fit the schema of their type."""
    if form.schema is not None:
        if form.schema.all_valid(events):
            return []
        fits = form.schema.is_valid
        return [index for index, event in enumerate(events) if type(event) is not dict or not fits(event)]
    if len(form.discriminator) != 1:
        return list(range(len(events)))
    name, schemas, misfits = form.discriminator[0], form.schemas, []
    for index, event in enumerate(events):
        type_ = event.get(name) if type(event) is dict else None
        schema = schemas.get(type_) if type(type_) is str else None
        if schema is None or not schema.is_valid(event):
            misfits.append(index)
    return misfits


def _all_inside(window: Window, events: list[Json], now_ms: int) -> bool:
    """Tell whether all times are canonical and inside the window: then they compare as text does."""
    texts = column(events, window.tokens)
    if None in texts:
        texts = [text for text in texts if text is not None]
    return _are_inside(window, texts, now_ms)


def _are_inside(window: Window, texts: Collection[Json], now_ms: int) -> bool:
    """Tell the same of the times alone."""
    if not texts:
        return True
    try:
        first, last = min(texts), max(texts)
    except TypeError:
        return False
    joined = "".join(texts) if type(first) is str else ""
    if not joined.isascii() or ":60." in joined:
        return False
    if joined.encode().translate(DIGITS_TO_ZERO) != CANONICAL * len(texts):
        return False
    earliest, latest = rfc3339_ms(now_ms - window.past_ms), rfc3339_ms(now_ms + window.future_ms)
    return bool(earliest <= first and last <= latest)


def column(events: list[Json], tokens: Sequence[str]) -> list[Json]:
    """Return the value at one place in each event, None where there is none."""
    values = events
    try:
        for token in tokens:
            values = list(map(itemgetter(token), values))
    except (KeyError, TypeError, IndexError):
        if len(tokens) == 1:
            name = tokens[0]
            return [event.get(name) if type(event) is dict else None for event in events]
        members = (pointer.get(event, tokens) for event in events)
        return [None if value is MISSING else value for value in members]
    return values


def _optional_column(events: list[Json], tokens: Sequence[str]) -> list[Json]:
    """Return what `column` does, faster for a member that hardly any event has in an object that all have."""
    holders = events
    with suppress(KeyError, TypeError, IndexError):
        for token in tokens[:-1]:
            holders = list(map(itemgetter(token), holders))
        return list(map(dict.get, holders, repeat(tokens[-1])))
    return column(events, tokens)


def broken_rules(judged: Judged, form: Form, event: Json, event_rule: EventRule | None) -> Iterator[Violation]:
    """Yield what an event breaks: its schema, the adapter's rule beside it, a time window.

    An event of no known type is asked for nothing but its time.
    """
    schema = form.schema_for(event)
    if schema is None:
        yield no_schema(judged, form, event)
    else:
        yield from broken_by(judged, schema, event)
        beside = None if event_rule is None else event_rule(judged.body, event)
        if beside is not None:
            yield beside
    yield from outside_window(judged, event)


def no_schema(judged: Judged, form: Form, event: Json) -> Violation:
    """Return why there is no schema for an event: it is not an object, or has no type, or not a known one."""
    tokens: tuple[str, ...] = form.discriminator
    got = pointer.get(event, tokens) if isinstance(event, dict) else event
    expected: Json
    if not isinstance(event, dict):
        keyword, tokens, expected = "not_an_object", (), "object"
    elif got is MISSING or got is None:
        keyword, expected, got = "required", [tokens[-1]], None
    else:
        keyword, expected = "unknown_type", list(form.types)
    source = judged.contract.source_of(EVENT_TYPES)
    expected = {keyword: expected}
    return Violation(keyword=keyword, tokens=tokens, rule=EVENT_TYPES, source=source, expected=expected, got=got)


def outside_window(judged: Judged, event: Json) -> Iterator[Violation]:
    """Yield how an event's time breaks the first window of the contract that it breaks."""
    for window in judged.contract.windows:
        text = pointer.get(event, window.tokens)
        moment = epoch_ms(text) if isinstance(text, str) else None
        if moment is None:
            continue
        ahead = moment - judged.terms.now_ms
        if -window.past_ms <= ahead <= window.future_ms:
            continue
        rule = f"/protocol/windows/{window.name}/{'future_ms' if ahead > 0 else 'past_ms'}"
        yield Violation(
            keyword="window",
            tokens=window.tokens,
            rule=rule,
            source=judged.contract.source_of(rule),
            expected={"window": {"past_ms": window.past_ms, "future_ms": window.future_ms}},
            got=text,
            refusal=window.refusal,
            message=window.message,
        )
        return


def _name_claims(judged: Judged, bad: set[int]) -> None:
    contract, events = judged.contract, judged.events
    good = [event for index, event in enumerate(events) if index not in bad] if bad else events
    if contract.dedup is not None:
        judged.dedup = _spread(column(good, contract.dedup.tokens), bad, len(events))
    if contract.entity is not None:
        ids, mark = column(good, contract.entity), contract.no_entity
        if mark is not None:
            texts = _optional_column(good, mark.tokens)
            if texts.count(None) != len(texts):
                ids = [None if text in mark.values else id for id, text in zip(ids, texts, strict=True)]
        judged.entities = _spread(ids, bad, len(events))


def _spread(values: list[Json], bad: set[int], count: int) -> list[bytes | None] | None:
    """Return the ids by position, None for bad events and for those without one; None when no event has one."""
    if values.count(None) == len(values):
        return None
    ids = id_keys(values)
    if not any(ids):
        return None
    if not bad:
        return ids
    remaining = iter(ids)
    return [None if index in bad else next(remaining) for index in range(count)]


def id_keys(values: list[Json]) -> list[bytes | None]:
    """Return what each of many ids is remembered as; where all are short texts, in one go."""
    with suppress(TypeError, ValueError):  # not texts, a lone surrogate, no ids at all
        keys = list(map(str.encode, values))
        if max(map(len, keys)) <= LONG_ID and all(keys):
            return [*keys]
    return [id_key(value) for value in values]


def id_key(value: Json) -> bytes | None:
    """Return what an id that a client chose is remembered as, or None where there is none."""
    return text_key(value) if type(value) is str and value else None


def text_key(text: str) -> bytes:
    """Return what a text that a client chose is remembered as: in bounded memory, however long it is.

    Bytes take less memory than text. A long text becomes a digest behind a byte that no text has.
    """
    encoded = text.encode("utf-8", "surrogatepass")
    return encoded if len(encoded) <= LONG_ID else b"\xff" + blake2b(encoded, digest_size=16).digest()
