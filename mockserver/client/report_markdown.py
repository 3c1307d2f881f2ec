"""The verdict for a session as Markdown, for the summary of a job. What clients sent is in code only, and bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from itertools import chain
from typing import Final

from mockserver.client import score_report, text
from mockserver.client.session_report import EVIDENCE, Report, is_odd
from mockserver.core import wording
from mockserver.jsonkit.printable import printable

MOST_BYTES: Final = 256 * 1024
"""Bytes of the whole; GitHub takes 1 MiB of all summaries of a step together."""
MOST_ROWS: Final = 50
SHOWN_CELL: Final = 300


def markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown, at most `MOST_BYTES` long."""
    lines, size = list[str](), 0
    for line in _lines(report):
        size += len(line.encode("utf-8", "surrogatepass")) + 1
        if size > MOST_BYTES:
            lines += ["", "The rest is left out: `mockserver report --format html` has more."]
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _lines(report: Report) -> Iterator[str]:
    sign = "❌" if report.failures else "✅"
    yield f"### {sign} mockserver session {code(report.name)}: {'failed' if report.failures else 'passed'}"
    yield ""
    if report.failures:
        yield plain(report.verdict)
        yield ""
    counts = report.state.counts
    yield from _table(
        ("Requests", "Accepted", "Duplicate", "Rejected", "Warnings"),
        [tuple(map(str, (counts.requests, counts.accepted, counts.duplicate, counts.rejected, _warned(report))))],
    )
    missing = [line for failure in report.failures if failure.case == EVIDENCE for line in failure.lines]
    if missing:
        yield from ("**Missing evidence**", "", *(f"* {plain(line)}" for line in missing), "")
    refused = [
        (row.id, f"{row.protocol} {row.type or 'no type'}", finding.message, finding.pointer, finding.rule)
        for row in report.refused
        for finding in row.errors[:1]
    ]
    refused += [
        (row.id, f"{row.method} {row.path}", finding.message, finding.pointer, finding.rule)
        for row in report.refused_requests
        for finding in [found for found in row.findings if found.severity == "error"][:1]
    ]
    if refused:
        yield from ("**Refused**", "")
        yield from _table(("Id", "What", "Why", "Where", "Rule"), [tuple(map(_cell, row)) for row in refused])
    odd = list(filter(is_odd, report.deliveries))
    yield from _details("Deliveries with problems", [text.delivery(row) for row in odd])
    if report.score is not None:
        yield from (f"**Rules about clients: {score_report.counted(report.score.rules)}**", "")
        rows = [
            (sign, *map(_cell, (protocol, rule, level)), plain(said).replace("|", "\\|"), _cell(why))
            for sign, protocol, rule, level, said, _, why in score_report.table(report.score)
        ]
        yield from _table(("", "Protocol", "Rule", "Level", "A client", "Why"), rows, most=len(rows))
    warnings = [f"{' '.join(row.case)}: {row.message} [{row.rule}] ({row.count})" for row in report.warnings]
    yield from _details("Warnings", warnings)
    yield from _details("Fault steps that were never used", [text.unused_fault(step) for step in report.unused_faults])


def _warned(report: Report) -> int:
    return sum(warning.count for warning in report.warnings)


def _table(heads: Sequence[str], rows: Sequence[tuple[str, ...]], most: int = MOST_ROWS) -> Iterator[str]:
    shown = [heads, ["---"] * len(heads), *rows[:most]]
    yield from (f"| {' | '.join(cells)} |" for cells in shown)
    yield ""
    if len(rows) > most:
        yield from (f"… and {len(rows) - most} more", "")


def _details(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        more = [f"* … and {len(lines) - MOST_ROWS} more"] if len(lines) > MOST_ROWS else []
        shown = (f"* {code(line)}" for line in lines[:MOST_ROWS])
        yield from chain(
            (f"<details><summary>{title} ({len(lines)})</summary>", ""), shown, more, ("", "</details>", "")
        )


def code(shown: str) -> str:
    """Return a text as code that nothing in it can end."""
    line = printable(wording.cut(shown, SHOWN_CELL))
    if not line.strip():
        return ""
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{line}{space}{fence}"


def _cell(shown: str) -> str:
    """Return a text as code in a cell of a table, where a bar would end it."""
    return code(shown).replace("|", "\\|")


def plain(shown: str) -> str:
    """Return a text as Markdown that shows it as it is."""
    line = escape(printable(wording.cut(shown, SHOWN_CELL)), quote=False)
    return re.sub(r"([\\`*_\[\]#|~@])", r"\\\1", line)
