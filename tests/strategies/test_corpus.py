"""The corpus in `fixtures/`: what the command writes, true of the core line by line, and complete."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mockserver.cli.main import main
from mockserver.contract.library import library
from mockserver.lint.case_reader import expand
from mockserver.strategies import NOW_MS, breaches
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import plan_of
from tests import cases
from tests.strategies.playing import contracts_in_turn, hold

FOLDER = cases.FIXTURES / "corpus"


def _lines(protocol: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / f"{protocol}.ndjson").read_bytes().split(b"\n") if line]


def test_files_are_what_the_command_writes_when_run_again(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["sample", "--corpus", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    names = {f"{name}.ndjson" for name in library().protocols}
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in FOLDER.iterdir()} == names
    for name in names:
        same = (FOLDER / name).read_bytes() == (tmp_path / name).read_bytes()
        assert same, f"{name} is out of date: run mockserver sample --corpus fixtures/corpus and look at the difference"


@pytest.mark.parametrize("contract", contracts_in_turn())
def test_every_sample_is_answered_as_written_and_every_rule_that_can_be_broken_alone_has_one(contract: Any) -> None:
    played, shown = 0, set()
    for sample in samples(plan_of(contract, NOW_MS, 0, ())):
        hold(contract, sample)
        played += 1
        if len(sample.bad) == 1:
            shown.add(sample.breach.id)
    assert played > 50
    assert shown == set(breaches(contract.name, contract=contract))


def _requests() -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield each line's request with the request it was written from."""
    for protocol in library().protocols.values():
        lines, seen = iter(_lines(protocol.name)), set()
        for revision in protocol.revision_names():
            for sample in samples(plan_of(protocol.contract(revision), NOW_MS, 0, ())):
                written = json.dumps(sample.as_json())
                if written not in seen:
                    seen.add(written)
                    yield next(lines), sample


def test_requests_read_back_as_they_were_when_written_short() -> None:
    asked = 0
    for line, sample in _requests():
        for written, request in zip(
            [*line.get("before", ()), line["request"]], [*sample.before, sample.request], strict=True
        ):
            asked += 1
            assert (written["method"], written["path"]) == (request.method, request.path)
            assert written["headers"] == dict(request.headers)
            if "base64" in written:
                assert base64.b64decode(written["base64"]) == request.body
            elif "json" in written:
                assert expand(written["json"]) == request.json
            else:
                assert expand(written.get("text", "")).encode() == request.body
        assert expand(line["expect"].get("json")) == (None if sample.expect.text else sample.expect.body)
    assert asked > 5000


def test_lines_are_short_enough_to_read() -> None:
    for name in library().protocols:
        assert max(map(len, (FOLDER / f"{name}.ndjson").read_bytes().split(b"\n"))) < 2000
