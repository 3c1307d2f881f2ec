"""The published OpenAPI and JSON Schemas: they hold together, and what is answered is what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote

import jsonschema
import jsonschema_rs
import pytest

from mockserver.contract import publish
from mockserver.contract.contract import Contract
from mockserver.contract.examples import read_examples
from mockserver.contract.library import library
from mockserver.contract.portable import ANNOTATIONS
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Receipt, Terms, Verdict
from mockserver.core.route import route
from mockserver.jsonkit import pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.golden_cases import Case
from tests import cases

REVISIONS = [(protocol.name, name) for protocol in library().protocols.values() for name in protocol.revision_names()]
BASE = "http://127.0.0.1:8207"


def contract_of(protocol: str, revision: str) -> Contract:
    return library().protocol(protocol).contract(revision)


def inside(value: Any, name: str) -> Iterator[Any]:
    """Yield the values of every member of that name, at any depth."""
    if isinstance(value, dict):
        for member, inner in value.items():
            if member == name:
                yield inner
            yield from inside(inner, name)
    elif isinstance(value, list):
        for item in value:
            yield from inside(item, name)


@cache
def published(protocol: str, revision: str) -> Any:
    """Return the document with its examples, made once for all tests, which only read it."""
    found = library().protocol(protocol)
    return publish.openapi(found.contract(revision), read_examples(found.folder))


def walk(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield a published schema and those inside it, at any depth."""
    if not isinstance(schema, dict):
        return
    yield schema
    listed = [inner for keyword in ("anyOf", "allOf", "oneOf") for inner in schema.get(keyword, ())]
    named = [inner for keyword in ("properties", "$defs") for inner in schema.get(keyword, {}).values()]
    for inner in (*listed, *named, schema.get("items"), schema.get("additionalProperties")):
        yield from walk(inner)


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_openapi_holds_together(protocol: str, revision: str) -> None:
    contract, document = contract_of(protocol, revision), published(protocol, revision)
    for reference in inside(document, "$ref"):
        assert pointer.get(document, pointer.parse(reference.removeprefix("#"))) is not MISSING, reference
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name.isalnum()
    spoken = {spec["operationId"] for item in document["paths"].values() for spec in item.values()}
    assert spoken == set(contract.operations)
    for path, item in document["paths"].items():
        for spec in item.values():
            declared = {parameter["name"] for parameter in spec["parameters"] if parameter["in"] == "path"}
            assert all(f"{{{name}}}" in path for name in declared)
            assert path.count("{") == len(declared)
            assert all(response["description"] for response in spec["responses"].values())
            assert all(name in document["components"]["securitySchemes"] for way in spec["security"] for name in way)


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_components_are_what_something_refers_to(protocol: str, revision: str) -> None:
    document = published(protocol, revision)
    referred = {reference.rpartition("/")[2] for reference in inside(document, "$ref")}
    assert referred == set(document["components"]["schemas"])


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_schemas_say_what_generators_need_to_be_told(protocol: str, revision: str) -> None:
    schemas = published(protocol, revision)["components"]["schemas"]
    alternatives = [
        id(branch)
        for found in walk({"$defs": schemas})
        if found.get("additionalProperties") is False
        for part in found.get("allOf", ())
        for branch in part.get("anyOf", ())
    ]
    for found in walk({"$defs": schemas}):
        if "$ref" in found:
            assert found.keys() == {"$ref"}
        if "anyOf" in found:
            assert found.keys() <= {"anyOf", *ANNOTATIONS}
        if not {"enum", "const", "pattern", "properties"}.isdisjoint(found):
            assert "type" in found, found
        types = found["type"] if isinstance(found.get("type"), list) else [found.get("type")]
        assert len(set(types) - {"null"}) < 2, found
        assert "array" not in types or "items" in found, found
        assert "object" not in types or ("additionalProperties" in found) is (id(found) not in alternatives), found


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_each_operation_has_examples_that_its_own_schemas_take(protocol: str, revision: str) -> None:
    document = published(protocol, revision)
    for path, item in document["paths"].items():
        for method, spec in item.items():
            (success, *_) = (response for status, response in spec["responses"].items() if status.startswith("2"))
            assert all("examples" in media for kind, media in success["content"].items() if kind.endswith("json"))
            places: list[tuple[str, ...]] = [("responses", status, "content") for status in spec["responses"]]
            places += [("requestBody", "content")] if "requestBody" in spec else []
            for place in places:
                content: Any = pointer.get(spec, place)
                for kind, media in content.items():
                    schema = pointer.build(("paths", path, method, *place, kind, "schema"))
                    for name, example in media.get("examples", {}).items():
                        engine = engine_at(contract_of(protocol, revision), schema)
                        assert engine.is_valid(example["value"]), f"{spec['operationId']} {name}"
            if "requestBody" in spec:
                assert all(media["examples"] for media in spec["requestBody"]["content"].values())


def test_statuses_are_those_that_the_gates_of_the_operation_give() -> None:
    statuses = {
        (protocol, spec["operationId"]): set(map(int, spec["responses"]))
        for protocol in ("outlit", "apex", "whisperr")
        for item in publish.openapi(library().protocol(protocol).contract())["paths"].values()
        for spec in item.values()
    }
    assert statuses["outlit", "events"] == {200, 207, 400, 403, 408, 413, 429}
    assert statuses["outlit", "bootstrap"] == {200, 400, 403, 408}
    assert statuses["apex", "events"] == {200, 400, 404, 408, 413, 429}
    assert statuses["apex", "apex_js"] == {200, 408}
    assert statuses["apex", "push_event"] == {200, 400, 408, 413}
    assert statuses["whisperr", "health"] == {200, 408}
    assert statuses["whisperr", "user"] == {200, 401, 404, 408}


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
@pytest.mark.parametrize("document", publish.PUBLISHED_DOCUMENTS)
def test_schemas_are_published_under_their_own_ids(protocol: str, revision: str, document: str) -> None:
    contract, query = contract_of(protocol, revision), f"?revision={revision}"
    found = publish.schemas(contract, document, BASE, query)
    assert found["$id"] == f"{BASE}/_mock/schemas/{protocol}/{document}.json{query}"
    assert list(found["$defs"]) == publish.schema_names(contract, document)
    jsonschema.Draft202012Validator.check_schema(found)
    for name, schema in found["$defs"].items():
        assert schema["$id"] == f"{BASE}/_mock/schemas/{protocol}/{document}/{name}.json{query}"
        assert schema == publish.schema(contract, document, name, BASE, query)
        assert not {word for inner in walk(schema) for word in inner} & {"x-source", "discriminator"}


@cache
def plain(contract: Contract) -> Any:
    """Return the document without examples, made once for all tests, which only read it."""
    return publish.openapi(contract)


def responder(contract: Contract, path: str, method: str, status: int) -> jsonschema_rs.Draft202012Validator | None:
    """Return the judge of an operation's JSON replies with a status; None where replies are of another kind."""
    place = pointer.build(
        ("paths", path, method.lower(), "responses", str(status), "content", "application/json", "schema")
    )
    if pointer.get(plain(contract), pointer.parse(place)) is MISSING:
        return None
    return engine_at(contract, place)


@cache
def registry_of(contract: Contract) -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([("mock:/openapi.json", plain(contract))])


@cache
def engine_at(contract: Contract, place: str) -> jsonschema_rs.Draft202012Validator:
    reference = {"$ref": f"mock:/openapi.json#{quote(place)}"}
    return jsonschema_rs.Draft202012Validator(reference, registry=registry_of(contract))


@pytest.mark.parametrize("case", cases.load_all(), ids=str)
def test_expected_replies_are_what_the_openapi_says(case: Case) -> None:
    contract = contract_of(case.protocol, case.revision or library().protocol(case.protocol).base)
    document = plain(contract)
    for step in case.exchanges if case.patch is None else ():
        judged = judge(route(RequestBody(step.request), contract), Terms(now_ms=case.clock_ms))
        if judged.operation is None:
            continue
        assert step.expect is not None
        status = step.expect.status
        listed = document["paths"][judged.operation.path][judged.operation.method.lower()]["responses"]
        assert str(status) in listed, f"{judged.operation.name} {status}"
        bad = range(len(judged.events)) if judged.refusal else {fault.index for fault in judged.event_errors}
        verdicts = tuple(Verdict.REJECTED if index in bad else Verdict.ACCEPTED for index in range(len(judged.events)))
        reply = answer(judged, Receipt(session="s", seq=1, first_event=1, verdicts=verdicts))
        said = {*listed[str(reply.status)].get("headers", ()), "Content-Type"}
        assert {name for name, _ in reply.headers if not name.startswith("Access-Control-") and name != "Vary"} <= said
        engine = responder(contract, judged.operation.path, judged.operation.method, reply.status)
        if engine is not None:
            assert [error.message for error in engine.iter_errors(json.loads(reply.body))] == []


def test_bodies_that_are_taken_fit_the_openapi() -> None:
    checked = nulls = 0
    for case in cases.load_all():
        contract = contract_of(case.protocol, case.revision or library().protocol(case.protocol).base)
        for step in case.exchanges if case.patch is None else ():
            if step.json is MISSING:
                continue
            judged = judge(route(RequestBody(step.request), contract), Terms(now_ms=case.clock_ms))
            body = step.json
            if judged.form is None or judged.operation is None or judged.refusal or judged.event_errors:
                continue
            path, method = judged.operation.path, judged.operation.method.lower()
            place = pointer.build(("paths", path, method, "requestBody", "content", "application/json", "schema"))
            assert engine_at(contract, place).is_valid(body), f"{case}: {body}"
            checked += 1
            nulls += json.dumps(body).count("null")
    assert checked > 200
    assert nulls
