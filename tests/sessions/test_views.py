"""What a journalled exchange looks like to somebody who asks."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.core.model import Terms
from mockserver.jsonkit.patterns import UNDECIDED
from mockserver.sessions.steps import Step, reject
from mockserver.sessions.views import View, body_view
from tests.judging import COLLECT, MADE_UP, NOW, collection, contract_of, judged, sale, wire_request
from tests.sessions.keeping import collected, new_store

TALLY = contract_of("tally", revision="strict")
AT = "2026-06-14T12:00:00.000Z"
KEY = {"X-API-Key": "wrk_a", "Content-Type": "application/json"}


def item(ref: str, **members: Any) -> dict[str, Any]:
    """Return a good item of the strict revision, which has no newer one to warn of."""
    return {"kind": "view", "ref": ref, "at": AT, **members}


async def viewed(
    *items: Any, step: dict[str, Any] | None = None, times: int = 1, patch: Any = None, **members: Any
) -> View:
    """Return the view of the last of some equal requests."""
    store = new_store()
    contract = contract_of("tally", patch, revision="strict")
    for _ in range(times):
        request = wire_request(COLLECT, collection(*items, **members))
        result = judged(contract, request, Terms(now_ms=NOW, rate_mode="enforce"))
        taken = None if step is None else Step(step)
        if taken is not None and taken.reject is not None:
            reject(result, taken)
        kept, _ = await store.commit(
            store.session("s"), result, received_ms=NOW + 250, connection="c1", notes=("long_session",), step=taken
        )
    return View(kept)


def without_warnings(view: View) -> list[dict[str, Any]]:
    return list(view.event_rows(warnings=False))


async def test_event_for_which_no_steps_were_left_says_that_its_pattern_takes_too_many() -> None:
    patterns = {"events": {"shared": {"item": {"properties": {"ref": {"pattern": "[ab]*a[ab]{15}c|^a"}}}}}}
    patch = {**patterns, "protocol": {"limits": {"body": {"max_bytes": 1_000_000}}}}
    view = await viewed(*(item("a" * 1_000 + str(number)) for number in range(200)), patch=patch)
    rows = list(view.event_rows())
    verdicts = [row["verdict"] for row in rows]
    taken = verdicts.count("accepted")
    assert 20 < taken < 200
    assert verdicts == ["accepted"] * taken + ["rejected"] * (200 - taken)
    messages = {finding["message"].rpartition(": ")[2] for row in rows[taken:] for finding in row["findings"]}
    assert messages == {UNDECIDED}


async def test_row_of_an_event_has_everything_about_it() -> None:
    view = await viewed(item("a", kind="sale", cents=100_001), item("b"), item("a"), total=100_001)
    rows = list(view.event_rows())
    (note,) = view.request_detail()["findings"]  # the request's own, which its good events have too
    assert note["rule"] == "/server/long_session"
    assert rows[0] == {
        "id": "e1",
        "request_id": "r1",
        "index": 0,
        "seq": 1,
        "received_at": "2026-06-14T12:00:00.250Z",
        "session_time": AT,
        "protocol": "tally",
        "operation": "collect",
        "type": "sale",
        "verdict": "accepted",
        "findings": [
            {
                "rule": "/warnings/events/dear",
                "severity": "warning",
                "pointer": "/cents",
                "expected": {"maximum": 100_000},
                "got": 100_001,
                "source": MADE_UP,
                "message": "that is a lot of money",
            },
            note,
        ],
        "event": item("a", kind="sale", cents=100_001),
        "stored": item("a", kind="sale", cents=100_001),
    }
    assert [(row["id"], row["verdict"], row["findings"]) for row in rows[1:]] == [
        ("e2", "accepted", [note]),
        ("e3", "duplicate", [note]),
    ]
    assert [row["stored"] for row in rows[1:]] == [item("b"), None]
    assert without_warnings(view)[0]["findings"] == []


async def test_rejected_event_has_every_error_and_no_stored_form() -> None:
    view = await viewed(item("a"), item("", cents=1), total=1)
    good, bad = view.event_rows()
    assert (good["verdict"], bad["verdict"], bad["stored"]) == ("accepted", "rejected", None)
    assert [(finding["rule"], finding["pointer"], finding["got"]) for finding in bad["findings"]] == [
        ("/events/view/additionalProperties", "/cents", 1),
        ("/events/shared/item/properties/ref/minLength", "/ref", ""),
    ]


async def test_good_event_of_a_refused_request_says_so() -> None:
    view = await viewed(item("a"), item(""), total=7)
    good, bad = without_warnings(view)
    (finding,) = good["findings"]
    assert (finding["rule"], finding["pointer"]) == ("/protocol/gates/total", "")
    assert finding["message"] == "the whole request was refused: the items add up to 0"
    assert [found["pointer"] for found in bad["findings"]] == ["/ref"]


async def test_event_over_the_rate_names_the_refusal_of_the_contract() -> None:
    view = await viewed(item("a"), times=4)
    (row,) = without_warnings(view)
    (finding,) = row["findings"]
    rule = "/protocol/refusals/plain/rate_limited"
    assert (finding["rule"], finding["source"]) == (rule, MADE_UP)
    assert finding["message"] == "the whole request was refused: rate_limited"
    assert view.findings()[0].rule == rule
    assert view.request_row()["status"] == 420


async def test_injected_reply_is_shown_with_the_step_and_nothing_is_stored() -> None:
    step = {"reply": {"status": 503, "body": "later"}, "times": 1}
    view = await viewed(item("a"), step=step)
    (row,) = without_warnings(view)
    (finding,) = row["findings"]
    shown = {**step, "remaining": 1}
    assert (row["verdict"], row["stored"], finding["rule"], finding["got"]) == ("rejected", None, "/fault", shown)
    assert view.request_row()["fault"] == shown
    assert (view.reply().status, view.reply().body) == (503, b"later")


async def test_events_that_a_step_rejected_have_its_words() -> None:
    step = {"match": {"where": {"/ref": "b"}}, "reject": {"message": "no more", "code": "gone"}}
    view = await viewed(item("a"), item("b"), item(""), step=step)
    rows = without_warnings(view)
    assert [row["verdict"] for row in rows] == ["accepted", "rejected", "rejected"]
    assert [[found["message"] for found in row["findings"]] for row in rows[:2]] == [[], ["no more"]]
    assert [found["pointer"] for found in rows[2]["findings"]] == ["/ref"]
    assert json.loads(view.reply().body)["left"] == [{"at": 1, "why": "gone"}, {"at": 2, "why": "misfit"}]


async def test_cut_connection_leaves_the_reply_that_would_have_been_sent() -> None:
    view = await viewed(item("a"), step={"connection": "reset", "when": "after_commit"})
    assert (view.request_row()["status"], view.reply().status) == (None, 201)
    assert [row["verdict"] for row in view.event_rows()] == ["accepted"]


async def test_single_event_that_a_step_rejected_explains_the_request() -> None:
    store, step = new_store(), Step({"reject": {"message": "not this one"}})
    result = judged(contract_of("whisperr"), wire_request("/v1/identify", {"external_user_id": "u"}, KEY))
    assert step.reject is not None
    reject(result, step)
    kept, reply = await store.commit(store.session("s"), result, received_ms=NOW, step=step)
    view = View(kept)
    assert (reply.status, kept.refused) == (400, True)
    assert [finding.message for finding in view.findings()] == ["not this one"]
    assert [[found["message"] for found in row["findings"]] for row in view.event_rows()] == [["not this one"]]


async def test_request_row_and_detail_say_how_it_came_and_went() -> None:
    view = await viewed(item("a"))
    assert view.request_row() == {
        "id": "r1",
        "seq": 1,
        "received_at": "2026-06-14T12:00:00.250Z",
        "session_time": AT,
        "protocol": "tally",
        "operation": "collect",
        "method": "POST",
        "path": COLLECT,
        "status": 201,
        "events": 1,
        "fault": None,
        "from": "contract",
    }
    detail = view.request_detail()
    assert (detail["contract_reply"], detail["upstream_reply"]) == (None, None)
    assert detail["connection"] == "c1"
    assert detail["event_pointer"] == "/items/{index}"
    assert detail["request"] == {"headers": [], "body": {"text": json.dumps(collection(item("a")))}}
    assert json.loads(detail["reply"]["body"]["text"]) == {"taken": 1, "again": 0, "worth": 0}
    assert ["Tally-Left", "2"] in detail["reply"]["headers"]
    assert [(finding["rule"], finding["severity"]) for finding in detail["findings"]] == [
        ("/server/long_session", "warning")
    ]


async def test_reply_is_worked_out_again_from_the_receipt() -> None:
    store = new_store()
    kept, reply = await store.commit(
        store.session("s"), collected(sale("a"), sale("a"), sale("b", -1)), received_ms=NOW
    )
    assert View(kept).reply() == reply
    assert reply.status == 202


async def test_matcher_sees_each_event_with_its_number() -> None:
    view = await viewed(item("a"), item("a"), {"kind": "gift"})
    assert [(row["seq"], row["index"], row["type"], row["verdict"]) for row in map(view.match_row, range(3))] == [
        (1, 0, "view", "accepted"),
        (2, 1, "view", "duplicate"),
        (3, 2, "gift", "rejected"),
    ]
    assert view.match_row(2)["event"] == {"kind": "gift"}


async def test_request_without_a_readable_body_has_no_rows() -> None:
    store = new_store()
    result = judged(TALLY, wire_request(COLLECT, b"{"))
    kept, _ = await store.commit(store.session("s"), result, received_ms=NOW)
    view = View(kept)
    assert list(view.event_rows()) == []
    assert [finding.rule for finding in view.findings()] == ["/protocol/gates/json"]


@pytest.mark.parametrize(
    ("body", "shown"),
    [(b"", {"text": ""}), ("é".encode(), {"text": "é"}), (b"\xff\x00", {"base64": "/wA="})],
)
def test_body_is_shown_as_text_where_it_is_utf8(body: bytes, shown: dict[str, str]) -> None:
    assert body_view(body) == shown
