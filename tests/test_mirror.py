"""The tests mirror the package: each module has a test file of its name, or is listed with who tests it instead."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

import mockserver

PACKAGE = Path(mockserver.__file__).parent
TESTS = Path(__file__).parent


class Elsewhere(NamedTuple):
    """The test files, or the folder of them, that test a module without a file of its own; and why there."""

    tests: str
    reason: str


LOADING = Elsewhere(
    "contract/test_library.py", "each way it can fail is a case of unusable.yaml, its values are in test_compiler"
)
VALUES = Elsewhere("core/test_model.py", "values that a judgement is made of")
SERVED = Elsewhere("server", "it speaks HTTP: the tests named test_remote_* and test_hostile_* speak to it")
CALLED = Elsewhere(
    "client/test_same_suite.py", "one suite holds the blocking and the asynchronous client to one behaviour"
)

TOOLS = Elsewhere("test_other_tools.py", "it keeps tools that replace time, HTTP and files away from the server")
CASES = Elsewhere("lint/test_case_reader.py", "the reader and the JSON Schema of cases are held to one verdict")
GUESSED = Elsewhere("lint/test_guess.py", "what payloads are taken for")
HIDDEN = Elsewhere("recording/redaction/test_redact.py", "a secret is found and hidden in every place and spelling")
DRIFTED = Elsewhere("recording/drift/test_drift.py", "planted changes are told, each once")
PLANTED = Elsewhere(
    "recording/learning/test_lessons.py", "patches that it has to find are hidden in recordings, each kind of change"
)
VERIFIED = Elsewhere("verify", "all rules are held to servers and contracts with one fault each")
CHECKED = Elsewhere("lint/test_checker.py", "files are read to be checked")

ELSEWHERE = {
    "__main__": Elsewhere("cli/test_main.py", "it starts the command line"),
    "cli.*": Elsewhere("cli/test_main.py", "thin: a command each, run as a user runs it"),
    "strategies.*": Elsewhere(
        "strategies", "what is drawn is held to the contract that it was drawn from, all modules together"
    ),
    "verify.*": VERIFIED,
    "verify.families.*": VERIFIED,
    "verify.replies.*": VERIFIED,
    "conformance.*": Elsewhere(
        "conformance", "script clients break each rule and each check's, and others keep them, all modules together"
    ),
    "client.exercising": Elsewhere("cli/test_exercise.py", "a program is exercised as a user does it"),
    "client.arguments": CALLED,
    "client.calls": CALLED,
    "client.connections": CALLED,
    "client.session_calls": CALLED,
    "client.methods": CALLED,
    "client.session_parts": CALLED,
    "client.messages": Elsewhere("client/test_http.py", "what HTTP replies become"),
    "client.results": Elsewhere("client/test_client.py", "values without behaviour of their own"),
    "client.shareable": Elsewhere("test_no_leak.py", "no secret is in what it makes of a session"),
    "contract.raw": LOADING,
    "contract.read_operations": LOADING,
    "contract.sections": LOADING,
    "core.wire": VALUES,
    "core.reference_engine": Elsewhere("contract/test_engines.py", "one engine is held to the other"),
    "contract.server_rules": Elsewhere("contract/test_explanation.py", "each rule is explained"),
    "recording.formats.*": Elsewhere(
        "recording/formats", "formats are held to each other and to other programs, all modules together"
    ),
    "recording.normalisation.contract_places": Elsewhere(
        "recording/normalisation/test_normal_form.py", "what varies in messages is told by the contract"
    ),
    "recording.redaction.assigned_values": HIDDEN,
    "recording.replay.compared_reply": Elsewhere(
        "client/test_replay_requests.py", "replies to replayed requests are compared"
    ),
    "recording.drift.differences": DRIFTED,
    "recording.drift.document_pairs": DRIFTED,
    "recording.redaction.encoded_text": HIDDEN,
    "recording.redaction.find_secrets": HIDDEN,
    "recording.drift.item_pairs": DRIFTED,
    "recording.learning.fewer_operations": PLANTED,
    "recording.learning.known_keys": PLANTED,
    "recording.learning.learned": PLANTED,
    "recording.learning.learner": PLANTED,
    "recording.learning.looser_rules": PLANTED,
    "recording.learning.memory_changes": PLANTED,
    "recording.learning.play_again": PLANTED,
    "recording.learning.reply_changes": PLANTED,
    "recording.learning.seen_values": PLANTED,
    "recording.learning.template_values": PLANTED,
    "recording.learning.text_changes": PLANTED,
    "recording.learning.tighter_rules": PLANTED,
    "recording.learning.trials": PLANTED,
    "recording.learning.working_set": PLANTED,
    "recording.redaction.secret_names": HIDDEN,
    "recording.redaction.word_search": HIDDEN,
    "lint.document_schema": CASES,
    "lint.golden_cases": CASES,
    "lint.playback": Elsewhere("test_cases.py", "it plays every golden case"),
    "lint.problems": CHECKED,
    "lint.suspects": CHECKED,
    "lint.payload_shape": GUESSED,
    "lint.payload_names": GUESSED,
    "lint.items": CHECKED,
    "lint.traffic": Elsewhere("lint/test_har.py", "requests of HAR archives are told apart"),
    "lint.located_findings": CHECKED,
    "lint.prediction": Elsewhere("strategies", "what is predicted for samples is held to what a server answers"),
    "lint.readers": CHECKED,
    "lint.wire_requests": CHECKED,
    "sessions.outcomes": Elsewhere("sessions/test_attempts.py", "attempts are what clients make of answers"),
    "realtime": TOOLS,
    "server.preloading": TOOLS,
    "server.app": SERVED,
    "server.control": SERVED,
    "server.handlers.document_handlers": SERVED,
    "server.handlers.handler_base": SERVED,
    "server.handlers.all_handlers": SERVED,
    "server.hiding": Elsewhere("test_no_leak.py", "no secret is in what it hides"),
    "server.handlers.journal_handlers": SERVED,
    "server.handlers.script_handlers": SERVED,
    "server.handlers.server_handlers": SERVED,
    "server.handlers.settings_handlers": SERVED,
    "server.handlers.wait_handlers": SERVED,
}
"""Modules without a test file of their own; `folder.*` stands for all of a folder's."""


def modules_without_tests() -> set[str]:
    """Return the modules without a test file of their own, as `ELSEWHERE` has them."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE)
        if path.stem != "__init__" and not (TESTS / place.parent / f"test_{path.name}").is_file():
            folder = ".".join(place.parts[:-1])
            found.add(f"{folder}.*" if f"{folder}.*" in ELSEWHERE else ".".join(place.with_suffix("").parts))
    return found


def test_module_has_a_test_file_of_its_name_or_is_listed() -> None:
    assert sorted(modules_without_tests()) == sorted(ELSEWHERE)


@pytest.mark.parametrize("place", sorted({entry.tests for entry in ELSEWHERE.values()}))
def test_tests_that_stand_in_exist(place: str) -> None:
    path = TESTS / place
    assert [path] if path.is_file() else sorted(path.glob("test_*.py"))


def test_reasons_are_given() -> None:
    assert [name for name, entry in ELSEWHERE.items() if not entry.reason.strip()] == []
