"""Where a request leads: the operation, its path parameters, the refusal where there is none, the credential."""

from __future__ import annotations

import pytest

from mockserver.core.route import OPERATIONS, ROUTING_ORDER, SLASHES
from tests.judging import COLLECT, MADE_UP, collection, contract_of, routed, sale, wire_request

TALLY = contract_of("tally")
WHISPERR = contract_of("whisperr")
OUTLIT = contract_of("outlit")
APEX = contract_of("apex")


@pytest.mark.parametrize(
    ("target", "params", "leading", "trailing"),
    [
        ("/tally/v2/main/collect", {"stream": "main"}, False, False),
        ("/tally/v2/main/collect/", {"stream": "main"}, False, True),
        ("/tally/v2/main/collect//", {"stream": "main"}, False, True),
        ("//tally/v2/main/collect", {"stream": "main"}, True, False),
        ("///tally/v2/main/collect/", {"stream": "main"}, True, True),
        ("/tally/v2/main/collect?x=/y/", {"stream": "main"}, False, False),
        ("/tally/v2/main/collect#part", {"stream": "main"}, False, False),
        ("/tally/v2/a%2Fb%20c/collect", {"stream": "a/b c"}, False, False),
        ("/tally/v2/%C3%BC/collect", {"stream": "ü"}, False, False),
        ("/tally/v2/%FF/collect", {"stream": "ÿ"}, False, False),
        ("/tally/v2/a%252Fb/collect", {"stream": "a%2Fb"}, False, False),
        ("http://any.example/tally/v2/main/collect?x=1", {"stream": "main"}, False, False),
        ("https://any.example:8207//tally/v2/main/collect/", {"stream": "main"}, True, True),
    ],
)
def test_operation_is_reached_and_the_slashes_noted(
    target: str, params: dict[str, str], leading: bool, trailing: bool
) -> None:
    judged = routed(TALLY, wire_request(target, collection(sale())))
    assert judged.refusal is None
    assert judged.operation is TALLY.operations["collect"]
    assert judged.operation_name == "collect"
    assert judged.place.params == params
    assert (judged.place.leading_slashes, judged.place.trailing_slash) == (leading, trailing)


@pytest.mark.parametrize(
    "target",
    [
        "/tally",
        "/tally/v2/collect",
        "/tally/v2//collect",
        "/tally/v2/main/collect/more",
        "/tally/v2/main%2Fcollect",
        "/tally/V2/main/collect",
        "/tally/v2/main/Collect",
        "/",
        "*",
        "http://any.example",
        "/x?/tally/v2/main/collect",
    ],
)
def test_path_is_unknown_when_no_operation_is_there(target: str) -> None:
    judged = routed(TALLY, wire_request(target))
    assert (judged.operation, judged.operation_name) == (None, None)
    assert judged.refusal is not None
    assert (judged.refusal.reason, judged.refusal.order) == ("unknown_path", ROUTING_ORDER)
    finding = judged.refusal.finding
    assert (finding.rule, finding.severity, finding.pointer) == (OPERATIONS, "error", "")
    assert (finding.expected, finding.got) == (["/tally/v2/{stream}/collect"], target)
    assert finding.source == MADE_UP


UNKNOWN_PATH = {"protocol": {"paths": {"extra_slashes": "unknown_path", "source": MADE_UP}}}


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("/tally/v2/main/collect/", SLASHES),
        ("//tally/v2/main/collect", SLASHES),
        ("///tally/v2/main/collect//", SLASHES),
        ("/tally/v2/main/nothing/", OPERATIONS),
        ("/tally/v2/main/collect", None),
        ("/tally/v2/main/collect?x=/", None),
        ("http://any.example/tally/v2/main/collect", None),
    ],
)
def test_path_with_extra_slashes_is_unknown_where_the_contract_does_not_serve_it(target: str, rule: str | None) -> None:
    contract = contract_of("tally", UNKNOWN_PATH)
    judged = routed(contract, wire_request(target, collection(sale())))
    found = None if judged.refusal is None else judged.refusal.finding
    assert (None if found is None else found.rule) == rule
    if rule is not None:
        assert judged.refusal is not None
        assert (judged.refusal.reason, judged.operation, judged.place.params) == ("unknown_path", None, {})
        assert contract.source_of(rule) == judged.refusal.finding.source == MADE_UP


def test_key_in_a_path_with_extra_slashes_names_the_session_where_it_is_not_served() -> None:
    nowhere = routed(contract_of("outlit", UNKNOWN_PATH), wire_request("/api/i/v1/pk_a/events/"))
    assert nowhere.refusal is not None
    assert nowhere.credential == "pk_a"
    preflight = routed(contract_of("whisperr", UNKNOWN_PATH), wire_request("/v1/identify/", method="OPTIONS"))
    assert not preflight.preflight


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "post", "OPTIONS"])
def test_method_is_refused_with_those_that_are_served(method: str) -> None:
    judged = routed(TALLY, wire_request(COLLECT, method=method))
    assert judged.refusal is not None
    assert (judged.refusal.reason, judged.refusal.order) == ("method_not_allowed", ROUTING_ORDER)
    assert (judged.refusal.finding.expected, judged.refusal.finding.got) == (["POST"], method)
    assert judged.refusal.finding.message == f"{method} is not allowed for this path"
    assert not judged.preflight


def test_operation_is_chosen_by_its_method_when_a_path_has_two() -> None:
    assert routed(APEX, wire_request("/api/identity?visitorId=v", method="GET")).operation_name == "identity"
    assert routed(APEX, wire_request("/api/identity", method="POST")).operation_name == "identity_link"
    refused = routed(APEX, wire_request("/api/identity", method="PATCH")).refusal
    assert refused is not None
    assert refused.finding.expected == ["GET", "POST"]


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://a.example"}])
def test_preflight_is_one_where_a_path_has_cors_rules(headers: dict[str, str]) -> None:
    judged = routed(WHISPERR, wire_request("/v1/identify", b"", headers, method="OPTIONS"))
    assert (judged.preflight, judged.operation_name, judged.refusal) == (True, "preflight", None)


def test_options_is_refused_where_a_path_has_no_cors_rules() -> None:
    judged = routed(WHISPERR, wire_request("/v1/users/u", method="OPTIONS"))
    assert not judged.preflight
    assert judged.refusal is not None
    assert judged.refusal.reason == "method_not_allowed"


def test_first_credential_of_the_operation_counts_when_two_came() -> None:
    headers = {"Authorization": "Bearer wrk_b", "X-API-Key": "wrk_a"}
    judged = routed(WHISPERR, wire_request("/v1/identify", b"{}", headers))
    assert (judged.credential_name, judged.credential) == ("api_key", "wrk_a")


def test_credential_is_found_when_no_operation_is_reached() -> None:
    nowhere = routed(WHISPERR, wire_request("/v1/nowhere", b"", {"Authorization": "Bearer wrk_b"}))
    assert (nowhere.credential_name, nowhere.credential) == ("bearer", "wrk_b")
    wrong_method = routed(TALLY, wire_request(COLLECT, collection(sale()), method="PUT"))
    assert (wrong_method.credential_name, wrong_method.credential) == (None, None)


@pytest.mark.parametrize(
    ("target", "method", "key"),
    [
        ("/api/i/v1/pk_a/event", "POST", "pk_a"),
        ("/api/i/v1/pk_a", "POST", "pk_a"),
        ("//api/i/v1/pk_a/events/", "PUT", "pk_a"),
        ("/api/i/v1/not-a-key/events", "PUT", "not-a-key"),
        ("/api/i/v1/events", "POST", None),
        ("/api/i/v1//events", "POST", None),
        ("/api/i/v2/pk_a/events", "POST", None),
    ],
)
def test_key_in_a_path_that_leads_nowhere_is_found_if_it_looks_like_one(
    target: str, method: str, key: str | None
) -> None:
    judged = routed(OUTLIT, wire_request(target, method=method))
    assert judged.refusal is not None
    assert (judged.credential_name, judged.credential) == (None, key)


def test_key_in_the_path_is_decoded() -> None:
    judged = routed(OUTLIT, wire_request("/api/i/v1/pk_a%20b/events"))
    assert (judged.credential_name, judged.credential) == ("public_key", "pk_a b")
