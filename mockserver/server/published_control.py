"""The control surface's OpenAPI document as it is served: control.yaml in keywords that other people's tools read.

In control.yaml, members that stand beside a `$ref` are laid over what it refers to. Here that is written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final

from mockserver.contract.portable import COMPONENTS, portable
from mockserver.jsonkit import Json
from mockserver.server.control import document

CLOSED: Final = "unevaluatedProperties"


def published(server: str) -> Json:
    """Return the document for a server with this base URL."""
    return {**_document(), "servers": [{"url": server, "description": "mockserver"}]}


@cache
def _document() -> Mapping[str, Json]:
    written = _rewritten(document())
    paths = {path.rstrip("/"): _described(item) for path, item in written["paths"].items()}
    return _with_components({**written, "paths": paths})


def _described(item: Mapping[str, Json]) -> Json:
    """Return what is served at a path, each operation with a description."""
    return {
        method: operation if method == "parameters" else {"description": f"{operation['summary']}.", **operation}
        for method, operation in item.items()
    }


def _with_components(written: dict[str, Json]) -> Mapping[str, Json]:
    """Return the document with the schemas that something refers to."""
    components = written["components"]
    schemas = {name: _schema(_closed(name)) for name in document()["components"]["schemas"]}
    used, waiting = dict[str, Json](), list(_named(components["responses"])) + list(_named(written["paths"]))
    waiting += _named(components["parameters"])
    while waiting:
        name = waiting.pop()
        if name not in used:
            used[name] = schemas[name]
            waiting += _named(schemas[name])
    ordered = {name: schema for name, schema in schemas.items() if name in used}
    return {**written, "components": {**components, "schemas": ordered}}


def _named(value: Json) -> Iterator[str]:
    """Yield the names of the schemas that a part of the document refers to."""
    if isinstance(value, list):
        for inner in value:
            yield from _named(inner)
    elif isinstance(value, dict):
        if isinstance(value.get("$ref"), str) and value["$ref"].startswith(COMPONENTS):
            yield value["$ref"].removeprefix(COMPONENTS)
        for inner in value.values():
            yield from _named(inner)


def _rewritten(value: Json) -> Json:
    """Return a part of the document with each schema in it rewritten."""
    if isinstance(value, list):
        return [_rewritten(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    return {name: _schema(inner) if name == "schema" else _rewritten(inner) for name, inner in value.items()}


def _schema(written: Json) -> Json:
    """Return a schema of control.yaml for other tools, the schemas in it included."""
    if not isinstance(written, dict):
        return written
    schema = _laid_over(written)
    if "$ref" in schema:
        return schema
    for keyword in ("items", "additionalProperties", "propertyNames"):
        if keyword in schema:
            schema[keyword] = _schema(schema[keyword])
    if "properties" in schema:
        schema["properties"] = {name: _schema(inner) for name, inner in schema["properties"].items()}
    for keyword in ("anyOf", "allOf"):
        if keyword in schema:
            schema[keyword] = [_schema(inner) for inner in schema[keyword]]
    return portable(schema)


def _laid_over(written: Mapping[str, Json]) -> dict[str, Json]:
    """Return a schema without members beside a `$ref`, and without bases of which it is an extension."""
    own = dict(written)
    closed = own.pop(CLOSED, None) is False
    references = [{"$ref": own.pop("$ref")}] if "$ref" in own else own.pop("allOf", [])
    if not references:
        return {**own, "additionalProperties": False} if closed else own
    if not own and len(references) == 1 and (not closed or _name_of(references[0]) in _closed_names()):
        return dict(references[0])
    if "properties" not in own and not closed:
        return {**own, "allOf": references}
    merged: dict[str, Json] = {}
    for reference in references:
        merged = _overlay(merged, _laid_over(_target(reference)))
    merged = _overlay(merged, own)
    return {**merged, "additionalProperties": False} if closed else merged


def _overlay(base: Mapping[str, Json], own: Mapping[str, Json]) -> dict[str, Json]:
    required = [*dict.fromkeys([*base.get("required", ()), *own.get("required", ())])]
    properties = {**base.get("properties", {}), **own.get("properties", {})}
    lists = {name: value for name, value in (("required", required), ("properties", properties)) if value}
    return {**base, **own, **lists}


def _target(reference: Mapping[str, Json]) -> Mapping[str, Json]:
    schema: Mapping[str, Json] = document()["components"]["schemas"][_name_of(reference)]
    return schema


def _name_of(reference: Mapping[str, Json]) -> str:
    name: str = reference["$ref"].removeprefix(COMPONENTS)
    return name


@cache
def _closed_names() -> frozenset[str]:
    """Return the schemas of which uses, and not only extensions, say that they have no further members."""
    schemas = document()["components"]["schemas"].values()
    return frozenset(name for schema in schemas for inner in schema.values() for name in _closed_in(inner))


def _closed_in(value: Json) -> Iterator[str]:
    if isinstance(value, list):
        for inner in value:
            yield from _closed_in(inner)
    elif isinstance(value, dict):
        if value.keys() == {"$ref", CLOSED}:
            yield _name_of(value)
        for inner in value.values():
            yield from _closed_in(inner)


def _closed(name: str) -> Mapping[str, Json]:
    """Return a schema of control.yaml, closed where its uses close it."""
    schema = _target({"$ref": COMPONENTS + name})
    return {**schema, CLOSED: False} if name in _closed_names() else schema
