"""How findings are shown: all of a few, and of very many the first ones with their number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mockserver.core.findings import MOST_EXPLAINED, MOST_FINDINGS, Finding, as_rows, distinct


@pytest.mark.parametrize(
    ("count", "end"),
    [
        (0, ""),
        (1, ""),
        (MOST_FINDINGS, ""),
        (MOST_EXPLAINED - 1, " (and 99 more findings)"),
        (MOST_EXPLAINED, " (and at least 100 more findings)"),
    ],
)
def test_number_of_findings_shown_is_bounded(count: int, end: str) -> None:
    rows = as_rows([Finding(rule=f"/{number}", source="docs: a page", message="broken") for number in range(count)])
    assert [row["rule"] for row in rows] == [f"/{number}" for number in range(min(count, MOST_FINDINGS))]
    assert {row["message"] for row in rows[:-1]} <= {"broken"}
    assert [row["message"] for row in rows[-1:]] == ["broken" + end][: len(rows)]


def test_finding_is_told_once_for_a_rule_and_a_place() -> None:
    first = Finding(rule="/a", pointer="/x", source="docs: a page", message="first")
    others = [replace(first, message="second"), replace(first, pointer="/y"), replace(first, rule="/b")]
    assert distinct([first, *others]) == [first, *others[1:]]
