"""Operations of a published document: parameters with their patterns, keys, and the bodies that they read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mockserver.contract import publish
from mockserver.contract.contract import Contract
from mockserver.contract.examples import read_examples
from mockserver.contract.library import Library, Patch, library

FOURTH = Path(__file__).parent.parent / "fourth"
JSON = "application/json"


def operations(contract: Contract, folder: Path | None = None) -> dict[str, Any]:
    document = publish.openapi(contract, {} if folder is None else read_examples(folder))
    return {spec["operationId"]: spec for item in document["paths"].values() for spec in item.values()}


def of(protocol: str) -> dict[str, Any]:
    found = library().protocol(protocol)
    return operations(found.contract(), found.folder)


def parameter(spec: Any, name: str) -> Any:
    (found,) = (parameter for parameter in spec["parameters"] if parameter["name"] == name)
    return found


def test_key_in_the_path_has_its_pattern_and_needs_no_scheme() -> None:
    spec = of("outlit")["events"]
    assert parameter(spec, "publicKey")["schema"] == {"type": "string", "pattern": "^pk_"}
    assert parameter(spec, "publicKey")["example"] == "pk_your_key"
    assert spec["security"] == []


def test_other_parameters_are_not_empty() -> None:
    assert parameter(of("whisperr")["user"], "external_id")["schema"] == {"type": "string", "minLength": 1}
    assert parameter(of("apex")["identity"], "visitorId")["schema"] == {"type": "string", "pattern": "\\S"}
    assert parameter(of("apex")["identity"], "visitorId")["example"]


def test_key_is_needed_where_a_gate_checks_it_and_else_optional() -> None:
    found = of("apex")
    assert found["server_events"]["security"] == [{"server_key": []}, {"server_bearer": []}]
    assert found["experiments_active"]["security"] == [{"query_key": []}]
    assert found["apex_js"]["security"] == [{"query_key": []}, {}]
    assert found["events"]["security"] == found["push_event"]["security"] == []


def test_schemes_are_those_of_headers_and_queries_with_their_patterns() -> None:
    schemes = publish.openapi(library().protocol("apex").contract())["components"]["securitySchemes"]
    pattern = {"description": "A key that matches `^apex_sk_`."}
    assert schemes["server_key"] == {"type": "apiKey", "in": "header", "name": "x-api-key", **pattern}
    assert schemes["server_bearer"] == {"type": "http", "scheme": "bearer", **pattern}
    assert schemes["query_key"] == {"type": "apiKey", "in": "query", "name": "key"}
    assert "project_key" not in schemes


def test_headers_that_change_what_a_request_does_are_optional_parameters() -> None:
    spec = of("apex")["server_events"]
    assert [parameter(spec, name)["required"] for name in ("idempotency-key", "x-apex-project")] == [False, False]


def test_body_of_a_push_message_and_of_a_token_are_published_with_examples() -> None:
    for name in ("push_event", "push_token"):
        body = of("apex")[name]["requestBody"]
        assert body["required"]
        assert body["content"][JSON]["schema"]["$ref"]
        assert body["content"][JSON]["examples"]


def test_body_without_a_schema_is_an_open_object_if_it_is_read() -> None:
    without = {"forms": None, "gates": ["json", "object"]}
    patch = {"protocol": {"operations": {"push_token": without, "push_event": without}}}
    found = operations(library().protocol("apex").contract(None, [Patch(name="test", patch=patch)]))
    for name in ("push_event", "push_token"):
        body = found[name]["requestBody"]
        assert body["required"]
        assert body["content"][JSON]["schema"]["type"] == "object"
        assert body["content"][JSON]["schema"]["additionalProperties"] is True
    assert "projectKey" in found["push_token"]["requestBody"]["content"][JSON]["schema"]["properties"]
    assert not found["experiment_assign"]["requestBody"]["required"]
    assert "type" not in found["experiment_assign"]["requestBody"]["content"][JSON]["schema"]
    assert "requestBody" not in found["apex_js"]


def test_body_has_the_media_types_that_the_contract_takes() -> None:
    assert list(of("whisperr")["batch"]["requestBody"]["content"]) == [JSON]
    types = {"accepted": [JSON, "text/plain"], "anything": False, "source": "assumed: for a test"}
    patch = Patch(name="test", patch={"protocol": {"content_types": types}})
    contract = library().protocol("outlit").contract(None, [patch])
    assert list(operations(contract)["events"]["requestBody"]["content"]) == [JSON, "text/plain"]


def test_key_in_a_body_that_nothing_else_is_known_of_is_required_where_it_is_checked() -> None:
    patch = {"protocol": {"operations": {"collect": {"forms": None, "gates": ["json", "object", "key"]}}}}
    contract = Library([FOURTH]).protocol("tally").contract(None, [Patch(name="test", patch=patch)])
    body = operations(contract)["collect"]["requestBody"]["content"][JSON]["schema"]
    assert body["required"] == ["token"]
    assert body["properties"] == {"token": {"type": "string", "pattern": "^tk_[a-z]+$"}}
