"""The quick way through a payload finds what the long way finds, for the bodies of the corpus and their events."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.case_reader import case_of_corpus_line
from mockserver.lint.checker import CheckOptions, check
from mockserver.lint.plain_requests import PlainRequests
from mockserver.lint.plainly_good import PlainlyGood
from tests import cases

EVERY = 4
MARKED = {"type": "pageview", "url": "https://a.example/", "path": "/", "timestamp": 1, "title": "\ud800"}


def bodies(protocol: str) -> dict[tuple[str, str], list[Any]]:
    """Return bodies of the corpus by revision and operation, and the events in them."""
    found: dict[tuple[str, str], list[Any]] = defaultdict(list)
    path = cases.FIXTURES / "corpus" / f"{protocol}.ndjson"
    for text in path.read_text().split("\n")[:-1][::EVERY]:
        line = json.loads(text)
        body = case_of_corpus_line(line, path.name, "").exchanges[-1].json
        if body is not MISSING and line["operation"] is not None and len(text) < 20_000:
            events = body.get("events") if isinstance(body, dict) else None
            found[line["revision"], line["operation"]] += [body, *(events[:1] if isinstance(events, list) else ())]
    return found


@pytest.mark.parametrize("protocol", library().protocols)
def test_findings_are_the_same_when_nothing_is_told_quickly(
    protocol: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = defaultdict[str, int](int)
    held = PlainRequests.holds

    def counted(plain: PlainRequests, body: Any, size: int) -> Any:
        form = held(plain, body, size)
        counts["plain" if form is not None else "other"] += 1
        return form

    for (revision, operation), values in bodies(protocol).items():
        path = tmp_path / f"{revision}-{operation}.ndjson"
        lines = [MARKED, *values] if protocol == "outlit" else values
        path.write_text("".join(f"{json.dumps(value)}\n" for value in lines))
        options = CheckOptions(protocol=protocol, operation=operation, revision=revision, limit=0)
        with monkeypatch.context() as patched:
            patched.setattr(PlainRequests, "holds", counted)
            quick = check([path], library(), options).as_json()
        with monkeypatch.context() as patched:
            patched.setattr(PlainRequests, "holds", lambda *_: None)
            patched.setattr(PlainlyGood, "holds", lambda *_: False)
            patched.setattr(PlainlyGood, "findings", lambda good, judged, index, explain: explain(judged, index))
            slow = check([path], library(), options).as_json()
        assert quick == slow
        assert quick["requests"] >= len(lines) - 1  # one may be nested too deeply
    assert counts["plain"] > 50, counts
    assert counts["other"] > 5, counts
