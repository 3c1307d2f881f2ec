"""Recordings that are read to answer from: found by their requests, refused with the line that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.lint.document_schema import FormatError
from mockserver.recording.replay import tape as module
from mockserver.recording.replay.tape import joined, other_contracts, read_tape
from tests.judging import contract_of
from tests.recording.made import HEAD, event, exchange, lines

SERVED = {name: protocol.contract() for name, protocol in library().protocols.items()}
WHISPERR = SERVED["whisperr"]


def test_exchanges_are_found_by_what_does_not_vary() -> None:
    content = lines(
        exchange(), exchange(event(user="<id:2>", message="m-2"), id="x2"), exchange(event("other"), id="x3")
    )
    tape = read_tape(content, "f", SERVED)
    index = tape.index(WHISPERR)
    assert sorted(map(sorted, index.same.values())) == [[0, 1], [2]]
    assert (len(tape), set(tape.protocols), tape.exchange(1).id) == (3, {"whisperr"}, "x2")
    assert not index.open
    assert tape.bytes > len(content) - len(json.dumps(HEAD)) - 10


def test_exchange_in_which_a_rule_hid_something_is_kept_apart() -> None:
    tape = read_tape(lines(exchange(event(properties={"plan": "<value:1>"}))), "f", SERVED)
    index = tape.index(WHISPERR)
    assert (list(index.open.values()), len(index.same)) == ([[0]], 0)


def test_other_contract_has_an_index_of_its_own() -> None:
    tape = read_tape(lines(exchange()), "f", SERVED)
    patched = contract_of("whisperr", {"protocol": {"replies": {"counted": {"status": 299}}}})
    assert tape.is_indexed(WHISPERR)
    assert not tape.is_indexed(patched)
    assert len(tape.index(patched).forms) == 1
    assert tape.is_indexed(patched)


def test_empty_file_is_a_recording_without_exchanges() -> None:
    assert len(read_tape(b"\n \n", "f", SERVED)) == 0
    assert len(read_tape(lines(), "f", SERVED)) == 0


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[1]\n", "f line 1"),
        (
            lines({**exchange(), "protocol": "whisper"}),
            'f line 2 /protocol: unknown protocol "whisper", did you mean "whisperr"?',
        ),
        (lines(exchange()) + lines(), "f line 3: a second recording begins here"),
        (json.dumps(exchange()).encode(), "f line 1: an exchange without the head"),
        (lines({**exchange(), "reply": {"status": 9}}), "f line 2 /reply"),
        (lines() + b'{"id"', "f line 2: "),
    ],
    ids=["no head", "protocol", "two heads", "only an exchange", "reply", "broken"],
)
def test_error_names_the_line(content: bytes, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_tape(content, "f", SERVED)
    assert str(caught.value).startswith(problem)


def test_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_LINE", 300)
    with pytest.raises(FormatError, match="f line 2: is longer than 300 bytes"):
        read_tape(lines(exchange(event(properties={"x": "y" * 300}))), "f", SERVED)
    monkeypatch.setattr(module, "LONGEST_LINE", 10_000)
    monkeypatch.setattr(module, "MOST_VALUES", 100)
    with pytest.raises(FormatError, match="f line 2: has more than 100 values"):
        read_tape(lines(exchange(event(properties={"x": [1] * 100}))), "f", SERVED)
    monkeypatch.setattr(module, "MOST_BYTES", 300)
    with pytest.raises(FormatError, match="f: is longer than 300 bytes"):
        read_tape(lines(exchange()), "f", SERVED)


def test_several_recordings_are_one_with_parts() -> None:
    tapes = [read_tape(lines(exchange(id=id)), id, SERVED) for id in ("x1", "x2")]
    whole = joined(tapes, SERVED)
    assert [(whole.part_of(number), whole.exchange(number).id) for number in (0, 1)] == [(0, "x1"), (1, "x2")]
    assert list(whole.index(WHISPERR).same.values()) == [[0, 1]]
    assert joined(tapes[:1], SERVED) is tapes[0]


@pytest.mark.parametrize(("digest", "found"), [("x", {"whisperr": "base"}), (WHISPERR.digest, {})])
def test_contract_that_judged_it_is_told_if_it_is_another_one(digest: str, found: dict[str, Any]) -> None:
    head = {
        **HEAD,
        "contracts": {"whisperr": {"revision": "base", "hash": digest}, "gone": {"revision": "r", "hash": "y"}},
    }
    tape = read_tape(json.dumps(head).encode(), "f", SERVED)
    assert other_contracts(tape, SERVED) == found
