"""Loading: what cannot be used is refused with its file and its place."""

from __future__ import annotations

import json
import shutil
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mockserver
from mockserver.contract import sections
from mockserver.contract.contract import Contract
from mockserver.contract.library import OWN_BYTES, RECENT_CONTRACTS, Library, Patch, Protocol, library
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.errors import ContractError
from mockserver.jsonkit import pointer, yamltext
from mockserver.settings import Settings

HERE = Path(__file__).parent
FOURTH = HERE.parent / "fourth" / "tally"
UNUSABLE: dict[str, Any] = yamltext.load(HERE / "unusable.yaml")
TALLY = Library([FOURTH.parent]).protocol("tally")
Change = Callable[[Any], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one protocol in it, the made-up one."""
    shutil.copytree(FOURTH, tmp_path / "contracts" / "tally", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "contracts"


def rewrite(folder: Path, document: str, change: Change) -> Path:
    """Change one document of the protocol in a folder."""
    path = folder / "tally" / f"{document}.yaml"
    path.write_text(json.dumps(change(yamltext.load(path))))
    return path


def merged(patch: Any) -> Change:
    """Return the change that a merge patch makes."""
    return lambda value: pointer.merge_patch(value, patch)


def refusal(folder: Path) -> ContractError:
    """Return why the protocol in a folder cannot be used."""
    with pytest.raises(ContractError) as caught:
        Protocol(folder / "tally", library().meta).check()
    return caught.value


def library_refusal(folder: Path) -> ContractError:
    """Return why a folder cannot be served beside our own contracts."""
    with pytest.raises(ContractError) as caught:
        Library([folder])
    return caught.value


@pytest.mark.parametrize("name", UNUSABLE)
def test_contract_is_refused_with_file_and_place(folder: Path, name: str) -> None:
    entry = UNUSABLE[name]
    document, *place = pointer.parse(entry["at"])
    for changed, patch in entry["patch"].items():
        rewrite(folder, changed, merged(patch))
    error = refusal(folder)
    assert (Path(error.file), error.pointer) == (folder / "tally" / f"{document}.yaml", pointer.build(place))
    assert entry["says"] in error.problem
    assert str(error) == f"{error.file}#{error.pointer}: {error.problem}"


@pytest.mark.parametrize("name", UNUSABLE)
def test_patch_is_refused_with_its_place(name: str) -> None:
    entry = UNUSABLE[name]
    with pytest.raises(ContractError) as caught:
        TALLY.contract(None, [Patch(name="session", patch=entry["patch"])])
    assert caught.value.pointer == entry["at"]
    assert entry["says"] in caught.value.problem


COLLIDING: list[tuple[Any, str, str]] = [
    (
        {"prefixes": {"theirs": {"path": "/api/i/", "source": "assumed: x"}}},
        "/prefixes/theirs/path",
        "already belongs to outlit",
    ),
    (
        {
            "prefixes": {"all": {"path": "/", "source": "assumed: x"}},
            "operations": {"collect": {"path": "/v1/tally"}},
        },
        "/operations/collect/path",
        "starts with /v1/, which belongs to whisperr",
    ),
]


@pytest.mark.parametrize(("patch", "place", "problem"), COLLIDING)
def test_protocol_is_refused_when_it_takes_what_another_serves(
    folder: Path, patch: Any, place: str, problem: str
) -> None:
    path = rewrite(folder, "protocol", merged(patch))
    error = library_refusal(folder)
    assert (error.file, error.pointer) == (str(path), place)
    assert problem in error.problem


def test_protocol_is_refused_when_two_operations_answer_one_path(folder: Path) -> None:
    def twice(protocol: Any) -> Any:
        again = {**protocol["operations"]["collect"], "path": "/tally/v2/{other}/collect"}
        return {**protocol, "operations": {**protocol["operations"], "again": again}}

    rewrite(folder, "protocol", twice)
    error = refusal(folder)
    assert error.pointer == "/operations/again/path"
    assert "already served by the operation collect" in error.problem


@pytest.mark.parametrize("document", ["protocol", "events"])
def test_null_is_refused_in_a_contract(folder: Path, document: str) -> None:
    path = rewrite(folder, document, lambda value: {**value, "stored": None, "sale": None})
    error = refusal(folder)
    assert error.file == str(path)
    assert error.pointer in ("/stored", "/sale")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: tally\nname: tally\n", 'line 2, column 1: duplicate key "name"'),
        ("a: &anchor 1\nb: *anchor\n", "line 1: anchors and aliases are not allowed"),
        ("a: !!python/none x\n", "tags are not allowed"),
        ("1: a\n", "a key must be a string, got 1"),
        ("a: [\n", "line 2, column 1"),
        ("a: 1e999\n", "out of range for a double"),
        (f"a: 1{'0' * 5000}\n", "4300 digits"),
        ("a: caf\xe9\n".encode("latin-1"), "not UTF-8"),
        ("- a\n", "not of type"),
        ("", "not of type"),
    ],
)
def test_file_is_refused_with_its_line_when_it_is_no_strict_yaml(folder: Path, text: str | bytes, problem: str) -> None:
    path = folder / "tally" / "protocol.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    error = refusal(folder)
    assert error.file == str(path)
    assert problem in error.problem


@pytest.mark.parametrize(
    ("name", "patch", "place", "problem"),
    [
        ("other", {}, "/revision", "must equal the file name"),
        ("strict", {"protocol": "outlit"}, "/protocol", "must equal the protocol of the folder"),
        ("strict", {"patch": []}, "/patch", "not of type"),
        ("strict", {"patch": {"gates": {}}}, "/patch/gates", 'unknown key "gates"; available: protocol, requests, '),
        (
            "strict",
            {"patch": {"protocol": {"gate": {}}}},
            "/patch/protocol/gate",
            'unknown key "gate", did you mean "gates"?',
        ),
        ("strict", {"patch": {"protocol": {"name": "talley"}}}, "/patch/protocol/name", "must stay tally"),
        (
            "strict",
            {"patch": {"protocol": {"replies": {"seen": {"body": "${sum}"}}}}},
            "/patch/protocol/replies/seen/body",
            "${sum}",
        ),
    ],
)
def test_revision_is_refused_with_file_and_place(folder: Path, name: str, patch: Any, place: str, problem: str) -> None:
    path = folder / "tally" / "revisions" / "strict.yaml"
    document = pointer.merge_patch(yamltext.load(path), patch)
    path.unlink()
    path.with_name(f"{name}.yaml").write_text(json.dumps(document))
    error = refusal(folder)
    assert (error.file, error.pointer) == (str(path.with_name(f"{name}.yaml")), place)
    assert problem in error.problem


def test_revision_may_not_bear_the_name_of_the_base(folder: Path) -> None:
    rewrite(folder, "protocol", merged({"base": {"value": "strict"}}))
    assert refusal(folder).pointer == "/revision"


def test_folder_is_refused_when_nothing_is_in_it(tmp_path: Path) -> None:
    assert "no protocols found" in library_refusal(tmp_path).problem
    assert "folder not found" in library_refusal(tmp_path / "nowhere").problem


@pytest.mark.parametrize(
    ("code", "problem"), [("def", "SyntaxError"), ("import nowhere", "nowhere"), ("", "defines no ADAPTER")]
)
def test_adapter_is_refused_when_it_does_not_load(folder: Path, code: str, problem: str) -> None:
    (folder / "tally" / "adapter.py").write_text(code)
    error = refusal(folder)
    assert error.file == str(folder / "tally" / "adapter.py")
    assert problem in error.problem


def test_adapters_need_is_named_when_the_contract_lacks_it() -> None:
    protocol = library().protocol("whisperr")
    with pytest.raises(ContractError, match="required by the adapter of this protocol") as caught:
        protocol.contract(None, [Patch(name="session", patch={"protocol": {"ids": {"user": None}}})])
    assert caught.value.pointer == "/protocol/ids/user/prefix"


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(ContractError, match=r'unknown revision "r4-2026-8", did you mean "r4-2026-08"\?'):
        library().protocol("outlit").contract("r4-2026-8")
    with pytest.raises(ContractError, match=r'unknown protocol "outlet", did you mean "outlit"\?'):
        library().protocol("outlet")


def test_settings_are_refused_when_a_pinned_revision_is_unknown() -> None:
    with pytest.raises(ContractError, match='unknown revision "r9"'):
        ServedContracts(library(), Settings(revisions={"outlit": "r9"}))


def test_patch_file_is_refused_with_file_and_place(tmp_path: Path) -> None:
    path = tmp_path / "patch.yaml"
    path.write_text("protocol: outlit\npatch: {protocol: {limits: {body: {max_bytes: many}}}}\n")
    with pytest.raises(ContractError) as caught:
        ServedContracts(library(), Settings(contract_patches=(path,)))
    assert (caught.value.file, caught.value.pointer) == (str(path), "/patch/protocol/limits/body/max_bytes")


def test_session_patch_is_refused_when_it_takes_another_protocols_path() -> None:
    in_force = ServedContracts(library(), Settings())
    patch = {"protocol": {"prefixes": {"ingest": {"path": "/v1/"}}, "operations": {"events": {"path": "/v1/identify"}}}}
    with pytest.raises(ContractError):
        in_force.check({"outlit": ContractChoice(patch=patch)})


def test_patch_is_refused_as_a_whole_when_one_member_of_it_is_wrong() -> None:
    protocol = library().protocol("outlit")
    before = protocol.contract()
    patch = {"protocol": {"limits": {"body": {"max_bytes": 5}}, "cors": {"ingest": {"credentials": "yes"}}}}
    with pytest.raises(ContractError) as caught:
        protocol.contract(None, [Patch(name="session", patch=patch)])
    assert caught.value.pointer == "/protocol/cors/ingest/credentials"
    assert protocol.contract() is before
    assert before.max_body > 5


def test_equal_patches_share_one_contract() -> None:
    protocol = library().protocol("outlit")
    patch = {"protocol": {"limits": {"body": {"max_bytes": 5}}}}
    first = protocol.contract("r4-2026-08", [Patch(name="session", patch=patch)])
    assert protocol.contract("r4-2026-08", [Patch(name="session", patch=json.loads(json.dumps(patch)))]) is first
    assert first.digest != protocol.contract("r4-2026-08").digest


def test_every_word_of_the_language_is_read_somewhere() -> None:
    package = Path(mockserver.__file__).parent
    code = "".join(path.read_text() for path in package.rglob("*.py"))
    meta = library().meta
    words = {word for name in ("protocol", "warnings", "schema") for word in _members(meta.schema(name))}
    words |= set(meta.schema("warnings")["properties"]["transport"]["propertyNames"]["enum"])
    decoded = {
        line.partition(":")[0].strip() for line in Path(sections.__file__).read_text().splitlines() if ": " in line
    }
    only_listed = {"behavior"}
    assert not {word for word in words - decoded - only_listed if f'"{word}"' not in code}


def _members(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name == "properties" and isinstance(value, dict):
                yield from value
            yield from _members(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _members(item)


def patched(number: int) -> Patch:
    """Return a patch that changes one event schema."""
    schema = {"properties": {"amount": {"type": "integer", "maximum": number}}}
    return Patch(name="session", patch={"events": {"custom": schema}})


def test_patched_contract_goes_with_its_last_user() -> None:
    protocol = library().protocol("outlit")
    contract: Contract | None = protocol.contract(None, [patched(1)])
    watched = weakref.ref(contract)
    for number in range(RECENT_CONTRACTS):
        protocol.contract(None, [patched(2 + number)])
    assert watched() is contract
    contract = None
    assert watched() is None


def test_patched_contract_shares_the_schemas_that_it_does_not_change() -> None:
    protocol = library().protocol("outlit")
    base, contract = protocol.contract(), protocol.contract(None, [patched(1)])
    assert contract.newest is not None
    assert base.newest is not None
    changed = [contract.schemas() - base.schemas(), contract.newest.schemas() - base.newest.schemas()]
    assert [{schema.name for schema in schemas} for schemas in changed] == [{"custom"}, {"custom"}]
    assert contract.event_schemas["billing"] is base.event_schemas["billing"]
    size = 2 * OWN_BYTES + sum(schema.bytes for schemas in changed for schema in schemas)
    assert size < contract.bytes < size + 2000  # the rest is the patch
    assert base.bytes == 0
