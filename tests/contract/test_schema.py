"""Schemas of the contract language: laid over each other, annotated, published, and relieved of nulls."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from mockserver.contract.library import library
from mockserver.contract.provenance import Scope
from mockserver.contract.publish import SCHEMA_DOCUMENTS, schemas_of
from mockserver.contract.schema import (
    POINTER,
    Schema,
    UnusableSchemaError,
    annotate,
    drop_nulls,
    flatten,
    plain,
    source_of,
    subschemas,
)

SHARED: Any = {
    "base": {
        "type": "object",
        "required": ["type", "url"],
        "additionalProperties": False,
        "properties": {"type": {"type": "string"}, "url": {"type": "string", "minLength": 1}},
    }
}


def test_schema_wins_over_the_shared_one_it_uses() -> None:
    own = {
        "use": "base",
        "required": ["url", "name"],
        "properties": {"url": {"minLength": 3}, "name": {"type": "string"}},
        "title": "own",
    }
    before = copy.deepcopy((own, SHARED))
    assert flatten(own, SHARED) == {
        "type": "object",
        "title": "own",
        "required": ["type", "url", "name"],
        "additionalProperties": False,
        "properties": {
            "type": {"type": "string"},
            "url": {"type": "string", "minLength": 3},
            "name": {"type": "string"},
        },
    }
    assert (own, SHARED) == before


def test_schemas_inside_may_use_shared_ones_too() -> None:
    own = {"items": {"use": "base"}, "anyOf": [{"use": "base", "title": "first"}], "properties": {"a": {"use": "base"}}}
    made = flatten(own, SHARED)
    assert made["items"] == made["properties"]["a"] == SHARED["base"]
    assert made["anyOf"][0] == {**SHARED["base"], "title": "first"}


def test_unknown_shared_schema_is_an_error() -> None:
    with pytest.raises(UnusableSchemaError, match='unknown shared schema "nowhere"'):
        flatten({"items": {"use": "nowhere"}}, SHARED)


def test_every_schema_object_knows_its_place_and_its_source() -> None:
    schema = {
        "source": "docs: a",
        "properties": {"a/b": {"type": "string"}, "c": {"source": "docs: c", "items": {"type": "number"}}},
        "anyOf": [{"required": ["c"]}],
        "additionalProperties": {"type": "string"},
    }
    made = annotate(schema, "/events/x", Scope("schema", "assumed: above"))
    found = {inner[POINTER]: inner["source"] for inner in walk(made)}
    assert found == {
        "/events/x": "docs: a",
        "/events/x/properties/a~1b": "docs: a",
        "/events/x/properties/c": "docs: c",
        "/events/x/properties/c/items": "docs: c",
        "/events/x/anyOf/0": "docs: a",
        "/events/x/additionalProperties": "docs: a",
    }
    assert POINTER not in schema


def test_keyword_knows_its_source_when_sources_names_it() -> None:
    schema = {
        "source": "docs: a",
        "sources": {"required/b": "spec: b", "properties/b/pattern": "assumed: c", "anyOf": "sdk: d"},
        "required": ["a", "b"],
        "properties": {"b": {"type": "string", "pattern": "x"}, "a": {"source": "docs: f", "minLength": 1}},
        "anyOf": [{"minLength": 2}],
    }
    made = annotate(schema, "/events/x")
    assert [source_of(made, "required", name) for name in ("a", "b")] == ["docs: a", "spec: b"]
    b = made["properties"]["b"]
    assert (source_of(b, "type"), source_of(b, "pattern")) == ("docs: a", "assumed: c")
    assert source_of(made["properties"]["a"], "minLength") == "docs: f"
    assert source_of(made["anyOf"][0], "minLength") == "sdk: d"


def test_keyword_keeps_its_source_when_another_schema_uses_it() -> None:
    shared = {
        "base": {
            "source": "docs: base",
            "sources": {"required/a": "spec: a", "minLength": "assumed: m"},
            "required": ["a", "b"],
            "minLength": 1,
            "maxLength": 9,
            "properties": {"a": {"type": "string", "pattern": "x"}},
        }
    }
    own = {
        "use": "base",
        "source": "docs: own",
        "required": ["c", "b"],
        "maxLength": 8,
        "properties": {"a": {"source": "spec: own", "type": "number"}},
    }
    flat = flatten(annotate(own, "/events/x"), {"base": annotate(shared["base"], "/events/shared/base")})
    sources = {name: source_of(flat, "required", name) for name in flat["required"]}
    assert sources == {"a": "spec: a", "b": "docs: own", "c": "docs: own"}
    assert (source_of(flat, "minLength"), source_of(flat, "maxLength")) == ("assumed: m", "docs: own")
    member = flat["properties"]["a"]
    assert (source_of(member, "type"), source_of(member, "pattern")) == ("spec: own", "docs: base")


def walk(schema: Any) -> Any:
    yield schema
    for _, inner in subschemas(schema):
        yield from walk(inner)


@pytest.mark.parametrize("protocol", library().protocols)
def test_published_schema_is_plain_and_judges_alike(protocol: str) -> None:
    contract = library().protocol(protocol).contract()
    for schema in (schema for document in SCHEMA_DOCUMENTS for schema in schemas_of(contract, document).values()):
        published = plain(schema.body)
        words = {word for inner in walk(published) for word in inner}
        assert not words & {POINTER, "refusal", "message", "use", "source"}
        assert all(inner["x-source"] for inner in walk(published) if "properties" in inner)
        jsonschema.Draft202012Validator.check_schema(published)
        values: list[Any] = [{}, {"type": "x"}, {"events": []}, [], None]
        for value in values:
            assert jsonschema_rs.is_valid(published, value) is schema.is_valid(value)


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ({"properties": {"a": {"type": "string"}}}, {"a": None, "b": None}, {"b": None}),
        ({"properties": {"a": {"type": ["string", "null"]}}}, {"a": None}, {"a": None}),
        ({"properties": {"a": {"type": "null"}}}, {"a": None}, {"a": None}),
        ({"properties": {"a": {"enum": ["x"]}}}, {"a": None}, {}),
        ({"properties": {"a": {"enum": ["x", None]}}}, {"a": None}, {"a": None}),
        ({"properties": {"a": {"const": 1}}}, {"a": None}, {}),
        ({"properties": {"a": {}}}, {"a": None}, {"a": None}),
        (
            {"properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}}},
            {"a": {"b": None}},
            {"a": {}},
        ),
        ({"items": {"properties": {"a": {"type": "string"}}}}, [{"a": None}, None, 1], [{}, None, 1]),
        ({"type": "string"}, None, None),
    ],
)
def test_null_member_is_dropped_where_it_is_declared_and_not_allowed(schema: Any, value: Any, expected: Any) -> None:
    before = copy.deepcopy(value)
    assert drop_nulls(value, schema) == expected
    assert value == before


def test_list_fits_when_every_value_is_an_object_that_fits() -> None:
    schema = Schema("events", "own", annotate({"required": ["a"]}, "/events/own"))
    assert schema.all_valid([])
    assert schema.all_valid([{"a": 1}, {"a": None}])
    assert not schema.all_valid([{"a": 1}, {}])
    assert not schema.all_valid([{"a": 1}, "text"])
