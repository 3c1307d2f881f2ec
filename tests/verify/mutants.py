"""Contracts with one constraint removed, loosened or changed, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.errors import ContractError
from mockserver.jsonkit import pointer
from tests.verify.in_use import is_label, is_scripted

Json = Any
Tokens = tuple[str, ...]
SCHEMAS: Final = ("requests", "events")
LOOSER: Final = {
    "minLength": -1,
    "maxLength": 1,
    "minimum": -1,
    "maximum": 1,
    "minItems": -1,
    "maxItems": 1,
    "minProperties": -1,
}
GONE: Final = ("type", "enum", "const", "pattern", "format", "additionalProperties", "anyOf", *LOOSER)
WORDS: Final = frozenset({"source", "sources", "title", "description", "summary", "examples", "example"})
"""Members that say something about a fact, and are none."""
NOT_SERVED: Final = frozenset({"name", "host", "base", "newest", "behavior", "delivery", "stored", "personal"})
"""Sections of protocol.yaml that no reply is made of: names, behavior, the journal's views, the delivery ledger, and
what recordings hide."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: `place` is the pointer of the fact, `change` what was done to it, `patch` how.

    The first two name it, among the mutants of one contract.
    """

    place: str
    change: str
    patch: Json = field(compare=False)

    @property
    def id(self) -> str:
        return f"{self.place} {self.change}"


def mutants(contract: Contract) -> Iterator[Mutant]:
    """Yield every mutant of a contract; those that do not load are no contracts and are left out by `served`."""
    for document in SCHEMAS:
        for name, schema in contract.documents.get(document, {}).items():
            if name == "shared":
                for inner, shared in schema.items():
                    yield from _schema(contract, shared, (document, name, inner))
            else:
                yield from _schema(contract, schema, (document, name))
    for name, section in contract.documents["protocol"].items():
        if name not in NOT_SERVED | WORDS:
            yield from _facts(contract, section, ("protocol", name))


def served(contract: Contract, mutant: Mutant, scenario: Json = None) -> Contract | None:
    """Return the mutated contract, or None where it is none."""
    patches = [Patch(name="mutant", patch=mutant.patch)]
    if scenario:
        patches.insert(0, Patch(name="scenario", patch=scenario))
    try:
        return library().protocol(contract.name).contract(contract.revision, patches)
    except ContractError:
        return None


def _mutant(tokens: Tokens, change: str, value: Json) -> Mutant:
    patch: Json = value
    for token in reversed(tokens):
        patch = {token: patch}
    return Mutant(place=pointer.build(tokens), change=change, patch=patch)


def _schema(contract: Contract, schema: Mapping[str, Json], tokens: Tokens) -> Iterator[Mutant]:
    for keyword, value in schema.items():
        place = (*tokens, keyword)
        if keyword in GONE and not (keyword == "type" and _is_root(tokens)):
            yield _mutant(place, "removed", None)
        if keyword in LOOSER:
            yield _mutant(place, "loosened", value + LOOSER[keyword])
        if keyword in ("required", "enum", "anyOf"):
            yield from _without_each(place, value)
        if keyword in ("refusal", "message"):
            yield from _named(place, value)
    for name, member in schema.get("properties", {}).items():
        yield from _schema(contract, member, (*tokens, "properties", name))
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from _schema(contract, schema[keyword], (*tokens, keyword))


def _is_root(tokens: Tokens) -> bool:
    """Tell whether a schema is a whole body's or event's; that those are objects, gates and types have seen before."""
    return "properties" not in tokens and "items" not in tokens and (tokens[1] != "shared" or tokens[2] == "common")


def _named(place: Tokens, value: Json) -> Iterator[Mutant]:
    """Reasons and texts: gone, so that the next one above counts; a text also changed."""
    named = value.items() if isinstance(value, dict) else [(None, value)]
    for name, text in named:
        at = place if name is None else (*place, name)
        yield _mutant(at, "removed", None)
        if place[-1] == "message":
            yield _mutant(at, "changed", f"x {text}")


def _without_each(place: Tokens, value: list[Json]) -> Iterator[Mutant]:
    for index, entry in enumerate(value):
        rest = [*value[:index], *value[index + 1 :]]
        name = entry if isinstance(entry, str) else index
        yield _mutant(place, f"without {name}", rest or None)


def _facts(contract: Contract, value: Json, tokens: Tokens) -> Iterator[Mutant]:
    """Yield mutants of a value in protocol.yaml."""
    if tokens[-1] in WORDS or is_label(contract, tokens) or is_scripted(contract, tokens):
        return
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _facts(contract, member, (*tokens, name))
        if len(tokens) > 2:
            yield _mutant(tokens, "removed", None)
    elif isinstance(value, list):
        yield from _without_each(tokens, value)
        if not value:
            yield _mutant(tokens, "with one", ["one.example"])
    else:
        if tokens[-1] in OPTIONAL or set(tokens) & TEMPLATES:
            yield _mutant(tokens, "removed", None)
        yield from _leaf(contract, value, tokens)


def _leaf(contract: Contract, value: Json, tokens: Tokens) -> Iterator[Mutant]:
    if isinstance(value, bool):
        yield _mutant(tokens, "flipped", not value)
    elif isinstance(value, int) and tokens[1] == "gates":
        yield from _moved(contract, value, tokens)
    elif isinstance(value, int):
        changed = value + 1 if value < 1000 else value * 2
        yield _mutant(tokens, "changed", changed)
    elif tokens[-1] in CHOICES:
        yield from (_mutant(tokens, f"is {other}", other) for other in CHOICES[tokens[-1]] if other != value)
    elif isinstance(value, str) and tokens[1] == "operations" and tokens[-1] == "path":
        yield _mutant(tokens, "changed", f"{value}/x")
    elif isinstance(value, str):
        yield _mutant(tokens, "changed", f"{value}x" if value[:1] in ("/", "^") else f"x{value}")


OPTIONAL: Final = frozenset({"pattern", "cors", "rate", "idempotency", "lookup", "query", "max_age", "expose"})
"""Members that a contract may do without, and is looser then."""
TEMPLATES: Final = frozenset({"body", "item", "headers"})
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "policy": ("partial", "atomic"),
    "starts": ("aligned", "first_request"),
    "members": ("absent", "refused"),
    "extra_slashes": ("served", "unknown_path"),
    "without_origin": ("nothing", "*"),
    "method": ("GET", "POST", "PUT"),
    "in": ("header", "query"),
}


def _moved(contract: Contract, order: int, tokens: Tokens) -> Iterator[Mutant]:
    """Put a gate just behind the next one of an operation, and just before the one before."""
    moves: dict[str, int] = {}
    for operation in contract.operations.values():
        orders = [gate.order for gate in operation.gates]
        names = [gate.name for gate in operation.gates]
        if tokens[2] not in names:
            continue
        at = names.index(tokens[2])
        if at + 1 < len(orders):
            moves[f"behind {names[at + 1]}"] = orders[at + 1] + 1
        if at:
            moves[f"before {names[at - 1]}"] = orders[at - 1] - 1
    yield from (_mutant(tokens, change, value) for change, value in moves.items() if value > 0)


class Dependencies:
    """The facts that a rule depends on, asked for every mutant."""

    def __init__(self, pointers: Iterable[str]) -> None:
        self._pointers = frozenset(pointers)
        self._deepest: dict[str, int] = {}
        for each in self._pointers:
            for place in _with_holders(each):
                self._deepest[place] = max(len(each), self._deepest.get(place, 0))

    def closeness(self, mutant: Mutant) -> int:
        """Return how closely the facts are about a mutated one: 0 for not at all."""
        if mutant.place in self._deepest:
            return self._deepest[mutant.place]
        return next((len(place) for place in _with_holders(mutant.place) if place in self._pointers), 0)


def _with_holders(place: str) -> Iterator[str]:
    """Yield a pointer, then those of everything around it, the nearest first."""
    while place:
        yield place
        place = place.rpartition("/")[0]
