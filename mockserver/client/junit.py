"""The verdict for a session as JUnit XML: a test case per event type, so that names are the same in every run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from typing import Final

from mockserver.client.session_report import Failure, Report, case_of, kinds

SHOWN: Final = 100
"""Maximum number of failures shown per test case."""
NOT_XML: Final = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def junit(report: Report, failures: Sequence[Failure]) -> bytes:
    """Return a report as JUnit XML."""
    cases = sorted({*report.events, *map(case_of, report.deliveries), *(failure.case for failure in failures)})
    failed = {failure.case for failure in failures}
    counts = {"tests": str(len(cases)), "failures": str(len(failed)), "errors": "0", "skipped": "0", "time": "0"}
    root = ET.Element("testsuites", {"name": "mockserver", **counts})
    suite = ET.SubElement(root, "testsuite", {"name": _text(f"mockserver session {report.session}"), **counts})
    if report.began is not None:
        suite.set("timestamp", report.began.isoformat(timespec="seconds"))
    for protocol, name in cases:
        case = ET.SubElement(suite, "testcase", classname=_text(f"mockserver.{protocol}"), name=_text(name), time="0")
        found = [failure for failure in failures if failure.case == (protocol, name)]
        if found:
            message = ", ".join(f"{count} {kind}" for kind, count in kinds(found).items())
            failure = ET.SubElement(
                case, "failure", type=found[0].kind, message=f"{message}: {_text(found[0].lines[0])}"
            )
            failure.text = _text("\n".join(_reasons(found)))
        notes = "\n".join(_notes(report, (protocol, name)))
        if notes:
            ET.SubElement(case, "system-out").text = _text(notes)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _reasons(failures: Sequence[Failure]) -> Iterator[str]:
    for one in failures[:SHOWN]:
        yield from one.lines
    if len(failures) > SHOWN:
        yield f"… and {len(failures) - SHOWN} more"


def _notes(report: Report, case: tuple[str, str]) -> Iterator[str]:
    """Describe the events of one type: their number, fates and warnings."""
    if case in report.events:
        yield f"events: {report.events[case]}"
    fates = [row.fate for row in report.deliveries if case_of(row) == case]
    yield from (f"{fate}: {fates.count(fate)}" for fate in dict.fromkeys(fates))
    yield from (f"warning: {one.message} [{one.rule}] ({one.count})" for one in report.warnings if one.case == case)


def _text(value: str) -> str:
    """Replace the characters that XML does not allow."""
    return NOT_XML.sub("\ufffd", value)
