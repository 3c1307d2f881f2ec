"""How findings are shown: all of a few, and of very many the first ones with their number."""

from __future__ import annotations

import pytest

from mockserver.core.findings import MOST_FINDINGS, Finding, as_rows


@pytest.mark.parametrize(
    ("count", "end"), [(0, ""), (1, ""), (MOST_FINDINGS, ""), (80_000, " (and 79900 more findings)")]
)
def test_number_of_findings_shown_is_bounded(count: int, end: str) -> None:
    rows = as_rows([Finding(rule=f"/{number}", source="docs: a page", message="broken") for number in range(count)])
    assert [row["rule"] for row in rows] == [f"/{number}" for number in range(min(count, MOST_FINDINGS))]
    assert {row["message"] for row in rows[:-1]} <= {"broken"}
    assert [row["message"] for row in rows[-1:]] == ["broken" + end][: len(rows)]
