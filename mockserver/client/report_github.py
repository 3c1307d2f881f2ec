"""The verdict for a session as workflow commands of GitHub Actions, which annotate the run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mockserver.client.session_report import Report
from mockserver.core import wording
from mockserver.jsonkit.printable import printable

MOST_ANNOTATIONS: Final = 10
"""Annotations of a kind; GitHub shows no more of one step."""
SHOWN_TITLE: Final = 120
SHOWN_MESSAGE: Final = 2_000


def github(report: Report) -> str:
    """Return the report as lines, each of them one command: an error for each failure, or a notice that it passed."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    failures, warnings = report.failures, report.warnings
    for failure in failures[: MOST_ANNOTATIONS - 1]:
        title = f"mockserver: {failure.kind}, {' '.join(failure.case)}"
        what, *why = failure.lines
        yield command("error", title, "; ".join(line.strip() for line in (*why, what)))
    more = len(failures) - (MOST_ANNOTATIONS - 1)
    if failures:
        also = f"; {more} more failures have no annotation" if more > 0 else ""
        yield command("error", f"mockserver: session {report.name}", f"{report.verdict}{also}")
    for warning in warnings[:MOST_ANNOTATIONS] if not failures else ():
        times = "" if warning.count == 1 else f" ({warning.count} times)"
        yield command("warning", f"mockserver: {' '.join(warning.case)}", f"{warning.message} [{warning.rule}]{times}")
    if not failures:
        yield command("notice", f"mockserver: session {report.name}", "passed")


def command(kind: str, title: str, message: str) -> str:
    """Return one command. No text in it can end the line or a property, whatever it holds."""
    title = _escaped(printable(wording.cut(title, SHOWN_TITLE))).replace(":", "%3A").replace(",", "%2C")
    return f"::{kind} title={title}::{_escaped(printable(wording.cut(message, SHOWN_MESSAGE)))}"


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
