"""The fidelity ledger: every fact of a contract with its source, and the facts behind a rule that a finding names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from typing import Final

from mockserver.contract.contract import EVENT_TYPES, Contract
from mockserver.contract.ownership import is_under
from mockserver.contract.provenance import UNSTATED, source_at, stated
from mockserver.contract.schema import HOLDERS, OWN_KEYWORDS, POINTER, every_schema, source_of
from mockserver.contract.server_rules import SERVER_RULES
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer

Fact = dict[str, Json]
BASES: Final = ("docs", "spec", "sdk", "inferred", "assumed", "patch")
"""The bases of facts, most authoritative first."""
OPERATIONS: Final = "/protocol/operations"
"""The rule of an unknown path or method."""


def facts(contract: Contract) -> list[Fact]:
    """Return each fact of the documents in their order, as `/_mock/fidelity` lists it: one value with one source.

    Facts are the leaves of protocol.yaml, the keywords of schemas and the rules of warnings. A list of texts is one
    fact, without the elements that have a source of their own. The body of a reply is one fact as well.
    """
    return [
        _fact(contract, pointer.build(tokens), value, source)
        for tokens, value, source in stated(contract.documents, contract.source)
    ]


@lru_cache(maxsize=4)
def _facts(contract: Contract) -> Sequence[Fact]:
    """Return the facts to explain rules by, listed once for all rules of a contract and of its newest revision."""
    return facts(contract)


@lru_cache(maxsize=4)
def _keywords(contract: Contract) -> Sequence[tuple[str, Json, str]]:
    """Return pointer, value and source of each keyword of all compiled schemas, listed once in the same way."""
    return [keyword for schema in contract.schemas() for keyword in schema.keywords()]


def by_basis(listed: Iterable[Fact]) -> dict[str, int]:
    """Return how many facts there are of each basis, the most authoritative first."""
    counted = Counter(fact["basis"] for fact in listed)
    return {basis: counted[basis] for basis in BASES if counted[basis]}


def _fact(contract: Contract, place: str, value: Json, source: str) -> Fact:
    basis = source.partition(":")[0]
    return {"protocol": contract.name, "pointer": place, "value": value, "source": source, "basis": basis}


def is_stated(contract: Contract, place: str) -> bool:
    """Tell whether the documents of a contract have something at a pointer, an element of a list of texts included."""
    return source_at(contract.documents, place, contract.source)[1]


def explain(contract: Contract, rule: str) -> list[Fact]:
    """Return the facts behind a rule, as `facts` lists them: one, or those below an object.

    What a schema has from a shared one that it uses follows its own facts. Where the shared one states a fact that the
    schema leaves as it is, the pointer is the one there.

    What follows a `#` in the rule names a use of the fact; a pointer may be a fragment (`#/protocol`). Facts that the
    newest revision has otherwise, or alone, follow with a member `revision`: warnings name its rules. Raises
    ContractError that names the nearest pointer.
    """
    place = "/" + rule.removeprefix("#").partition("#")[0].removeprefix("/")
    try:
        pointer.parse(place)
    except ValueError as error:
        raise ContractError(contract.name, place, str(error)) from None
    known = _facts(contract)
    explained = _server_rule(contract, place) or _in_contract(contract, place, known)
    if contract.newest is not None and place not in SERVER_RULES:
        newest = _in_contract(contract.newest, place, _facts(contract.newest))
        revision = contract.newest.revision
        explained = [*explained, *({**fact, "revision": revision} for fact in newest if fact not in explained)]
    if explained:
        return explained
    near = get_close_matches(place, [*(fact["pointer"] for fact in known), *SERVER_RULES], 1, cutoff=0.0)
    raise ContractError(contract.name, place, f"no fact at this pointer; did you mean {near[0]}?")


def _server_rule(contract: Contract, place: str) -> list[Fact]:
    rule = SERVER_RULES.get(place)
    return [] if rule is None else [_fact(contract, place, rule.message, rule.source)]


def _in_contract(contract: Contract, place: str, known: Sequence[Fact]) -> list[Fact]:
    return _catalogue(contract, place) or _explained(contract, place, known)


def _catalogue(contract: Contract, place: str) -> list[Fact]:
    """Return the names of what there is, for a rule about what there is not: an unknown event type, path or method."""
    names = {
        EVENT_TYPES: list(contract.event_schemas),
        OPERATIONS: [f"{operation.method} {operation.path}" for operation in contract.operations.values()],
    }.get(place)
    return [_fact(contract, place, names, contract.source_of(place))] if names else []


def _explained(contract: Contract, place: str, known: Sequence[Fact]) -> list[Fact]:
    """Return the facts at a place or below it, else the part of a schema or of a fact that stands there."""
    exact = [fact for fact in known if fact["pointer"] == place]
    below = [fact for fact in known if fact["pointer"].startswith(place.rstrip("/") + "/")]
    return (
        exact
        or [*below, *{fact["pointer"]: fact for fact in _inherited(contract, place, known)}.values()]
        or _part_of_a_schema(contract, place)
        or _part_of_a_fact(contract, place, known)
    )


def _inherited(contract: Contract, place: str, known: Sequence[Fact]) -> Iterator[Fact]:
    """Yield what the schema at a place, and those in it, have from the shared ones that they use."""
    tokens = pointer.parse(place)
    schema = contract.schemas_in(tokens[0]).get(tokens[1]) if len(tokens) > 1 else None
    inside = tuple(tokens[2:])
    levels = [] if schema is None else list(every_schema(schema.body))
    if inside not in (where for where, _ in levels):
        return
    stated_at = {fact["pointer"]: fact for fact in known}
    for level in (level for where, level in levels if where[: len(inside)] == inside):
        if is_under(level[POINTER], place):
            yield from _added(contract, level, stated_at)
        else:
            yield from (fact for fact in known if _is_of(level, fact["pointer"]))


def _added(contract: Contract, level: Mapping[str, Json], stated_at: Mapping[str, Fact]) -> Iterator[Fact]:
    """Yield the keywords, and the elements of lists, that a schema does not state itself."""
    for keyword, value in level.items():
        at = level[POINTER] + pointer.build([keyword])
        if keyword in OWN_KEYWORDS | UNSTATED | HOLDERS or isinstance(value, dict):
            continue
        if isinstance(value, list) and all(isinstance(element, str) for element in value):
            own = stated_at[at]["value"] if at in stated_at else []
            for element in value:
                each = at + pointer.build([element])
                if element not in own and each not in stated_at:
                    yield _fact(contract, each, element, source_of(level, keyword, element))
        elif at not in stated_at:
            yield _fact(contract, at, value, source_of(level, keyword))


def _is_of(level: Mapping[str, Json], place: str) -> bool:
    """Tell whether a fact is of a schema itself and not of one inside it."""
    if place == level[POINTER]:
        return True
    keyword, *_ = pointer.parse(place.removeprefix(level[POINTER])) if is_under(place, level[POINTER]) else HOLDERS
    return keyword not in HOLDERS and not (keyword == "additionalProperties" and isinstance(level.get(keyword), dict))


def _part_of_a_schema(contract: Contract, place: str) -> list[Fact]:
    """Return a keyword of a compiled schema, an element of its list, or all keywords of a schema inside.

    A compiled schema has the keywords of the shared one that it uses, which stand elsewhere in the file.
    """
    keywords = _keywords(contract)
    found = {at: (value, source) for at, value, source in keywords if at == place} or {
        at: (value, source) for at, value, source in keywords if at.rpartition("/")[0] == place
    }
    return [_fact(contract, at, value, source) for at, (value, source) in found.items()]


def _part_of_a_fact(contract: Contract, place: str, known: Sequence[Fact]) -> list[Fact]:
    """Return a part of a fact, which is a list or a body, with the source of the whole."""
    source, written = source_at(contract.documents, place, contract.source)
    above = [fact for fact in known if place.startswith(fact["pointer"] + "/")]
    if not written or not above:
        return []
    value = pointer.get(contract.documents, pointer.parse(place))
    return [_fact(contract, place, pointer.parse(place)[-1] if value is pointer.MISSING else value, source)]
