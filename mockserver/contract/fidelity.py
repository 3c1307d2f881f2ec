"""The fidelity ledger: every fact of a contract with its source, and the facts behind a rule that a finding names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.schema import POINTER, SOURCE, every_schema, plain, subschemas, written_schemas
from mockserver.contract.server_rules import SERVER_RULES
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer

Fact = dict[str, Json]
EVENT_TYPES: Final = "/events"
"""The rule of a value that is no event, or an event of an unknown type."""
OPERATIONS: Final = "/protocol/operations"
"""The rule of an unknown path or method."""
TEMPLATES: Final = frozenset({"shapes", "replies"})
WHOLE: Final = frozenset({"body", "item"})
"""Members of templates in protocol.yaml that count as one fact, although they are objects."""


def facts(contract: Contract) -> list[Fact]:
    """Return each leaf of protocol.yaml, each schema object and each warning rule, as `/_mock/fidelity` lists it."""
    entries = list(_protocol_facts(contract.documents["protocol"], ("protocol",), ""))
    for tokens, schema in written_schemas(contract.documents):
        entries += _schema_facts(schema, tokens, "")
    for level, rules in contract.documents.get("warnings", {}).items():
        for name, rule in rules.items():
            value = {member: value for member, value in rule.items() if member != SOURCE}
            entries.append((("warnings", level, name), value, rule[SOURCE]))
    patched = _patched(contract.patched, [tokens for tokens, _, _ in entries])
    return [
        _fact(contract, pointer.build(tokens), value, patched.get(tokens, source)) for tokens, value, source in entries
    ]


def _fact(contract: Contract, place: str, value: Json, source: str) -> Fact:
    basis = source.partition(":")[0]
    return {"protocol": contract.name, "pointer": place, "value": value, "source": source, "basis": basis}


def _patched(patched: Mapping[str, str], known: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Return the source of each fact that a patch changed without naming one: around each leaf, and inside it."""
    sources: dict[tuple[str, ...], str] = {}
    for place, source in patched.items():
        leaf = pointer.parse(place)
        around = [tokens for tokens in known if leaf[: len(tokens)] == tokens]
        inside = [tokens for tokens in known if tokens[: len(leaf)] == leaf]
        for tokens in (*([max(around, key=len)] if around else []), *inside):
            sources[tokens] = source
    return sources


def _protocol_facts(value: Json, tokens: tuple[str, ...], source: str) -> Iterator[tuple[tuple[str, ...], Json, str]]:
    whole = tokens[-1] in WHOLE and tokens[1] in TEMPLATES
    if isinstance(value, dict) and not whole:
        source = value.get(SOURCE, source) if isinstance(value.get(SOURCE), str) else source
        for name, member in value.items():
            if name != SOURCE or not isinstance(member, str):
                yield from _protocol_facts(member, (*tokens, name), source)
    else:
        yield tokens, value, source


def _schema_facts(schema: Json, tokens: tuple[str, ...], source: str) -> Iterator[tuple[tuple[str, ...], Json, str]]:
    source = schema.get(SOURCE, source)
    own = {
        keyword: value
        for keyword, value in schema.items()
        if keyword not in (SOURCE, "properties", "items", "anyOf")
        and not (keyword == "additionalProperties" and isinstance(value, dict))
    }
    yield tokens, own, source
    for inner_tokens, inner in subschemas(schema):
        yield from _schema_facts(inner, (*tokens, *inner_tokens), source)


def explain(contract: Contract, rule: str) -> list[Fact]:
    """Return the facts behind a rule, as `facts` lists them: one, or those below an object.

    What follows a `#` in the rule names a use of the fact; a pointer may be a fragment (`#/protocol`). A rule
    that only the newest revision has is explained by that one, and its facts have a member `revision`. Raises
    ContractError that names the nearest pointer.
    """
    place = "/" + rule.removeprefix("#").partition("#")[0].removeprefix("/")
    try:
        pointer.parse(place)
    except ValueError as error:
        raise ContractError(contract.name, place, str(error)) from None
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
    names = {
        EVENT_TYPES: list(contract.event_schemas),
        OPERATIONS: [f"{operation.method} {operation.path}" for operation in contract.operations.values()],
    }.get(place)
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
    for _, level in _levels(contract):
        if place == level[POINTER]:
            return [_fact(contract, place, plain({**level, SOURCE: ""}), level[SOURCE])]
        if place.startswith(level[POINTER] + "/"):
            keyword, *names = pointer.parse(place.removeprefix(level[POINTER]))
            if keyword in level and not names:
                return [_fact(contract, place, plain(level[keyword]), level[SOURCE])]
            if keyword == "required" and names == [name for name in level.get(keyword, ()) if name in names]:
                return [_fact(contract, place, names[0], level[SOURCE])]
    return []


def _levels(contract: Contract) -> Iterator[tuple[tuple[str, ...], Mapping[str, Json]]]:
    for schemas in (contract.request_schemas, contract.event_schemas, contract.reply_schemas):
        for schema in schemas.values():
            yield from every_schema(schema.body)
    for rule in (*contract.warnings.events, *contract.warnings.requests):
        if rule.schema is not None:
            yield from every_schema(rule.schema.body)


def _part_of_a_fact(contract: Contract, place: str, known: Sequence[Fact]) -> list[Fact]:
    value = pointer.get(contract.documents, pointer.parse(place))
    above = [fact for fact in known if place.startswith(fact["pointer"] + "/")]
    if value is pointer.MISSING or not above:
        return []
    return [{**max(above, key=lambda fact: len(fact["pointer"])), "pointer": place, "value": value}]
