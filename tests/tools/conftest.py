"""The fixtures of the tests with other people's tools: the tools, and the documents that they are given."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from mockserver.contract import publish
from mockserver.contract.examples import read_examples
from mockserver.contract.library import library
from mockserver.server.published_control import published
from tests.npm import node_modules
from tests.processes import ROOT
from tests.sdks.harness import absent
from tests.tools.harness import BASES, CONTROL, HERE, Documents, Tools

ENVIRONMENT = ROOT / "build" / "tools"
"""Not below `tests`, of which tests look at every file."""
REQUIREMENTS = HERE / "requirements.txt"


def _environment() -> Path:
    """Return the folder with the programs of `requirements.txt`, installed once into an environment of their own."""
    with REQUIREMENTS.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes share the environment
        made_of = f"{sys.version}\n{REQUIREMENTS.read_text()}"
        note = ENVIRONMENT / "made-of"
        if not note.is_file() or note.read_text() != made_of:
            python = ENVIRONMENT / "bin" / "python"
            for command in (
                [sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)],
                [str(python), "-m", "pip", "install", "--quiet", "uv"],
                [str(python), "-m", "uv", "pip", "install", "--quiet", "-p", str(python), "-r", str(REQUIREMENTS)],
            ):
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    absent(f"the Python tools could not be installed:\n{done.stdout}{done.stderr}")
            note.write_text(made_of)
    return ENVIRONMENT / "bin"


@pytest.fixture(scope="session")
def python_tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The Python tools."""
    return Tools(programs=_environment(), env=_variables())


@pytest.fixture(scope="session")
def node_tools() -> Tools:
    """The Node tools."""
    return Tools(programs=node_modules(HERE, "tools") / ".bin", env=_variables())


def _variables() -> Mapping[str, str]:
    quiet = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1", "NO_PROXY": "*"}
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    return {**kept, **quiet, "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}"}


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Documents:
    """Every published OpenAPI document, as files."""
    folder = tmp_path_factory.mktemp("documents")
    for protocol in library().protocols.values():
        for revision in protocol.revision_names():
            document = publish.openapi(protocol.contract(revision), read_examples(protocol.folder))
            name = protocol.name if revision == protocol.base else f"{protocol.name}.{revision}"
            (folder / f"{name}.json").write_text(json.dumps(document))
    (folder / f"{CONTROL}.json").write_text(json.dumps(published(publish.DEFAULT_SERVER)))
    assert {path.stem for path in folder.iterdir()} > {*BASES, CONTROL}
    return Documents(folder=folder)
