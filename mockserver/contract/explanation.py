"""What a rule says and who says so, for every rule that a finding, a sample or a report names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import chain
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import facts
from mockserver.contract.schema import POINTER, SOURCE, plain, subschemas
from mockserver.contract.server_rules import SERVER_RULES
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer

Fact = dict[str, Json]
EVENT_TYPES: Final = "/events"
"""The rule of a value that is no event, or an event of an unknown type."""
OPERATIONS: Final = "/protocol/operations"
"""The rule of an unknown path or method."""


def explain(contract: Contract, rule: str) -> list[Fact]:
    """Return the facts behind a rule, as `fidelity.facts` lists them: one, or those below an object.

    What follows a `#` in the rule names a use of the fact. A rule that only the newest revision has is explained by
    that one, and its facts have a member `revision`. Raises ContractError that names the nearest pointer.
    """
    place = "/" + rule.partition("#")[0].removeprefix("/")
    known = facts(contract)
    explained = _server_rule(contract, place) or _catalogue(contract, place) or _explained(contract, place, known)
    if not explained and contract.newest is not None:
        newest = _explained(contract.newest, place, facts(contract.newest))
        explained = [{**fact, "revision": contract.newest.revision} for fact in newest]
    if explained:
        return explained
    near = get_close_matches(place, [*(fact["pointer"] for fact in known), *SERVER_RULES], 1, cutoff=0.0)
    raise ContractError(contract.name, place, f"no fact at this pointer; did you mean {near[0]}?")


def _server_rule(contract: Contract, place: str) -> list[Fact]:
    rule = SERVER_RULES.get(place)
    return [] if rule is None else [_fact(contract, place, rule.message, rule.source)]


def _catalogue(contract: Contract, place: str) -> list[Fact]:
    """Return the names of what there is, for a rule about what there is not: an unknown event type, path or method."""
    names: list[Json] = []
    if place == EVENT_TYPES:
        names = list(contract.event_schemas)
    elif place == OPERATIONS:
        names = [f"{operation.method} {operation.path}" for operation in contract.operations.values()]
    return [_fact(contract, place, names, contract.source_of(place))] if names else []


def _explained(contract: Contract, place: str, known: Sequence[Fact]) -> list[Fact]:
    """Return the facts at a place or below it, else the part of a schema or of a fact that stands there."""
    exact = [fact for fact in known if fact["pointer"] == place]
    below = [fact for fact in known if fact["pointer"].startswith(place.rstrip("/") + "/")]
    return exact or below or _part_of_a_schema(contract, place) or _part_of_a_fact(contract, place, known)


def _part_of_a_schema(contract: Contract, place: str) -> list[Fact]:
    """Return a keyword of a compiled schema, or a name that it requires: findings name both.

    A compiled schema has the keywords of the shared one that it uses, which stand elsewhere in the file.
    """
    for level in _levels(contract):
        if place == level[POINTER]:
            return [_fact(contract, place, plain({**level, SOURCE: ""}), level[SOURCE])]
        if place.startswith(level[POINTER] + "/"):
            keyword, *names = pointer.parse(place.removeprefix(level[POINTER]))
            if keyword in level and not names:
                return [_fact(contract, place, plain(level[keyword]), level[SOURCE])]
            if keyword == "required" and names == [name for name in level.get(keyword, ()) if name in names]:
                return [_fact(contract, place, names[0], level[SOURCE])]
    return []


def _levels(contract: Contract) -> Iterator[Mapping[str, Json]]:
    rules = contract.warnings
    compiled = chain(
        contract.request_schemas.values(),
        contract.event_schemas.values(),
        contract.reply_schemas.values(),
        (rule.schema for rule in (*rules.events, *rules.requests) if rule.schema is not None),
    )
    for schema in compiled:
        yield from _levels_of(schema.body)


def _levels_of(schema: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    yield schema
    for _, inner in subschemas(schema):
        yield from _levels_of(inner)


def _part_of_a_fact(contract: Contract, place: str, known: Sequence[Fact]) -> list[Fact]:
    value = pointer.get(contract.documents, pointer.parse(place))
    above = [fact for fact in known if place.startswith(fact["pointer"] + "/")]
    if value is pointer.MISSING or not above:
        return []
    return [{**max(above, key=lambda fact: len(fact["pointer"])), "pointer": place, "value": value}]


def _fact(contract: Contract, place: str, value: Json, source: str) -> Fact:
    basis = source.partition(":")[0]
    return {"protocol": contract.name, "pointer": place, "value": value, "source": source, "basis": basis}
