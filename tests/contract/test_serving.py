"""Which contract is in force: what the server was started with, changed by what a session asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.library import Library, library
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.errors import ContractError
from mockserver.settings import Settings
from tests.judging import FOURTH

SMALL: dict[str, Any] = {"protocol": {"limits": {"body": {"max_bytes": 64}}}}


def patch_file(folder: Path, name: str, protocol: str, max_bytes: int) -> Path:
    path = folder / name
    path.write_text(f"protocol: {protocol}\npatch: {{protocol: {{limits: {{body: {{max_bytes: {max_bytes}}}}}}}}}\n")
    return path


def test_base_contracts_are_served_without_settings() -> None:
    served = ServedContracts(library(), Settings())
    assert list(served.served) == ["apex", "outlit", "whisperr"]
    for name, contract in served.served.items():
        assert contract is library().protocol(name).contract()


def test_revision_of_the_settings_is_served_for_its_protocol_only() -> None:
    served = ServedContracts(library(), Settings(revisions={"outlit": "r4-2026-08"}))
    assert served.served["outlit"].revision == "r4-2026-08"
    assert served.served["apex"].revision == library().protocol("apex").base


def test_later_patch_file_goes_over_an_earlier_one(tmp_path: Path) -> None:
    paths = (patch_file(tmp_path, "a.yaml", "outlit", 100), patch_file(tmp_path, "b.yaml", "outlit", 200))
    served = ServedContracts(library(), Settings(contract_patches=paths))
    assert served.served["outlit"].max_body == 200
    assert ServedContracts(library(), Settings(contract_patches=paths[::-1])).served["outlit"].max_body == 100
    assert served.served["whisperr"].max_body == library().protocol("whisperr").contract().max_body


def test_sessions_patch_goes_over_the_servers(tmp_path: Path) -> None:
    path = patch_file(tmp_path, "a.yaml", "outlit", 100)
    served = ServedContracts(library(), Settings(contract_patches=(path,), revisions={"outlit": "r3-2026-05"}))
    own = served.resolve("outlit", ContractChoice(patch=SMALL))
    assert (own.max_body, own.revision) == (64, "r3-2026-05")
    assert own.source_of("/protocol/limits/body/max_bytes") == "patch: session"
    pinned = served.resolve("outlit", ContractChoice(revision="r4-2026-08"))
    assert (pinned.max_body, pinned.revision) == (100, "r4-2026-08")


def test_choice_is_for_its_protocol_only() -> None:
    served = ServedContracts(library(), Settings())
    choices = {"outlit": ContractChoice(patch=SMALL)}
    assert served.of(choices, "outlit").max_body == 64
    assert served.of(choices, "apex") is served.served["apex"]
    assert served.of({}, "outlit") is served.served["outlit"]
    assert served.of({"outlit": ContractChoice()}, "outlit") is served.served["outlit"]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/i/v1/pk_a/events", "outlit"),
        ("/api/i", "outlit"),
        ("/api/events", "apex"),
        ("/api/v1/anything", "apex"),
        ("/v1/identify", "whisperr"),
        ("//v1/identify", "whisperr"),
        ("/health", "whisperr"),
        ("/healthy", None),
        ("/tally/v2/main/collect", None),
        ("/", None),
    ],
)
def test_owner_is_the_protocol_of_the_longest_prefix(path: str, name: str | None) -> None:
    served = ServedContracts(library(), Settings())
    owner = served.owner(path)
    assert owner is (None if name is None else served.served[name])


def test_protocol_of_another_folder_is_served_too() -> None:
    served = ServedContracts(Library([FOURTH]), Settings())
    owner = served.owner("/tally/v2/main/collect")
    assert owner is served.served["tally"]


def test_choice_is_refused_when_no_such_protocol_is_served() -> None:
    served = ServedContracts(library(), Settings())
    with pytest.raises(ContractError, match='unknown protocol "outlet", did you mean "outlit"') as caught:
        served.check({"outlet": ContractChoice()})
    assert caught.value.pointer == "/outlet"


def test_choice_is_refused_when_it_does_not_compile() -> None:
    served = ServedContracts(library(), Settings())
    served.check({"outlit": ContractChoice(patch=SMALL), "apex": ContractChoice()})
    with pytest.raises(ContractError):
        served.check({"outlit": ContractChoice(revision="r99")})
    with pytest.raises(ContractError):
        served.check({"outlit": ContractChoice(patch={"protocol": {"name": "other"}})})


def prefixed(prefix: str, path: str) -> ContractChoice:
    patch = {"protocol": {"prefixes": {"extra": {"path": path, "family": prefix, "source": "assumed: a test"}}}}
    return ContractChoice(patch=patch)


def test_choices_are_refused_when_only_together_they_take_one_path() -> None:
    served = ServedContracts(library(), Settings())
    outlit, apex = prefixed("ingest", "/new/"), prefixed("flat", "/new/")
    served.check({"outlit": outlit})
    served.check({"apex": apex})
    with pytest.raises(ContractError, match="/new/ already belongs to apex"):
        served.check({"outlit": outlit, "apex": apex})


def test_settings_are_refused_when_a_patch_makes_protocols_collide(tmp_path: Path) -> None:
    path = tmp_path / "patch.yaml"
    path.write_text(
        "protocol: outlit\n"
        "patch: {protocol: {prefixes: {extra: {path: /v1/, family: ingest, source: 'assumed: a test'}}}}\n"
    )
    with pytest.raises(ContractError, match="/v1/ already belongs to outlit") as caught:
        ServedContracts(library(), Settings(contract_patches=(path,)))
    assert (caught.value.file, caught.value.pointer) == ("whisperr", "/protocol/prefixes/v1/path")
