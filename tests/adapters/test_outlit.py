"""Outlit: who the events of a server are about."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.adapters.outlit import ADAPTER
from mockserver.core.explain import describe
from tests.judging import NOW, contract_of, judged, wire_request

OUTLIT = contract_of("outlit")
STRICT = contract_of("outlit", revision="r4-2026-08")
CUSTOM = {"type": "custom", "eventName": "a", "url": "u", "path": "/"}
PAGEVIEW = {"type": "pageview", "url": "u", "path": "/"}


def reason(body: dict[str, Any]) -> str | None:
    request = wire_request("/api/i/v1/pk_a/events", body, {"Content-Type": "application/json"})
    refusal = judged(OUTLIT, request).refusal
    return None if refusal is None else refusal.reason


@pytest.mark.parametrize("source", ["server", "integration"])
@pytest.mark.parametrize(
    "members", [{}, {"userIdentity": {}}, {"userIdentity": {"email": " "}}, {"customerIdentity": {}}]
)
def test_server_batch_is_refused_when_nobody_is_named(source: str, members: dict[str, Any]) -> None:
    assert reason({"source": source, "events": [CUSTOM], **members}) == "missing_identity"


@pytest.mark.parametrize(
    "members",
    [
        {"userIdentity": {"email": "a@b.example"}},
        {"userIdentity": {"traits": {"plan": "pro"}}},
        {"customerIdentity": {"customerId": "c"}},
        {"fingerprint": "f"},
    ],
)
def test_name_in_the_batch_is_enough(members: dict[str, Any]) -> None:
    assert reason({"source": "server", "events": [CUSTOM], **members}) is None


@pytest.mark.parametrize(
    "event",
    [
        {**CUSTOM, "userId": "u"},
        {**CUSTOM, "properties": {"__email": "a@b.example"}},
        {**PAGEVIEW, "customerId": "c"},
        {"type": "billing", "url": "u", "path": "/", "status": "paid", "domain": "b.example"},
        {"type": "calendar", "url": "u", "path": "/", "provider": "unknown", "inviteeEmail": "a@b.example"},
        {"type": "custom", "userId": "u"},
        {"type": "nonsense", "email": "a@b.example"},
    ],
)
def test_one_event_that_names_somebody_is_enough_even_a_bad_one(event: dict[str, Any]) -> None:
    assert reason({"source": "server", "events": [CUSTOM, event]}) is None


@pytest.mark.parametrize(
    "event",
    [
        {**PAGEVIEW, "properties": {"__email": "a@b.example"}},
        {**CUSTOM, "domain": "b.example"},
        {**CUSTOM, "inviteeEmail": "a@b.example"},
        {**CUSTOM, "userId": ""},
        {**CUSTOM, "userId": None},
    ],
)
def test_name_counts_only_where_its_type_has_one(event: dict[str, Any]) -> None:
    assert reason({"source": "server", "events": [event]}) == "missing_identity"


@pytest.mark.parametrize("source", ["client", "pixel", None])
def test_client_batch_needs_no_name(source: str | None) -> None:
    members = {} if source is None else {"source": source}
    assert reason({"visitorId": "v", "events": [CUSTOM], **members}) is None


def test_finding_names_the_rule_of_the_batch() -> None:
    refusal = judged(OUTLIT, wire_request("/api/i/v1/pk_a/events", {"source": "server", "events": [7]})).refusal
    assert refusal is not None
    assert (refusal.finding.rule, refusal.finding.pointer) == ("/protocol/identity/batch", "")


def test_base_contract_has_no_rule_for_single_events() -> None:
    assert ADAPTER.event_rules(OUTLIT) is None


def test_event_of_a_server_names_somebody_itself_where_the_revision_asks_for_it() -> None:
    check = ADAPTER.event_rules(STRICT)
    assert check is not None
    event = {**CUSTOM, "timestamp": NOW}
    violation = check({"source": "server"}, event)
    assert violation is not None
    assert (violation.rule, violation.keyword, violation.got) == ("/protocol/identity/per_event", "anyOf", None)
    assert violation.expected == {"anyOf": list(STRICT.identity["per_event"].pointers)}
    assert check({"source": "client"}, event) is None
    named = STRICT.identity["per_event"].pointers[0].removeprefix("/")
    assert check({"source": "server"}, {**event, named: "somebody"}) is None


def invitee(**body: Any) -> dict[str, Any]:
    """Return a batch with a calendar event that says who is invited."""
    event = {"type": "calendar", "url": "https://a.example/", "path": "/", "provider": "unknown", "inviteeName": "Ann"}
    return {"visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "events": [event], **body}


@pytest.mark.parametrize("source", [{}, {"source": "client"}])
def test_member_is_an_error_when_it_is_reserved_for_other_sources(source: dict[str, str]) -> None:
    body = invitee(**source)
    check = ADAPTER.event_rules(contract_of("outlit", revision="documented"))
    assert check is not None
    violation = check(body, body["events"][0])
    assert violation is not None
    assert (violation.rule, violation.tokens, violation.got) == ("/protocol/reserved/invitee", ("inviteeName",), "Ann")
    assert describe(violation) == 'inviteeName must come from one of the sources "server", "integration", got "Ann"'
    assert violation.message == "Invalid value for field: ${field}"


@pytest.mark.parametrize("source", ["server", "integration"])
def test_member_is_taken_from_the_sources_that_it_is_reserved_for(source: str) -> None:
    body = invitee(source=source)
    check = ADAPTER.event_rules(contract_of("outlit", revision="documented"))
    assert check is not None
    assert check(body, body["events"][0]) is None
    assert check({"source": "client"}, {**body["events"][0], "type": "pageview"}) is None
    assert check({"source": "client"}, 7) is None
