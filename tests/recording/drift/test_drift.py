"""Drift: nothing between two runs of one program, and each planted change once."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from mockserver.recording.drift.differences import KINDS
from mockserver.recording.drift.drift import without
from tests.recording.drifting import Plant, Rows, found, recorded, rows_of

BATCH, IDENTIFY, FAILED, RETRIED, BAD, VISIT = range(1, 7)


@pytest.fixture(scope="module")
def base() -> Rows:
    """A recording of the program."""
    return rows_of(recorded("ada"))


def events(rows: Rows, number: int) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = rows[number]["request"]["body"]["json"]["events"]
    return sent


def every_event(rows: Rows) -> list[dict[str, Any]]:
    return [event for number in (BATCH, FAILED, RETRIED, BAD) for event in events(rows, number)]


def drop(members: dict[str, Any], *names: str) -> list[Any]:
    return [members.pop(name) for name in names]


def header(rows: Rows, number: int, name: str, value: str | None, side: str = "request") -> None:
    kept = [pair for pair in rows[number][side]["headers"] if pair[0].lower() != name.lower()]
    rows[number][side]["headers"] = [*kept, *([] if value is None else [[name, value]])]


def everywhere(rows: Rows, name: str, value: str | None) -> Rows:
    for number in (BATCH, IDENTIFY, FAILED, RETRIED, BAD):
        header(rows, number, name, value)
    return rows


def renumber(rows: Rows) -> None:
    for number, row in enumerate(rows[1:], 1):
        row["id"] = f"x{number}"


def remove(rows: Rows, *numbers: int) -> None:
    rows[:] = [row for number, row in enumerate(rows) if number not in numbers]
    renumber(rows)


def split(rows: Rows) -> None:
    """Send the events of the first batch one by one."""
    parts = []
    for number in range(3):
        part = copy.deepcopy(rows[BATCH])
        part["request"]["body"]["json"]["events"] = events(rows, BATCH)[number : number + 1]
        part["events"] = rows[BATCH]["events"][number : number + 1]
        part["reply"]["body"]["json"] = {"accepted": 1, "rejected": 0}
        part["at_ms"] = rows[BATCH]["at_ms"]
        parts.append(part)
    rows[BATCH : BATCH + 1] = parts
    renumber(rows)


def remove_event(rows: Rows, number: int, index: int) -> None:
    del events(rows, number)[index]
    del rows[number]["events"][index]
    rows[number]["reply"]["body"]["json"]["accepted"] -= 1


def add_event(rows: Rows) -> None:
    event = copy.deepcopy(events(rows, BATCH)[0])
    event["event_type"] = "seat_added"
    event["context"]["$message_id"] = "new-1"
    events(rows, BATCH).append(event)
    rows[BATCH]["events"].append({**rows[BATCH]["events"][0], "type": "seat_added"})
    rows[BATCH]["reply"]["body"]["json"]["accepted"] += 1


def rename(rows: Rows) -> None:
    events(rows, BATCH)[0]["event_type"] = rows[BATCH]["events"][0]["type"] = "trial_begun"


def swap(rows: Rows) -> None:
    """Identify before the first batch."""
    rows[BATCH], rows[IDENTIFY] = rows[IDENTIFY], rows[BATCH]
    renumber(rows)


def reject(rows: Rows) -> None:
    finding = {"rule": "/events/event/x", "severity": "error", "pointer": "/nothing", "message": "m"}
    for event in rows[RETRIED]["events"]:
        event.update(verdict="rejected", findings=[finding])


def warn(rows: Rows) -> None:
    finding = {"rule": "/warnings/events/x", "severity": "warning", "pointer": "/nothing", "message": "m"}
    for row in rows[1:VISIT]:
        for event in row["events"]:
            event["findings"].append(finding)


def set_all(rows: Rows, place: str, name: str, value: Any) -> Rows:
    for event in every_event(rows):
        event[place][name] = value
    return rows


def send_again(rows: Rows) -> None:
    rows.insert(FAILED, copy.deepcopy(rows[FAILED]))
    renumber(rows)


def new_request(rows: Rows) -> None:
    row = copy.deepcopy(rows[IDENTIFY])
    row["operation"] = "user"
    row["request"] |= {"method": "GET", "path": "/v1/users/x", "body": {"text": ""}}
    row["events"] = []
    rows.append(row)
    renumber(rows)


def unreadable(rows: Rows) -> None:
    rows[IDENTIFY]["request"]["body"] = {"left_out": "not valid JSON", "bytes": 3}
    rows[IDENTIFY]["events"] = []


PLANTS: dict[str, tuple[Plant, tuple[str, ...]]] = {
    "status": (lambda rows: rows[IDENTIFY]["reply"].update(status=201), ("status",)),
    "status of a failed attempt": (lambda rows: rows[FAILED]["reply"].update(status=500), ("status",)),
    "verdict": (reject, ("verdict",)),
    "rule": (warn, ("rule /warnings/events/x",)),
    "request gone": (lambda rows: remove(rows, IDENTIFY), ("requests-gone",)),
    "protocol gone": (lambda rows: remove(rows, VISIT), ("requests-gone",)),
    "request new": (new_request, ("requests-new",)),
    "event gone": (lambda rows: remove_event(rows, BATCH, 0), ("events-gone",)),
    "one of two events gone": (lambda rows: remove_event(rows, BATCH, 1), ("events-gone",)),
    "event new": (add_event, ("events-new",)),
    "event renamed": (rename, ("event-type",)),
    "member of all events gone": (
        lambda rows: [drop(event["context"], "sdk_name") for event in every_event(rows)],
        ("member-gone /context/sdk_name",),
    ),
    "member of one type gone": (
        lambda rows: drop(events(rows, BATCH)[0]["properties"], "plan"),
        ("member-gone /properties/plan",),
    ),
    "object gone": (lambda rows: drop(events(rows, BATCH)[0], "properties"), ("member-gone /properties",)),
    "member of one of two events gone": (
        lambda rows: drop(events(rows, BATCH)[2]["properties"], "amount"),
        ("member-gone /properties/amount",),
    ),
    "envelope member gone": (
        lambda rows: drop(rows[VISIT]["request"]["body"]["json"], "source"),
        ("member-gone /source",),
    ),
    "member new": (lambda rows: set_all(rows, "context", "locale", "da"), ("member-new /context/locale",)),
    "object new": (lambda rows: set_all(rows, "context", "os", {"name": "x"}), ("member-new /context/os",)),
    "number became a string": (
        lambda rows: events(rows, BATCH)[0]["properties"].update(seats="3"),
        ("member-type /properties/seats",),
    ),
    "time became a number": (
        lambda rows: [event.update(occurred_at=1_781_438_400_000) for event in every_event(rows)],
        ("member-type /occurred_at",),
    ),
    "object became a string": (
        lambda rows: events(rows, BATCH)[0].update(properties="pro"),
        ("member-type /properties",),
    ),
    "value": (
        lambda rows: events(rows, BATCH)[0]["properties"].update(plan="team"),
        ("member-value /properties/plan",),
    ),
    "values of two events": (
        lambda rows: [event["properties"].update(amount=9) for event in events(rows, BATCH)[1:]],
        ("member-value /properties/amount",),
    ),
    "enumeration in an envelope": (
        lambda rows: rows[VISIT]["request"]["body"]["json"].update(source="server"),
        ("member-value /source",),
    ),
    "array shorter": (
        lambda rows: [events(rows, number)[0]["properties"]["tags"].pop() for number in (FAILED, RETRIED)],
        ("array-length /properties/tags",),
    ),
    "element": (
        lambda rows: rows[IDENTIFY]["request"]["body"]["json"]["channels"][0].update(opted_in=False),
        ("member-value /channels/*/opted_in",),
    ),
    "path": (lambda rows: rows[IDENTIFY]["request"].update(path="/v1/identify/"), ("path",)),
    "parameter gone": (
        lambda rows: rows[VISIT]["request"].update(path=rows[VISIT]["request"]["path"].partition("?")[0]),
        ("parameter-gone v",),
    ),
    "parameter": (
        lambda rows: rows[VISIT]["request"].update(path=rows[VISIT]["request"]["path"].replace("v=3", "v=4")),
        ("parameter-value v",),
    ),
    "header gone": (lambda rows: everywhere(rows, "accept-encoding", None), ("header-gone accept-encoding",)),
    "header new": (lambda rows: everywhere(rows, "Idempotency-Key", "k"), ("header-new idempotency-key",)),
    "header": (lambda rows: everywhere(rows, "Accept-Encoding", "br"), ("header-value accept-encoding",)),
    "credential elsewhere": (
        lambda rows: [everywhere(rows, "X-API-Key", None), everywhere(rows, "Authorization", "Bearer x")],
        ("header-gone x-api-key", "header-new authorization"),
    ),
    "SDK version": (
        lambda rows: [
            everywhere(rows, "User-Agent", "whisperr-python/0.3.0"),
            set_all(rows, "context", "sdk_version", "0.3.0"),
        ],
        ("sdk-version /context/sdk_version user-agent",),
    ),
    "another SDK": (lambda rows: everywhere(rows, "User-Agent", "whisperr-go/1.0"), ("header-value user-agent",)),
    "version of the application": (
        lambda rows: set_all(rows, "context", "app_version", "2"),
        ("member-new /context/app_version",),
    ),
    "more attempts": (send_again, ("attempts",)),
    "fewer attempts": (lambda rows: remove(rows, FAILED), ("attempts",)),
    "batch split": (split, ("batches",)),
    "order": (swap, ("order",)),
    "body unreadable": (unreadable, ("body",)),
    "reply member gone": (
        lambda rows: drop(rows[IDENTIFY]["reply"]["body"]["json"]["user"], "created"),
        ("reply-member-gone /user/created",),
    ),
    "reply member new": (
        lambda rows: rows[IDENTIFY]["reply"]["body"]["json"].update(job=1),
        ("reply-member-new /job",),
    ),
    "reply member's type": (
        lambda rows: rows[IDENTIFY]["reply"]["body"]["json"]["user"].update(created="yes"),
        ("reply-member-type /user/created",),
    ),
    "reply value": (
        lambda rows: rows[IDENTIFY]["reply"]["body"]["json"]["user"].update(created=True),
        ("reply-member-value /user/created",),
    ),
    "reply text": (lambda rows: rows[IDENTIFY]["reply"].update(body={"text": "x"}), ("reply-body",)),
    "reply header gone": (
        lambda rows: header(rows, VISIT, "x-ratelimit-limit", None, "reply"),
        ("reply-header-gone x-ratelimit-limit",),
    ),
    "reply header": (
        lambda rows: header(rows, VISIT, "x-ratelimit-limit", "5", "reply"),
        ("reply-header-value x-ratelimit-limit",),
    ),
}  # fmt: skip


def named(old: Rows, new: Rows) -> list[str]:
    """Return the kind and the places of each difference."""
    return [" ".join((one.kind, *sorted(one.places))) for one in found(old, new).differences]


def test_nothing_differs_between_two_runs_of_a_program(base: Rows) -> None:
    for other in (recorded("user_77"), recorded("8c3a1f20-6d0e-4a3e-9c57-0c9b7a1d5e42", normalise=True)):
        both = found(base, rows_of(other))
        assert [*map(str, both.differences)] == []
        assert (both.requests, both.events) == (5, 8)


@pytest.mark.parametrize("name", PLANTS)
def test_planted_change_is_named_once(base: Rows, name: str) -> None:
    plant, expected = PLANTS[name]
    changed = copy.deepcopy(base)
    plant(changed)
    assert named(base, changed) == list(expected)
    assert len(named(changed, base)) == len(expected)
    assert named(changed, changed) == []


TOGETHER = ("status", "member of all events gone", "number became a string", "value", "header", "SDK version", "order")


def test_changes_planted_together_are_each_named_once(base: Rows) -> None:
    changed = copy.deepcopy(base)
    for name in ("reply header", "parameter", "enumeration in an envelope", "array shorter", *TOGETHER):
        PLANTS[name][0](changed)
    names = named(base, changed)
    expected = [*(place for name in TOGETHER for place in PLANTS[name][1])]
    expected += ["reply-header-value x-ratelimit-limit", "parameter-value v", "member-value /source"]
    expected += ["array-length /properties/tags"]
    assert sorted(names) == sorted(expected)


@pytest.mark.parametrize(
    "names",
    [
        ("one of two events gone", "member new"),
        ("one of two events gone", "SDK version"),
        ("event new", "member of all events gone"),
        ("status of a failed attempt", "more attempts"),
        ("event renamed", "value"),
        ("batch split", "header"),
    ],
    ids=" and ".join,
)
def test_change_that_moves_others_hides_none_of_them(base: Rows, names: tuple[str, ...]) -> None:
    changed = copy.deepcopy(base)
    for name in names:
        PLANTS[name][0](changed)
    assert sorted(named(base, changed)) == sorted(place for name in names for place in PLANTS[name][1])


def test_every_kind_is_planted() -> None:
    planted = {name.partition(" ")[0] for _, names in PLANTS.values() for name in names}
    planted |= {kind.replace("-gone", "-new") for kind in planted} | {kind.replace("-new", "-gone") for kind in planted}
    assert planted | {"reply-array-length"} == KINDS.keys()


def test_array_in_a_reply_is_shorter(base: Rows) -> None:
    old, new = copy.deepcopy(base), copy.deepcopy(base)
    for rows, errors in ((old, [{"index": 0}, {"index": 1}]), (new, [{"index": 0}])):
        rows[IDENTIFY]["reply"]["body"]["json"]["errors"] = errors
    assert named(old, new) == ["reply-array-length /errors"]


def test_most_important_comes_first_with_where_it_is_seen(base: Rows) -> None:
    changed = copy.deepcopy(base)
    for name in ("SDK version", "value", "status", "more attempts"):
        PLANTS[name][0](changed)
    differences = found(base, changed).differences
    assert [one.kind for one in differences] == ["status", "member-value", "sdk-version", "attempts"]
    status, value, version, attempts = differences
    assert (status.operations, status.old, status.new, status.where) == (("identify",), 200, 201, ("x2", "x2"))
    assert (value.events, value.old, value.new, value.count, value.total) == (("trial_started",), "pro", "team", 1, 1)
    assert (version.old, version.new, version.operations) == ("0.2.1", "0.3.0", ("batch", "identify"))
    assert (attempts.old, attempts.new, attempts.where) == (2, 3, ("x3", "x3"))


def test_rule_that_a_change_breaks_is_told_with_it(base: Rows) -> None:
    changed = copy.deepcopy(base)
    finding = {"rule": "/warnings/events/unnamed", "severity": "warning", "pointer": "/context/locale", "message": "m"}
    set_all(changed, "context", "locale", "da")
    for row in changed[1:VISIT]:
        for event in row["events"] if row["operation"] == "batch" else ():
            event["findings"].append(finding)
    (difference,) = found(base, changed).differences
    assert (difference.kind, difference.rules) == ("member-new", ("/warnings/events/unnamed",))
    assert set(difference.events) == {"trial_started", "paid", "churned", "Bad Name"}


def test_values_that_are_another_one_each_time_do_not_count(base: Rows) -> None:
    old, new = copy.deepcopy(base), copy.deepcopy(base)
    for rows, first in ((old, 1), (new, 50)):
        for number, event in enumerate(every_event(rows)):
            event["event_type"] = "moved"
            event["properties"] = {"x": first + number, "speed": first * 0.5 + number}
        for row in rows[1:VISIT]:
            for told in row["events"]:
                told["type"] = "moved"
    assert named(old, new) == []


def test_other_protocols_have_nothing_in_common(base: Rows) -> None:
    browser, server = ([base[0], *rows] for rows in (base[VISIT:], base[1:VISIT]))
    names = named(server, browser)
    assert names == ["requests-gone", "requests-gone", "requests-new"]


def test_contract_that_is_not_known_is_a_note(base: Rows) -> None:
    old, new = copy.deepcopy(base), copy.deepcopy(base)
    for row in (*old[1:], *new[1:]):
        row["protocol"] = {"outlit": "strange"}.get(row["protocol"], row["protocol"])
    new[0]["contracts"]["whisperr"]["revision"] = "r99"
    events(new, BATCH)[0]["properties"]["plan"] = "team"
    both = found(old, new)
    assert [one.kind for one in both.differences] == ["member-value"]
    assert both.notes == (
        "unknown protocol strange: values are told by their form alone",
        "unknown revision r99 of whisperr: read by its base contract",
        "whisperr: OLD was judged by base, NEW by r99",
        "OLD: replies made by a fault step: x3",
        "NEW: replies made by a fault step: x3",
    )


def test_kinds_can_be_left_out(base: Rows) -> None:
    changed = copy.deepcopy(base)
    for name in ("value", "status"):
        PLANTS[name][0](changed)
    left = without(found(base, changed), {"status"})
    assert [one.kind for one in left.differences] == ["member-value"]
