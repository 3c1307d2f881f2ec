"""JUnit XML: what CI systems require of its elements and attributes, and any text in them."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime

import pytest

from mockserver.client.junit import Case, CaseFailure, Suite, document

FAILURE = CaseFailure(kind="lost", message="1 lost: o1", text="o1\no2")
PASSED = Case(classname="a", name="passed")
FAILED = Case(classname="a", name="failed", failure=FAILURE, output="events: 2")
SKIPPED = Case(classname="b", name="skipped", skipped="not exercised: no key")


def written(*suites: Suite) -> ET.Element:
    return ET.fromstring(document(suites))


def test_counts_are_those_of_each_suite_and_of_all_when_there_are_several() -> None:
    root = written(Suite(name="one", cases=[PASSED, FAILED]), Suite(name="two", cases=[SKIPPED, FAILED, FAILED]))
    assert root.attrib == {"name": "mockserver", "tests": "5", "failures": "3", "errors": "0", "time": "0"}
    assert [suite.attrib for suite in root] == [
        {"name": "one", "tests": "2", "failures": "1", "errors": "0", "skipped": "0", "time": "0"},
        {"name": "two", "tests": "3", "failures": "2", "errors": "0", "skipped": "1", "time": "0"},
    ]


def test_case_has_its_outcome_before_its_output_when_it_has_both() -> None:
    (suite,) = written(Suite(name="s", cases=[PASSED, FAILED, SKIPPED]))
    assert [case.attrib for case in suite] == [
        {"classname": "a", "name": "passed", "time": "0"},
        {"classname": "a", "name": "failed", "time": "0"},
        {"classname": "b", "name": "skipped", "time": "0"},
    ]
    passed, failed, skipped = suite
    assert [(part.tag, part.attrib, part.text) for part in failed] == [
        ("failure", {"type": "lost", "message": "1 lost: o1"}, "o1\no2"),
        ("system-out", {}, "events: 2"),
    ]
    assert [(part.tag, part.attrib) for part in skipped] == [("skipped", {"message": "not exercised: no key"})]
    assert len(passed) == 0


def test_suite_has_a_timestamp_when_its_start_is_known() -> None:
    (suite,) = written(Suite(name="s", cases=[], started=datetime(2026, 6, 14, 12, 0, 2, 5, tzinfo=UTC)))
    assert suite.attrib["timestamp"] == "2026-06-14T12:00:02+00:00"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x00", r"\x00"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\ud800", r"\ud800"),
        ("\ufffe", r"\ufffe"),
        ("\x7f", r"\x7f"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("::error::x", r"\x3a:error::x"),
    ],
)
def test_character_is_escaped_wherever_it_is_when_xml_should_not_hold_it(text: str, shown: str) -> None:
    failed = Case(classname=text, name=text, failure=CaseFailure(kind=text, message=text, text=text), output=text)
    (suite,) = written(Suite(name=text, cases=[failed, Case(classname="a", name="a", skipped=text)]))
    places = [suite, *suite.iter("testcase"), *suite.iter("failure"), *suite.iter("skipped")]
    values = [value for place in places for value in place.attrib.values()]
    values += [part.text or "" for part in suite.iter() if part.tag in ("failure", "system-out")]
    escaped = [value for value in values if value not in ("a", "0", "1", "2")]
    assert escaped == [shown] * 8


def test_text_stays_as_it_is_when_xml_can_hold_it() -> None:
    text = "a b <&>\"' é \U0001f600"
    (suite,) = written(Suite(name=text, cases=[Case(classname="a", name="a", output=text)]))
    assert suite.attrib["name"] == text
    assert suite.findtext("testcase/system-out") == text
