"""The checks that read no body, each alone: keys, origins, rates, parameters, idempotency."""

from __future__ import annotations

import pytest

from mockserver.core.model import Terms
from tests.core.checking import checked, facts_of, finding_of
from tests.judging import COLLECT, NOW, contract_of, wire_request

TALLY = contract_of("tally")
WHISPERR = contract_of("whisperr")
OUTLIT = contract_of("outlit")
APEX = contract_of("apex")
EVENTS = "/api/i/v1/pk_a/events"


def test_key_is_refused_as_missing_when_there_is_none() -> None:
    _, refusal = checked("key", TALLY, wire_request(COLLECT, {"token": " "}))
    assert facts_of(refusal) == ("missing", "/protocol/credentials/token", "", None, None)
    assert finding_of(refusal).message == "the request has no key; expected token"
    _, refusal = checked("key", WHISPERR, wire_request("/v1/identify"))
    assert finding_of(refusal).message == "the request has no key; expected api_key or bearer"


def test_key_is_refused_as_malformed_when_it_does_not_match_its_pattern() -> None:
    _, refusal = checked("key", TALLY, wire_request(COLLECT, {"token": "TK1"}))
    assert facts_of(refusal) == ("malformed", "/protocol/credentials/token/pattern", "", "^tk_[a-z]+$", "TK1")
    assert finding_of(refusal).message == "the key does not match ^tk_[a-z]+$"


def test_key_passes_when_it_matches_or_has_no_pattern() -> None:
    assert checked("key", TALLY, wire_request(COLLECT, {"token": "tk_one"}))[1] is None
    assert checked("key", WHISPERR, wire_request("/v1/identify", b"", {"X-API-Key": "?"}))[1] is None


@pytest.mark.parametrize(
    ("keys", "passes"),
    [(None, True), (frozenset({"tk_one", "tk_two"}), True), (frozenset({"tk_two"}), False), (frozenset(), False)],
)
def test_key_is_refused_when_it_is_not_in_the_sessions_list(keys: frozenset[str] | None, passes: bool) -> None:
    request = wire_request(COLLECT, {"token": "tk_one"})
    _, refusal = checked("allowed_key", TALLY, request, terms=Terms(now_ms=NOW, keys=keys))
    assert (refusal is None) is passes
    if not passes:
        assert facts_of(refusal) == ("unknown", "/protocol/gates/door", "", None, "tk_one")


ALLOWED = {"protocol": {"cors": {"ingest": {"allowed_origins": ["https://a.example", "*.b.example"]}}}}


@pytest.mark.parametrize("origin", [None, "https://a.example", "https://www.b.example:8443"])
def test_origin_passes_when_it_is_allowed_or_absent(origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    assert checked("origin", contract_of("outlit", ALLOWED), wire_request(EVENTS, b"", headers))[1] is None


def test_origin_is_refused_when_it_is_not_in_the_list() -> None:
    request = wire_request(EVENTS, b"", {"Origin": "https://c.example"})
    _, refusal = checked("origin", contract_of("outlit", ALLOWED), request)
    rule, allowed = "/protocol/cors/ingest/allowed_origins", ["https://a.example", "*.b.example"]
    assert facts_of(refusal) == ("origin_not_allowed", rule, "", allowed, "https://c.example")
    assert checked("origin", OUTLIT, request)[1] is None
    assert checked("origin", TALLY, wire_request(COLLECT, b"", {"Origin": "https://c.example"}))[1] is None


def test_rate_never_refuses_because_the_store_counts() -> None:
    assert checked("rate", TALLY, wire_request(COLLECT))[1] is None


@pytest.mark.parametrize(
    ("target", "missing"),
    [
        ("/api/identity", ["visitorId"]),
        ("/api/identity?visitorId=", ["visitorId"]),
        ("/api/identity?visitorId=%20", ["visitorId"]),
        ("/api/identity?visitorid=v", ["visitorId"]),
        ("/api/identity?visitorId=v", None),
        ("/api/identity?visitorId=%20v&x=", None),
    ],
)
def test_query_is_refused_when_a_required_parameter_is_missing(target: str, missing: list[str] | None) -> None:
    _, refusal = checked("query", APEX, wire_request(target, method="GET"))
    if missing is None:
        assert refusal is None
    else:
        assert facts_of(refusal) == ("invalid_request", "/protocol/gates/door", "", {"required": missing}, None)
        assert finding_of(refusal).message == "the query parameter visitorId is required"


def test_idempotency_key_is_named_as_a_claim_of_its_scope() -> None:
    headers = {"X-API-Key": "apex_sk_1", "Idempotency-Key": "k1", "X-Apex-Project": "prj_a"}
    judged, refusal = checked("idempotency", APEX, wire_request("/api/v1/events", b"", headers))
    claim = judged.idempotency
    assert refusal is None
    assert claim is not None
    assert (claim.order, claim.value, claim.window_ms) == (7, "k1", 900_000)
    assert claim.key == b"apex\0prj_a\0apex_sk_1\0k1"


@pytest.mark.parametrize(("target", "headers"), [(COLLECT, {}), (COLLECT, {"Tally-Once": ""})])
def test_idempotency_claims_nothing_without_a_key(target: str, headers: dict[str, str]) -> None:
    judged, refusal = checked("idempotency", TALLY, wire_request(target, b"", headers))
    assert (refusal, judged.idempotency) == (None, None)
