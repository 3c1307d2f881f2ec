"""The fixtures that tests of real SDKs share: a server process, a session of it for each test, the Node host.

A ``conftest.py`` imports those it offers.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

from tests.npm import node_modules

from .harness import HERE, Host, Session, program


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[str]:
    """Run ``mockserver serve`` in a process of its own, which must not have tripped by the end; yields its base URL."""
    command = [sys.executable, "-m", "mockserver", "serve", "--host", "127.0.0.1", "--port", "0", *options]
    with (
        (folder / "stderr").open("w") as stderr,
        subprocess.Popen(
            [*command, "--ready-file", str(folder / "ready")], stdout=subprocess.PIPE, stderr=stderr, text=True
        ) as process,
    ):
        assert process.stdout is not None
        ready = process.stdout.readline()
        if ready:
            try:
                yield ready.rpartition(" ")[2].strip()
            finally:
                process.terminate()
    log = (folder / "stderr").read_text()
    assert ready, f"the server did not start:\n{log}"
    assert "Traceback" not in log, log


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server process."""
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def outlit(server: str) -> Session:
    """A session under a key of Outlit's family."""
    return Session(url=server, key=f"pk_{uuid4().hex}")


@pytest.fixture
def whisperr(server: str) -> Session:
    """A session under a key of Whisperr's family."""
    return Session(url=server, key=f"wrk_{uuid4().hex}")


@pytest.fixture(scope="session")
def packages() -> Path:
    """``node_modules`` with the packages that ``package-lock.json`` pins."""
    return node_modules(HERE, "SDKs")


@pytest.fixture(scope="session")
def node(server: str, packages: Path) -> Iterator[Host]:
    """The Node process that drives the JavaScript SDKs."""
    command = [program("node"), str(HERE / "drivers" / "host.mjs"), shutil.which("chromium") or ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Host(process=process)


@pytest.fixture
def chromium(node: Host) -> Host:
    """The Node process, where there is a Chromium for it to drive."""
    program("chromium")
    return node
