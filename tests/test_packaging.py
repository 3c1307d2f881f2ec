"""The wheel: exactly these files, and what is in it is enough to serve from an empty folder."""

from __future__ import annotations

import email
import json
import re
import signal
import subprocess
import sys
import tomllib
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.processes import ROOT, environment

PATTERNS = (
    "mockserver/*.py",
    "mockserver/py.typed",
    "mockserver/contract/server_rules.yaml",
    "mockserver/server/control.yaml",
    "mockserver/lint/case.schema.json",
    "mockserver/contracts/README.md",
    "mockserver/contracts/*/*.yaml",
    "mockserver/contracts/*/revisions/*.yaml",
    "mockserver-*.dist-info/*",
)
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"}
RUNTIME = {"ahocorasick-rs", "aiohttp", "click", "jsonschema", "jsonschema-rs", "msgspec", "orjson", "pyyaml", "uvloop"}
NAME = "mockserver["
NOT_NEEDED = ("hypothesis", "pytest", "mypy", "ruff", "whisperr")
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


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the wheel and what it asks for, nothing else."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip("--python", str(python), "install", "--quiet", "--no-compile", str(wheel))
    return python


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


def test_installed_wheel_serves_from_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    command = [str(installed.with_name("mockserver")), "serve", "--port", "0"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
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


def test_installed_wheel_brings_no_part_of_the_tests_along(installed: Path) -> None:
    code = "import importlib.metadata as m; print(*sorted(d.name.lower() for d in m.distributions()))"
    told = subprocess.run([installed, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert not set(NOT_NEEDED) & set(told.stdout.split())


def test_installed_package_can_be_imported_without_its_extras(installed: Path) -> None:
    code = "import mockserver, sys; mockserver.MockServer; print(mockserver.__version__)"
    told = subprocess.run([installed, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip()
