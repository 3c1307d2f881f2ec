"""How to break an event beside its schema: its type, a time window, the size of a member, who it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.format_texts import moment_texts
from mockserver.strategies.naming import IDENTITY, Naming, applies
from mockserver.strategies.places import Tokens, look
from mockserver.strategies.plausible import DAY_MS
from mockserver.strategies.schema_mutations import Mutation, Way
from mockserver.strategies.time_frame import Clock
from mockserver.strategies.values import Values

MEASURED: Final = "max_bytes"
FAR_MS: Final = 400 * DAY_MS
NO_TYPES: Final[tuple[Json, ...]] = ("unheard_of", "", 5, True, [], {})
NO_EVENTS: Final[tuple[Json, ...]] = (None, "text", 5, [], True)


def types(name: str, place: Tokens) -> Iterator[Mutation]:
    """Yield the faults of the member that picks an event's schema: it is not there, or names none."""
    gone: list[Way] = [(place, ((place, MISSING),)), (place, ((place, None),))]
    yield Mutation(rule="/events", keyword="required", ways=tuple(gone))
    values = (*NO_TYPES, f"{name} ", name.upper())
    yield Mutation(rule="/events", keyword="unknown_type", ways=tuple((place, ((place, value),)) for value in values))


def not_an_object() -> Mutation:
    """Return the fault of an event that is no object."""
    return Mutation(rule="/events", keyword="not_an_object", ways=tuple(((), (((), value),)) for value in NO_EVENTS))


def windows(contract: Contract, clock: Clock, values: Values) -> Iterator[Mutation]:
    """Yield the faults of times just outside their windows, and far outside."""
    for name, window in contract.windows:
        tokens: Tokens = window.tokens
        if look(values.root, ("properties", tokens[0])) is MISSING:
            continue
        rule = contract.protocol["windows"][name]
        first = clock.now_ms - window.past_ms - clock.slack_ms - 1
        last = clock.now_ms + window.future_ms + clock.slack_ms + 1
        for side, ends in (("past_ms", (first, first - FAR_MS)), ("future_ms", (last, last + FAR_MS))):
            texts = [text for end in ends for text in moment_texts(end)] + [rfc3339_ms(ends[-1])]
            yield Mutation(
                rule=f"/protocol/windows/{name}/{side}",
                keyword="window",
                ways=tuple((tokens, ((tokens, text),)) for text in dict.fromkeys(texts)),
                reason=rule["refusal"],
                message=rule.get("message"),
            )


def measures(limits: Mapping[str, Json], reason: str) -> Iterator[Mutation]:
    """Yield the faults of members over their size."""
    for name, limit in limits.items():
        tokens = pointer.parse(limit["pointer"])
        yield Mutation(
            rule=f"/protocol/limits/{name}/max_bytes",
            keyword=MEASURED,
            ways=tuple((tokens, ((tokens, sized(limit["max_bytes"] + over)),)) for over in (1, 5000)),
            reason=reason,
            message="${detail}",
        )


def identity(contract: Contract, naming: Naming, values: Values) -> Iterator[Mutation]:
    """Yield the fault of an event that says nowhere who it is about, where the contract asks it to."""
    places = naming.own_places()
    if places and applies(naming.per_event, values.least):
        required = contract.protocol["messages"]["required"]["value"]
        edit = tuple((place, MISSING) for place in places)
        yield Mutation(rule=IDENTITY, keyword="anyOf", ways=((places[0], edit),), message=required)


def sized(size: int) -> Json:
    """Return an object that takes so many bytes as compact JSON."""
    return {"note": "x" * (size - len(render({"note": ""})))}
