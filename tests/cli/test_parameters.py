"""Contracts as flags name them: whose patches count, and whose are a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli.main import main
from mockserver.cli.parameters import load_contracts
from mockserver.contract.library import library


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    """A patch of one limit of whisperr."""
    path = tmp_path / "patch.yaml"
    path.write_text("protocol: whisperr\npatch: {protocol: {limits: {body: {max_bytes: 1000}}}}\n")
    return path


@pytest.mark.parametrize(
    "command",
    [
        ("contracts", "print", "outlit"),
        ("sample", "--protocol", "outlit"),
        ("check", __file__, "--protocol", "outlit"),
        ("verify", "--protocol", "outlit", "--target", "http://127.0.0.1:1", "--key", "pk_1"),
    ],
)
def test_patch_is_a_usage_error_when_it_is_of_another_protocol(command: tuple[str, ...], patch: Path) -> None:
    ended = CliRunner().invoke(main, [*command, "--contract-patch", str(patch)])
    assert ended.exit_code == 2
    assert f"{patch} is a patch for whisperr, not for outlit" in ended.output


def test_patch_counts_for_its_own_protocol_when_all_are_loaded(patch: Path) -> None:
    contracts = {contract.name: contract for contract in load_contracts(None, None, (), (patch,))}
    assert set(contracts) == set(library().protocols)
    changed = {name for name, contract in contracts.items() if contract.changed}
    assert changed == {"whisperr"}
    assert contracts["whisperr"].max_body == 1000


@pytest.mark.parametrize(
    "command",
    [
        ("check", __file__),
        ("contracts", "list"),
        ("contracts", "print", "outlit"),
        ("contracts", "explain", "outlit", "/protocol/title"),
        ("sample",),
        ("sample", "--corpus", "corpus"),
        ("serve",),
        ("verify", "--protocol", "outlit", "--target", "http://127.0.0.1:1", "--key", "pk_1"),
    ],
)
@pytest.mark.parametrize(
    "content", [None, "protocol: outlit\npatch: {protocol: {limits: {body: {max_bytes: many}}}}\n", "protocol: [1]\n"]
)
def test_every_patch_is_validated_at_once(command: tuple[str, ...], content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "patch.yaml"
    if content is not None:
        path.write_text(content)
    ended = CliRunner().invoke(main, [*command, "--contract-patch", str(path)])
    assert ended.exit_code == 2, ended.output
    assert str(path) in ended.output or "--corpus writes samples of every contract" in ended.output
