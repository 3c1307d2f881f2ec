"""The control surface's document as it is served says what control.yaml says, in keywords that other tools read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema
import jsonschema_rs
import pytest

from mockserver.contract.portable import ANNOTATIONS
from mockserver.jsonkit import pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.server import control
from mockserver.server.published_control import published

URL = "http://127.0.0.1:8207"
VALUES: list[Any] = [
    None,
    1,
    200,
    "a",
    [],
    ["a"],
    {},
    {"x": 1},
    {"status": "ok"},
    {"exists": True},
    {"in": [1, "a"]},
    {"delay_ms": 5, "times": 1},
    {"delay_ms": {"min": 1, "max": 2, "seed": 3}},
    {"delay_ms": {"min": 1}},
    {"delay_ms": 5, "tims": 1},
    {"match": {"type": "a"}, "reply": {"status": 500, "headers": {"A": ["b", 1]}}},
    {"match": {"typ": "a"}},
    {"for": "events", "count": 1},
    {"protocols": {"outlit": {"revision": None}}},
    {"protocols": {"outlit": {"revison": None}}},
    {"remaining": None, "delay_ms": 1},
    {"now": 5, "frozen": True},
    {"ms": 1},
    [{"connection": "reset"}],
    [{"connection": "rest"}],
    {"requests": [{"id": "r1"}], "next": None},
]


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from walk(inner)


def engine(document: Any, name: str) -> jsonschema_rs.Draft202012Validator:
    registry = jsonschema_rs.Registry([("mock:/d", document)])
    return jsonschema_rs.Draft202012Validator({"$ref": f"mock:/d#/components/schemas/{name}"}, registry=registry)


@pytest.mark.parametrize("name", published(URL)["components"]["schemas"])
def test_schema_judges_as_the_one_in_control_yaml(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(published(URL)["components"]["schemas"][name])
    judge, written = engine(published(URL), name), engine(control.document(), name)
    for value in VALUES:
        if name == "RequestRow" and isinstance(value, dict):
            continue  # each use of it in control.yaml closes it
        assert judge.is_valid(value) is written.is_valid(value), (name, value)


def test_rows_have_no_other_members_than_those_declared() -> None:
    schemas = published(URL)["components"]["schemas"]
    of_one = {"request", "reply", "contract_reply", "upstream_reply", "findings", "event_pointer", "connection"}
    for name, more in (("RequestRow", set()), ("RequestDetail", of_one)):
        assert schemas[name]["additionalProperties"] is False
        assert (
            schemas[name]["properties"].keys()
            == control.document()["components"]["schemas"]["RequestRow"]["properties"].keys() | more
        )
        assert set(schemas[name]["required"]) == schemas[name]["properties"].keys()


def test_document_holds_together() -> None:
    document = published(URL)
    for found in walk(document):
        if "$ref" in found:
            assert found.keys() == {"$ref"}
            assert pointer.get(document, pointer.parse(found["$ref"].removeprefix("#"))) is not MISSING
        if isinstance(found.get("anyOf"), list):
            assert found.keys() <= {"anyOf", *ANNOTATIONS}
        if found.get("type") == "array":
            assert "items" in found
        if isinstance(found.get("enum"), list):
            assert "type" in found
        assert "unevaluatedProperties" not in found


def test_operations_have_ids_of_their_own_that_are_no_names_of_schemas() -> None:
    document = published(URL)
    named = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    names = [name.replace("_", "").lower() for name in (*named, *document["components"]["schemas"])]
    assert len(names) == len(set(names))
    assert all("_" in name for name in named), "a verb and what it acts on, which no language reserves"
