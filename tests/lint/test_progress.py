"""How far `check` is: told now and then, not for each item, and nothing about short checks."""

from __future__ import annotations

import io

import pytest

from mockserver.lint import progress as module
from mockserver.lint.progress import EVERY, SILENT, Progress
from mockserver.lint.source import Source


def test_share_of_the_file_is_told_after_the_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = 100.0, list[str]()
    monkeypatch.setattr(module, "monotonic", lambda: now)
    progress = Progress(told.append, 2.0)
    raw = io.BytesIO(bytes(5_000_000))
    raw.seek(3_000_000)
    for seconds, requests in ((0.5, 1), (1.5, 2000), (1.9, 3), (3.6, 4)):
        now = 100.0 + seconds
        for _ in range(EVERY):
            progress.advance(requests)
        progress.open(Source(raw, "a.ndjson", 5_000_000))
        raw.seek(3_000_000)
    assert told == ["2,000 requests checked; a.ndjson: 3 of 5 MB", "4 requests checked; a.ndjson: 3 of 5 MB"]


def test_nothing_is_told_when_nobody_listens(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hours = iter(range(0, 1_000_000, 3600))
    monkeypatch.setattr(module, "monotonic", lambda: next(hours))
    for _ in range(2 * EVERY):
        SILENT.advance(1)
    assert capsys.readouterr() == ("", "")
