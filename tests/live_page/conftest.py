"""The fixtures of the tests of the live page."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.live_page.harness import HERE, Api, Browser, Page
from tests.npm import node_modules
from tests.sdks.fixtures import server
from tests.sdks.harness import program

__all__ = ["server"]


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder of the programs of npm."""
    return node_modules(HERE, "tools for the live page") / ".bin"


@pytest.fixture(scope="session")
def browser(tools: Path) -> Iterator[Browser]:
    """A Chromium."""
    command = [program("node"), str(HERE / "remote.mjs"), program("chromium")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Browser(process)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that may use the clipboard."""
    page = browser.open(uuid4().hex, permissions=["clipboard-read", "clipboard-write"])
    yield page
    page.call("close")


@pytest.fixture
def api(server: str) -> Api:
    """A server that other tests use too."""
    return Api(url=server)


@pytest.fixture
def key() -> str:
    """A key of Outlit's family, which no other test uses."""
    return f"pk_{uuid4().hex}"
