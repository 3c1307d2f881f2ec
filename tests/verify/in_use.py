"""What of a contract is in use: no mutants are made of facts that no request and no reply has to do with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.contract.extension import BUILT_IN, extension_of
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Schema, subschemas
from mockserver.strategies.keywords import LEAVES
from mockserver.strategies.schema_mutations import BREAKERS

Json = Any
Tokens = tuple[str, ...]
KEYWORDS: Final = frozenset({*LEAVES, *BREAKERS})
"""Everything a schema may ask for."""
LABELS: Final = frozenset({("dedup", "by"), ("replies", "schema"), ("shapes", "schema")})
"""Members that name something for journals and schemas, as (section, member)."""


def is_label(contract: Contract, tokens: Tokens) -> bool:
    """Tell whether a fact is in no use.

    So are types where one schema judges all, keys nobody checks, replies nobody gives, texts for what no schema asks.
    """
    if (tokens[1], tokens[-1]) in LABELS:
        return True
    if tokens[1] == "messages" and len(tokens) > 2:
        return tokens[2] in KEYWORDS and tokens[2] not in asked(contract)
    if tokens[1] == "replies" and len(tokens) > 2:
        return all(tokens[2] not in _reply_names(operation) for operation in contract.operations.values())
    if tokens[1] == "operations" and tokens[3:] == ("credentials",):
        return not _reads_keys(contract.operations[tokens[2]])
    if len(tokens) != 6 or tokens[3] != "forms" or tokens[5] not in ("type", "discriminator"):
        return False
    return contract.operations[tokens[2]].forms[tokens[4]].schema is not None


def _reply_names(operation: Operation) -> set[str]:
    return {reply.name for reply in operation.replies.distinct()}


def _reads_keys(operation: Operation) -> bool:
    """Tell whether a gate of an operation looks at its key; without one, the key only names a session."""
    return any(operation.gate(check) is not None for check in ("key", "allowed_key", "rate"))


def is_scripted(contract: Contract, tokens: Tokens) -> bool:
    """Tell whether a refusal is one that no request leads to: only a scripted reply, or a crash, is answered so.

    Of a family's default only the shape is what others take from it.
    """
    if len(tokens) < 4 or tokens[1] != "refusals":
        return False
    if tokens[3] == "default":
        return len(tokens) == 5 and tokens[4] != "shape"
    return tokens[3] not in reached(contract, tokens[2])


def reached(contract: Contract, family: str) -> set[str]:
    """Return the reasons of a family that requests can be refused for."""
    checks = {**BUILT_IN, **extension_of(contract.adapter).checks}
    reasons = {"unknown_path", "method_not_allowed", *(window.refusal for window in contract.windows)}
    for operation in contract.operations.values():
        if operation.family.name == family:
            reasons |= {"unknown_entity"} if operation.lookup is not None else set()
            reasons |= {gate.reason(outcome) for gate in operation.gates for outcome in checks[gate.check].outcomes}
            schemas = (schema for form in operation.forms.values() for schema in _schemas_of(form))
            reasons |= {reason for schema in schemas for reason in _refusals(schema.body)}
    return reasons


def asked(contract: Contract) -> set[str]:
    """Return the keywords of all schemas that requests and their events are held to."""
    return {keyword for schema in _in_use(contract) for keyword in _keywords(schema)}


def _in_use(contract: Contract) -> Iterator[Mapping[str, Json]]:
    for operation in contract.operations.values():
        for form in operation.forms.values():
            yield from (schema.body for schema in _schemas_of(form))


def _schemas_of(form: Form) -> Iterator[Schema]:
    """Yield the schemas of a form: its request's, the one of all events, or else each type's."""
    schemas = [form.request, form.schema, *(form.schemas.values() if form.schema is None else ())]
    yield from (schema for schema in schemas if schema is not None)


def _keywords(schema: Mapping[str, Json]) -> Iterator[str]:
    yield from schema
    for _, inner in subschemas(schema):
        yield from _keywords(inner)


def _refusals(schema: Mapping[str, Json]) -> Iterator[str]:
    own = schema.get("refusal")
    if own is not None:
        yield from own.values() if isinstance(own, dict) else [own]
    for _, inner in subschemas(schema):
        yield from _refusals(inner)
