"""Guessing what a payload without a request is: the operation whose names it has, or a refusal to guess.

Each reading of the payload gets points for what speaks for it, in units of a name that several protocols have. Errors
hardly count: an event of one protocol with a mistake does not belong to another protocol that takes everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from mockserver.contract.contract import Contract
from mockserver.jsonkit import Json
from mockserver.lint.payload_names import Names, Reading, names_of, readings_of, telling_names, weights_of
from mockserver.lint.payload_shape import NULL, Shape, shape_of

MISSING: Final = -1.0
UNKNOWN: Final = -1.0
"""What a name counts that the reading does not know; twice that if only another protocol does."""
MOST_UNKNOWN: Final = 2
"""Unknown members that count; clients add members of their own."""
OTHER_KIND: Final = -1.0
LISTED_VALUE: Final = 1.5
OTHER_VALUE: Final = -0.5
KNOWN_TYPE: Final = 2.0
SIMILAR_TYPE: Final = 1.5
VAGUE: Final = -2.0
"""What a body counts less that may have any members."""
MISPLACED: Final = 0.5
"""What a name counts that belongs to another level of the same request, and one with a typing error."""
ENOUGH: Final = 1.0
"""Points that the best reading needs."""
MARGIN: Final = 2.0
"""Points by which it must be better than those of other operations."""
MOST_NAMED: Final = 4
SHORTEST_MISSPELLED: Final = 3
SHORTEST_BEGINNING: Final = 4
LONGEST_ENDING: Final = 5
"""Characters that a name may lack at its end: `page` is meant to be `pageview`."""
MOST_SHAPES: Final = 4096

Points: TypeAlias = dict[tuple[str, str], float]
"""Points for each thing that is found: what it is, and the name of the member."""


class DoubtError(ValueError):
    """What a payload is cannot be told; the message says why, and how to say it."""


class Guesser:
    """Guesses what payloads are, under contracts by the names of their protocols."""

    def __init__(self, contracts: Mapping[str, Contract]) -> None:
        self._readings = [reading for contract in contracts.values() for reading in readings_of(contract)]
        self._weights = weights_of(self._readings)
        self._telling = telling_names(self._readings)
        self._read = lru_cache(MOST_SHAPES)(self._read_shape)

    def read(self, payload: Json, protocol: str | None = None, operation: str | None = None) -> Reading:
        """Return how to read a payload, among the readings for a protocol and an operation. Raises DoubtError."""
        shape = shape_of(payload, self._telling) if isinstance(payload, dict) else None
        found = self._read(shape, protocol, operation)
        if isinstance(found, DoubtError):
            raise found
        return found

    def _read_shape(self, shape: Shape | None, protocol: str | None, operation: str | None) -> Reading | DoubtError:
        readings = [
            reading
            for reading in self._readings
            if protocol in (None, reading.contract.name) and operation in (None, reading.operation.name)
        ]
        if not readings:
            return DoubtError(f"no operation {operation or 'with a request body'} to check this against")
        points = {reading: self._points(reading, shape) for reading in readings}
        ranked = sorted(readings, key=lambda reading: (-points[reading], not reading.form.single, not reading.wrapped))
        best = ranked[0]
        others = [reading for reading in ranked if reading.name != best.name]
        if not others:
            return best
        if points[best] < ENOUGH:
            return DoubtError("not recognized as a request or an event; set --protocol and --operation")
        rivals = [reading for reading in others if points[reading] > points[best] - MARGIN]
        rivals = [reading for reading in rivals if not reading.decides_like(best)]
        return _tie([best, *rivals]) if rivals else best

    def _points(self, reading: Reading, shape: Shape | None) -> float:
        if shape is None:
            return UNKNOWN
        if reading.of_one_event:
            return sum(self._of_event(reading, shape).values())
        names = reading.body
        assert names is not None, "a body that is no event has names"
        points = self._of_level(reading, names, shape)
        if not names.required and not names.either:
            points["vague", ""] = VAGUE
        if reading.form.events:
            points |= _together(self._of_event(reading, inner) for inner in _events(shape, reading.form.events[0]))
        return sum(points.values())

    def _of_event(self, reading: Reading, shape: Shape) -> Points:
        """Return the points for one event, or for a payload that is one."""
        names, points = reading.events.get("", _NO_NAMES), Points()
        if reading.by_type:
            type_ = dict(shape.texts).get(reading.form.discriminator[-1])
            if type_ in reading.events:
                names = reading.events[type_ or ""]
            if type_:
                points["type", ""] = _of_type(type_, reading.events)
        elif not reading.events:
            return {("event", "type"): UNKNOWN}
        return points | {
            ("event", f"{what} {name}"): p for (what, name), p in self._of_level(reading, names, shape).items()
        }

    def _of_level(self, reading: Reading, names: Names, shape: Shape) -> Points:
        """Return the points for the members of one level."""
        points, texts, unknown, elsewhere = Points(), dict(shape.texts), list[str](), names_of(reading)
        present = {name for name, kind in shape.members if kind != NULL}
        for name, kind in shape.members:
            schema = names.known.get(name)
            if schema is not None and kind != NULL:
                points["known", name] = self._weights[name] + _of_value(schema, kind, texts.get(name))
            elif schema is None:
                unknown.append(name)
        absent = [name for name in names.known if name not in present]
        missing = [name for name in names.required if name not in present]
        missing += [either[0] for either in names.either if not present & set(either)]
        strange = list[str]()
        for name in unknown:
            meant = next((known for known in absent if _is_close(name, known)), None)
            if meant is not None:
                points["misspelled", name] = MISPLACED * self._weights[meant]
                missing = [other for other in missing if other != meant]
            elif name in elsewhere:
                points["misplaced", name] = MISPLACED * self._weights[name]
                points["value", name] = _of_listed(_schema(reading, name), texts.get(name))
            else:
                strange.append(name)
        costs = sorted((self._weights.get(name, 1.0), name) for name in strange)[-MOST_UNKNOWN:]
        points |= {("unknown", name): UNKNOWN * weight for weight, name in costs}
        points |= {("missing", name): MISSING for name in missing}
        return points


_NO_NAMES: Final = Names(known={}, required=())


def _events(shape: Shape, name: str) -> Sequence[Shape]:
    """Return the shapes of the objects in the list of that name, else in one spelled nearly so, or in the only one."""
    items = dict(shape.items)
    close = (other for other in items if _is_close(other, name))
    found = name if name in items else next(close, None) or (next(iter(items)) if len(items) == 1 else "")
    return items.get(found, ())


def _together(events: Iterable[Points]) -> Points:
    """Return the points for several events: what speaks for a reading in one of them, and on average what does not."""
    every = list(events)
    together = Points()
    for found in {found for points in every for found in points}:
        points = [one.get(found, 0.0) for one in every]
        together[found] = max(points) if max(points) > 0 else sum(points) / len(points)
    return together


def _of_value(schema: Mapping[str, Json], kind: str, text: str | None) -> float:
    kinds = schema.get("type", kind)
    fits = kind in kinds if isinstance(kinds, list) else kind == kinds or (kinds, kind) == ("integer", "number")
    return (0.0 if fits else OTHER_KIND) + _of_listed(schema, text)


def _of_type(type_: str, known: Mapping[str, Names]) -> float:
    if type_ in known:
        return KNOWN_TYPE
    return SIMILAR_TYPE if any(name and _is_close(type_, name) for name in known) else OTHER_VALUE


def _of_listed(schema: Mapping[str, Json], text: str | None) -> float:
    if text is None or "enum" not in schema:
        return 0.0
    return LISTED_VALUE if text in schema["enum"] else OTHER_VALUE


def _schema(reading: Reading, name: str) -> Mapping[str, Json]:
    return next(level.known[name] for level in reading.levels() if name in level.known)


@lru_cache(MOST_SHAPES)
def _is_close(name: str, known: str) -> bool:
    """Tell whether a name is another one with a typing error, in another case or with other separators."""
    bare, known_bare = _bare(name), _bare(known)
    if bare == known_bare:
        return True
    shorter, longer = sorted((bare, known_bare), key=len)
    if len(shorter) < SHORTEST_MISSPELLED:
        return False
    begun = len(shorter) >= SHORTEST_BEGINNING and len(longer) - len(shorter) <= LONGEST_ENDING
    return (begun and longer.startswith(shorter)) or _are_one_edit_apart(shorter, longer)


def _bare(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


def _are_one_edit_apart(shorter: str, longer: str) -> bool:
    """Tell whether two texts differ by one character, or by two neighbours that changed places."""
    if len(longer) - len(shorter) > 1:
        return False
    pairs = enumerate(zip(shorter, longer, strict=False))
    start = next((index for index, (one, other) in pairs if one != other), len(shorter))
    rest, other = shorter[start:], longer[start:]
    if len(shorter) < len(longer):
        return rest == other[1:]
    return rest[1:] == other[1:] or (rest[:2] == other[1::-1] and rest[2:] == other[2:])


def _tie(readings: list[Reading]) -> DoubtError:
    """Return the refusal to guess among several operations, with the flags that name each."""
    names = list(dict.fromkeys(reading.name for reading in readings))[:MOST_NAMED]
    protocol, operation = names[0].split("/")
    flags = f"--protocol {protocol} --operation {operation}"
    return DoubtError(f"could be {' or '.join(names)}: say which one, for example with {flags}")
