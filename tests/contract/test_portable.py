"""Schemas for other tools: the same verdicts, in keywords that they read."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema_rs
import pytest

from mockserver.contract.portable import as_json_schema, portable
from mockserver.jsonkit.formats import FORMATS

OPEN = {"additionalProperties": True}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        ({"const": True}, {"type": "boolean", "const": True}),
        ({"type": "array"}, {"type": "array", "items": {}}),
        ({"type": "array", "items": {"enum": ["a"]}}, {"type": "array", "items": {"type": "string", "enum": ["a"]}}),
        ({"type": "object"}, {"type": "object", **OPEN}),
        ({"type": "object", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        (
            {"type": "object", "additionalProperties": {"const": 1}},
            {"type": "object", "additionalProperties": {"type": "integer", "const": 1}},
        ),
        ({"format": "email"}, None),
        ({"type": ["string", "null"]}, {"type": ["string", "null"]}),
        (
            {"title": "t", "type": ["object", "string"], "required": ["a"], "minLength": 1},
            {
                "title": "t",
                "anyOf": [{"type": "object", "required": ["a"], **OPEN}, {"type": "string", "minLength": 1}],
            },
        ),
        ({"enum": ["a", 1]}, {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "integer", "enum": [1]}]}),
        ({}, {}),
    ],
)
def test_what_tools_need_to_be_told_is_said(written: Any, expected: Any) -> None:
    before = copy.deepcopy(written)
    assert expected is None or portable(written) == expected
    assert written == before


def test_alternatives_stand_in_an_all_of_and_can_be_read_alone() -> None:
    made = portable(
        {
            "type": "object",
            "properties": {"a": {"type": "string", "x-source": "docs: a"}, "b": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"], "properties": {"b": {"pattern": "x"}}}],
        },
        nulls_absent=True,
    )
    assert made == {
        "type": "object",
        "properties": {"a": {"type": ["string", "null"], "x-source": "docs: a"}, "b": {"type": ["string", "null"]}},
        **OPEN,
        "allOf": [
            {
                "anyOf": [
                    {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}, **OPEN},
                    {
                        "type": "object",
                        "required": ["b"],
                        "properties": {"b": {"type": "string", "pattern": "x"}},
                        **OPEN,
                    },
                ]
            }
        ],
    }


def test_alternatives_of_a_closed_object_do_not_say_that_it_is_open() -> None:
    made = portable({"type": "object", "additionalProperties": False, "anyOf": [{"required": ["a"]}]})
    assert made["allOf"] == [{"anyOf": [{"type": "object", "required": ["a"]}]}]


@pytest.mark.parametrize(
    ("member", "expected"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}),
        ({"enum": ["a"]}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"const": 1}, {"type": ["integer", "null"], "enum": [1, None]}),
        ({"type": ["string", "number"]}, {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]}),
        (
            {"type": "object", "anyOf": [{"required": ["a"]}]},
            {
                "anyOf": [
                    {"type": "object", **OPEN, "allOf": [{"anyOf": [{"type": "object", "required": ["a"], **OPEN}]}]},
                    {"type": "null"},
                ]
            },
        ),
        ({}, {}),
    ],
)
def test_null_is_taken_where_it_counts_as_an_absent_member(member: Any, expected: Any) -> None:
    written = {"type": "object", "properties": {"a": member}}
    assert portable(written, nulls_absent=True)["properties"]["a"] == expected
    assert portable(written)["properties"]["a"] == portable(member)
    required = portable({**written, "required": ["a"]}, nulls_absent=True)
    assert required["properties"]["a"] == portable(member)


TEXTS = (
    "2026-06-14T12:00:00Z",
    "2026-06-14t12:00:00.5+02:00",
    "1998-12-31T23:59:60Z",
    "2026-06-14",
    "2026-02-30",
    "2026-06-14 12:00:00Z",
    "2026-06-14T12:00",
    "https://example.com/a?b=c#d",
    "/pricing",
    "http://[2001:db8::7]/",
    "mailto:ada@example.com",
    "a b:c",
    "ada@example.com",
    "x@localhost",
    '"ada @ home"@example.com',
    "ada@[192.0.2.1]",
    "ada@",
    "@example.com",
    f"a@{'.'.join(['d' * 63] * 4)}",
    "7d444840-9dc0-41d1-b245-5ffdce74fad2",
    "7d444840",
    "",
    "x\n",
)


@pytest.mark.parametrize("name", FORMATS)
def test_pattern_of_a_format_takes_what_the_format_takes(name: str) -> None:
    schema = portable({"type": "string", "format": name})
    assert schema["pattern"]
    assert schema.get("format", name) == name
    stated = {keyword: value for keyword, value in schema.items() if keyword != "format"}
    taken = {text for text in TEXTS if jsonschema_rs.is_valid(stated, text)}
    assert taken == {text for text in TEXTS if FORMATS[name](text)}
    assert taken


def test_format_that_tools_do_not_know_or_read_otherwise_is_a_pattern_alone() -> None:
    kept = {name for name in FORMATS if "format" in portable({"type": "string", "format": name})}
    assert kept == {"date-time", "uuid", "uri"}
    both = portable({"type": "string", "format": "iso-8601", "pattern": "Z$"})
    assert both["pattern"] == "Z$"
    assert [inner["type"] for inner in both["allOf"]] == ["string"]


def test_json_schema_has_comments_and_definitions_in_place_of_what_only_openapi_has() -> None:
    made = as_json_schema(
        {
            "oneOf": [{"$ref": "#/components/schemas/A"}],
            "discriminator": {"propertyName": "type"},
            "x-source": "docs: a",
            "$defs": {"A": {"properties": {"x-source": {"enum": ["$ref"], "x-source": "docs: b"}}}},
        }
    )
    assert made == {
        "oneOf": [{"$ref": "#/$defs/A"}],
        "$comment": "docs: a",
        "$defs": {"A": {"properties": {"x-source": {"enum": ["$ref"], "$comment": "docs: b"}}}},
    }
