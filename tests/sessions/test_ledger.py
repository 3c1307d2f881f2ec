"""The delivery ledger: what becomes one row, which fate it has, what is flagged."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from mockserver.contract.library import Patch, library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.sessions.delivery import Delivery
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.steps import Step, reject
from mockserver.sessions.stores.memory import MemoryStore
from tests.sessions.keeping import deliveries, step_taken

NOW = 1_781_438_400_000
WHISPERR = "/v1/events/batch"
IDENTIFY = "/v1/identify"
OUTLIT = "/api/i/v1/pk_test/events"
APEX = "/api/events"


class Wire:
    """One session without a server: requests go in, the ledger comes out. Each request arrives a second later."""

    def __init__(self) -> None:
        self.store = MemoryStore(SessionSettings(), max_bytes=1 << 30, max_sessions=2)
        self.session = self.store.session("test")
        self.now = NOW

    async def send(
        self,
        path: str,
        body: object,
        step: Mapping[str, Any] | None = None,
        *,
        patch: Mapping[str, Any] | None = None,
        arrived: int | None = None,
        answered: int | None = None,
    ) -> int:
        """Send a request under a fault step; returns the status that was or would have been sent."""
        self.now += 1000
        name = {"/v1": "whisperr", "/ap": "apex"}.get(path[:3], "") if path != OUTLIT else "outlit"
        patches = [] if patch is None else [Patch(name="test", patch=patch)]
        contract = library().protocol(name).contract(None, patches)
        headers = ((b"Content-Type", b"application/json"), (b"X-API-Key", b"wrk_test"))
        request = WireRequest(
            method="POST",
            target=path,
            headers=headers,
            fields={header.lower(): value for header, value in headers},
            body=json.dumps(body).encode(),
        )
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=NOW))
        taken = None if step is None else step_taken([Step(step)], judged)
        assert (taken is None) == (step is None)
        if taken is not None and taken.reject is not None:
            reject(judged, taken)
        received = self.now if arrived is None else arrived
        exchange, _ = await self.store.commit(self.session, judged, received_ms=received, step=taken)
        if answered is not None:
            exchange.override = replace(exchange.override, answered=(answered, self.session.newest))
        return exchange.status

    def rows(self, *, final: bool = False) -> list[dict[str, Any]]:
        return [row.as_json(final=final) for row in deliveries(self.session.exchanges())]

    def fates(self, *, final: bool = False) -> list[str]:
        return [row["fate"] for row in self.rows(final=final)]


@pytest.fixture
def wire() -> Wire:
    return Wire()


def track(*ids: str, **members: object) -> dict[str, Any]:
    events = [
        {
            "external_user_id": "u1",
            "event_type": "paid",
            "properties": {"of": id},
            **members,
            "context": {"$message_id": id},
        }
        for id in ids
    ]
    return {"events": events}


def clicks(*names: str, **envelope: object) -> dict[str, Any]:
    events = [
        {"type": "custom", "eventName": name, "userId": "u1", "url": "server://u1", "path": "/"} for name in names
    ]
    return {"source": "server", "events": events, **envelope}


def page(*types: str) -> dict[str, Any]:
    return {"projectKey": "pk_test", "events": [{"type": type, "url": "/"} for type in types]}


UNAVAILABLE = {"reply": {"status": 503}}
RESET = {"connection": "reset"}
LOST_ANSWER = {"connection": "reset", "when": "after_commit"}
BAD_REQUEST = {"reply": {"status": 400}}


async def test_row_shows_each_attempt_when_an_event_is_retried(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), UNAVAILABLE)
    await wire.send(WHISPERR, track("m1"), RESET)
    await wire.send(WHISPERR, track("m1", "m0"))
    rows = wire.rows()
    assert [row["id"] for row in rows] == ["m1", "m0"]
    assert rows[0] == {
        "id": "m1",
        "by": "$message_id",
        "protocol": "whisperr",
        "type": "paid",
        "label": "track:paid",
        "attempts": [
            {
                "request_id": "r1",
                "index": 0,
                "at": "2026-06-14T12:00:01.000Z",
                "status": 503,
                "fault": {**UNAVAILABLE, "remaining": None},
            },
            {
                "request_id": "r2",
                "index": 0,
                "at": "2026-06-14T12:00:02.000Z",
                "status": None,
                "fault": {**RESET, "remaining": None},
            },
            {"request_id": "r3", "index": 0, "at": "2026-06-14T12:00:03.000Z", "status": 202, "fault": None},
        ],
        "fate": "accepted_after_retry",
        "flags": [],
    }
    assert (rows[1]["fate"], rows[1]["flags"]) == ("accepted", [])


@pytest.mark.parametrize(
    ("path", "status", "fate"),
    [
        (WHISPERR, 401, "pending"),
        (WHISPERR, 403, "pending"),
        (WHISPERR, 429, "pending"),
        (WHISPERR, 500, "pending"),
        (WHISPERR, 400, "rejected"),
        (WHISPERR, 302, "rejected"),
        (OUTLIT, 401, "rejected"),
        (OUTLIT, 403, "rejected"),
        (OUTLIT, 413, "rejected"),
        (OUTLIT, 429, "pending"),
        (OUTLIT, 503, "pending"),
        (APEX, 400, "rejected"),
        (APEX, 429, "pending"),
        (APEX, 502, "pending"),
    ],
)
async def test_fate_is_what_clients_of_the_protocol_make_of_a_status(
    wire: Wire, path: str, status: int, fate: str
) -> None:
    body = {WHISPERR: track("m1"), OUTLIT: clicks("a"), APEX: page("a")}[path]
    await wire.send(path, body, {"reply": {"status": status}})
    assert wire.fates() == [fate]


async def test_fate_follows_a_patch_when_the_contract_says_otherwise(wire: Wire) -> None:
    patch = {"protocol": {"delivery": {"retried": {"statuses": ["418"]}}}}
    await wire.send(WHISPERR, track("m1"), {"reply": {"status": 418}}, patch=patch)
    await wire.send(WHISPERR, track("m2"), {"reply": {"status": 503}}, patch=patch)
    assert wire.fates() == ["pending", "rejected"]


@pytest.mark.parametrize("connection", ["reset", "drop", "malformed"])
async def test_cut_connection_leaves_an_event_pending_and_then_lost(wire: Wire, connection: str) -> None:
    await wire.send(WHISPERR, track("m1"), {"connection": connection})
    assert wire.fates() == ["pending"]
    assert wire.fates(final=True) == ["lost"]
    assert wire.rows()[0]["attempts"][0]["status"] is None


async def test_truncated_answer_tells_its_status_and_stores_the_event(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), {"connection": "truncate"})
    assert (wire.fates(), wire.fates(final=True)) == (["pending"], ["accepted"])
    assert wire.rows()[0]["attempts"][0]["status"] == 202


async def test_truncated_answer_loses_the_event_when_the_step_says_before_the_commit(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), {"connection": "truncate", "when": "before_commit"})
    assert (wire.fates(), wire.fates(final=True)) == (["pending"], ["lost"])
    assert wire.rows()[0]["attempts"][0]["status"] == 202


async def test_slow_answer_counts_as_an_answer_when_the_connection_dribbles(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), {"connection": "dribble", "when": "after_commit"})
    assert wire.fates() == ["accepted"]


async def test_stored_event_is_not_lost_when_only_its_answer_was(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), LOST_ANSWER)
    assert wire.fates() == ["pending"]
    assert wire.fates(final=True) == ["accepted"]


async def test_lost_answer_and_repeat_are_one_row_when_the_repeat_is_a_duplicate(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1", "m2"), LOST_ANSWER)
    await wire.send(WHISPERR, track("m1", "m2"))
    assert [(row["fate"], len(row["attempts"]), row["flags"]) for row in wire.rows()] == [
        ("accepted_after_retry", 2, []),
        ("accepted_after_retry", 2, []),
    ]
    assert wire.session.counts.accepted == 2


async def test_event_is_rejected_then_resent_when_it_comes_back_after_a_refusal(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), BAD_REQUEST)
    assert wire.fates() == ["rejected"]
    await wire.send(WHISPERR, track("m1"))
    assert wire.fates() == ["rejected_then_resent"]


async def test_good_events_of_a_refused_batch_are_rejected(wire: Wire) -> None:
    body = track("m1", "m2")
    body["events"][1]["event_type"] = "Not A Name"
    assert await wire.send(WHISPERR, body) == 400
    assert wire.fates() == ["rejected", "rejected"]


async def test_one_forced_failure_of_a_batch_is_one_rejected_row(wire: Wire) -> None:
    status = await wire.send(
        OUTLIT, clicks("a", "b", "c"), {"match": {"where": {"/eventName": "b"}}, "reject": {"message": "no"}}
    )
    assert status == 207
    assert wire.fates() == ["accepted", "rejected", "accepted"]
    assert [len(row["attempts"]) for row in wire.rows()] == [1, 1, 1]


async def test_equal_events_are_rows_of_their_own_when_each_was_acknowledged(wire: Wire) -> None:
    for _ in range(350):
        await wire.send(OUTLIT, clicks("click", "click"))
    rows = wire.rows()
    assert len(rows) == 700
    assert len({row["id"] for row in rows}) == 700
    assert {row["by"] for row in rows} == {"fingerprint"}
    assert {(row["fate"], len(row["attempts"]), tuple(row["flags"])) for row in rows} == {("accepted", 1, ())}


async def test_equal_events_stay_apart_when_a_resend_without_ids_has_newer_ones(wire: Wire) -> None:
    await wire.send(OUTLIT, clicks("a", "a", "b"), UNAVAILABLE)
    await wire.send(OUTLIT, clicks("a", "a", "b", "a", "c"), RESET)
    await wire.send(OUTLIT, clicks("a", "a", "b", "a", "c"))
    rows = wire.rows()
    assert [len(row["attempts"]) for row in rows] == [3, 3, 3, 2, 2]
    assert {row["fate"] for row in rows} == {"accepted_after_retry"}
    assert [attempt["index"] for attempt in rows[3]["attempts"]] == [3, 3]
    assert all(row["flags"] == [] for row in rows)


async def test_equal_events_are_told_apart_when_a_resend_is_split(wire: Wire) -> None:
    await wire.send(OUTLIT, clicks("a", "a", "a"), UNAVAILABLE)
    await wire.send(OUTLIT, clicks("a", "a"))
    await wire.send(OUTLIT, clicks("a"))
    assert [(row["fate"], len(row["attempts"])) for row in wire.rows()] == [("accepted_after_retry", 2)] * 3


async def test_member_order_does_not_matter_when_events_are_compared(wire: Wire) -> None:
    body = clicks("a")
    await wire.send(OUTLIT, body, UNAVAILABLE)
    event = dict(reversed(body["events"][0].items()))
    await wire.send(OUTLIT, {**body, "events": [event]})
    assert wire.fates() == ["accepted_after_retry"]


async def test_identify_is_known_by_its_content_when_it_has_no_id(wire: Wire) -> None:
    body = {"external_user_id": "u1", "traits": {"plan": "pro"}}
    await wire.send(IDENTIFY, body, UNAVAILABLE)
    await wire.send(IDENTIFY, body)
    await wire.send(IDENTIFY, body)
    rows = wire.rows()
    assert [(row["by"], row["type"], row["fate"]) for row in rows] == [
        ("fingerprint", "identify", "accepted_after_retry"),
        ("fingerprint", "identify", "accepted"),
    ]


async def test_same_id_is_two_events_when_two_protocols_use_it(wire: Wire) -> None:
    name = "0190a1b2-0000-7000-8000-000000000001"
    body = clicks("a")
    body["events"][0]["uuid"] = name
    await wire.send(OUTLIT, body)
    await wire.send(WHISPERR, track(name))
    rows = wire.rows()
    assert [(row["id"], row["by"], row["protocol"]) for row in rows] == [
        (name, "uuid", "outlit"),
        (name, "$message_id", "whisperr"),
    ]


@pytest.mark.parametrize(("body", "fate"), [("", "pending"), ("<html>", "pending"), ({"success": True}, "accepted")])
async def test_success_counts_only_with_json_when_the_protocol_reads_it(wire: Wire, body: object, fate: str) -> None:
    await wire.send(OUTLIT, clicks("a"), {"reply": {"status": 200, "body": body}})
    assert wire.fates() == [fate]


async def test_any_success_counts_when_the_protocol_looks_at_the_status_alone(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), {"reply": {"status": 204}})
    assert wire.fates() == ["accepted"]


async def test_success_is_no_delivery_when_the_event_was_never_stored(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), {"reply": {"status": 202}, "when": "before_commit"})
    assert wire.fates() == ["rejected"]


async def test_duplicate_delivery_is_flagged_when_an_acknowledged_event_comes_again(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"))
    await wire.send(WHISPERR, track("m1"), UNAVAILABLE)
    (row,) = wire.rows()
    assert (row["fate"], row["flags"], len(row["attempts"])) == ("accepted", ["duplicate_delivery"], 2)


ALL = {"accepted": 2, "rejected": 0}


@pytest.mark.parametrize(
    "body",
    ["", "<html>", {}, [], {**ALL, "accepted": 1}, {**ALL, "rejected": 1}, {**ALL, "accepted": "2"}, {"accepted": 2.0}],
)
async def test_duplicate_delivery_is_not_flagged_when_a_batch_comes_again_that_was_not_counted(
    wire: Wire, body: object
) -> None:
    """Some clients read the counts and send it again, others look at the status: neither is wrong."""
    reply = {"reply": {"status": 202, "body": body}, "when": "after_commit"}
    await wire.send(WHISPERR, track("m1", "m2"), reply)
    assert wire.fates(final=True) == ["accepted", "accepted"]
    await wire.send(WHISPERR, track("m1", "m2"))
    assert [(row["fate"], row["flags"]) for row in wire.rows()] == [("accepted", [])] * 2
    await wire.send(WHISPERR, track("m1", "m2"))
    assert [row["flags"] for row in wire.rows()] == [["duplicate_delivery"]] * 2


async def test_duplicate_delivery_is_flagged_when_a_scripted_reply_counts_all_events(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1", "m2"), {"reply": {"status": 200, "body": ALL}, "when": "after_commit"})
    await wire.send(WHISPERR, track("m1", "m2"))
    assert [row["flags"] for row in wire.rows()] == [["duplicate_delivery"]] * 2


async def test_batch_may_come_again_when_some_of_its_events_were_counted_as_rejected(wire: Wire) -> None:
    partial = {"protocol": {"operations": {"batch": {"forms": {"batch": {"policy": "partial"}}}}}}
    body = track("m1", "m2")
    body["events"][1]["event_type"] = "Bad Name"
    for _ in range(2):
        await wire.send(WHISPERR, body, patch=partial)
    assert [(row["fate"], row["flags"]) for row in wire.rows()] == [("accepted", []), ("rejected", [])]


async def test_single_event_is_acknowledged_by_its_status_when_no_counts_are_read_there(wire: Wire) -> None:
    (event,) = track("m1")["events"]
    for _ in range(2):
        await wire.send("/v1/events/track", event)
    assert wire.rows()[0]["flags"] == ["duplicate_delivery"]


async def test_duplicate_delivery_is_not_flagged_when_both_were_on_the_wire_together(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), {"delay_ms": 1, "when": "after_commit"}, arrived=NOW, answered=NOW + 500)
    await wire.send(WHISPERR, track("m1"), arrived=NOW + 100)
    (row,) = wire.rows()
    assert (row["fate"], row["flags"]) == ("accepted", [])


async def test_duplicate_delivery_is_not_flagged_when_one_request_names_an_id_twice(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1", "m1"))
    (row,) = wire.rows()
    assert [attempt["index"] for attempt in row["attempts"]] == [0, 1]
    assert (row["fate"], row["flags"]) == ("accepted", [])


async def test_mutation_is_flagged_when_an_id_returns_with_other_content(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1", "m2"), UNAVAILABLE)
    body = track("m1", "m2")
    body["events"][0]["occurred_at"] = "2026-06-14T11:00:00.000Z"
    await wire.send(WHISPERR, body)
    assert [row["flags"] for row in wire.rows()] == [["mutated_between_attempts"], []]


async def test_mutation_is_flagged_when_integers_differ_beyond_a_double(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1", properties={"n": 2**70}), UNAVAILABLE)
    await wire.send(WHISPERR, track("m1", properties={"n": 2**70 + 1}))
    assert wire.rows()[0]["flags"] == ["mutated_between_attempts"]


async def test_changed_identity_is_flagged_when_an_id_returns_for_another_user(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), UNAVAILABLE)
    await wire.send(WHISPERR, track("m1", external_user_id="u2"))
    assert wire.rows()[0]["flags"] == ["mutated_between_attempts", "identity_changed"]


async def test_changed_identity_is_flagged_when_the_request_around_names_another(wire: Wire) -> None:
    await wire.send(OUTLIT, clicks("a", userIdentity={"email": "a@example.com"}), UNAVAILABLE)
    await wire.send(OUTLIT, clicks("a", userIdentity={"email": "b@example.com"}))
    (row,) = wire.rows()
    assert (row["fate"], row["flags"]) == ("accepted_after_retry", ["identity_changed"])


async def test_changed_identity_is_flagged_when_a_retry_has_a_new_id(wire: Wire) -> None:
    at = "2026-06-14T11:00:00.000Z"
    await wire.send(WHISPERR, track("m1", occurred_at=at, properties={}), UNAVAILABLE)
    await wire.send(WHISPERR, track("m2", occurred_at=at, properties={}))
    assert [(row["id"], row["fate"], row["flags"]) for row in wire.rows(final=True)] == [
        ("m1", "lost", []),
        ("m2", "accepted", ["identity_changed"]),
    ]


@pytest.mark.parametrize("second", [("m1", "m2"), ("m2",)])
async def test_equal_content_is_not_a_new_id_when_the_old_one_is_there_or_done(
    wire: Wire, second: Sequence[str]
) -> None:
    await wire.send(WHISPERR, track("m1", properties={}), UNAVAILABLE if len(second) > 1 else None)
    await wire.send(WHISPERR, track(*second, properties={}))
    assert all(row["flags"] == [] for row in wire.rows())


async def test_reordering_is_flagged_when_a_later_event_overtakes_a_retried_one(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), UNAVAILABLE)
    await wire.send(WHISPERR, track("m2"))
    await wire.send(WHISPERR, track("m1"))
    assert [(row["id"], row["flags"]) for row in wire.rows()] == [("m1", ["reordered"]), ("m2", [])]


async def test_reordering_is_flagged_when_a_retry_turns_a_batch_round(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1", "m2", "m3"), UNAVAILABLE)
    await wire.send(WHISPERR, track("m1", "m3", "m2"))
    assert [row["flags"] for row in wire.rows()] == [[], ["reordered"], []]


async def test_reordering_is_not_flagged_when_the_overtaken_event_was_dropped(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), BAD_REQUEST)
    await wire.send(WHISPERR, track("m2"))
    await wire.send(WHISPERR, track("m3"), LOST_ANSWER)
    await wire.send(WHISPERR, track("m4"))
    await wire.send(WHISPERR, track("m3"))
    assert all(row["flags"] == [] for row in wire.rows())


@pytest.mark.parametrize(
    ("path", "body", "label"),
    [
        (WHISPERR, track("m1"), "track:paid"),
        (WHISPERR, track("m1", event_type=7), "no type"),
        (WHISPERR, track("m1", event_type=""), ""),
        (IDENTIFY, {"external_user_id": "u1"}, "identify"),
        (OUTLIT, clicks("plan_chosen"), "custom:plan_chosen"),
        (OUTLIT, clicks(""), "custom"),
        (OUTLIT, {"source": "server", "events": [{"type": "engagement", "eventName": 3}]}, "engagement"),
        (APEX, page("click"), "click"),
    ],
)
async def test_row_has_a_label_that_names_the_event(wire: Wire, path: str, body: dict[str, Any], label: str) -> None:
    await wire.send(path, body)
    assert [row["label"] for row in wire.rows()] == [label or "no type"]


async def test_requests_without_events_make_no_rows(wire: Wire) -> None:
    await wire.send(WHISPERR, ["not an object"])
    await wire.send(WHISPERR, {"events": []})
    await wire.send("/v1/nowhere", track("m1"))
    assert wire.rows() == []


async def test_attempts_stand_in_the_order_they_arrived_when_one_was_committed_late(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), arrived=NOW + 3000)
    await wire.send(WHISPERR, track("m1"), {"connection": "drop", "when": "after_commit"}, arrived=NOW)
    (row,) = wire.rows()
    assert [attempt["request_id"] for attempt in row["attempts"]] == ["r2", "r1"]
    assert (row["fate"], row["flags"]) == ("accepted_after_retry", [])


KEY_LOST = {"reply": {"status": 503}, "when": "after_commit"}


@pytest.mark.parametrize(
    "lost", [LOST_ANSWER, KEY_LOST, {"connection": "truncate"}, {"reply": {"status": 400}, "when": "after_commit"}]
)
@pytest.mark.parametrize(("path", "body"), [(OUTLIT, clicks("a", "b")), (APEX, page("a", "b"))])
async def test_event_is_stored_twice_when_it_comes_again_without_an_id(
    wire: Wire, path: str, body: dict[str, Any], lost: Mapping[str, Any]
) -> None:
    await wire.send(path, body, lost)
    assert [row["flags"] for row in wire.rows()] == [[], []]
    await wire.send(path, body)
    assert [(len(row["attempts"]), row["flags"]) for row in wire.rows()] == [(2, ["stored_twice"])] * 2
    assert wire.session.counts.accepted == 4


@pytest.mark.parametrize("unstored", [UNAVAILABLE, RESET, BAD_REQUEST])
async def test_event_is_stored_once_when_the_first_attempt_was_not_taken(wire: Wire, unstored: dict[str, Any]) -> None:
    await wire.send(OUTLIT, clicks("a"), unstored)
    await wire.send(OUTLIT, clicks("a"))
    assert wire.rows()[0]["flags"] == []


@pytest.mark.parametrize(("first", "second"), [("u1", "u2"), ("u1", None), (None, "u2")])
async def test_event_is_stored_twice_when_it_comes_again_under_another_id(
    wire: Wire, first: str | None, second: str | None
) -> None:
    await wire.send(OUTLIT, click(first), LOST_ANSWER)
    await wire.send(OUTLIT, click(second))
    assert ["stored_twice" in row["flags"] for row in wire.rows()] == [False, True]
    await wire.send(OUTLIT, click(second))  # an acknowledged row is closed
    assert sum("stored_twice" in row["flags"] for row in wire.rows()) == 1


async def test_event_is_stored_twice_when_only_the_second_new_id_gets_through(wire: Wire) -> None:
    await wire.send(OUTLIT, click("u1"), LOST_ANSWER)
    await wire.send(OUTLIT, click("u2"), UNAVAILABLE)
    assert not any("stored_twice" in row["flags"] for row in wire.rows())
    await wire.send(OUTLIT, click("u3"))
    assert ["stored_twice" in row["flags"] for row in wire.rows()] == [False, False, True]


async def test_equal_event_is_another_one_when_the_first_comes_again_itself(wire: Wire) -> None:
    await wire.send(OUTLIT, click("u1"), LOST_ANSWER)
    await wire.send(OUTLIT, click("u2"))
    await wire.send(OUTLIT, click("u1"))
    assert not any("stored_twice" in row["flags"] for row in wire.rows())


async def test_equal_event_is_another_one_when_both_are_in_one_request(wire: Wire) -> None:
    await wire.send(OUTLIT, click("u1"), LOST_ANSWER)
    await wire.send(OUTLIT, click("u1", "u2"))
    assert not any("stored_twice" in row["flags"] for row in wire.rows())


async def test_id_is_stored_twice_when_the_dedup_memory_was_patched_away(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"))
    await wire.send(WHISPERR, track("m1"))
    assert wire.rows()[0]["flags"] == ["duplicate_delivery"]
    wire.session.claims = type(wire.session.claims)()
    await wire.send(WHISPERR, track("m1"))
    assert wire.rows()[0]["flags"] == ["duplicate_delivery", "stored_twice"]


async def test_repeated_identify_is_not_stored_twice(wire: Wire) -> None:
    body = {"external_user_id": "u1", "traits": {"plan": "pro"}}
    await wire.send(IDENTIFY, body, LOST_ANSWER)
    await wire.send(IDENTIFY, body)
    (row,) = wire.rows()
    assert (row["fate"], row["flags"]) == ("accepted_after_retry", [])


async def test_event_is_stored_twice_when_a_delayed_request_is_committed_after_its_resend(wire: Wire) -> None:
    await wire.send(OUTLIT, clicks("a", "a"), arrived=NOW + 3000)
    await wire.send(OUTLIT, clicks("a", "a"), {"connection": "drop", "when": "after_commit"}, arrived=NOW)
    rows = wire.rows()
    assert [(row["fate"], row["flags"]) for row in rows] == [("accepted_after_retry", ["stored_twice"])] * 2
    assert [attempt["request_id"] for attempt in rows[0]["attempts"]] == ["r2", "r1"]


async def test_delayed_request_is_an_event_of_its_own_when_it_was_answered(wire: Wire) -> None:
    await wire.send(OUTLIT, clicks("a"), arrived=NOW + 3000)
    await wire.send(OUTLIT, clicks("a"), {"delay_ms": 1}, arrived=NOW)
    assert [row["flags"] for row in wire.rows()] == [[], []]


PARTLY = {"success": False, "processed": 1, "errors": [{"index": 0, "message": "no"}]}
WHOLLY = {"success": False, "processed": 0, "errors": [{"index": -1, "message": "no"}]}


@pytest.mark.parametrize(("body", "flags"), [(PARTLY, [["told_refused"], []]), (WHOLLY, [["told_refused"]] * 2)])
@pytest.mark.parametrize("status", [207, 200])
async def test_event_that_a_scripted_reply_names_is_told_refused_though_it_is_stored(
    wire: Wire, status: int, body: Any, flags: list[list[str]]
) -> None:
    await wire.send(OUTLIT, clicks("a", "b"), {"reply": {"status": status, "body": body}})
    rows = wire.rows()
    assert [row["flags"] for row in rows] == flags
    assert [row["fate"] for row in rows] == ["accepted", "accepted"]
    assert [attempt["status"] for row in rows for attempt in row["attempts"]] == [status] * 2
    await wire.send(OUTLIT, clicks("a"))
    assert (wire.rows()[0]["fate"], wire.rows()[0]["flags"]) == (
        "rejected_then_resent",
        ["told_refused", "stored_twice"],
    )


@pytest.mark.parametrize("errors", [None, "no", {}, [0], [{"index": "0"}], [{"index": True}], [{"index": 7}], [{}]])
async def test_scripted_list_of_errors_that_names_no_event_refuses_none(wire: Wire, errors: object) -> None:
    await wire.send(OUTLIT, clicks("a", "b"), {"reply": {"status": 207, "body": {"errors": errors}}})
    assert [(row["fate"], row["flags"]) for row in wire.rows()] == [("accepted", [])] * 2


async def test_event_is_told_accepted_though_it_is_not_stored(wire: Wire) -> None:
    await wire.send(WHISPERR, track("m1"), {"reply": {"status": 202}, "when": "before_commit"})
    body = clicks("a", "b")
    del body["events"][0]["eventName"]
    await wire.send(OUTLIT, body, {"reply": {"status": 200, "body": {"success": True, "processed": 2}}})
    assert [(row["fate"], row["flags"]) for row in wire.rows()] == [
        ("rejected", ["told_accepted"]),
        ("rejected", ["told_accepted"]),
        ("accepted", []),
    ]


async def test_event_is_accepted_after_a_retry_when_a_redirect_is_followed(wire: Wire) -> None:
    step = {"reply": {"status": 307, "headers": {"Location": "/v1/events/batch/"}}}
    await wire.send(WHISPERR, track("m1"), step)
    assert (wire.fates(), wire.fates(final=True)) == (["rejected"], ["rejected"])
    await wire.send(WHISPERR, track("m1"))
    (row,) = wire.rows()
    assert (row["fate"], row["flags"]) == ("accepted_after_retry", [])
    assert [attempt["status"] for attempt in row["attempts"]] == [307, 202]


def click(*ids: str | None) -> dict[str, Any]:
    """Return a batch with equal events, under ids or without one."""
    body = clicks(*("click" for _ in ids))
    for event, id in zip(body["events"], ids, strict=True):
        if id is not None:
            event["uuid"] = f"0190a1b2-0000-7000-8000-00000000000{id[1:]}"
    return body


async def test_garbage_collector_has_little_to_look_at_in_a_large_ledger(wire: Wire) -> None:
    await wire.send(OUTLIT, clicks(*(f"clicked_{number}" for number in range(90))))
    rows = deliveries(wire.session.exchanges())
    gc.collect()
    gc.collect()
    assert len(rows) == 90
    own = [part for part in gc.get_objects() if isinstance(part, Delivery)]
    inside = [part for row in rows for part in (row.attempts, row.flags, *row.attempts) if gc.is_tracked(part)]
    assert (own, inside) == ([], [])
