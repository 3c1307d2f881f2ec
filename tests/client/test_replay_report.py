"""The result of a replay as text, JSON and JUnit XML."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from mockserver.client.replay_report import Report
from mockserver.client.replay_requests import Replayed
from mockserver.lint.comparison import Difference
from tests.client.test_replayed_requests import exchange

ALIKE = Replayed(exchange=exchange(), status=202)
DIFFERENCE = Difference("/status", 202, 400, "expected\x1b[0m 202")
OTHER = Replayed(exchange=exchange(path="/v1/a?key=x"), status=400, differences=(DIFFERENCE,))
SKIPPED = Replayed(exchange=exchange(), skipped="its body is incomplete: late")
UNCOMPARED = Replayed(exchange=exchange(), status=202, uncompared="the client got no reply then")


def report(*results: Replayed, total: int | None = None, missing: tuple[str, ...] = ()) -> Report:
    return Report("r.ndjson", "http://a.test", results, len(results) if total is None else total, missing)


def test_lines_tell_what_differs_and_what_was_left_out() -> None:
    assert list(report(ALIKE, OTHER, SKIPPED, UNCOMPARED, total=6, missing=("apex/server_key",)).lines()) == [
        "x1 POST /v1/a: /status: expected\\x1b[0m 202",
        "x1 POST /v1/events/batch: not sent: its body is incomplete: late",
        "x1 POST /v1/events/batch: not compared: the client got no reply then",
        "note: pseudonyms were sent for apex/server_key: no --key fits",
        "3 requests sent, 1 reply as recorded, 1 differs, 1 not sent, 2 left",
    ]


def test_nothing_compared_is_no_success() -> None:
    assert report(ALIKE).clean
    assert not any(one.clean for one in (report(), report(SKIPPED), report(UNCOMPARED), report(ALIKE, OTHER)))


def test_json_has_every_exchange() -> None:
    shown = report(OTHER, SKIPPED).as_json()
    first, second = shown.pop("exchanges")
    assert shown == {
        "target": "http://a.test",
        "requests": 2,
        "sent": 1,
        "compared": 1,
        "differing": 1,
        "clean": False,
        "pseudonyms_sent": [],
    }
    assert (first["status"], first["recorded_status"], first["differences"][0]["pointer"]) == (400, 202, "/status")
    assert (second["status"], second["skipped"]) == (None, "its body is incomplete: late")


def test_junit_has_a_case_for_each_request() -> None:
    root = ET.fromstring(report(ALIKE, OTHER, SKIPPED, UNCOMPARED).junit())
    assert [[child.tag for child in case] for case in root.iter("testcase")] == [
        [],
        ["failure"],
        ["skipped"],
        ["skipped"],
    ]
