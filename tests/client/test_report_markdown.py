"""Markdown for the summary of a job: nothing that a client sent ends its code, and it is never too long."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mockserver import MockServer, Session
from mockserver.client import report_markdown
from mockserver.client.report_markdown import MOST_BYTES, code, markdown, plain
from mockserver.client.session_report import Report
from tests.client.reported import MARKUP, fill


@pytest.fixture(scope="module")
def sessions() -> Iterator[dict[str, Session]]:
    with MockServer() as server:
        yield fill(server)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "`a`"),
        ("a`b", "`` a`b ``"),
        ("```", "```` ``` ````"),
        ("a\nb", "`a\\nb`"),
        ("", ""),
        ("<b>", "`<b>`"),
        ("\u202e", "`\\u202e`"),
    ],
)
def test_nothing_ends_code(text: str, shown: str) -> None:
    assert code(text) == shown


def test_plain_text_has_no_markup() -> None:
    assert plain("*a* [b](c) <i> @x #1 `d`") == "\\*a\\* \\[b\\](c) &lt;i&gt; \\@x \\#1 \\`d\\`"


def test_verdict_and_reasons_are_told(sessions: dict[str, Session]) -> None:
    assert markdown(Report(sessions["good"])).startswith("### ✅ mockserver session `pk_r")
    text = markdown(Report(sessions["refused"]))
    assert text.startswith("### ❌ mockserver session `pk_r")
    assert "failed: 7 refused" in text
    assert "| `e1` | `whisperr Trial Started` | `event_type must match ^[a-z0-9]+(?:_[a-z0-9]+)*$, got " in text
    assert "* no events received" in markdown(Report(sessions["empty"]))


def test_rows_of_tables_have_their_cells_whatever_clients_sent(sessions: dict[str, Session]) -> None:
    text = markdown(Report(sessions["refused"]))
    rows = [line for line in text.splitlines() if line.startswith("| `e")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {6}
    assert [line for line in rows if MARKUP in line]
    assert all("`" in line.partition(MARKUP)[0] for line in text.splitlines() if MARKUP in line)


def test_length_is_bounded(sessions: dict[str, Session], monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(markdown(Report(sessions["refused"])).encode()) < MOST_BYTES
    monkeypatch.setattr(report_markdown, "MOST_BYTES", 500)
    short = markdown(Report(sessions["refused"]))
    assert len(short.encode()) < 700
    assert short.endswith("has more.\n")
