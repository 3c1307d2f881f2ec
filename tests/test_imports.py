"""Who may import whom: layers point one way, no import circle, one meaning a module name, one folder serves HTTP.

Every import counts: at the top, inside functions, and those for type checking only.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

import mockserver

PACKAGE = Path(mockserver.__file__).parent
LAYERS = (
    {"errors", "realtime", "settings"},
    {"jsonkit"},
    {"contract"},
    {"core"},
    {"adapters"},
    {"sessions"},
    {"recording", "lint", "strategies", "conformance"},
    {"server"},
    {"client"},
    {"verify"},
    {"cli"},
    {"__init__", "__main__", "pytest_plugin"},
)
"""The folders and modules of the package from the bottom up: each imports its own folder and the layers below."""
TOP_LEVEL = {name for layer in LAYERS for name in layer}


class Import(NamedTuple):
    """One import: the module it stands in and the module it names, both without `mockserver.`."""

    where: str
    what: str


def module_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imported(node: ast.AST) -> Iterator[str]:
    """Yield the full names of the modules that one statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        for alias in node.names:
            inner = f"{node.module}.{alias.name}"
            if inner.removeprefix("mockserver.") in MODULES:
                yield inner
            else:
                yield from (str(node.module), inner)


def imports() -> Iterator[Import]:
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            yield from (Import(module, name) for name in imported(node))


@cache
def all_imports() -> list[Import]:
    """Return every import, read when the first test asks: each process of a parallel run loads this module."""
    return sorted(set(imports()))


def own_imports() -> list[Import]:
    """Return the imports of the package's own modules."""
    own = [Import(found.where, found.what.removeprefix("mockserver.")) for found in all_imports()]
    return [found for found in own if found.what in MODULES]


def layer_of(module: str) -> int:
    return next(height for height, names in enumerate(LAYERS) if module.partition(".")[0] in names)


def users_of(*packages: str) -> set[str]:
    """Return the folders, or modules at the top, that import one of some packages."""
    return {
        found.where.partition(".")[0]
        for found in all_imports()
        if any(found.what == package or found.what.startswith(f"{package}.") for package in packages)
    }


def test_package_holds_what_the_layout_lists() -> None:
    found = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert found == TOP_LEVEL


def test_layers_import_downwards_only() -> None:
    upward = [
        f"{found.where} imports {found.what}" for found in own_imports() if layer_of(found.what) > layer_of(found.where)
    ]
    assert upward == []


def test_version_is_all_that_is_taken_from_the_package_itself() -> None:
    """The package's own names are for users; inside, each comes from where it stands."""
    takers: dict[str, set[str]] = defaultdict(set)
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "mockserver":
                takers[module] |= {alias.name for alias in node.names if alias.name not in MODULES}
    assert set().union(*takers.values()) <= {"__version__"}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = defaultdict(set)
    for found in own_imports():
        graph[found.where].add(found.what)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def test_module_names_have_one_meaning() -> None:
    places = defaultdict(list)
    for module, path in MODULES.items():
        if path.stem != "__init__":
            places[path.stem].append(module)
    assert {name: modules for name, modules in places.items() if len(modules) > 1} == {}


@pytest.mark.parametrize("folder", sorted(path.parent for path in PACKAGE.rglob("__init__.py")), ids=str)
def test_folder_says_in_its_first_sentence_what_it_holds(folder: Path) -> None:
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
    assert docstring
    assert docstring.partition("\n")[0].endswith(".")


def test_only_the_server_serves_http() -> None:
    assert users_of("aiohttp.web", "aiohttp.web_protocol", "aiohttp.http_exceptions") == {"server"}


def test_aiohttp_is_imported_by_the_server_and_by_one_module_of_the_client() -> None:
    users = {found.where for found in all_imports() if found.what.partition(".")[0] in ("aiohttp", "multidict", "yarl")}
    assert {where for where in users if not where.startswith("server.")} == {"client.http"}


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
@pytest.mark.parametrize("folder", ["core", "adapters"])
def test_core_is_pure(module: str, folder: str) -> None:
    assert folder not in users_of(module)


@pytest.mark.parametrize("folder", ["core", "adapters"])
def test_core_draws_no_chance_without_a_seed(folder: str) -> None:
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "random":
                assert node.attr == "Random", f"{path.name}: random.{node.attr} has no seed"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
                assert name not in ("uuid1", "uuid4", "urandom"), f"{path.name}: {name} is chance"
                assert name != "Random" or node.args, f"{path.name}: Random has no seed"


@pytest.mark.parametrize("folder", ["core", "adapters"])
def test_core_reads_no_clock(folder: str) -> None:
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                read = (node.value.id, node.attr)
                assert read not in {("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}, path.name


def test_raw_contracts_are_read_in_the_compiler_only() -> None:
    """After compiling, a contract is typed values: no module looks a section up by its name in the YAML."""
    readers = set()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
                holder = ast.unparse(node.value)
                if holder.rpartition(".")[2] in ("protocol", "spec", "documents") and isinstance(node.slice.value, str):
                    readers.add(module.partition(".")[0])
    assert readers <= {"contract"}


def test_generators_are_only_imported_by_what_generates() -> None:
    assert users_of("hypothesis") <= {"strategies", "verify", "cli"}
    assert users_of("pytest") == {"pytest_plugin"}


def test_server_process_loads_neither_the_generators_nor_the_reference_engine() -> None:
    heavy = ("hypothesis", "pytest", "jsonschema", "mockserver.strategies")
    code = f"""
import sys
from mockserver.server.app import App
from mockserver.settings import Settings
App(Settings())
print([name for name in {heavy!r} if name in sys.modules])
"""
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert printed.stdout.strip() == "[]"
