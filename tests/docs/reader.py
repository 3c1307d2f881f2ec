"""A reader who does what a page says, from top to bottom, in an empty folder.

* `console` and `sh` are run by bash. `mockserver serve` is left running until the page starts it again; where a page
  starts none, the reader has one running before the first block with its address. It takes a free port, which stands
  for 8207 from then on.
* `text` or `json` right after them is what they print: `…` stands for anything, and a JSON document is compared whole.
  Only a command with such a claim may fail.
* A block under a line that ends in "`name`:" is saved as that file. A `python` file of tests must be run by a command
  of the page; other `python` is run as a script, or by pytest where it holds tests.
* `yaml` and `json` must be readable, and a contract patch must fit its contract.

Where a page has `pip install` or `npm install`, the reader has installed that already: a test of its own does so. The
project's tests are for CI to run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from mockserver.contract.library import library
from mockserver.jsonkit import yamltext
from tests.docs.markdown import ROOT, Block
from tests.processes import SEARCH, environment

ADDRESS = re.compile(r"(127\.0\.0\.1|localhost):8207")
INSTALL = re.compile(r"^(?:pip|npm) install [^&\n]+(&& |\n)", re.M)
RUN = ("console", "sh", "python")
OWN_TESTS = "pip install '.[test]' && pytest\n"
SERVE = re.compile(r"^((?:\w+=\S+ +)*)(mockserver serve(?:[^&|\n\\]|\\\n)*)&?$", re.M)
UNHURRIED = "mockserver verify "
PACE = {"MOCKSERVER_VERIFY_RATE": "100000", "MOCKSERVER_VERIFY_EXAMPLES": "1"}
"""The server is the reader's own, and needs no gentle pace. Only a run of `verify` loads what reads these variables."""
READY = re.compile(r"mockserver ready on (http://\S+)\n")


def equipment(folder: Path) -> dict[str, str]:
    """Return the environment of somebody who installed the package: its commands, and its pytest plugin."""
    for name in ("mockserver", "pytest", "python"):
        module = "" if name == "python" else f"-m {name}"
        path = folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        path.chmod(0o755)
    return environment(
        {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTEST_ADDOPTS": "-p no:cacheprovider -p mockserver.pytest_plugin -p xdist",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "NO_PROXY": "*",
            "NO_COLOR": "1",
        }
    )


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads one page; `answer` is what the last command wrote to stdout, `printed` that and its stderr."""

    folder: Path
    env: dict[str, str]
    server: subprocess.Popen[str] | None = None
    url: str = ""
    answer: str = ""
    printed: str = ""
    failed: bool = False
    tests: list[str] = field(default_factory=list)
    waiting: dict[str, Block] = field(default_factory=dict)

    def read(self, page: list[Block]) -> None:
        """Do what the blocks say. Raises AssertionError where one is wrong."""
        for block, after in pairwise([*page, None]):
            assert block is not None
            claimed = after is not None and after.adjacent and after.language in ("text", "json")
            self.step(block, claimed=claimed)
        if self.tests:
            self.run(f"pytest -q {' '.join(self.tests)}")
            assert not self.failed, self.printed
        assert not self.waiting, f"no command of the page runs {', '.join(self.waiting)}"

    def step(self, block: Block, *, claimed: bool) -> None:
        """Do what one block says."""
        if (
            self.server is None
            and block.language in RUN
            and ADDRESS.search(block.text)
            and not SERVE.search(block.text)
        ):
            self.serve("mockserver serve", {})
        text = self.here(block.text)
        if block.file is not None:
            (self.folder / block.file).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / block.file).write_text(text)
        if block.language in ("console", "sh"):
            self.command(INSTALL.sub("", block.text.replace(OWN_TESTS, "")), block, may_fail=claimed)
        elif block.language in ("text", "json") and block.adjacent and self.printed:
            self.compare(block, text)
        elif block.language == "python":
            self.python(block, text)
        elif block.language == "json":
            json.loads(text)
        elif block.language == "yaml":
            self.yaml(block, text)
        else:
            assert block.language in ("js", "html"), (
                f"{block.place}: nobody can tell whether this {block.language} is true"
            )

    def here(self, text: str) -> str:
        """Return a text with the address of the server that runs; `tests/` is the clone's."""
        text = re.sub(r"(?<!\S)tests/", f"{ROOT}/tests/", text)
        return ADDRESS.sub(self.url.removeprefix("http://"), text) if self.url else text

    def command(self, text: str, block: Block, *, may_fail: bool) -> None:
        """Run commands; a server among them goes on."""
        for found in SERVE.finditer(text):
            variables = dict(pair.split("=", 1) for pair in found[1].split())
            self.serve(self.here(found[2].replace("\\\n", " ")), variables)
        rest = self.here(SERVE.sub("", text))
        for name in [name for name in self.waiting if name in rest or re.search(r"^pytest(?! \S+\.py)", rest, re.M)]:
            del self.waiting[name]
        if rest.strip():
            self.run(rest)
            assert may_fail or not self.failed, f"{block.place}: this fails\n{rest}\n{self.printed}"

    def run(self, text: str) -> None:
        """Run commands to their end."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder,
            env={**self.env, **(PACE if UNHURRIED in text else {})},
            capture_output=True,
            text=True,
            timeout=4 * SEARCH,
            check=False,
        )
        self.answer, self.printed, self.failed = done.stdout, done.stdout + done.stderr, done.returncode != 0

    def python(self, block: Block, text: str) -> None:
        """Run a script, or keep tests until the page runs them."""
        compile(text, block.place, "exec")
        if not re.search(r"^(async )?def test_", text, re.M):
            self.run(f"python - <<'END_OF_SCRIPT'\n{text}\nEND_OF_SCRIPT\n")
            assert not self.failed, f"{block.place}: {self.printed}"
        elif block.file is not None:
            self.waiting[block.file] = block
        else:
            self.tests.append(f"test_line_{block.line}.py")
            (self.folder / self.tests[-1]).write_text(text)

    def yaml(self, block: Block, text: str) -> None:
        """Read YAML as strictly as contracts are read; lay a patch over its contract."""
        path = self.folder / (block.file or "block.yaml")
        path.write_text(text)
        document = yamltext.load(path)
        if isinstance(document, dict) and "patch" in document and "protocol" in document:
            name, patch = library().load_patch(path)
            library().protocol(name).contract(None, [patch])

    def compare(self, block: Block, claim: str) -> None:
        """Hold what was printed to what the page says of it."""
        if block.language == "json":
            fits = same(json.loads(claim), json.loads(self.answer))
        else:
            gaps = (r"\s+".join(map(re.escape, part.split())) for part in claim.split("…"))
            fits = re.search(r"(?:.*?)".join(gaps), self.printed, re.S) is not None
        assert fits, f"{block.place}: the page says\n{claim}\nand it prints\n{self.printed}"

    def serve(self, command: str, variables: dict[str, str]) -> None:
        """Start a server in place of the one that runs."""
        self.stop()
        env = {**self.env, "MOCKSERVER_SERVE_PORT": "0", **variables}
        env |= {"MOCKSERVER_SERVE_PORT": "0"} if "PORT" in variables else {}
        self.server = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=self.folder, env=env, stdout=subprocess.PIPE, text=True
        )
        assert self.server.stdout is not None
        ready = READY.fullmatch(self.server.stdout.readline())
        assert ready is not None, f"{command} does not start"
        self.url = ready[1]

    def stop(self) -> None:
        """Stop the server, if one runs."""
        if self.server is not None:
            self.server.terminate()
            self.server.communicate(timeout=SEARCH)
            self.server = None


@contextmanager
def reading(folder: Path) -> Iterator[Reader]:
    """Yield a reader in an empty folder."""
    (folder / "empty").mkdir()
    reader = Reader(folder=folder / "empty", env=equipment(folder))
    try:
        yield reader
    finally:
        reader.stop()


def same(claim: Any, printed: Any) -> bool:
    """Tell whether a document is what a page says; the text `…` stands for any value."""
    if claim == "…":
        return True
    if isinstance(claim, dict) and isinstance(printed, dict):
        return claim.keys() == printed.keys() and all(same(claim[name], printed[name]) for name in claim)
    if isinstance(claim, list) and isinstance(printed, list):
        return len(claim) == len(printed) and all(map(same, claim, printed))
    return type(claim) is type(printed) and bool(claim == printed)
