"""`mockserver sample`: lines of the right shape, the same for the same seed, errors that help."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from tests.command import run_command


def run(*words: str) -> Result:
    return run_command("sample", *words)


def lines(*words: str) -> list[dict[str, Any]]:
    done = run(*words)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_good_requests_of_all_protocols_come_when_nothing_is_said() -> None:
    found = lines("--count", "7")
    assert len(found) == 7
    assert {line["protocol"] for line in found} == {"outlit", "apex", "whisperr"}
    assert all(line["valid"] and not {"rule", "pointer"} & line.keys() for line in found)


def test_bad_requests_name_their_rule_when_asked_for() -> None:
    found = lines("--protocol", "outlit", "--type", "custom", "--revision", "r4-2026-08", "--invalid", "--count", "20")
    assert len(found) == 20
    for line in found:
        assert list(line)[:4] == ["protocol", "operation", "revision", "valid"]
        assert not line["valid"]
        assert line["revision"] == "r4-2026-08"
        assert line["rule"].startswith("/")
        assert line["expect"]["status"] in (207, 400)


def test_lines_are_the_same_when_the_seed_is() -> None:
    asked = ("--protocol", "whisperr", "--operation", "track", "--count", "15")
    assert lines(*asked, "--seed", "4") == lines(*asked, "--seed", "4")
    assert lines(*asked, "--seed", "4") != lines(*asked, "--seed", "5")


def test_one_array_is_printed_when_json_is_asked_for() -> None:
    done = run("--protocol", "apex", "--type", "purchase", "--count", "3", "--json")
    assert [line["protocol"] for line in json.loads(done.stdout)] == ["apex"] * 3


def test_patches_count_when_given(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: apex\npatch: {requests: {server_batch: {properties: {events: {maxItems: 3}}}}}\n")
    asked = ("--protocol", "apex", "--operation", "server_events", "--count", "150", "--contract-patch", str(patch))
    sizes = {len(line["request"].get("json", {}).get("events", [])) for line in lines(*asked)}
    assert max(sizes) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--operation", "track"), "require --protocol"),
        (("--protocol", "outlet"), 'did you mean "outlit"'),
        (("--protocol", "outlit", "--revision", "r5"), 'unknown revision "r5"'),
        (("--protocol", "outlit", "--operation", "event"), "available: events, bootstrap"),
        (("--protocol", "outlit", "--type", "sale"), "no operation takes events of type 'sale'"),
    ],
)
def test_error_names_what_there_is_when_a_name_is_wrong(words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_error_says_what_to_install_when_hypothesis_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    done = run("--count", "1")
    assert done.exit_code == 2
    assert "pip install 'mockserver[strategies]'" in done.stderr
