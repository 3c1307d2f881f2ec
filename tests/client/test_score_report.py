"""The score of a client in every format of a report: the same rules with the same verdicts."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator

import pytest

from mockserver import MockServer, Session
from mockserver.client.report_formats import FORMATS
from mockserver.client.results import Conformance
from mockserver.client.score_report import counted, evidence, text_lines
from mockserver.client.session_report import Report
from tests.sending import send_whisperr, whisperr_event


@pytest.fixture(scope="module")
def broken() -> Iterator[Session]:
    """A session whose client sends an event again that was taken."""
    with MockServer() as server:
        session = server.session("wrk_scored")
        event = whisperr_event("paid", properties={})
        for _ in range(2):
            send_whisperr(session, event)
        yield session


@pytest.fixture(scope="module")
def report(broken: Session) -> Report:
    """Its report, with the rules."""
    return Report(broken, conformance=True, final=True)


def verdicts(score: Conformance) -> dict[str, str]:
    return {row.rule: row.verdict for row in score.rules}


def test_report_has_the_score_of_the_session(broken: Session, report: Report) -> None:
    score = broken.conformance(final=True)
    assert report.score is not None
    assert verdicts(report.score) == verdicts(score)
    assert verdicts(score)["nothing_twice"] == "fail"
    assert {row.protocol for row in score.rules} == {"whisperr"}


def test_broken_rule_of_the_level_must_fails_the_verdict_and_no_other_does(broken: Session, report: Report) -> None:
    must = {f"rule {row.rule}" for row in broken.conformance(final=True).failed if row.level == "must"}
    assert {failure.case[1] for failure in report.failures} == must == {"rule nothing_twice"}
    assert not Report(broken).failures


def test_json_and_text_have_every_rule(broken: Session, report: Report) -> None:
    rows = json.loads(FORMATS["json"](report))["conformance"]
    assert {row["rule"]: row["verdict"] for row in rows} == verdicts(broken.conformance(final=True))
    text = FORMATS["text"](report).decode()
    assert "fail (must) nothing_twice: No event is sent again after a success" in text
    assert "an event is sent again after the answer 202 (r1, r2)" in text
    assert "not exercised: waits_as_asked (asked_to_wait: " in text


def test_junit_has_a_case_for_each_rule(broken: Session, report: Report) -> None:
    cases = {
        case.get("name"): case
        for case in ET.fromstring(FORMATS["junit"](report)).iter("testcase")
        if case.get("classname") == "mockserver.whisperr.rules"
    }
    expected = verdicts(broken.conformance(final=True))
    assert cases.keys() == expected.keys()
    failed = {name for name, case in cases.items() if case.find("failure") is not None}
    skipped = {name for name, case in cases.items() if case.find("skipped") is not None}
    assert failed == {name for name, verdict in expected.items() if verdict == "fail"}
    assert skipped == {name for name, verdict in expected.items() if verdict == "not_exercised"}


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_table_has_a_row_for_each_rule(format: str, broken: Session, report: Report) -> None:
    text = FORMATS[format](report).decode()
    assert [row.rule for row in broken.conformance(final=True).rules if row.rule not in text] == []
    assert "an event is sent again after the answer 202 (r1, r2)" in text


def test_annotation_names_the_broken_rule(report: Report) -> None:
    assert "nothing_twice: No event is sent again after a success" in FORMATS["github"](report).decode()


def test_known_failure_is_marked(broken: Session) -> None:
    score = broken.conformance(final=True)
    assert any("fail (must, known) nothing_twice" in line for line in text_lines(score, {"nothing_twice"}))
    (row,) = [row for row in score.failed if row.rule == "nothing_twice"]
    assert evidence(row).endswith("(r1, r2)")
    assert counted(score.rules) in next(text_lines(score))
