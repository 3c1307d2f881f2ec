"""Each deviation names the very fact that is broken, with its own basis; no defect hides another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest
from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.core.wire import WireReply
from mockserver.strategies.samples import Request
from mockserver.verify import Finding, Outcome, Status, defects
from tests.verify.faults import FAULTS, Fault, header, refused
from tests.verify.inprocess import InProcess, setup_of
from tests.verify.prepared import verify

Json = Any


@cache
def contract_of(protocol: str, revision: str | None = None) -> Contract:
    return library().protocol(protocol).contract(revision)


def outcomes_of(
    protocol: str, fault: Fault | None = None, patch: Json = None, only: tuple[str, ...] = (), **changes: Any
) -> list[Outcome]:
    """Verify a server with a fault, or of a patched contract, without random examples."""
    patches = [Patch(name="test", patch=patch)] if patch else []
    served = library().protocol(protocol).contract(None, patches) if patches else contract_of(protocol)
    setup = replace(setup_of(protocol, burst=False), **changes)
    return verify(contract_of(protocol), setup, InProcess(served, fault=fault, rate_mode="warn"), only=only)


def told(protocol: str, fault: Fault | None = None, **options: Any) -> dict[str, Finding]:
    """Return what is told of such a server, by fact."""
    return {finding.fact: finding for finding, _ in defects(outcomes_of(protocol, fault, **options))}


def both(one: Fault, other: Fault) -> Fault:
    return lambda target, request, reply: other(target, request, one(target, request, reply))


def refusing(bad: Callable[[Request], bool]) -> Fault:
    """Return a fault that refuses some good requests of Outlit, in the words of the vendor."""
    body = {"success": False, "processed": 0, "errors": [{"index": -1, "message": "not here"}]}

    def fault(target: InProcess, request: Request, reply: WireReply) -> WireReply:
        if reply.status >= 300 or not bad(request):
            return reply
        return structs.replace(reply, status=400, body=json.dumps(body).encode())

    return fault


NO_VARY = header("Vary", None)
OTHERS: Mapping[str, tuple[Fault, str]] = {
    "rate headers": (header("X-RateLimit-Limit", None), "/protocol/limits/rate_ingest/headers/X-RateLimit-Limit"),
    "content type": (header("Content-Type", "text/plain", refused), "#content-type"),
    "status": (FAULTS["207 turned into 200"][1], "/protocol/replies/partly_processed/status"),
    "success": (FAULTS["success is true"][1], "/body/success"),
    "index": (FAULTS["index off by one"][1], "/item/index"),
    "unicode": (FAULTS["unicode crashes it"][1], "/requests/envelope/"),
    "preflights": (FAULTS["no preflight"][1], "/protocol/cors/ingest"),
    "gzip": (FAULTS["gzip refused"][1], "/protocol/gates/encoding"),
    "messages": (FAULTS["message missing"][1], "/protocol/messages/"),
}
MASKS: Mapping[str, tuple[Fault, str]] = {
    "vary": (NO_VARY, "/protocol/behavior/cors_vary"),
    "origin": (header("Access-Control-Allow-Credentials", None), "/protocol/cors/ingest/credentials"),
    "remaining": (
        header("X-RateLimit-Remaining", None),
        "/protocol/limits/rate_ingest/headers/X-RateLimit-Remaining",
    ),
}
CONCERNED = ("/protocol", "/requests/envelope", "/events/pageview", "/events/identify")
"""The rules that show these faults; those of the other events show them again."""


@pytest.mark.parametrize(("mask", "other"), [*product(["vary"], OTHERS), ("origin", "success"), ("remaining", "gzip")])
def test_both_are_told_when_a_header_is_wrong_and_something_else(mask: str, other: str) -> None:
    (first, fact), (second, part) = MASKS[mask], OTHERS[other]
    facts = told("outlit", both(first, second), only=CONCERNED)
    assert fact in facts
    assert [name for name in facts if part in name and name != fact]


def test_header_is_told_once_and_stops_no_probe_when_it_is_missing_everywhere() -> None:
    good, bad = outcomes_of("outlit"), outcomes_of("outlit", NO_VARY)
    assert [outcome.rule.id for outcome in bad if outcome.status is Status.FAILED] == ["/protocol/behavior/cors_vary"]
    assert sum(outcome.requests for outcome in bad) == sum(outcome.requests for outcome in good)


def test_every_reply_counts_when_a_header_is_missing_in_some() -> None:
    finding = told("outlit", header("Vary", None, refused))["/protocol/behavior/cors_vary"]
    assert 0 < finding.failed < finding.tries
    assert not finding.flaky


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Access-Control-Allow-Methods", "options,post"),
        ("Access-Control-Allow-Methods", "GET, POST, OPTIONS, DELETE"),
        ("Access-Control-Allow-Headers", "CONTENT-TYPE, X-More"),
    ],
)
def test_list_of_cors_passes_when_it_is_a_superset_in_any_case(name: str, value: str) -> None:
    posted = header(name, value, lambda reply: "POST" in dict(reply.headers).get("Access-Control-Allow-Methods", ""))
    assert told("outlit", posted, only=("/protocol/cors",)) == {}


def test_list_of_cors_is_told_when_something_is_missing() -> None:
    name = "Access-Control-Allow-Methods"
    facts = told("outlit", header(name, "GET, OPTIONS", lambda reply: name in dict(reply.headers)))
    assert "post" in facts["/protocol/cors/ingest/methods"].differences[0]


def without_path(part: str) -> Fault:
    def fault(target: InProcess, request: Request, reply: WireReply) -> WireReply:
        gone = WireReply(status=404, headers=(("Content-Type", "text/plain"),), body=b"404 page not found")
        return gone if part in request.path else reply

    return fault


@pytest.mark.parametrize(
    ("protocol", "part", "operation"),
    [("outlit", "/bootstrap", "bootstrap"), ("apex", "/experiments/active", "experiments_active")],
)
def test_operation_is_one_finding_when_the_target_does_not_serve_it(protocol: str, part: str, operation: str) -> None:
    outcomes = outcomes_of(protocol, without_path(part))
    assert [finding.fact for finding, _ in defects(outcomes)] == [f"/protocol/operations/{operation}"]
    skipped = [outcome for outcome in outcomes if outcome.why == f"the target does not serve {operation}"]
    assert len([outcome for outcome in skipped if outcome.status is Status.NOT_EXERCISED]) > 2


def test_refusal_is_inferred_when_code_of_clients_shows_only_what_is_sent() -> None:
    lax = {"events": {"shared": {"common": {"properties": {"uuid": {"type": None, "source": "assumed: any"}}}}}}
    finding = told("outlit", patch=lax)["/events/shared/common/properties/uuid/type"]
    assert finding.basis == "inferred"
    assert "sdk: core 1.5.1" in finding.source


REFUSED: Mapping[str, tuple[Callable[[Request], bool], str, str]] = {
    "value of an SDK": (
        lambda request: b'"source":"pixel"' in request.body,
        "/requests/envelope/properties/source/enum/pixel",
        "sdk",
    ),
    "event type of an SDK": (lambda request: b'"billing"' in request.body, "/events/billing", "sdk"),
    "member of an SDK": (lambda request: b'"uuid"' in request.body, "/events/shared/common/properties/uuid", "sdk"),
    "nulls": (
        lambda request: b'"timestamp":null' in request.body,
        "/protocol/nulls/members",
        "assumed",
    ),
    "another media type": (
        lambda request: dict(request.headers).get("content-type") == "text/plain",
        "/protocol/content_types/anything",
        "assumed",
    ),
    "compression": (lambda request: "content-encoding" in dict(request.headers), "/protocol/gates/encoding", "assumed"),
    "slash at the end": (lambda request: request.path.endswith("/"), "/warnings/transport/trailing_slash", "assumed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_very_fact_is_named_when_a_good_request_is_refused(name: str) -> None:
    bad, fact, basis = REFUSED[name]
    facts = told("outlit", refusing(bad))
    assert fact in facts
    assert {finding.basis for finding in facts.values()} == {basis}


NAMED: Mapping[str, set[str]] = {
    "207 turned into 200": {"/protocol/replies/partly_processed/status"},
    "errors in reverse order": {"/protocol/behavior/error_order"},
    "longest body refused": {"/protocol/limits/body/max_bytes"},
    "received is off": {"/protocol/replies/received/body/received"},
    "idempotency off": {"/protocol/idempotency/server_events"},
    "bearer refused": {"/protocol/credentials/api_bearer", "/protocol/credentials/server_bearer"},
    "rejected counts": {"/protocol/replies/counted/body/rejected"},
    "413 turned into 400": {"/protocol/refusals/default/payload_too_large/status"},
    "an extra member in refusals": {"/protocol/shapes/error#members"},
}


@pytest.mark.parametrize("name", NAMED)
def test_fault_is_told_by_its_fact_alone_when_a_server_has_it(name: str) -> None:
    protocol, fault = FAULTS[name]
    assert set(told(protocol, fault)) == NAMED[name]


def test_memory_is_to_blame_when_what_an_event_created_is_unknown() -> None:
    assert "/protocol/entities" in told(*FAULTS["entities forgotten"])


@pytest.mark.parametrize(
    ("patch", "fact", "basis"),
    [
        (
            {"protocol": {"messages": {"required": {"value": "gone: ${field}"}}}},
            "/protocol/messages/required",
            "assumed",
        ),
        ({"protocol": {"messages": {"unknown_type": {"value": "what?"}}}}, "/protocol/messages/unknown_type", "docs"),
        ({"events": {"identify": {"message": {"anyOf": "who?"}}}}, "/events/identify/message/anyOf", "assumed"),
        (
            {"protocol": {"refusals": {"ingest": {"invalid_json": {"status": 422}}}}},
            "/protocol/refusals/ingest/invalid_json/status",
            "assumed",
        ),
        (
            {"protocol": {"replies": {"none_processed": {"status": 207}}}},
            "/protocol/replies/none_processed/status",
            "assumed",
        ),
        ({"protocol": {"replies": {"processed": {"status": 202}}}}, "/protocol/replies/processed/status", "docs"),
        (
            {"protocol": {"replies": {"processed": {"body": {"success": "yes"}}}}},
            "/protocol/replies/processed/body/success",
            "docs",
        ),
    ],
)
def test_text_and_status_have_their_own_facts_when_they_differ(patch: Json, fact: str, basis: str) -> None:
    facts = told("outlit", patch=patch)
    assert {name: finding.basis for name, finding in facts.items()} == {fact: basis}


def test_other_bases_are_not_told_and_not_tried_when_some_are_chosen() -> None:
    wrong = both(FAULTS["success is true"][1], FAULTS["400 turned into 422"][1])
    wrong = both(
        wrong, lambda target, request, reply: structs.replace(reply, status=499) if reply.status == 400 else reply
    )
    every, some = told("outlit", wrong), outcomes_of("outlit", wrong, bases=frozenset({"docs"}))
    assert {finding.basis for finding in every.values()} > {"docs", "assumed"}
    assert {finding.basis for finding, _ in defects(some)} == {"docs"}
    assert {outcome.rule.basis for outcome in some} == {"docs"}


def test_only_an_operation_is_tried_when_it_is_chosen() -> None:
    outcomes = outcomes_of("apex", operations=("identity",))
    assert {outcome.rule.operation for outcome in outcomes} <= {"identity", None}
    assert len(outcomes) > 5


def test_order_is_to_blame_when_another_refusal_comes_first() -> None:
    facts = told("outlit", patch={"protocol": {"gates": {"key": {"order": 85}, "allowed_key": {"order": 86}}}})
    assert facts
    assert all(name.endswith("/order") for name in facts), facts
