"""A recording in words: what was seen, refused and hidden, and where an upstream and the contract differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mockserver.contract.server_rules import UPSTREAM
from mockserver.core.wording import SHOWN_VALUE, block, cut
from mockserver.jsonkit import Json, jsontext
from mockserver.jsonkit.printable import printable
from mockserver.lint.check_result import counted
from mockserver.lint.comparison import in_words
from mockserver.recording.redaction.pseudonyms import NAMES_OF_KINDS

VERDICTS: Final = ("accepted", "duplicate", "rejected")
SHOWN_IDS: Final = 3
"""Names of exchanges after one difference; the others are counted."""


@dataclass(slots=True)
class _Equal:
    """What is told once: how often it occurs, and in which exchanges."""

    count: int = 0
    ids: dict[str, None] = field(default_factory=dict)

    def add(self, id: str) -> None:
        self.count += 1
        self.ids[id] = None

    def text(self, noun: str) -> str:
        shown = list(self.ids)[:SHOWN_IDS]
        more = f" and {len(self.ids) - len(shown)} more" if len(self.ids) > len(shown) else ""
        return f"({counted(self.count, noun)}: {', '.join(shown)}{more})"


def summary_lines(lines: Iterable[bytes]) -> list[str]:
    """Return the summary of the lines of a recording as printable lines; equal things are told once, with a count."""
    rows = map(jsontext.view, lines)
    head, summary = next(rows), _Summary()
    for row in rows:
        summary.add(row)
    return [printable(line) for line in (*summary.lines(), f"hidden: {_hidden(head['redaction'])}")]


class _Equals:
    """Things that are told, in the order in which they were found first."""

    def __init__(self, title: str, noun: str) -> None:
        self._title = title
        self._noun = noun
        self._found: dict[str, _Equal] = {}

    def add(self, found: Iterable[str], id: str) -> None:
        for text in found:
            self._found.setdefault(text, _Equal()).add(id)

    def lines(self) -> list[str]:
        return block(self._title, (f"{text} {equal.text(self._noun)}" for text, equal in self._found.items()))


class _Summary:
    """What is told of the exchanges of a recording, collected one by one."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._verdicts: Counter[str] = Counter()
        self._refusals = _Equals("refused by the contract", "time")
        self._warnings = _Equals("warnings of the contract", "time")
        self._failures = _Equals("the upstream gave no reply", "request")
        self._differences = _Equals("the upstream and the contract differ", "reply")

    def add(self, row: Mapping[str, Json]) -> None:
        """Take note of an exchange."""
        self._requests[f"{row['protocol']}/{row['operation'] or '(no operation)'}"] += 1
        self._verdicts.update(event["verdict"] for event in row["events"])
        self._refusals.add(_findings(row, "error"), row["id"])
        self._warnings.add(_findings(row, "warning"), row["id"])
        self._failures.add(_failures(row), row["id"])
        self._differences.add(_differences(row), row["id"])

    def lines(self) -> Iterator[str]:
        """Yield the lines, those of nothing left out."""
        judged = ", ".join(f"{self._verdicts[verdict]} {verdict}" for verdict in VERDICTS if self._verdicts[verdict])
        seen = f"{counted(self._requests.total(), 'request')}, {counted(self._verdicts.total(), 'event')}"
        yield seen + (f" ({judged})" if judged else "")
        if len(self._requests) > 1:
            yield "  " + ", ".join(f"{count} {name}" for name, count in self._requests.most_common())
        for equals in (self._refusals, self._warnings, self._failures, self._differences):
            yield from equals.lines()


def _findings(row: Mapping[str, Json], severity: str) -> Iterator[str]:
    """Yield what the contract found in an exchange: in its events only where it was not refused as a whole."""
    findings = [finding for finding in row["findings"] if finding["severity"] == severity]
    if severity == "warning" or not findings:
        of_events = (finding for event in row["events"] for finding in event["findings"])
        findings += (finding for finding in of_events if finding["severity"] == severity)
    for finding in findings:
        if finding["rule"] != UPSTREAM:
            yield f"{row['protocol']}: {finding['message']} [{finding['rule']}]"


def _failures(row: Mapping[str, Json]) -> Iterator[str]:
    reply = row["reply"]
    if reply is not None and reply["from"] == "proxy":
        body = reply["body"].get("json")
        detail = body.get("detail") if isinstance(body, dict) else None
        yield f"{row['protocol']}: {reply['status']}, {detail or 'without a reason'}"


def _differences(row: Mapping[str, Json]) -> Iterator[str]:
    for difference in row["differs"]:
        place = difference["pointer"].removeprefix("/reply").removeprefix("/")
        told = in_words(difference["expected"], difference["got"])
        yield f"{row['protocol']}/{row['operation']}: {place}: {cut(told, 2 * SHOWN_VALUE)}"


def _hidden(redaction: Mapping[str, Json]) -> str:
    kinds = [counted(count, NAMES_OF_KINDS[kind]) for kind, count in redaction.get("kinds", {}).items()]
    if not kinds:
        return counted(redaction["values"], "value") if redaction["values"] else "nothing"
    return ", ".join(kinds)
