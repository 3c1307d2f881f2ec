"""Replies: the family, the reason, the templates' values; equal inputs, equal bytes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import pytest

from mockserver.contract import written
from mockserver.contract.contract import Contract
from mockserver.contract.extension import extension_of
from mockserver.contract.library import Patch, library
from mockserver.core.adapter import adapter_of
from mockserver.core.answer import (
    answer,
    rate_variables,
    refusal_reply,
    reply_variables,
    text_variables,
    uuid4_of,
    wire,
)
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Receipt, Terms, Verdict
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest

NOW = 1_781_438_402_000


def judged_as(contract: Contract, path: str, body: Any = None, method: str = "POST", **headers: str) -> Judged:
    pairs = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in headers.items())
    text = b"" if body is None else json.dumps(body).encode()
    request = WireRequest(method=method, target=path, headers=pairs, fields=dict(pairs), body=text)
    return judge(route(RequestBody(request), contract), Terms(now_ms=NOW))


def base(protocol: str, patch: Any = None) -> Contract:
    patches = [] if patch is None else [Patch(name="session", patch=patch)]
    return library().protocol(protocol).contract(None, patches)


def receipt(**members: Any) -> Receipt:
    return Receipt(**{"session": "s", "seq": 1, "first_event": 1, **members})


def told(reply: WireReply) -> tuple[int, Any]:
    return reply.status, json.loads(reply.body)


PAGEVIEW = {"type": "pageview", "url": "u", "path": ""}
OUTLIT = "/api/i/v1/pk_a/events"
ACCEPTED, DUPLICATE, REJECTED = Verdict.ACCEPTED, Verdict.DUPLICATE, Verdict.REJECTED


def outlit(*events: Any, **headers: str) -> Judged:
    return judged_as(base("outlit"), OUTLIT, {"visitorId": "v", "events": list(events)}, **headers)


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        ((ACCEPTED, ACCEPTED), (200, {"success": True, "processed": 2})),
        ((ACCEPTED, DUPLICATE), (200, {"success": True, "processed": 2})),
        ((DUPLICATE, DUPLICATE), (200, {"success": True, "processed": 2})),
    ],
)
def test_repeats_count_as_processed(verdicts: tuple[Verdict, ...], expected: Any) -> None:
    assert told(answer(outlit(PAGEVIEW, PAGEVIEW), receipt(verdicts=verdicts))) == expected


def test_reply_tells_partial_from_whole_failure() -> None:
    wrong = {"index": 1, "message": "Invalid event type"}
    some = answer(outlit(PAGEVIEW, {**PAGEVIEW, "type": "x"}), receipt(verdicts=(ACCEPTED, REJECTED)))
    assert told(some) == (207, {"success": False, "processed": 1, "errors": [wrong]})
    all_of_them = answer(outlit({**PAGEVIEW, "type": "x"}), receipt(verdicts=(REJECTED,)))
    assert told(all_of_them) == (400, {"success": False, "processed": 0, "errors": [{**wrong, "index": 0}]})


def test_failed_claim_comes_before_what_was_judged() -> None:
    judged = judged_as(base("outlit"), OUTLIT, {"events": []})
    assert judged.refusal is not None
    reply = answer(judged, receipt(refused="rate_limited", rate_reset_ms=NOW + 400))
    assert told(reply) == (
        429,
        {"success": False, "processed": 0, "errors": [{"index": -1, "message": "Rate limit exceeded"}]},
    )


def test_replay_is_answered_with_its_own_reply() -> None:
    judged = judged_as(
        base("apex"), "/api/v1/events", {"events": [{"type": "a"}]}, x_api_key="apex_sk_1", idempotency_key="k"
    )
    reply = answer(judged, receipt(verdicts=(DUPLICATE,), replayed=True))
    metadata = {"projectKey": "prj_mock", "idempotencyKey": "k", "batchSize": 1}
    assert told(reply) == (200, {"data": {"deduped": True}, "metadata": metadata})


def test_unknown_path_is_answered_by_the_family_of_the_longest_prefix() -> None:
    flat = answer(judged_as(base("apex"), "/api/nothing"), receipt())
    assert told(flat)[1].keys() == {"error", "code", "status"}
    for path in ("/api/v1/nothing", "/api/v1/", "/api/v1"):
        envelope = answer(judged_as(base("apex"), path), receipt())
        assert told(envelope)[1].keys() == {"data", "error", "metadata"}, path


def test_wrong_method_is_told_which_there_are() -> None:
    reply = answer(judged_as(base("apex"), "/api/identity", method="PUT"), receipt())
    assert reply.status == 405
    assert dict(reply.headers)["Allow"] == "GET, POST"
    cross_origin = answer(judged_as(base("outlit"), OUTLIT, method="PUT"), receipt())
    assert dict(cross_origin.headers)["Allow"] == "POST, OPTIONS"


def test_scripted_status_gets_the_familys_default_and_the_standard_phrase() -> None:
    reply = wire(refusal_reply(outlit(PAGEVIEW), receipt(), "default", status=503))
    assert told(reply) == (
        503,
        {"success": False, "processed": 0, "errors": [{"index": -1, "message": "Service Unavailable"}]},
    )
    whisperr = judged_as(base("whisperr"), "/v1/identify", {"external_user_id": "u"}, x_api_key="k")
    status, body = told(wire(refusal_reply(whisperr, receipt(), "default", status=418)))
    assert (status, body["error"]["code"], body["error"]["message"]) == (418, "im_a_teapot", "I'm a Teapot")


def test_error_of_an_item_has_the_code_its_refusal_would_have() -> None:
    patch = {
        "protocol": {
            "refusals": {
                "v1": {"invalid_event": {"status": 422, "message": "no", "source": "assumed: x", "code": None}}
            }
        }
    }
    judged = judged_as(base("apex", patch), "/api/v1/events", {"events": [{}]}, x_api_key="apex_sk_1")
    (error,) = told(answer(judged, receipt(verdicts=(REJECTED,))))[1]["data"]["errors"]
    assert error["code"] == "unprocessable_entity"


def test_headers_of_a_rate_tell_what_is_left() -> None:
    reply = answer(outlit(PAGEVIEW), receipt(verdicts=(ACCEPTED,), rate_remaining=41, rate_reset_ms=NOW + 1))
    headers = dict(reply.headers)
    assert headers["X-RateLimit-Limit"] == "100"
    assert headers["X-RateLimit-Remaining"] == "41"
    assert headers["X-RateLimit-Reset"] == str(NOW // 1000 + 1)


@pytest.mark.parametrize(("left_ms", "seconds"), [(0, 1), (1, 1), (1000, 1), (1001, 2), (59_999, 60), (-5000, 1)])
def test_time_to_wait_is_rounded_up_and_never_zero(left_ms: int, seconds: int) -> None:
    assert rate_variables(outlit(PAGEVIEW), receipt(rate_reset_ms=NOW + left_ms), None)["retry_after_s"] == seconds


def test_header_holds_no_line_break_that_a_client_sent() -> None:
    patch = {"protocol": {"replies": {"identified": {"headers": {"X-User": "${external_id}"}}}}}
    body = {"external_user_id": "a\r\nSet-Cookie: b=\ud800"}
    judged = judged_as(base("whisperr", patch), "/v1/identify", body, x_api_key="k", content_type="application/json")
    reply = answer(judged, receipt(verdicts=(ACCEPTED,)))
    assert (reply.status, dict(reply.headers)["X-User"]) == (200, "a??Set-Cookie: b=?")


def test_preflight_is_answered_without_a_body_and_before_any_gate() -> None:
    judged = judged_as(base("outlit"), OUTLIT, method="OPTIONS", origin="https://a.example")
    reply = answer(judged, receipt())
    assert (reply.status, reply.body) == (204, b"")
    assert dict(reply.headers)["Access-Control-Allow-Origin"] == "https://a.example"


def test_names_that_templates_may_use_are_the_names_that_have_values() -> None:
    judged = outlit(PAGEVIEW)
    assert set(reply_variables(judged, receipt(), None)) == written.REPLY
    assert set(text_variables(judged, receipt(), 400, "")) == written.TEXT
    assert set(rate_variables(judged, receipt(), None)) == written.RATE


@pytest.mark.parametrize("protocol", library().protocols)
def test_adapters_names_are_the_names_it_gives_values(protocol: str) -> None:
    contract = base(protocol)
    for operation in contract.operations.values():
        path = operation.path.replace("{", "").replace("}", "")
        query = "&".join(f"{name}=x" for name in operation.query)
        judged = judged_as(contract, f"{path}?{query}", {}, method=operation.method, x_api_key="apex_sk_1")
        if operation.forms:
            judged.form = next(iter(operation.forms.values()))
        names = set(extension_of(contract.adapter).reply_names(operation, contract.projects))
        assert set(adapter_of(contract.adapter).variables(judged, receipt())) == names, operation.name


def test_equal_inputs_give_equal_bytes() -> None:
    whisperr = judged_as(base("whisperr"), "/v1/identify", {"external_user_id": "u"}, x_api_key="k")
    replies = {answer(whisperr, receipt(verdicts=(ACCEPTED,))).body for _ in range(3)}
    assert len(replies) == 1
    assert UUID(uuid4_of("a")).version == 4
    assert uuid4_of("a") != uuid4_of("b")
    assert UUID(uuid4_of("\ud800")).version == 4
