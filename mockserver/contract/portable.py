"""Schemas as other people's tools read them: the same verdicts, in the keywords that generators understand.

Pure: a plain JSON Schema of the contract language goes in, one comes out in which every enum has a type, every array
has `items`, every open object says so, alternatives stand beside members only in an `allOf`, and null is allowed where
the API takes it for an absent member.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import AS_PORTABLE, STANDARD

ANNOTATIONS: Final = ("title", "description", "x-source", "examples")
NULL: Final = "null"
COMPONENTS: Final = "#/components/schemas/"
DEFINITIONS: Final = "#/$defs/"
_CONCERNING: Final[Mapping[str, tuple[str, ...]]] = {
    "object": ("required", "properties", "additionalProperties", "minProperties", "maxProperties", "propertyNames"),
    "array": ("items", "minItems", "maxItems"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
}
"""The keywords that concern values of one type."""
_KEYWORDS: Final = {"x-source": "$comment"}
_VALUES: Final = ("enum", "const", "examples", "required", "type", "x-source")
"""Keywords whose value is no schema."""
_TYPES: Final[Mapping[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    dict: "object",
    list: "array",
    type(None): NULL,
}


def portable(schema: Mapping[str, Json], *, nulls_absent: bool = False, closed: bool = False) -> dict[str, Json]:
    """Return a plain schema for other tools. With `nulls_absent`, a null is taken for an absent optional member.

    `closed` is for an alternative of a closed object: generators would take an open alternative for an open object.
    """
    base = {keyword: value for keyword, value in schema.items() if keyword != "anyOf"}
    published = _typed(base)
    _state_format(published)
    _state_members(published, nulls_absent=nulls_absent, closed=closed)
    if "anyOf" not in schema:
        return _one_type_each(published)
    closed = closed or schema.get("additionalProperties") is False
    branches = [
        portable(_branch(schema, branch), nulls_absent=nulls_absent, closed=closed) for branch in schema["anyOf"]
    ]
    if published.keys() <= set(ANNOTATIONS):
        return {**published, "anyOf": branches}
    return {**published, "allOf": [*published.get("allOf", ()), {"anyOf": branches}]}


def as_json_schema(schema: Json) -> Json:
    """Return a published schema in keywords of JSON Schema alone, its components under `$defs`.

    Each `x-source` is a `$comment`, and a `discriminator`, which decides nothing that a `const` does not, is left out.
    """
    if isinstance(schema, list):
        return [as_json_schema(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        _KEYWORDS.get(keyword, keyword): _inner(keyword, value)
        for keyword, value in schema.items()
        if keyword != "discriminator"
    }


def _inner(keyword: str, value: Json) -> Json:
    if keyword == "$ref":
        return value.replace(COMPONENTS, DEFINITIONS)
    if keyword in ("properties", "$defs"):
        return {name: as_json_schema(inner) for name, inner in value.items()}
    return value if keyword in _VALUES else as_json_schema(value)


def _typed(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return the schema with the type that its enum or const implies, first of all keywords."""
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    types = schema.get("type") or _one_or_many(_TYPES[type(value)] for value in values)
    return {"type": types, **schema} if types else dict(schema)


def _one_or_many(types: Iterable[str]) -> Json:
    distinct = list(dict.fromkeys(types))
    return distinct[0] if len(distinct) == 1 else distinct


def _types(schema: Mapping[str, Json]) -> list[str]:
    types = schema.get("type", [])
    return types if isinstance(types, list) else [types]


def _state_format(schema: dict[str, Json]) -> None:
    """Say a format in other keywords too, and only so if other tools do not know it or read it otherwise."""
    keywords = AS_PORTABLE.get(schema.get("format", ""))
    if keywords is None:
        return
    if schema["format"] not in STANDARD:
        del schema["format"]
    if keywords.keys().isdisjoint(schema):
        schema |= keywords
    else:
        schema["allOf"] = [{"type": "string", **keywords}]


def _state_members(schema: dict[str, Json], *, nulls_absent: bool, closed: bool) -> None:
    """State what an object or an array may hold where the contract leaves it open."""
    if "properties" in schema:
        required = schema.get("required", ())
        schema["properties"] = {
            name: _member(member, nulls_absent=nulls_absent, optional=name not in required)
            for name, member in schema["properties"].items()
        }
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        schema["additionalProperties"] = portable(others, nulls_absent=nulls_absent)
    elif others is None and not closed and ("object" in _types(schema) or "properties" in schema):
        schema["additionalProperties"] = True
    if "array" in _types(schema) or "items" in schema:
        items = schema.get("items", {})
        schema["items"] = items if "$ref" in items else portable(items, nulls_absent=nulls_absent)


def _member(schema: Mapping[str, Json], *, nulls_absent: bool, optional: bool) -> dict[str, Json]:
    published = portable(schema, nulls_absent=nulls_absent)
    decided = not {"type", "enum", "const"}.isdisjoint(schema)
    return _nullable(published) if nulls_absent and optional and decided else published


def _nullable(schema: dict[str, Json]) -> dict[str, Json]:
    """Return a schema that takes null too."""
    annotations = {keyword: value for keyword, value in schema.items() if keyword in ANNOTATIONS}
    rest = {keyword: value for keyword, value in schema.items() if keyword not in ANNOTATIONS}
    if rest.keys() == {"anyOf"}:
        others = [branch for branch in rest["anyOf"] if branch != {"type": NULL}]
        return {**annotations, "anyOf": [*others, {"type": NULL}]}
    if "allOf" in rest or "anyOf" in rest:
        return {**annotations, "anyOf": [rest, {"type": NULL}]}
    nullable = {**schema, "type": [*dict.fromkeys([*_types(schema), NULL])]}
    if "const" in nullable:
        nullable["enum"] = [nullable.pop("const")]
    if None not in nullable.get("enum", [None]):
        nullable["enum"] = [*nullable["enum"], None]
    return nullable


def _one_type_each(schema: dict[str, Json]) -> dict[str, Json]:
    """Return alternatives of one type each, with what concerns it, in place of a list of types other than null."""
    types = _types(schema)
    if len(set(types) - {NULL}) < 2:
        return schema
    common = {keyword: value for keyword, value in schema.items() if keyword in ANNOTATIONS}
    choice: Json = {"anyOf": [_of_type(schema, name) for name in types]}
    return {**common, "allOf": [*schema["allOf"], choice]} if "allOf" in schema else {**common, **choice}


def _of_type(schema: Mapping[str, Json], name: str) -> dict[str, Json]:
    published = {"type": name} | {word: schema[word] for word in _CONCERNING.get(name, ()) if word in schema}
    if "enum" in schema:
        published["enum"] = [value for value in schema["enum"] if name in (_TYPES[type(value)], "number")]
    return published


def _branch(schema: Mapping[str, Json], branch: Mapping[str, Json]) -> dict[str, Json]:
    """Return one alternative as a schema that can be read alone: with the type, and its members', that stand outside.

    A null member is absent, so a member that an alternative requires is not null; others of it may be.
    """
    inner = dict(branch)
    decides = not {"type", "enum", "const"}.isdisjoint(inner)
    if "type" in schema and not decides:
        inner = {"type": schema["type"], **inner}
    outer, own = schema.get("properties", {}), inner.get("properties", {})
    named = dict.fromkeys([*inner.get("required", ()), *own])
    members = {name: {**_bare(outer.get(name, {})), **own.get(name, {})} for name in named if name in {**outer, **own}}
    return {**inner, "properties": members} if members else inner


def _bare(schema: Mapping[str, Json]) -> dict[str, Json]:
    return {keyword: value for keyword, value in schema.items() if keyword not in ANNOTATIONS}
