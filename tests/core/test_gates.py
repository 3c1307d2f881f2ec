"""The checks that read a body, each alone: what passes, and what the refusal of each outcome says."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.core.gates import media_type
from tests.core.checking import GATE, checked, facts_of, finding_of
from tests.judging import COLLECT, collection, contract_of, sale, wire_request

TALLY = contract_of("tally")
WHISPERR = contract_of("whisperr")
OUTLIT = contract_of("outlit")
APEX = contract_of("apex")
EVENTS = "/api/i/v1/pk_a/events"


def test_gate_names_the_reason_when_the_contract_calls_an_outcome_otherwise() -> None:
    gate = replace(GATE, reasons={"not_an_object": "nonsense"})
    _, refusal = checked("object", TALLY, wire_request(COLLECT), body=[], gate=gate)
    assert facts_of(refusal) == ("nonsense", "/protocol/gates/door", "", {"type": "object"}, None)


@pytest.mark.parametrize(("size", "truncated", "fits"), [(4096, False, True), (4097, False, False), (1, True, False)])
def test_size_refuses_a_body_when_it_is_longer_than_the_contracts_limit(size: int, truncated: bool, fits: bool) -> None:
    _, refusal = checked("size", TALLY, wire_request(COLLECT, b" " * size, truncated=truncated))
    assert (refusal is None) is fits
    if not fits:
        assert facts_of(refusal) == ("body_too_large", "/protocol/limits/body/max_bytes", "", 4096, None)
        assert finding_of(refusal).message == "the body is longer than 4096 bytes"
        assert finding_of(refusal).source == "assumed: made up for a test"


@pytest.mark.parametrize(
    ("encoding", "body", "outcome"),
    [
        ("identity", b"{}", None),
        ("gzip", gzip.compress(b"{}", mtime=0), None),
        ("gzip", b"{}", "broken_encoding"),
        ("br", b"{}", "unsupported_encoding"),
    ],
)
def test_encoding_is_refused_when_it_cannot_be_undone(encoding: str, body: bytes, outcome: str | None) -> None:
    _, refusal = checked("encoding", TALLY, wire_request(COLLECT, body, {"Content-Encoding": encoding}))
    if outcome is None:
        assert refusal is None
    else:
        assert facts_of(refusal) == (outcome, "/protocol/gates/door", "", None, encoding)
        assert finding_of(refusal).message == f"the body cannot be decoded as {encoding}"


def test_encoding_leaves_a_body_over_the_limit_to_the_check_of_its_size() -> None:
    for headers in ({}, {"Content-Encoding": "gzip"}):
        _, refusal = checked("encoding", TALLY, wire_request(COLLECT, b" " * 4097, headers))
        assert refusal is None
    _, refusal = checked("encoding", TALLY, wire_request(COLLECT, b" " * 4097, {"Content-Encoding": "br"}))
    assert facts_of(refusal)[0] == "unsupported_encoding"


@pytest.mark.parametrize("header", ["application/json", "Application/JSON; charset=utf-8", " application/json "])
def test_content_type_passes_when_it_is_accepted(header: str) -> None:
    _, refusal = checked("content_type", WHISPERR, wire_request("/v1/identify", b"{}", {"Content-Type": header}))
    assert refusal is None


@pytest.mark.parametrize("header", ["text/plain", "application/jsonx", "", None])
def test_content_type_is_refused_when_it_is_not_accepted(header: str | None) -> None:
    headers = {} if header is None else {"Content-Type": header}
    _, refusal = checked("content_type", WHISPERR, wire_request("/v1/identify", b"{}", headers))
    rule = "/protocol/content_types/accepted"
    assert facts_of(refusal) == ("content_type_invalid", rule, "", ["application/json"], header)
    assert finding_of(refusal).message == "the Content-Type must be application/json"


@pytest.mark.parametrize("contract", [OUTLIT, APEX])
def test_content_type_passes_when_the_contract_takes_anything_or_says_nothing(contract: Contract) -> None:
    target = EVENTS if contract is OUTLIT else "/api/events"
    _, refusal = checked("content_type", contract, wire_request(target, b"", {"Content-Type": "image/png"}))
    assert refusal is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [(None, ""), ("", ""), ("Text/Plain", "text/plain"), ("a/b;c=d;e=f", "a/b"), (" a/b ; c", "a/b")],
)
def test_media_type_is_lower_case_and_without_parameters(header: str | None, expected: str) -> None:
    assert media_type(header) == expected


def test_json_puts_the_parsed_body_on_the_judgement() -> None:
    judged, refusal = checked("json", TALLY, wire_request(COLLECT, b' [1, "a"] '))
    assert refusal is None
    assert judged.body == [1, "a"]


def test_json_is_refused_with_the_parsers_words() -> None:
    _, refusal = checked("json", TALLY, wire_request(COLLECT, b"{"))
    assert facts_of(refusal) == ("invalid_json", "/protocol/gates/door", "", None, None)
    words = finding_of(refusal).message
    assert words.startswith("the body is not valid JSON: ")
    assert "None" not in words


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (b"{}", {"Content-Encoding": "br"}, "it cannot be decoded as br"),
        (b" " * 4097, {}, "it is longer than 4096 bytes"),
    ],
)
def test_json_says_what_is_wrong_when_no_gate_before_it_read_the_body(
    body: bytes, headers: dict[str, str], words: str
) -> None:
    _, refusal = checked("json", TALLY, wire_request(COLLECT, body, headers))
    assert facts_of(refusal)[0] == "invalid_json"
    assert finding_of(refusal).message == f"the body is not valid JSON: {words}"


@pytest.mark.parametrize("body", [[], "text", 1, None, True])
def test_object_is_refused_when_the_body_is_another_value(body: Any) -> None:
    judged, refusal = checked("object", TALLY, wire_request(COLLECT), body=body)
    assert facts_of(refusal) == ("not_an_object", "/protocol/gates/door", "", {"type": "object"}, None)
    assert judged.form is None


@pytest.mark.parametrize(
    ("body", "form"),
    [({"events": 1, "type": "a"}, "batch"), ({"events": None}, "batch"), ({"type": "a"}, "snippet"), ({}, "snippet")],
)
def test_object_chooses_the_form_as_the_adapter_does(body: Any, form: str) -> None:
    judged, refusal = checked("object", APEX, wire_request("/api/events"), body=body)
    assert refusal is None
    assert judged.form is not None
    assert judged.form.name == form


@pytest.mark.parametrize(
    ("body", "rule", "pointer", "expected", "got"),
    [
        (collection(), "/requests/collection/properties/items/minItems", "/items", {"minItems": 1}, []),
        ({"token": "t", "total": 0}, "/requests/collection/required/items", "/items", {"required": ["items"]}, None),
        (
            collection(sale(), total="5"),
            "/requests/collection/properties/total/type",
            "/total",
            {"type": "integer"},
            "5",
        ),
        (
            collection(sale(), more=1),
            "/requests/collection/additionalProperties",
            "/more",
            {"additionalProperties": False},
            1,
        ),
    ],
)
def test_envelope_is_refused_with_the_first_rule_it_breaks(
    body: Any, rule: str, pointer: str, expected: Any, got: Any
) -> None:
    _, refusal = checked("envelope", TALLY, wire_request(COLLECT, body), body=body)
    assert facts_of(refusal) == ("invalid_request", rule, pointer, expected, got)


def test_envelope_has_the_reason_that_its_schema_names() -> None:
    body = {"visitorId": "v", "events": []}
    _, refusal = checked("envelope", OUTLIT, wire_request(EVENTS, body), body=body)
    assert refusal is not None
    assert refusal.reason == "invalid_events"


def test_envelope_passes_when_it_fits_or_the_form_has_none() -> None:
    assert checked("envelope", TALLY, wire_request(COLLECT), body=collection(sale()))[1] is None
    assert checked("envelope", WHISPERR, wire_request("/v1/identify"), body={"x": 1})[1] is None


@pytest.mark.parametrize(("length", "passes"), [(51_192, True), (51_193, False)])
def test_member_is_refused_when_its_compact_json_is_over_its_limit(length: int, passes: bool) -> None:
    body = {"external_user_id": "u", "traits": {"a": "x" * length}}
    _, refusal = checked("measures", WHISPERR, wire_request("/v1/identify", body), body=body)
    assert (refusal is None) is passes
    if not passes:
        rule = "/protocol/limits/traits/max_bytes"
        assert facts_of(refusal) == ("invalid_request", rule, "/traits", 51_200, 51_201)
        assert finding_of(refusal).message == "traits has 51201 bytes as JSON; the limit is 51200"


def test_member_is_not_measured_in_another_form() -> None:
    body = {"events": [], "traits": {"a": "x" * 60_000}}
    assert checked("measures", WHISPERR, wire_request("/v1/events/batch", body), body=body)[1] is None
