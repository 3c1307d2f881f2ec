"""What is delivered: exactly these files in the wheel, and the README's own commands in a fresh environment.

Somebody with Python alone, a clone and an empty folder follows the README: the package is installed once for all tests.
"""

from __future__ import annotations

import email
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tomllib
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.docs.markdown import blocks, spans
from tests.docs.reader import reading
from tests.processes import ROOT, environment
from tests.sdks.harness import absent

PATTERNS = (
    "mockserver/*.py",
    "mockserver/py.typed",
    "mockserver/contract/server_rules.yaml",
    "mockserver/server/control.yaml",
    "mockserver/server/ui/*.css",
    "mockserver/server/ui/*.html",
    "mockserver/server/ui/*.js",
    "mockserver/server/ui/*.svg",
    "mockserver/lint/case.schema.json",
    "mockserver/recording/recording.schema.json",
    "mockserver/contracts/README.md",
    "mockserver/contracts/*/*.yaml",
    "mockserver/contracts/*/examples.json",
    "mockserver/contracts/*/revisions/*.yaml",
    "mockserver-*.dist-info/*",
)
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
RUNTIME = {"ahocorasick-rs", "aiohttp", "click", "jsonschema", "jsonschema-rs", "msgspec", "orjson", "pyyaml", "uvloop"}
NAME = "mockserver["
NOT_NEEDED = ("hypothesis", "pytest", "mypy", "ruff", "whisperr")
README = ROOT / "README.md"
HANGS_S = 600
MACHINE_TIME_S = 120
"""Seconds of a processor that it may take until the first test of somebody new is green."""
NAMES = "import importlib.metadata as m; print(*(d.name.lower() for d in m.distributions()))"
VERSION = "import mockserver; mockserver.MockServer; print(mockserver.__version__)"
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def pip(*arguments: str) -> None:
    """Run this interpreter's pip; a failure shows what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments], capture_output=True, text=True, check=False, env=environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (built,) = folder.glob("*.whl")
    return built


def spent() -> float:
    """Return the processor's seconds that finished child processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """A fresh environment after the README's first command, and what was in it then."""

    variables: Mapping[str, str]
    names: frozenset[str]
    version: str
    spent: float

    def run(self, command: str) -> str:
        """Run a command in the clone, and return what it prints. One that fails leaves these tests out on a laptop."""
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT,
            env=self.variables,
            capture_output=True,
            text=True,
            timeout=HANGS_S,
            check=False,
        )
        return done.stdout if done.returncode == 0 else absent(f"{command} fails:\n{done.stdout}{done.stderr}")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    before, folder = spent(), tmp_path_factory.mktemp("newcomer") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], timeout=HANGS_S, check=True)
    kept = {name: value for name, value in environment().items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    quiet = {"NO_COLOR": "1", "NO_PROXY": "*", "PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    variables = {**kept, **quiet, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "VIRTUAL_ENV": str(folder)}
    fresh = Installed(variables=variables, names=frozenset(), version="", spent=0)
    command, *_ = re.findall(r"^(pip install .*?)(?: &&|$)", README.read_text(), re.M)
    fresh.run(f"{command} && mockserver --version && pip check")
    names, version = (fresh.run(f"python -I -c '{code}'") for code in (NAMES, VERSION))
    return replace(fresh, names=frozenset(names.split()), version=version.strip(), spent=spent() - before)


def test_ranges_have_a_lowest_version_and_only_aiohttp_a_highest() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    asked = [text for listed in (project["dependencies"], *extras) for text in listed if not text.startswith(NAME)]
    assert [text for text in asked if ">=" not in text] == []
    assert [text for text in asked if re.search("[<~!]|==[^ ]*$", text.partition(";")[0])] == ["aiohttp>=3.14,<4"]


def names_in(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def below(folder: Path, root: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(root).as_posix()


def test_wheel_holds_the_package_and_the_contracts_and_nothing_else(wheel: Path) -> None:
    names = names_in(wheel)
    expected = {*below(ROOT / "mockserver", ROOT)} | {f"mockserver/{name}" for name in below(ROOT / "contracts", ROOT)}
    assert {name for name in names if not name.startswith("mockserver-")} == expected
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in PATTERNS)] == []
    assert {name.partition(".dist-info/")[2] for name in names if name.startswith("mockserver-")} == METADATA
    assert len(names) == len(set(names))


def test_wheel_asks_for_the_runtime_parts_alone(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith("METADATA")]
        told = email.message_from_bytes(archive.read(name))
    asked = [line for line in told.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert {re.split(r"[<>=; ]", line)[0] for line in asked} == RUNTIME
    assert set(told.get_all("Provides-Extra", [])) >= {"pytest", "strategies", "test"}
    assert told["Requires-Python"] == ">=3.11"
    assert told["License-Expression"] == "MIT"


def test_installed_package_serves_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    with subprocess.Popen(
        ["bash", "-c", "exec mockserver serve --port 0"],
        cwd=tmp_path,
        env=installed.variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().rpartition(" ")[2].strip()
            with _direct.open(f"{url}/_mock/protocols") as reply:
                served = {protocol["name"] for protocol in json.load(reply)["protocols"]}
        finally:
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate()
    assert served == {"apex", "outlit", "whisperr"}
    assert process.returncode == 0
    assert "Traceback" not in log
    assert list(tmp_path.iterdir()) == []


def test_installed_package_brings_no_part_of_the_tests_along(installed: Installed) -> None:
    assert "mockserver" in installed.names
    assert not set(NOT_NEEDED) & installed.names


def test_installed_package_can_be_imported_without_its_extras(installed: Installed) -> None:
    assert installed.version


def test_readme_leads_to_a_green_test_when_nothing_is_installed(installed: Installed, tmp_path: Path) -> None:
    command, *_ = [span for span in spans(README) if span.startswith("pip install")]
    before = spent()
    installed.run(command)
    with reading(tmp_path) as reader:
        reader.env = dict(installed.variables)
        reader.read(list(blocks(README)))
        assert "1 passed" in reader.printed
    assert installed.spent + spent() - before < MACHINE_TIME_S
