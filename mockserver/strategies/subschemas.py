"""Looking at schemas: what they are about, what is inside them, what an alternative of theirs asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from mockserver.jsonkit import Json
from mockserver.strategies.keywords import types_of

Schema: TypeAlias = Mapping[str, Json]


def is_object(schema: Schema) -> bool:
    """Tell whether a schema is about objects."""
    return types_of(schema) == ("object",) or ("type" not in schema and "properties" in schema)


def is_array(schema: Schema) -> bool:
    """Tell whether a schema is about arrays."""
    return types_of(schema) == ("array",)


def merged(schema: Schema, branch: Schema) -> Schema:
    """Lay an alternative over what it shares with the others."""
    both = {**{name: value for name, value in schema.items() if name != "anyOf"}, **branch}
    required = [*schema.get("required", ()), *branch.get("required", ())]
    declared = dict(schema.get("properties", {}))
    for name, member in branch.get("properties", {}).items():
        declared[name] = {**declared.get(name, {}), **member}
    if required:
        both["required"] = list(dict.fromkeys(required))
    if declared:
        both["properties"] = declared
    return both


def inner(schema: Schema, token: str | int) -> Schema:
    """Return the schema of a member or of the items; an open one where nothing is said."""
    if isinstance(token, int):
        member = schema.get("items", {})
    else:
        member = schema.get("properties", {}).get(token, schema.get("additionalProperties", {}))
    return member if isinstance(member, Mapping) else {}
