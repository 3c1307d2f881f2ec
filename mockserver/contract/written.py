"""Checks of schemas as they are written: every pattern can be used, every message can be filled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mockserver.contract.schema import subschemas
from mockserver.contract.template_names import MESSAGE, Problem, unknown
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.patterns import check_pattern


def schema_problems(documents: Mapping[str, Json]) -> Iterator[Problem]:
    """Yield what is wrong with patterns and messages in merged documents that fit the contract language."""
    for name, credential in documents["protocol"].get("credentials", {}).items():
        if "pattern" in credential:
            yield from _pattern(credential["pattern"], f"/protocol/credentials/{name}/pattern")
    for place, schema in written_schemas(documents):
        yield from _schema(schema, place)


def written_schemas(documents: Mapping[str, Json]) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Yield every schema of the merged documents, each with its pointer."""
    for document in ("requests", "events", "replies"):
        for name, schema in documents.get(document, {}).items():
            if name == "shared":
                yield from ((pointer.build((document, name, inner)), shared) for inner, shared in schema.items())
            else:
                yield pointer.build((document, name)), schema
    for level in ("events", "requests"):
        for name, rule in documents.get("warnings", {}).get(level, {}).items():
            yield pointer.build(("warnings", level, name, "schema")), rule["schema"]


def _schema(schema: Mapping[str, Json], place: str) -> Iterator[Problem]:
    if "pattern" in schema:
        yield from _pattern(schema["pattern"], f"{place}/pattern")
    message = schema.get("message")
    for keyword, text in message.items() if isinstance(message, dict) else [("", message)]:
        yield from unknown(text, MESSAGE, f"{place}/message" + (keyword and f"/{keyword}"))
    for tokens, inner in subschemas(schema):
        yield from _schema(inner, place + pointer.build(tokens))


def _pattern(pattern: str, place: str) -> Iterator[Problem]:
    try:
        check_pattern(pattern)
    except ValueError as error:
        yield place, f"not a usable pattern: {error}"
