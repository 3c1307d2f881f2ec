"""The values that a recorded server took, and those of requests that it refused, by their places in the schemas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.schema import POINTER
from mockserver.core.explain import dotted
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import epoch_ms
from mockserver.recording.learning.play_again import Played

SHORTEST_NAME: Final = 3
"""Characters of the name of a member that is looked for in a text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A value that a schema says something about. `tokens` is its place in the event or in the body.

    `place` is the place in the schema that is asked, whose document may leave it to a shared one.
    """

    schema: Mapping[str, Json]
    place: tuple[str, ...]
    tokens: tuple[str | int, ...]
    value: Json


@dataclass(slots=True)
class SeenValues:
    """What a server took, by the pointers of the schemas. Each value has the name of its exchange beside it."""

    values: dict[str, list[tuple[Json, str]]] = field(default_factory=lambda: defaultdict(list))
    ages: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    sizes: list[tuple[int, str]] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    credentials: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    media_types: dict[str, str] = field(default_factory=dict)
    senders: dict[str, str] = field(default_factory=dict)

    def at(self, place: str) -> list[Json]:
        """Return the values that were taken at the pointer of a schema."""
        return [value for value, _ in self.values.get(place, ())]


def recorded_errors(contract: Contract, body: Json) -> dict[int, str] | None:
    """Return the messages of a recorded reply by the index of their event, -1 for the request; None without such."""
    if not isinstance(body, dict):
        return None
    for template in contract.replies.values():
        names = {value: name for name, value in template.item.items()} if isinstance(template.item, dict) else {}
        index, message = names.get("${index}"), names.get("${message}")
        if index is None or message is None:
            continue
        for _, member in members_in(body):
            if isinstance(member, list) and member and all(isinstance(item, dict) and index in item for item in member):
                found = [(item[index], str(item.get(message, ""))) for item in member]
                return {place: text for place, text in found if isinstance(place, int)}
    return None


def members_in(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield the members of an object and of the objects in it, by name."""
    for name, member in value.items() if isinstance(value, dict) else ():
        yield name, member
        yield from members_in(member)


def refused_events(played: Played) -> dict[int, str]:
    """Return the events that the server refused one by one, with its message for each."""
    errors = recorded_errors(played.judged.contract, played.answer.body) or {}
    return {index: text for index, text in errors.items() if 0 <= index < len(played.judged.events)}


def taken_events(played: Played) -> list[int]:
    """Return the events that the server surely took."""
    refused = refused_events(played)
    count = len(played.judged.events)
    if played.answer.is_refusal:
        return []
    if not refused and _counts_refused_ones(played):
        return []
    return [index for index in range(count) if index not in refused]


def _counts_refused_ones(played: Played) -> bool:
    """Tell whether a reply counts refused events without saying which."""
    counts = [
        name
        for template in played.judged.contract.replies.values()
        for name, value in members_in(template.body)
        if value == "${rejected}"
    ]
    return any(name in counts and bool(value) for name, value in members_in(played.answer.body))


def nodes(schema: Mapping[str, Json], value: Json, place: tuple[str, ...]) -> Iterator[Seen]:
    """Yield each part of a value that a schema says something about; alternatives are not looked into."""
    yield from _nodes(schema, value, place, ())


def _nodes(
    schema: Mapping[str, Json], value: Json, place: tuple[str, ...], tokens: tuple[str | int, ...]
) -> Iterator[Seen]:
    yield Seen(schema=schema, place=place, tokens=tokens, value=value)
    if isinstance(value, dict):
        for name, inner in schema.get("properties", {}).items():
            if name in value:
                yield from _nodes(inner, value[name], (*place, "properties", name), (*tokens, name))
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for index, item in enumerate(value):
            yield from _nodes(schema["items"], item, (*place, "items"), (*tokens, index))


def in_event(played: Played, index: int) -> Iterator[Seen]:
    """Yield the parts of an event."""
    form, events = played.judged.form, played.judged.events
    schema = None if form is None or index >= len(events) else form.schema_for(events[index])
    if schema is not None:
        yield from nodes(schema.body, events[index], (schema.document, schema.name))


def in_envelope(played: Played) -> Iterator[Seen]:
    """Yield the parts of a body without its events."""
    form, body = played.judged.form, played.judged.body
    if form is not None and form.request is not None and isinstance(body, dict):
        yield from nodes(form.request.body, body, (form.request.document, form.request.name))


def ages_of(played: Played, index: int) -> Iterator[tuple[str, int]]:
    """Yield how old an event was by each window, in ms; one of the future has an age below 0."""
    for window in played.judged.contract.windows:
        text = pointer.get(played.judged.events[index], window.tokens)
        moment = epoch_ms(text) if isinstance(text, str) else None
        if moment is not None:
            yield window.name, played.judged.terms.now_ms - moment


def seen_values(played: Sequence[Played]) -> SeenValues:
    """Return what a server took, of the exchanges that the mock is held to."""
    seen = SeenValues()
    for one in played:
        if one.answer.problem or one.answer.is_refusal:
            continue
        name, judged = one.answer.name, one.judged
        seen.sizes.append((len(judged.request.body), name))
        if judged.credential_name is not None and judged.credential is not None:
            seen.credentials[judged.credential_name].append(judged.credential)
        origin, media = judged.request.header(b"origin"), judged.request.header(b"content-type")
        if origin is not None and _allows(one, origin):
            seen.origins.setdefault(origin, name)
        if media is not None:
            seen.media_types.setdefault(media.partition(";")[0].strip().lower(), name)
        sender = judged.body.get("source") if isinstance(judged.body, dict) else None
        if isinstance(sender, str):
            seen.senders.setdefault(sender, name)
        for part in in_envelope(one):
            seen.values[part.schema[POINTER]].append((part.value, name))
        for index in taken_events(one):
            kind = None if judged.form is None else judged.form.type_of(judged.events[index])
            if kind is not None:
                seen.types.setdefault(kind, name)
            for part in in_event(one, index):
                seen.values[part.schema[POINTER]].append((part.value, name))
            for window, age in ages_of(one, index):
                seen.ages[window].append((age, name))
    return seen


def _allows(played: Played, origin: str) -> bool:
    values = [value for name, value in played.answer.reply.headers if name.lower() == "access-control-allow-origin"]
    return origin in values or "*" in values


def is_named(part: Seen, text: str) -> bool:
    """Tell whether a text names a part: by its place, or by the name of its member."""
    names = [str(token) for token in part.tokens if isinstance(token, str)]
    return bool(names) and (dotted(part.tokens) in text or (len(names[-1]) >= SHORTEST_NAME and names[-1] in text))


def missing_members(part: Seen, values: Sequence[Json]) -> list[str]:
    """Return the members that an object lacks and that each of some others has."""
    others = [set(value) for value in values if isinstance(value, dict)]
    if not others or not isinstance(part.value, dict):
        return []
    return sorted(set.intersection(*others) - set(part.value))


def unseen_members(part: Seen, values: Sequence[Json]) -> list[str]:
    """Return the members of an object that none of some others has."""
    known = {name for value in values if isinstance(value, dict) for name in value}
    return [name for name in part.value if name not in known] if isinstance(part.value, dict) else []
