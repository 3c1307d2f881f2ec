"""Rules about clients: read beside the contract, and refused with the place and the nearest word where wrong."""

from __future__ import annotations

from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from mockserver.contract.client_rules import EVERYTHING, FILE
from mockserver.contract.library import Library, library
from mockserver.errors import ContractError
from mockserver.jsonkit import pointer, yamltext
from mockserver.server import control
from mockserver.sessions import steps

PROTOCOLS = [*library().protocols]
GOOD: Any = {
    "stimuli": {"down": {"text": "It is down", "steps": [{"times": 1, "reply": {"status": 503}}], "takes_ms": 5000}},
    "rules": {
        "mine": {
            "text": "A client does it",
            "level": "must",
            "source": "assumed: a test",
            "stimulus": "down",
            "revisions": ["base"],
            "looks_at": {"operations": ["batch"], "body": {"/a": "^b$"}},
            "check": {"backoff": {"after": {"statuses": ["5xx"]}, "ratio": 1}},
        }
    },
}


def _library(folder: Path, change: Any) -> Library:
    """Return a library with a copy of a protocol and changed rules beside it."""
    own = folder / "whisperr"
    copytree(library().protocol("whisperr").folder, own)
    (own / FILE).write_text(yamltext.dumps(pointer.merge_patch(GOOD, change)))
    return Library([folder])


def test_rule_has_its_check_its_stimulus_and_what_it_looks_at(tmp_path: Path) -> None:
    read = _library(tmp_path, {"rules": {"plain": {**GOOD["rules"]["mine"], "stimulus": None, "looks_at": None}}})
    rules = read.protocol("whisperr").client_rules
    mine = rules.rules["mine"]
    assert (mine.protocol, mine.name, mine.text, mine.level) == ("whisperr", "mine", "A client does it", "must")
    assert (mine.check, mine.parameters["ratio"], sorted(mine.revisions)) == ("backoff", 1, ["base"])
    assert mine.stimulus is rules.stimuli["down"]
    assert (mine.stimulus.takes_ms, mine.stimulus.steps[0]["times"]) == (5000, 1)
    assert mine.looks_at.operations == {"batch"}
    assert mine.looks_at.body == {"/a": "^b$"}
    assert rules.rules["plain"].stimulus is None
    assert rules.rules["plain"].looks_at is EVERYTHING


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stimulus": "dawn"}, "/rules/mine/stimulus: unknown stimulus .*did you mean .*down"),
        ({"levels": "must"}, "/rules/mine/levels: unknown key .*did you mean .*level"),
        ({"level": "may"}, "/rules/mine/level"),
        ({"source": "hearsay: a friend"}, "/rules/mine/source"),
        ({"check": {"backof": {}, "backoff": None}}, "/rules/mine/check/backof: unknown key .*did you mean .*backoff"),
        ({"check": {"backoff": {"ration": 2}}}, "/rules/mine/check/backoff/ration: unknown key .*did you mean .*ratio"),
        ({"check": {"retried": {}}}, "/rules/mine/check"),
        ({"check": {"backoff": {"after": {"statuses": ["6xx"]}}}}, "/rules/mine/check/backoff/after/statuses/0"),
        ({"check": {"backoff": {"after": {"status": []}}}}, "after/status: unknown key .*did you mean .*statuses"),
        ({"looks_at": {"operation": []}}, "/rules/mine/looks_at/operation: unknown key .*did you mean .*operations"),
        ({"looks_at": {"operations": ["bach"]}}, "looks_at/operations: unknown operation .*did you mean .*batch"),
        ({"looks_at": {"body": {"/a": "("}}}, "/rules/mine/looks_at/body/~1a: not a valid pattern"),
        ({"revisions": ["bass"]}, "/rules/mine/revisions: unknown revision .*did you mean .*base"),
        (
            {"check": {"backoff": None, "no_finding": {"rules": ["/events/event/nothing"]}}},
            "/check/no_finding/rules: no revision of the contract states anything at /events/event/nothing",
        ),
        ({"check": {"backoff": None, "header": {"names": ["A"], "pattern": "["}}}, "/header/pattern: not a valid pat"),
    ],
)  # fmt: skip
def test_file_and_place_are_named_when_a_rule_is_wrong(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        _library(tmp_path, {"rules": {"mine": change}})


def test_unknown_word_of_a_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"/stimuli/down/steps/0/replay: unknown key .*did you mean .*reply"):
        _library(tmp_path, {"stimuli": {"down": {"steps": [{"replay": {"status": 503}}]}}})


def test_protocol_without_a_file_has_no_rules() -> None:
    assert dict(Library([Path(__file__).parents[1] / "fourth"]).protocol("tally").client_rules.rules) == {}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_steps_of_stimuli_are_taken_by_the_control_surface(name: str) -> None:
    valid = control.validator("/components/schemas/StepList")
    for stimulus in library().protocol(name).client_rules.stimuli.values():
        assert valid.is_valid(list(stimulus.steps)), stimulus.name
        assert [problem for problem in map(steps.problem, stimulus.steps) if problem is not None] == []


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_stimulus_exercises_a_rule(name: str) -> None:
    rules = library().protocol(name).client_rules
    assert set(rules.stimuli) == {rule.stimulus.name for rule in rules.rules.values() if rule.stimulus is not None}
