"""The fidelity ledger: every fact of a contract with its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mockserver.contract.contract import Contract
from mockserver.contract.schema import SOURCE, subschemas
from mockserver.jsonkit import Json, pointer

TEMPLATES = frozenset({"shapes", "replies"})
WHOLE = frozenset({"body", "item"})
"""Members of templates in protocol.yaml that count as one fact, although they are objects."""


def facts(contract: Contract) -> list[dict[str, Json]]:
    """Return each leaf of protocol.yaml, each schema object and each warning rule, as `/_mock/fidelity` lists it."""
    entries = [
        *_protocol_facts(contract.documents["protocol"], ("protocol",), ""),
        *(fact for name in ("requests", "events", "replies") for fact in _document_facts(contract, name)),
        *_warning_facts(contract.documents.get("warnings", {})),
    ]
    patched = _patched(contract.patched, [tokens for tokens, _, _ in entries])
    listed = []
    for tokens, value, source in entries:
        source = patched.get(tokens, source)
        listed.append(
            {
                "protocol": contract.name,
                "pointer": pointer.build(tokens),
                "value": value,
                "source": source,
                "basis": source.partition(":")[0],
            }
        )
    return listed


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


def _document_facts(contract: Contract, document: str) -> Iterator[tuple[tuple[str, ...], Json, str]]:
    named: Mapping[str, Json] = contract.documents.get(document, {})
    for name, schema in named.items():
        if name == "shared":
            for inner, shared in schema.items():
                yield from _schema_facts(shared, (document, "shared", inner), "")
        else:
            yield from _schema_facts(schema, (document, name), "")


def _schema_facts(schema: Json, tokens: tuple[str, ...], source: str) -> Iterator[tuple[tuple[str, ...], Json, str]]:
    source = schema.get(SOURCE, source)
    own = {
        k: v
        for k, v in schema.items()
        if k not in (SOURCE, "properties", "items", "anyOf")
        and not (k == "additionalProperties" and isinstance(v, dict))
    }
    yield tokens, own, source
    for inner_tokens, inner in subschemas(schema):
        yield from _schema_facts(inner, (*tokens, *inner_tokens), source)


def _warning_facts(warnings: Json) -> Iterator[tuple[tuple[str, ...], Json, str]]:
    for level, rules in warnings.items():
        for name, rule in rules.items():
            yield ("warnings", level, name), {k: v for k, v in rule.items() if k != SOURCE}, rule[SOURCE]
