"""`mockserver learn` as a user runs it: files in, a patch and a summary out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.command import run_in
from tests.recording.learning.planting import content_of
from tests.recording.learning.plants import PLANTS, SCRIPTS
from tests.recording.learning.test_contradictions import CASES


def plant(folder: Path, name: str, file: str = "real.ndjson", most: int | None = None) -> None:
    protocol, hidden = PLANTS[name]
    (folder / file).write_bytes(content_of(protocol, hidden, SCRIPTS[protocol][:most]))


def test_patch_is_written_and_loads_and_then_the_contract_gives_every_reply(tmp_path: Path) -> None:
    plant(tmp_path, "refusal text", most=2)
    learnt = run_in(tmp_path, "learn", "real.ndjson", "--out", "real.yaml")
    assert (learnt.exit_code, learnt.stdout) == (0, "")
    assert learnt.stderr.splitlines()[0] == (
        "whisperr: 2 of 2 exchanges answered as recorded, before: 1; 1 fact learnt"
    )
    assert "api key is required -> send a key" in learnt.stderr
    before = run_in(tmp_path, "check", "real.ndjson")
    after = run_in(tmp_path, "check", "real.ndjson", "real.yaml", "--contract-patch", "real.yaml")
    assert "the contract does not give this reply" in before.stdout
    assert "the contract does not give this reply" not in after.stdout
    assert "1 contract patch checked; 2 replies checked" in after.stdout


def test_patch_is_printed_without_a_file_and_json_on_request(tmp_path: Path) -> None:
    plant(tmp_path, "refusal text", most=2)
    (tmp_path / "real.yaml").write_text(run_in(tmp_path, "learn", "real.ndjson").stdout)
    assert run_in(tmp_path, "check", "real.yaml").exit_code == 0
    (found,) = json.loads(run_in(tmp_path, "learn", "real.ndjson", "--json").stdout)["protocols"]
    assert (found["answered_before"], found["answered"], found["compared"]) == (1, 2, 2)
    assert found["facts"][0]["now"] == "send a key"


def test_what_is_not_learnt_is_listed_and_exits_with_1(tmp_path: Path) -> None:
    script, replies = CASES["one refusal, two texts"]
    (tmp_path / "odd.ndjson").write_bytes(content_of("whisperr", {}, script, replies=replies))
    learnt = run_in(tmp_path, "learn", "odd.ndjson")
    assert learnt.exit_code == 1
    assert "contradiction: x1 and x2: they contradict each other" in learnt.stderr


def test_patches_of_several_protocols_need_a_file_each(tmp_path: Path) -> None:
    plant(tmp_path, "refusal text", "a.ndjson", 2)
    plant(tmp_path, "sources", "b.ndjson", 15)
    printed = run_in(tmp_path, "learn", "a.ndjson", "b.ndjson")
    assert printed.exit_code == 2
    assert "there are patches for whisperr, outlit: name one with --protocol, or a file with --out" in printed.stderr
    assert (
        run_in(tmp_path, "learn", "a.ndjson", "b.ndjson", "--protocol", "outlit").stdout.count("protocol: outlit") == 1
    )
    assert run_in(tmp_path, "learn", "a.ndjson", "b.ndjson", "--out", "real.yaml").exit_code == 0
    assert sorted(path.name for path in tmp_path.glob("*.yaml")) == ["real.outlit.yaml", "real.whisperr.yaml"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("none.ndjson",), "'none.ndjson' does not exist"),
        (("text.ndjson",), "text.ndjson"),
        (("real.ndjson", "--protocol", "outlit"), "no exchange of outlit in real.ndjson"),
        (("real.ndjson", "--revision", "whisperr=r9"), 'unknown revision "r9"'),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) and len(value) == 1 else "",
)
def test_wrong_input_is_named_and_exits_with_2(arguments: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    plant(tmp_path, "refusal text", most=2)
    (tmp_path / "text.ndjson").write_text("not a recording\n")
    refused = run_in(tmp_path, "learn", *arguments, "--out", "real.yaml")
    assert refused.exit_code == 2
    assert problem in refused.stderr
    assert not (tmp_path / "real.yaml").exists()
