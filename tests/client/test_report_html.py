"""The HTML report: complete in itself, harmless whatever clients sent, and readable by everybody."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mockserver import MockServer, Session
from mockserver.client.report_html import MOST_ROWS, html
from mockserver.client.session_report import Report
from tests.client.reported import HOSTILE, MARKUP, fill, outlit
from tests.npm import node_modules
from tests.sdks.harness import program

GATES = ("lost", "duplicate")
NAMES = ("empty", "good", "refused", "deliveries", "busy")
HERE = Path(__file__).parent
VOID = {"meta", "br"}
SEARCH = 300


@pytest.fixture(scope="module")
def sessions() -> Iterator[dict[str, Session]]:
    with MockServer() as server:
        yield fill(server)


@pytest.fixture(scope="module")
def pages(sessions: dict[str, Session]) -> dict[str, str]:
    return {name: html(Report(session, GATES)) for name, session in sessions.items()}


class Checked(HTMLParser):
    """Reads a document, and holds it to be well-formed, without what could run or load."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.shown = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "img", "iframe", "link", "object", "base", "form")
        names = {name for name, _ in attrs}
        assert not [name for name in names if name.startswith("on") or name in ("style", "src")]
        assert all((value or "").startswith("#") for name, value in attrs if name == "href")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.shown += data if "style" not in self.open else ""


@pytest.mark.parametrize("name", NAMES)
def test_page_is_well_formed_and_has_nothing_that_runs(pages: dict[str, str], name: str) -> None:
    checked = Checked()
    checked.feed(pages[name])
    checked.close()
    assert checked.open == []
    assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\ud800-\udfff]", pages[name])


def test_what_clients_sent_is_shown_as_text(pages: dict[str, str]) -> None:
    checked = Checked()
    checked.feed(pages["refused"])
    assert MARKUP not in pages["refused"]
    assert f"{MARKUP}\\u202e\\x00\\r\\n::error::x|`a`]]>&amp;" in checked.shown
    assert len(pages["refused"]) < 100_000


def test_page_says_the_verdict_and_why(pages: dict[str, str]) -> None:
    assert ">passed</span>" in pages["good"]
    assert "Refused events (6)" in pages["refused"]
    assert "Refused requests (1)" in pages["refused"]
    assert ">failed</span>" in pages["refused"]
    assert "no events received" in pages["empty"]
    assert "/events/event/properties/event_type/pattern" in pages["refused"]


def test_deliveries_are_drawn_with_shapes_that_words_explain(pages: dict[str, str]) -> None:
    page = pages["deliveries"]
    marks = {kind: page.count(f'<g class="{kind}"><title>') for kind in ("accepted", "rejected", "failed", "silent")}
    assert marks == {"accepted": 3, "rejected": 1, "failed": 6, "silent": 3}
    assert page.count('<use class="fault"') == 9
    assert "answered with an error that clients retry (503), a fault step was applied" in page
    assert "accepted after retry" in page


def test_secrets_are_hidden(sessions: dict[str, Session], pages: dict[str, str]) -> None:
    for name, session in sessions.items():
        assert session.key not in pages[name]


def test_page_stays_small_when_much_is_refused(sessions: dict[str, Session]) -> None:
    session = sessions["good"].session("pk_report_much")
    for _ in range(MOST_ROWS // 100 + 1):
        outlit(session, *("x" for _ in range(100)), type="nothing")
    page = html(Report(session))
    assert f"… and {100} more" in page
    assert page.count('<section class="item">') == MOST_ROWS


def test_axe_finds_nothing_and_the_browser_has_nothing_to_say(pages: dict[str, str], tmp_path: Path) -> None:
    files = []
    for name, page in pages.items():
        files.append(tmp_path / f"{name}.html")
        files[-1].write_text(page, encoding="utf-8")
    modules = node_modules(HERE.parent / "sdks", "SDKs")
    command = [program("node"), str(HERE / "accessible.mjs"), str(modules), program("chromium"), *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SEARCH, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert len(results) == 4 * len(NAMES)
    for result in results:
        where = (result["file"], result["width"], result["colorScheme"])
        assert (result["found"], result["wider"], result["said"], result["asked"]) == ([], 0, [], 1), where
        assert (result["scripts"], result["images"]) == (0, 0)
        assert result["onPaper"] == [0, 0], where
    assert HOSTILE[: len(MARKUP)] in next(result["text"] for result in results if "refused" in result["file"])
