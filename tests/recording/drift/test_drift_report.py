"""Differences as lines and as JSON."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.recording.drift.differences import KINDS, Difference
from mockserver.recording.drift.drift import Drift
from mockserver.recording.drift.drift_report import as_json, line, lines
from tests.docs.markdown import ROOT, table


def difference(kind: str, **members: Any) -> Difference:
    defaults: dict[str, Any] = {"protocol": "whisperr", "operations": ("batch",), "where": ("x1", "x2")}
    return Difference(kind=kind, **defaults | members)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (difference("status", old=2, new=4, count=1, total=4), "status: whisperr/batch: 2 → 4 (1 of 4) [x1 / x2]"),
        (difference("status", old=[503, 202], new=202), "status: whisperr/batch: 503, 202 → 202 [x1 / x2]"),
        (
            difference("member-gone", places=("/a/*",), events=("paid",), old="string"),
            "member-gone: whisperr/batch paid: /a/* is missing, was string [x1 / x2]",
        ),
        (
            difference("header-new", places=("accept",), new="*/*", where=(None, "x2")),
            "header-new: whisperr/batch: accept is new, */* [- / x2]",
        ),
        (
            difference("member-value", places=("/p",), old=["a", 1], new=["b", 2]),
            "member-value: whisperr/batch: /p: a → b, 1 → 2 [x1 / x2]",
        ),
        (
            difference("verdict", old="accepted", new="rejected", rules=("/events/x",)),
            "verdict: whisperr/batch: accepted → rejected (by /events/x) [x1 / x2]",
        ),
        (difference("rule", places=("/r",), new="error"), "rule: whisperr/batch: /r: broken now (error) [x1 / x2]"),
        (difference("rule", places=("/r",), old="e"), "rule: whisperr/batch: /r: no longer broken (e) [x1 / x2]"),
        (difference("attempts", old=1, new=3), "attempts: whisperr/batch: 1 → 3 per request [x1 / x2]"),
        (
            difference("batches", old=[9, 1, 1, 1, 1], new=[13]),
            "batches: whisperr/batch: batches of 9, 1, 1, 1, … became 13 [x1 / x2]",
        ),
        (difference("order", old="a", new="b"), 'order: whisperr/batch: "b" comes where "a" was [x1 / x2]'),
        (
            difference("events-gone", events=("a", "b", "c", "d", "e"), count=2, total=3),
            "events-gone: whisperr/batch a, b, c, d and 1 more: 2 of 3 missing [x1 / x2]",
        ),
        (difference("requests-new", count=2, total=2), "requests-new: whisperr/batch: 2 new [x1 / x2]"),
        (difference("requests-new", count=2, total=5), "requests-new: whisperr/batch: 2 new, 5 in all [x1 / x2]"),
        (difference("path", old="a\nb", new=""), 'path: whisperr/batch: "a\\nb" → "" [x1 / x2]'),
    ],
)  # fmt: skip
def test_difference_is_one_line(shown: Difference, text: str) -> None:
    assert line(shown) == text


def test_last_line_counts_and_notes_are_before_it() -> None:
    drift = Drift(differences=(difference("path", old="/a\x1b[0m", new="/b"),), notes=("a note",), requests=1, events=2)
    assert list(lines(drift)) == [
        "path: whisperr/batch: /a\\x1b[0m → /b [x1 / x2]",
        "note: a note",
        "1 difference; 1 request and 2 events compared",
    ]


def test_json_has_every_member() -> None:
    drift = Drift(differences=(difference("path", old="/a", new="/b"),), notes=("a note",), requests=1, events=2)
    assert as_json(drift) == {
        "differences": [
            {
                "kind": "path",
                "protocol": "whisperr",
                "operations": ["batch"],
                "events": [],
                "places": [],
                "old": "/a",
                "new": "/b",
                "where": {"old": "x1", "new": "x2"},
                "count": 1,
                "total": 1,
                "rules": [],
            }
        ],
        "notes": ["a note"],
        "compared": {"requests": 1, "events": 2},
    }


def test_every_kind_is_published() -> None:
    rows = dict(table(ROOT / "docs" / "howto" / "compare-recordings.md", "Kinds of differences"))
    assert rows == {f"`{kind}`": meaning for kind, meaning in KINDS.items()}
