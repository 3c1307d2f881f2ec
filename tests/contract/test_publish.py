"""The published OpenAPI and JSON Schemas: they hold together, and what is answered is what they say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import jsonschema
import jsonschema_rs
import pytest

from mockserver.contract import publish
from mockserver.contract.contract import Contract
from mockserver.contract.library import library
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


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_openapi_holds_together(protocol: str, revision: str) -> None:
    contract = contract_of(protocol, revision)
    document = publish.openapi(contract)
    for reference in inside(document, "$ref"):
        assert pointer.get(document, pointer.parse(reference.removeprefix("#"))) is not MISSING, reference
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name.partition(".")[0] in publish.SCHEMA_DOCUMENTS
    spoken = {spec["operationId"] for item in document["paths"].values() for spec in item.values()}
    assert spoken == set(contract.operations)
    for path, item in document["paths"].items():
        for spec in item.values():
            declared = {parameter["name"] for parameter in spec["parameters"] if parameter["in"] == "path"}
            assert all(f"{{{name}}}" in path for name in declared)
            assert path.count("{") == len(declared)
            assert all(response["description"] for response in spec["responses"].values())
            assert all(
                name in document["components"]["securitySchemes"] for way in spec.get("security", []) for name in way
            )


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
@pytest.mark.parametrize("document", publish.SCHEMA_DOCUMENTS)
def test_schemas_are_published_under_their_own_ids(protocol: str, revision: str, document: str) -> None:
    contract = contract_of(protocol, revision)
    published = publish.schemas(contract, document, "http://127.0.0.1:8207")
    assert published["$id"] == f"http://127.0.0.1:8207/_mock/schemas/{protocol}/{document}.json"
    assert set(published["$defs"]) == set(publish.schemas_of(contract, document))
    jsonschema.Draft202012Validator.check_schema(published)
    for name, schema in published["$defs"].items():
        assert schema["$id"] == f"{published['$id']}/{name}"


def responder(document: Any, path: str, method: str, status: int) -> jsonschema_rs.Draft202012Validator | None:
    """Return the judge of an operation's JSON replies with a status; None where replies are of another kind."""
    place = pointer.build(
        ("paths", path, method.lower(), "responses", str(status), "content", "application/json", "schema")
    )
    if pointer.get(document, pointer.parse(place)) is MISSING:
        return None
    return engine_at(document, place)


def engine_at(document: Any, place: str) -> jsonschema_rs.Draft202012Validator:
    registry = jsonschema_rs.Registry([("mock:/openapi.json", document)])
    return jsonschema_rs.Draft202012Validator({"$ref": f"mock:/openapi.json#{quote(place)}"}, registry=registry)


@pytest.mark.parametrize("case", cases.load_all(), ids=str)
def test_expected_replies_are_what_the_openapi_says(case: Case) -> None:
    contract = contract_of(case.protocol, case.revision or library().protocol(case.protocol).base)
    document = publish.openapi(contract)
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
        engine = responder(document, judged.operation.path, judged.operation.method, reply.status)
        if engine is not None:
            assert [error.message for error in engine.iter_errors(json.loads(reply.body))] == []


def test_bodies_that_are_taken_fit_the_openapi() -> None:
    checked = 0
    for case in cases.load_all():
        contract = contract_of(case.protocol, case.revision or library().protocol(case.protocol).base)
        document = publish.openapi(contract)
        for step in case.exchanges if case.patch is None else ():
            if step.json is MISSING:
                continue
            judged = judge(route(RequestBody(step.request), contract), Terms(now_ms=case.clock_ms))
            body = step.json
            if (
                judged.form is None
                or judged.operation is None
                or judged.refusal
                or judged.event_errors
                or holds_null(body)
            ):
                continue
            path, method = judged.operation.path, judged.operation.method.lower()
            place = pointer.build(("paths", path, method, "requestBody", "content", "application/json", "schema"))
            assert engine_at(document, place).is_valid(body), f"{case}: {body}"
            checked += 1
    assert checked > 200


def holds_null(value: Any) -> bool:
    """Tell whether a null is somewhere in a value; where a null counts as absent is said in words only."""
    if isinstance(value, dict):
        return any(map(holds_null, value.values()))
    return any(map(holds_null, value)) if isinstance(value, list) else value is None
