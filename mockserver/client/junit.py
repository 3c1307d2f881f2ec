"""A writer of JUnit XML: suites of test cases that passed, failed or were skipped."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mockserver.jsonkit.printable import printable, printable_lines

UNMEASURED: Final = "0"
"""The duration of every case: CI systems expect one, and none is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFailure:
    """The failure of a test case: its kind, a one-line message, and the details."""

    kind: str
    message: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A test case. It passed unless it has a `failure` or `skipped`, the reason why it was skipped."""

    classname: str
    name: str
    failure: CaseFailure | None = None
    skipped: str | None = None
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A named group of test cases."""

    name: str
    cases: Sequence[Case]
    started: datetime | None = None


def document(suites: Sequence[Suite]) -> bytes:
    """Return the XML document of some suites. All text in it is printable, which XML requires."""
    totals = _counts([case for suite in suites for case in suite.cases])
    del totals["skipped"]  # the schema of Jenkins' xUnit plugin has it for a single suite only
    root = ET.Element("testsuites", {"name": "mockserver", **totals})
    for suite in suites:
        element = ET.SubElement(root, "testsuite", {"name": suite.name, **_counts(suite.cases)})
        if suite.started is not None:
            element.set("timestamp", suite.started.isoformat(timespec="seconds"))
        for case in suite.cases:
            _add(element, case)
    for element in root.iter():
        element.attrib.update({name: printable(value) for name, value in element.items()})
        element.text = printable_lines(element.text or "") or None
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _counts(cases: Sequence[Case]) -> dict[str, str]:
    failures = sum(case.failure is not None for case in cases)
    skipped = sum(case.skipped is not None for case in cases)
    counts = {"tests": len(cases), "failures": failures, "errors": 0, "skipped": skipped}
    return {**{name: str(count) for name, count in counts.items()}, "time": UNMEASURED}


def _add(suite: ET.Element, case: Case) -> None:
    element = ET.SubElement(suite, "testcase", classname=case.classname, name=case.name, time=UNMEASURED)
    if case.failure is not None:
        failure = ET.SubElement(element, "failure", type=case.failure.kind, message=case.failure.message)
        failure.text = case.failure.text
    if case.skipped is not None:
        ET.SubElement(element, "skipped", message=case.skipped)
    if case.output:
        ET.SubElement(element, "system-out").text = case.output
