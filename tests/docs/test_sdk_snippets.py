"""The documentation's snippets in JavaScript and HTML, with the SDKs they name: what they send is accepted."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from mockserver import MockServer
from tests.docs.markdown import PAGES, Block, blocks
from tests.processes import SEARCH
from tests.sdks.harness import Host, Session, program

pytestmark = pytest.mark.sdk

BLOCKS = [block for page in PAGES for block in blocks(page)]
KEY = re.compile(r"\b(?:pk|wrk)_\w+_demo\b")


def imported(block: Block) -> bool:
    """Tell whether another block of the page imports this one, and so runs it."""
    return block.file is not None and any(
        f'"./{block.file}"' in other.text for other in BLOCKS if other.page == block.page
    )


def of(language: str) -> pytest.MarkDecorator:
    chosen = [block for block in BLOCKS if block.language == language and not imported(block)]
    return pytest.mark.parametrize("block", chosen, ids=lambda block: block.place)


def told(block: Block, url: str) -> tuple[str, str]:
    """Return a snippet with another address and a fresh key, and the key."""
    found = KEY.search(block.text)
    assert found is not None, f"{block.place} names no key"
    key = f"{found[0]}_{uuid4().hex}"
    return block.text.replace(found[0], key).replace("http://127.0.0.1:8207", url), key


def assert_arrived(url: str, key: str) -> None:
    with MockServer.connect(url, session=key) as session:
        session.wait_for(quiet=0.1)
        assert {event.verdict for event in session.events()} == {"accepted"}


@of("js")
def test_script_sends_events_when_node_runs_it(block: Block, server: str, packages: Path, tmp_path: Path) -> None:
    text, key = told(block, server)
    (tmp_path / "node_modules").symlink_to(packages)
    (tmp_path / "snippet.mjs").write_text(text)
    for other in BLOCKS:
        if other.page == block.page and other.language == "js" and imported(other):
            assert other.file is not None
            (tmp_path / other.file).write_text(other.text)
    subprocess.run([program("node"), "snippet.mjs"], cwd=tmp_path, timeout=SEARCH, check=True)
    assert_arrived(server, key)


@of("html")
def test_page_sends_events_when_a_browser_opens_it(block: Block, server: str, chromium: Host) -> None:
    text, key = told(block, server)
    report = chromium.drive("documented", Session(url=server, key=key), html=text)
    assert report.problems == []
    assert_arrived(server, key)


def test_each_language_is_run_by_somebody() -> None:
    assert {block.language for block in BLOCKS} == {"console", "sh", "text", "json", "python", "yaml", "js", "html"}
