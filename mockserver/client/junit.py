"""JUnit XML as CI systems read it: suites of test cases that passed, failed or were skipped."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

NOT_XML: Final = re.compile("[^\\t\\n\\r\\x20-\\x7e\\x85\\xa0-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What XML does not allow, and the control characters that it only discourages."""
UNMEASURED: Final = "0"
"""The time of everything: CI systems expect one, and no test case here has a duration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFailure:
    """Why a test case failed: a kind of failure, a line about it, and everything about it."""

    kind: str
    message: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test case. It passed unless it has a failure or a reason why it was skipped; `output` is shown either way."""

    classname: str
    name: str
    failure: CaseFailure | None = None
    skipped: str | None = None
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """Test cases under a name."""

    name: str
    cases: Sequence[Case]
    started: datetime | None = None


def document(suites: Sequence[Suite]) -> bytes:
    """Return suites as an XML document."""
    totals = _counts([case for suite in suites for case in suite.cases])
    del totals["skipped"]  # the schema of Jenkins' xUnit plugin has it for a single suite only
    root = ET.Element("testsuites", {"name": "mockserver", **totals})
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {"name": xml_text(suite.name), **_counts(suite.cases)})
        if suite.started is not None:
            element.set("timestamp", suite.started.isoformat(timespec="seconds"))
        for case in suite.cases:
            _add(element, case)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def xml_text(value: str) -> str:
    """Replace the characters that XML does not allow."""
    return NOT_XML.sub("\ufffd", value)


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    failures = sum(case.failure is not None for case in cases)
    skipped = sum(case.skipped is not None for case in cases)
    counts = {"tests": len(cases), "failures": failures, "errors": 0, "skipped": skipped}
    return {**{name: str(count) for name, count in counts.items()}, "time": UNMEASURED}


def _add(suite: ET.Element, case: Case) -> None:
    element = ET.SubElement(
        suite, "testcase", classname=xml_text(case.classname), name=xml_text(case.name), time=UNMEASURED
    )
    if case.failure is not None:
        failure = ET.SubElement(
            element, "failure", type=xml_text(case.failure.kind), message=xml_text(case.failure.message)
        )
        failure.text = xml_text(case.failure.text)
    if case.skipped is not None:
        ET.SubElement(element, "skipped", message=xml_text(case.skipped))
    if case.output:
        ET.SubElement(element, "system-out").text = xml_text(case.output)
