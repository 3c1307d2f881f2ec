"""A recording in words: what was seen, refused and hidden, and where an upstream and the contract differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mockserver.core.wording import SHOWN_VALUE, block, cut
from mockserver.jsonkit import Json, jsontext
from mockserver.jsonkit.printable import printable
from mockserver.lint.check_result import counted
from mockserver.lint.comparison import in_words
from mockserver.recording.pseudonyms import NAMES_OF_KINDS

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
    head, *exchanges = map(jsontext.view, lines)
    return [printable(line) for line in _lines(head, exchanges)]


def _lines(head: Mapping[str, Json], exchanges: list[Mapping[str, Json]]) -> Iterator[str]:
    requests = Counter(f"{row['protocol']}/{row['operation'] or '(no operation)'}" for row in exchanges)
    verdicts = Counter(event["verdict"] for row in exchanges for event in row["events"])
    judged = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in VERDICTS if verdicts[verdict])
    seen = f"{counted(len(exchanges), 'request')}, {counted(verdicts.total(), 'event')}"
    yield seen + (f" ({judged})" if judged else "")
    if len(requests) > 1:
        yield "  " + ", ".join(f"{count} {name}" for name, count in requests.most_common())
    yield from block("refused by the contract", _told(_refusals(exchanges), "time"))
    yield from block("warnings of the contract", _told(_warnings(exchanges), "time"))
    yield from block("the upstream gave no reply", _told(_failures(exchanges), "request"))
    yield from block("the upstream and the contract differ", _told(_differences(exchanges), "reply"))
    yield f"hidden: {_hidden(head['redaction'])}"


def _told(found: Iterable[tuple[str, str]], noun: str) -> Iterator[str]:
    equal: dict[str, _Equal] = {}
    for text, id in found:
        equal.setdefault(text, _Equal()).add(id)
    return (f"{text} {places.text(noun)}" for text, places in equal.items())


def _refusals(exchanges: Iterable[Mapping[str, Json]]) -> Iterator[tuple[str, str]]:
    for row in exchanges:
        yield from _findings(row, row["findings"], "error")
        for event in row["events"]:
            if event["verdict"] == "rejected" and not _has_errors(row):
                yield from _findings(row, event["findings"], "error")


def _has_errors(row: Mapping[str, Json]) -> bool:
    """Return whether a request was refused as a whole: its events have no errors of their own then."""
    return any(finding["severity"] == "error" for finding in row["findings"])


def _warnings(exchanges: Iterable[Mapping[str, Json]]) -> Iterator[tuple[str, str]]:
    for row in exchanges:
        yield from _findings(
            row, [*row["findings"], *(f for event in row["events"] for f in event["findings"])], "warning"
        )


def _findings(row: Mapping[str, Json], findings: Iterable[Json], severity: str) -> Iterator[tuple[str, str]]:
    for finding in findings:
        if finding["severity"] == severity:
            yield f"{row['protocol']}: {finding['message']} [{finding['rule']}]", row["id"]


def _failures(exchanges: Iterable[Mapping[str, Json]]) -> Iterator[tuple[str, str]]:
    for row in exchanges:
        reply = row["reply"]
        if reply is not None and reply["from"] == "proxy":
            body = reply["body"].get("json")
            detail = body.get("detail") if isinstance(body, dict) else None
            yield f"{row['protocol']}: {reply['status']}, {detail or 'without a reason'}", row["id"]


def _differences(exchanges: Iterable[Mapping[str, Json]]) -> Iterator[tuple[str, str]]:
    for row in exchanges:
        for difference in row["differs"]:
            place = difference["pointer"].removeprefix("/reply").removeprefix("/")
            told = in_words(difference["expected"], difference["got"])
            yield f"{row['protocol']}/{row['operation']}: {place}: {cut(told, 2 * SHOWN_VALUE)}", row["id"]


def _hidden(redaction: Mapping[str, Json]) -> str:
    kinds = [counted(count, NAMES_OF_KINDS[kind]) for kind, count in redaction.get("kinds", {}).items()]
    if not kinds:
        return counted(redaction["values"], "value") if redaction["values"] else "nothing"
    return ", ".join(kinds)
