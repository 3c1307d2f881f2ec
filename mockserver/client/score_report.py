"""A score of a client as text, JUnit cases and Markdown: what each rule came to, and what shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Final

from mockserver.client.junit import Case, CaseFailure
from mockserver.client.results import Conformance, RuleScore, RuleVerdict
from mockserver.core import wording
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable

WORDS: Final[Mapping[RuleVerdict, str]] = {"pass": "pass", "fail": "fail", "not_exercised": "not exercised"}
SIGNS: Final[Mapping[RuleVerdict, str]] = {"pass": "✅", "fail": "❌", "not_exercised": "➖"}
SHOWN_REQUESTS: Final = 10
BROKEN: Final = "broken-rule"
"""What kind of failure a broken rule is."""


def as_json(row: RuleScore) -> dict[str, Json]:
    """Return the verdict on a rule as the control surface has it."""
    return asdict(row)


def counted(rules: Sequence[RuleScore]) -> str:
    """Return how many rules have each verdict."""
    counts = Counter(row.verdict for row in rules)
    return ", ".join(f"{counts[verdict]} {word}" for verdict, word in WORDS.items())


def evidence(row: RuleScore) -> str:
    """Return what shows the violation of a rule."""
    more = f" and {len(row.requests) - SHOWN_REQUESTS} more" if len(row.requests) > SHOWN_REQUESTS else ""
    shown = f" ({', '.join(row.requests[:SHOWN_REQUESTS])}{more})" if row.requests else ""
    return f"{row.message}{shown}"


def missing(row: RuleScore) -> str:
    """Return what would exercise a rule."""
    if row.stimulus is None:
        return "no request shows it"
    return f"{row.stimulus.name}: {row.stimulus.text}; {wording.value(list(row.stimulus.steps))}"


def text_lines(score: Conformance, known: Collection[str] = ()) -> Iterator[str]:
    """Yield the lines of a score: broken rules with what shows them, rules that nothing exercised, and the counts."""
    for protocol in dict.fromkeys(row.protocol for row in score.rules):
        rules = [row for row in score.rules if row.protocol == protocol]
        yield f"rules of {protocol}: {counted(rules)}"
        for row in rules:
            if row.verdict == "fail":
                note = ", known" if row.rule in known else ""
                yield f"  fail ({row.level}{note}) {row.rule}: {row.text}"
                yield f"    {evidence(row)}"
        for row in rules:
            if row.verdict == "not_exercised":
                yield f"  not exercised: {row.rule} ({missing(row)})"
    if score.evicted:
        yield f"{wording.counted(score.evicted, 'request')} evicted from the journal, not judged"


def junit_cases(score: Conformance, known: Collection[str] = ()) -> list[Case]:
    """Return a test case for each rule; one that nothing exercised, or that is known to be broken, is skipped."""
    return [_case(row, known) for row in score.rules]


def _case(row: RuleScore, known: Collection[str]) -> Case:
    failure, skipped = None, None
    if row.verdict == "not_exercised":
        skipped = printable(f"not exercised: {missing(row)}")
    elif row.verdict == "fail" and row.rule in known:
        skipped = printable(f"known: {evidence(row)}")
    elif row.verdict == "fail":
        lines = [row.text, evidence(row), f"level: {row.level}", f"source: {row.source}"]
        failure = CaseFailure(kind=BROKEN, message=printable(evidence(row)), text="\n".join(map(printable, lines)))
    return Case(
        classname=f"mockserver.{row.protocol}.rules", name=row.rule, failure=failure, skipped=skipped, output=row.text
    )


def table(score: Conformance, known: Collection[str] = ()) -> list[tuple[str, ...]]:
    """Return a row of cells for each rule: its sign, protocol, name, level, what it says, and what shows it."""
    return [
        (
            SIGNS[row.verdict],
            row.protocol,
            row.rule,
            row.level,
            row.text,
            "known" if row.rule in known and row.verdict == "fail" else "",
            evidence(row) if row.verdict == "fail" else "",
        )
        for row in score.rules
    ]
