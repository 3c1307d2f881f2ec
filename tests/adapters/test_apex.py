"""Apex: which format a body has, and which project a server key speaks for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.adapters.apex import ADAPTER
from mockserver.core.answer import answer
from mockserver.core.model import Judged, Receipt, Verdict
from tests.judging import contract_of, judged, wire_request

APEX = contract_of("apex")
EVENTS = APEX.operations["events"]
V1 = "/api/v1/events"
HEADERS = {"X-API-Key": "apex_sk_1", "Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ({"events": []}, "batch"),
        ({"events": None, "type": "a"}, "batch"),
        ({"events": 7}, "batch"),
        ({"type": "a"}, "snippet"),
        ({}, "snippet"),
    ],
)
def test_format_is_told_by_the_member_that_holds_the_events(body: Any, form: str) -> None:
    chosen = ADAPTER.choose_form(EVENTS, body)
    assert chosen is EVENTS.forms[form]


def test_only_format_of_an_operation_is_chosen_whatever_the_body() -> None:
    operation = APEX.operations["server_events"]
    assert ADAPTER.choose_form(operation, {}) is operation.forms["batch"]
    assert ADAPTER.choose_form(APEX.operations["apex_js"], {}) is None


def v1(*, known: list[str] | None = None, default: str = "prj_mock", header: str | None = None) -> Judged:
    """Return a good server batch in an organisation with these projects."""
    projects = {"known": known or [], "default": default}
    headers = HEADERS if header is None else {**HEADERS, "X-Apex-Project": header}
    request = wire_request(V1, {"events": [{"type": "a"}]}, headers)
    return judged(contract_of("apex", {"protocol": {"projects": projects}}), request)


@pytest.mark.parametrize(
    ("options", "project"),
    [
        ({}, "prj_mock"),
        ({"header": "prj_any"}, "prj_any"),
        ({"header": " prj_any "}, "prj_any"),
        ({"header": " "}, "prj_mock"),
        ({"known": ["prj_a", "prj_b"], "header": "prj_b"}, "prj_b"),
        ({"known": ["prj_a", "prj_b"], "default": "prj_b"}, "prj_b"),
        ({"known": ["prj_a"]}, "prj_a"),
    ],
)
def test_project_is_the_one_asked_for_or_the_one_that_can_be_picked(options: Any, project: str) -> None:
    result = v1(**options)
    assert result.refusal is None
    reply = answer(result, Receipt(session="s", seq=1, first_event=1, verdicts=(Verdict.ACCEPTED,)))
    assert json.loads(reply.body)["metadata"]["projectKey"] == project


@pytest.mark.parametrize(
    ("options", "reason", "got"),
    [
        ({"known": ["prj_a", "prj_b"]}, "project_required", None),
        ({"known": ["prj_a", "prj_b"], "header": "prj_c"}, "unknown_project", "prj_c"),
        ({"known": ["prj_a"], "header": "prj_mock"}, "unknown_project", "prj_mock"),
    ],
)
def test_request_is_refused_when_no_project_can_be_picked(options: Any, reason: str, got: str | None) -> None:
    refusal = v1(**options).refusal
    assert refusal is not None
    assert (refusal.reason, refusal.finding.rule) == (reason, "/protocol/projects/known")
    assert (refusal.finding.expected, refusal.finding.got) == (options["known"], got)


def test_idempotency_key_is_unique_in_a_project_and_a_key() -> None:
    assert ADAPTER.scope(v1(header="prj_a")) == "prj_a\0apex_sk_1"
    keyless = judged(APEX, wire_request(V1, {"events": [{"type": "a"}]}))
    assert ADAPTER.scope(keyless) == "prj_mock\0"


def test_reply_may_name_the_query_parameters_an_operation_requires() -> None:
    request = wire_request("/api/identity?visitorId=v%201&visitorId=w", b"", HEADERS, method="GET")
    result = judged(APEX, request)
    variables = ADAPTER.variables(result, Receipt(session="s", seq=1, first_event=1))
    assert variables == {"now": "2026-06-14T12:00:00.000Z", "project": "prj_mock", "query_visitorid": "v 1"}
    operation = APEX.operations["identity"]
    assert set(ADAPTER.reply_names(operation, APEX.projects)) == set(variables)
    assert set(ADAPTER.reply_names(operation, None)) == {"now", "query_visitorid"}
