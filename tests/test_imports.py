"""Who may import whom: layers point one way, the core is pure, one folder speaks HTTP."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import mockserver

PACKAGE = Path(mockserver.__file__).parent
LAYERS = (
    {"errors", "core"},
    {"adapters"},
    {"yamltext", "language", "checks", "compiler", "addresses", "settings"},
    {"loader"},
    {"facts", "publish", "stores", "strategies", "contracts_in_force", "environment"},
    {"server", "verify", "client", "testing"},
)
"""Modules from the bottom up; what is not named here is on top. A module imports its own layer and those below."""


class Import(NamedTuple):
    """One import: the module it stands in, the module it names, whether the program carries it out."""

    where: str
    what: str
    runs: bool


def imports() -> Iterator[Import]:
    """Yield every import of the package, those inside functions too."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        where = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        tree = ast.parse(path.read_text())
        typing_only = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            for inner in ast.walk(node)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (Import(where, alias.name, id(node) not in typing_only) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{where}: imports are absolute"
                module = node.module or ""
                inner = [f"{module}.{alias.name}" for alias in node.names]
                known = [
                    name for name in inner if (PACKAGE.parent / Path(*name.split("."))).with_suffix(".py").exists()
                ]
                yield from (Import(where, name, id(node) not in typing_only) for name in known or [module])


IMPORTS = list(imports())


def layer_of(module: str) -> int:
    """Return how high a module of the package stands."""
    part = module.split(".")[1] if "." in module else ""
    return next((height for height, names in enumerate(LAYERS) if part in names), len(LAYERS))


def users_of(*names: str, runs_only: bool = False) -> set[str]:
    return {found.where for found in IMPORTS if found.what.partition(".")[0] in names and (found.runs or not runs_only)}


def test_layers_import_downwards_only() -> None:
    upward = [
        f"{found.where} imports {found.what}"
        for found in IMPORTS
        if found.runs and found.what.startswith("mockserver.") and layer_of(found.what) > layer_of(found.where)
    ]
    assert not upward


def test_core_reaches_for_nothing_above_it_even_in_types() -> None:
    above = {
        found.what
        for found in IMPORTS
        if found.where.startswith("mockserver.core")
        and layer_of(found.what) > 0
        and found.what.startswith("mockserver")
    }
    assert above <= {"mockserver.adapters"}


def test_aiohttp_is_imported_by_the_server_and_by_one_module_of_the_client() -> None:
    users = users_of("aiohttp", "multidict", "yarl")
    assert {where for where in users if not where.startswith("mockserver.server.")} == {"mockserver.client.http"}


def loaded(code: str, *modules: str) -> set[str]:
    """Return which of some modules a program has loaded when it ends."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*({set(modules)!r} & sys.modules.keys()))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True, cwd=PACKAGE.parent).stdout.split())


def test_client_does_not_load_the_server_side_of_aiohttp() -> None:
    code = "import mockserver.client.http"
    assert loaded(code, "aiohttp", "aiohttp.web") == {"aiohttp"}


def test_aiohttp_is_not_loaded_before_a_request_is_made() -> None:
    code = """
import mockserver.cli.main, mockserver.cli.report, mockserver.pytest_plugin, mockserver.verify.transport
from mockserver import AsyncSession, Client, MockServer
Client("http://127.0.0.1:1", session="pk_x").aio
"""
    assert loaded(code, "aiohttp") == set()


@pytest.mark.parametrize(
    "module", ["asyncio", "os", "pathlib", "io", "socket", "time", "secrets", "threading", "logging"]
)
def test_core_is_pure(module: str) -> None:
    assert not {where for where in users_of(module) if where.startswith("mockserver.core")}


def test_core_draws_no_chance_without_a_seed() -> None:
    for path in sorted((PACKAGE / "core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
                assert node.attr == "Random", f"{path.name}: random.{node.attr} has no seed"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                assert name not in ("uuid1", "uuid4", "urandom"), f"{path.name}: {name} is chance"
                assert name != "Random" or node.args, f"{path.name}: Random has no seed"


def test_core_reads_no_clock() -> None:
    for path in sorted((PACKAGE / "core").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                read = (node.value.id, node.attr)
                assert read not in {("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}, path.name


def test_generators_are_only_imported_by_what_generates() -> None:
    generating = {"strategies", "testing", "verify", "pytest_plugin", "commands"}
    assert {where.split(".")[1] for where in users_of("hypothesis", "pytest")} <= generating


def test_server_process_loads_neither_the_generators_nor_the_reference_engine() -> None:
    heavy = ("hypothesis", "pytest", "jsonschema", "mockserver.strategies")
    code = f"""
import sys
from mockserver.server.app import App
from mockserver.settings import Settings
App(Settings())
print([name for name in {heavy!r} if name in sys.modules])
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert told.stdout.strip() == "[]"
