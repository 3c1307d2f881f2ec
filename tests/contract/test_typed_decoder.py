from __future__ import annotations

from typing import Any

import msgspec
import pytest

from mockserver.contract.schema import compile_schema
from mockserver.contract.typed_decoder import Columns, Types, UnknownError, array_of, attribute_of, member_of, path_of

OBJECT: Any = {"type": "object"}


def takes(schema: Any, text: str, **how: Any) -> bool:
    """Tell whether the types that are made of a schema take a text for certain."""
    kind = Types(**how).kind(schema)
    try:
        value = msgspec.json.Decoder(kind.type).decode(text.encode())
    except msgspec.MsgspecError:
        return False
    return kind.fits([value], Columns([value]))


def member(schema: Any, *, required: bool = True) -> dict[str, Any]:
    return {**OBJECT, "properties": {"a": schema}, "required": ["a"] if required else []}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        (
            {"type": "string", "minLength": 2, "maxLength": 3},
            ['"ab"', '"é\\ud83d\\ude00"'],
            ['"a"', '"abcd"', "1", "null"],
        ),
        ({"type": "string", "pattern": "^[a-z]+$"}, ['"ab"'], ['"A"', '"a\\n"', '""']),
        (
            {"type": "string", "format": "date-time"},
            ['"2026-06-14T12:00:00Z"'],
            ['"2026-06-14"', '"2026-02-29T12:00:00Z"'],
        ),
        ({"type": ["string", "null"], "pattern": "b"}, ['"b"', "null"], ['"a"', "1"]),
        ({"enum": ["x", "y"]}, ['"x"', '"\\u0079"'], ['"z"', "1", "null"]),
        ({"const": "x"}, ['"x"'], ['"y"']),
        ({"type": "number"}, ["1", "1.5", "-0", "1e308"], ["1e309", "9" * 400, '"1"', "true", "NaN", "01"]),
        ({"type": "number", "minimum": 0.5, "maximum": 2}, ["1", "2", "0.5", "2.0"], ["0", "0.4", "2.1", "3"]),
        ({"type": "integer", "minimum": 0.5}, ["1", "9007199254740992"], ["0", "1.5", "9" * 20, "9" * 400]),
        ({"type": "boolean"}, ["true", "false"], ["0", "null", '"true"']),
        ({"type": "null"}, ["null"], ["0"]),
        ({"type": "array", "minItems": 1, "maxItems": 2}, ["[1]", "[[],{}]"], ["[]", "[1,2,3]", "{}"]),
        ({"type": "array", "items": {"type": "string"}}, ["[]", '["a"]'], ["[1]", "[null]"]),
        (OBJECT, ["{}", '{"x": {"y": [1, null]}}'], ["[]", "null", '{"x":"\x01"}', '{"x":1e999}', '{"x":"\\ud800"}']),
        ({**OBJECT, "minProperties": 1}, ['{"x":1}'], ["{}"]),
        ({**OBJECT, "additionalProperties": {"type": "string"}}, ["{}", '{"x":"y"}'], ['{"x":1}']),
        ({**OBJECT, "additionalProperties": False}, ["{}"], ['{"x":1}']),
        ({**OBJECT, "required": ["x"]}, ['{"x":[1]}', '{"x":null}'], ["{}"]),
        ({}, ["1", "null", "[{}]"], ["tru", "[1,]"]),
    ],
)
def test_types_take_only_what_the_schema_takes(schema: Any, good: list[str], bad: list[str]) -> None:
    whole = member(schema)
    for text in good:
        assert takes(whole, f'{{"a":{text}}}'), text
    for text in bad:
        assert not takes(whole, f'{{"a":{text}}}'), text
    assert not takes(whole, "{}")
    assert takes(member(schema, required=False), "{}")


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "const": "x", "enum": ["x"]},
        {"enum": ["x", 1]},
        {"const": True},
        {"minLength": 1},
        {"type": "string", "uniqueItems": True},
        {"type": "array", "items": {"type": "string", "pattern": "a"}},
        {"type": "string", "pattern": "(?<!a)b|(?=c)d"},
        {**OBJECT, "anyOf": [{"required": ["x"]}]},
        {**OBJECT, "additionalProperties": {"type": "string"}, "properties": {"x": {}}},
        {**OBJECT, "additionalProperties": False, "required": ["x"]},
        {**OBJECT, "properties": {"x": {}}, "minProperties": 1},
        {"type": "number", "maximum": 1e17},
    ],
)
def test_member_that_no_type_expresses_is_refused_where_it_is_there(schema: Any) -> None:
    assert takes(member(schema, required=False), "{}")
    for text in ('"x"', "1", "true", "[]", "{}", '{"x":"y"}'):
        assert not takes(member(schema, required=False), f'{{"a":{text}}}')
    with pytest.raises(UnknownError):
        Types().kind(member(schema))


def test_nothing_is_passed_over_in_an_open_object() -> None:
    assert not takes(OBJECT, '{"x":1}')
    assert not takes(member(member({})), '{"a":{"a":1,"x":1}}')


def test_open_object_inside_is_read_as_it_is_and_converted() -> None:
    schema = member(member({"type": "string"}))
    types = Types(nested_open=True)
    kind = types.kind(schema)
    (opened,) = types.opened.values()
    value = msgspec.json.Decoder(kind.type).decode(b'{"a":{"x":[1],"a":"b"}}')
    inside = Columns([value]).at(path_of(("a",)))
    assert inside == [{"x": [1], "a": "b"}]
    assert getattr(msgspec.convert(inside[0], opened), attribute_of("a")) == "b"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"a": 1}, opened)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ('{"a":"x"}', True),
        ('{"a":" "}', False),
        ('{"b":"x"}', True),
        ('{"b":""}', False),
        ('{"c":1}', True),
        ("{}", False),
        ('{"a":" ","c":null}', True),
        ('{"d":"on"}', True),
        ('{"d":"off"}', False),
    ],
)
def test_one_alternative_has_to_hold(text: str, fits: bool) -> None:
    schema = {
        **OBJECT,
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "d": {"type": "string"}},
        "anyOf": [
            {"required": ["a"], "properties": {"a": {"pattern": "\\S"}}},
            {"required": ["b"], "properties": {"b": {"minLength": 1}}},
            {"required": ["d"], "properties": {"d": {"enum": ["on"]}}},
            {"required": ["c"]},
        ],
    }
    assert takes(schema, text) is fits is compile_schema(schema).is_valid(msgspec.json.decode(text))


def test_alternative_that_is_not_understood_does_not_hold() -> None:
    schema = {**member({"type": "string"}), "anyOf": [{"required": ["a"], "minProperties": 1}, {"required": ["b"]}]}
    assert not takes(schema, '{"a":"x"}')
    assert takes(schema, '{"a":"x","b":1}')
    with pytest.raises(UnknownError):
        Types().kind({**OBJECT, "anyOf": [{"minProperties": 1}]})


def test_place_that_is_asked_for_is_read_though_no_schema_has_it() -> None:
    kind = Types([("id",), ("a", "b")]).kind(member({**OBJECT, "properties": {"c": {"type": "string"}}}))
    read = msgspec.json.Decoder(array_of(kind.type)).decode
    columns = Columns(read(b'[{"a":{"b":1}},{"a":{"c":"x"},"id":[2]}]'))
    assert columns.at(path_of(("id",))) == [msgspec.UNSET, [2]]
    assert columns.at(path_of(("a", "b"))) == [1.0, msgspec.UNSET]


def test_place_inside_an_object_without_description_is_looked_up() -> None:
    kind = Types([("a", "b")]).kind(member(OBJECT))
    values = msgspec.json.Decoder(array_of(kind.type)).decode(b'[{"a":{"b":1}},{"a":{}}]')
    assert Columns(values).at(path_of(("a", "b"))) == [1.0, msgspec.UNSET]


@pytest.mark.parametrize("name", ["a", "", "$message_id", "class", "größe", "a b", "m_61", "_x"])
def test_any_name_can_be_a_member(name: str) -> None:
    assert member_of(attribute_of(name)) == name
    assert takes({**OBJECT, "properties": {name: {"type": "string"}}}, msgspec.json.encode({name: "x"}).decode())
