"""How to break an event beside its schema: its type, a time window, the size of a member, who it is about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from mockserver.contract.sections import MemberLimit
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.near_misses import listed_misses
from mockserver.strategies.places import Tokens, look
from mockserver.strategies.plausible import DAY_MS
from mockserver.strategies.schema_mutations import Mutation, Way
from mockserver.strategies.texts import moment_texts
from mockserver.strategies.values import Values

MEASURED: Final = "max_bytes"
FAR_MS: Final = 400 * DAY_MS
HOUR_MS: Final = 3_600_000
NO_TYPES: Final[tuple[Json, ...]] = ("unheard_of", "", 5, True, [], {})
NO_EVENTS: Final[tuple[Json, ...]] = (None, "text", 5, [], True)


def types(name: str, place: Tokens) -> Iterator[Mutation]:
    """Yield the mutations of the member that picks an event's schema: it is not there, or names none."""
    absent: list[Way] = [(place, ((place, MISSING),)), (place, ((place, None),))]
    yield Mutation(rule="/events", keyword="required", ways=tuple(absent))
    values = (*NO_TYPES, f"{name} ", name.upper(), *listed_misses([name]))
    yield Mutation(rule="/events", keyword="unknown_type", ways=tuple((place, ((place, value),)) for value in values))


def not_an_object() -> Mutation:
    """Return the mutation of an event that is no object."""
    return Mutation(rule="/events", keyword="not_an_object", ways=tuple(((), (((), value),)) for value in NO_EVENTS))


def windows(values: Values) -> Iterator[Mutation]:
    """Yield the mutations of times just outside their windows, and far outside.

    And of a time in seconds that was read as milliseconds, and of one in a zone an hour ahead that was written as UTC.
    """
    frame = values.time_frame
    for tokens, window in frame.windows.items():
        if look(values.root, ("properties", tokens[0])) is MISSING:
            continue
        first = frame.now_ms - window.past_ms - frame.slack_ms - 1
        last = frame.now_ms + window.future_ms + frame.slack_ms + 1
        for side, ends in (("past_ms", (first, first - FAR_MS)), ("future_ms", (last, last + FAR_MS))):
            texts = [text for end in ends for text in moment_texts(end)] + [rfc3339_ms(ends[-1])]
            texts.append(rfc3339_ms(frame.now_ms // 1000 if side == "past_ms" else frame.now_ms + HOUR_MS))
            ways: list[Way] = [(tokens, ((tokens, text),)) for text in dict.fromkeys(texts)]
            yield Mutation(rule=f"/protocol/windows/{window.name}/{side}", keyword="window", ways=tuple(ways))


def measures(limits: Iterable[MemberLimit]) -> Iterator[Mutation]:
    """Yield the mutations of members over their size."""
    for limit in limits:
        ways: list[Way] = [(limit.tokens, ((limit.tokens, sized(limit.max_bytes + over)),)) for over in (1, 5000)]
        yield Mutation(rule=f"/protocol/limits/{limit.name}/max_bytes", keyword=MEASURED, ways=tuple(ways))


def sized(size: int) -> Json:
    """Return an object that takes so many bytes as compact JSON; the smallest there is where it cannot be so small."""
    return {"note": "x" * (size - len(render({"note": ""})))}


def just_fitting(size: int) -> list[Json]:
    """Return the object of just this size, if there is one."""
    return [sized(size)] if size >= len(render({"note": ""})) else []
