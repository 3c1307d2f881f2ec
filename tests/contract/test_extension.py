"""Finding a protocol's adapter: by name, as a file of its folder, not at all, or with an error that names the file."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from mockserver.adapters import apex
from mockserver.contract.extension import BUILT_IN, NO_EXTENSION, CheckKind, Extension, extension_of, find_adapter
from mockserver.core.adapter import DEFAULT, adapter_of
from mockserver.errors import ContractError

OWN = """
from mockserver.contract.extension import CheckKind
from mockserver.core.adapter import Adapter

ADAPTER = Adapter(checks={{"{check}": CheckKind(("no",))}}, run={{"{check}": lambda judged, gate: None}})
"""


def test_adapter_of_a_shipped_protocol_is_the_module_of_its_name(tmp_path: Path) -> None:
    name = find_adapter("apex", tmp_path)
    assert name == "mockserver.adapters.apex"
    assert extension_of(name) is apex.ADAPTER
    assert adapter_of(name) is apex.ADAPTER


def test_protocol_without_an_adapter_has_the_defaults(tmp_path: Path) -> None:
    assert find_adapter("nothing_of_that_name", tmp_path) == ""
    assert extension_of("") is NO_EXTENSION
    assert adapter_of("") is DEFAULT
    assert (dict(NO_EXTENSION.checks), NO_EXTENSION.needs) == ({}, ())


def test_adapter_in_the_folder_goes_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "adapter.py").write_text(OWN.format(check="mine"))
    name = find_adapter("apex", tmp_path)
    assert name != "mockserver.adapters.apex"
    assert name.startswith("mockserver_adapter_apex_")
    assert dict(extension_of(name).checks) == {"mine": CheckKind(("no",))}
    assert sys.modules[name].__file__ == str(tmp_path / "adapter.py")


def test_adapters_of_two_folders_are_apart(tmp_path: Path) -> None:
    names = []
    for check in ("first", "second"):
        (tmp_path / check).mkdir()
        (tmp_path / check / "adapter.py").write_text(OWN.format(check=check))
        names.append(find_adapter("tally", tmp_path / check))
    assert [list(adapter_of(name).run) for name in names] == [["first"], ["second"]]


def test_adapter_is_the_edited_one_when_its_file_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "adapter.py"
    path.write_text(OWN.format(check="first"))
    before = find_adapter("tally", tmp_path)
    assert list(adapter_of(before).run) == ["first"]
    path.write_text(OWN.format(check="second"))
    after = find_adapter("tally", tmp_path)
    assert list(extension_of(after).checks) == ["second"]
    assert list(adapter_of(after).run) == ["second"]
    assert list(adapter_of(before).run) == ["first"]


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def", "failed to load: SyntaxError: invalid syntax"),
        ("import nowhere_at_all", "failed to load: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("1 / 0", "failed to load: ZeroDivisionError: division by zero"),
        ("", "defines no ADAPTER"),
        ("ADAPTER = 7", "defines no ADAPTER"),
    ],
)
def test_adapter_is_refused_with_its_file_when_it_cannot_be_used(tmp_path: Path, code: str, problem: str) -> None:
    (tmp_path / "adapter.py").write_text(code)
    with pytest.raises(ContractError, match=re.escape(problem)) as caught:
        find_adapter("tally", tmp_path)
    assert (caught.value.file, caught.value.pointer) == (str(tmp_path / "adapter.py"), "")
    assert caught.value.__cause__ is not None or problem == "defines no ADAPTER"


def test_nothing_stays_loaded_of_an_adapter_that_failed(tmp_path: Path) -> None:
    (tmp_path / "adapter.py").write_text("1 / 0")
    before = set(sys.modules)
    with pytest.raises(ContractError):
        find_adapter("broken", tmp_path)
    assert set(sys.modules) - before == set()


def test_built_in_checks_say_what_they_can_come_to() -> None:
    without_refusal = [name for name, kind in BUILT_IN.items() if not kind.outcomes]
    assert without_refusal == ["idempotency"]
    assert BUILT_IN["events"] == CheckKind(("invalid_event",), after=("object",))
    assert BUILT_IN["content_type"].needs == ("/protocol/content_types",)


def test_declarations_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Extension().needs = ("/x",)  # type: ignore[misc]
