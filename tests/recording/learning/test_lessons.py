"""Patches that are hidden from the learner, and what it learns of them from recordings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mockserver
from mockserver import ContractError, SettingsError
from mockserver.contract.library import library
from mockserver.core.wire import WireReply
from mockserver.jsonkit import pointer
from mockserver.recording.learning.learned import LearnedProtocol
from mockserver.recording.learning.lessons import learn_from
from mockserver.recording.learning.play_again import play_again
from mockserver.recording.learning.recorded_answers import answers_of
from mockserver.recording.recordings import Recording
from tests.recording.learning.planting import content_of, recorded
from tests.recording.learning.plants import PLANTS, SCRIPTS, products


def facts_of(patch: Any) -> Any:
    """A patch without its sources."""
    if not isinstance(patch, dict):
        return patch
    return {name: facts_of(member) for name, member in patch.items() if name != "sources"}


def facts_in(patch: Mapping[str, Any]) -> int:
    """How many facts a patch writes, without their sources."""
    leaves = [tokens for tokens, _ in pointer.leaves(patch)]
    facts = [tokens for tokens in leaves if tokens[-1] != "source"]
    said = [tokens[:-1] for tokens in leaves if tokens[-1] == "source"]
    return len(facts) + sum(not any(fact[: len(tokens)] == tokens for fact in facts) for tokens in said)


def learned(protocol: str, recording: Recording) -> LearnedProtocol:
    return learn_from({"planted.ndjson": recording}, library()).of(protocol)


def unlike(protocol: str, recording: Recording, patch_file: Path) -> list[str]:
    """What the mock answers otherwise than recorded, with a patch as `--contract-patch` loads it."""
    name, patch = library().load_patch(patch_file)
    contract = library().protocol(name).contract(None, [patch])
    played = play_again(contract, [answers_of(recording, protocol, "")])
    return [f"{one.answer.name} {one.differences}" for one in played if one.distance]


@pytest.mark.parametrize("name", PLANTS)
def test_hidden_patch_is_learnt_with_no_more_facts_than_it_has(name: str, tmp_path: Path) -> None:
    protocol, hidden = PLANTS[name]
    recording = recorded(protocol, hidden, SCRIPTS[protocol])
    found = learned(protocol, recording)
    file = tmp_path / "learnt.yaml"
    file.write_text(found.text)
    assert found.before < found.compared, "the plant shows"
    assert unlike(protocol, recording, file) == []
    assert found.answered == found.compared == len(recording.exchanges)
    assert facts_in(facts_of(found.patch)) <= facts_in(hidden), "\n".join(found.summary())


TOGETHER = (
    ("refusal status", "refusal text", "names widened", "cap lowered", "atomic turned partial", "success member"),
    ("text of a rule", "member of refusals", "window shorter", "any media type", "no deduplication", "method refusal"),
    ("shape of refusals", "other cap", "type added", "rate header", "preflight", "key refused"),
    ("partial turned atomic", "text of an event", "members not required", "allowed origins", "any key"),
    ("count of a reply", "server atomic", "cap of the server", "code of the server", "member not required"),
)


@pytest.mark.parametrize("names", TOGETHER, ids=" and ".join)
def test_patches_hidden_together_are_learnt(names: tuple[str, ...], tmp_path: Path) -> None:
    protocol = PLANTS[names[0]][0]
    hidden: Mapping[str, Any] = {}
    for name in names:
        assert PLANTS[name][0] == protocol
        hidden = laid(hidden, PLANTS[name][1])
    recording = recorded(protocol, hidden, SCRIPTS[protocol])
    found = learned(protocol, recording)
    (tmp_path / "learnt.yaml").write_text(found.text)
    assert unlike(protocol, recording, tmp_path / "learnt.yaml") == []
    assert found.answered == found.compared
    assert facts_in(facts_of(found.patch)) <= facts_in(hidden), "\n".join(found.summary())


def laid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Both patches in one; what the second deletes stays deleted."""
    both = dict(under)
    for name, value in over.items():
        inner = both.get(name)
        both[name] = laid(inner, value) if isinstance(value, dict) and isinstance(inner, dict) else value
    return both


def test_recording_of_the_contract_itself_teaches_nothing() -> None:
    for protocol, script in SCRIPTS.items():
        found = learned(protocol, recorded(protocol, {}, script))
        assert (found.patch, found.facts, found.unanswered, found.notes) == ({}, (), (), ())
        assert found.before == found.answered == len(script)


def test_rate_limit_is_learnt_and_what_the_mock_needs_for_it_is_said() -> None:
    hidden = {"protocol": {"limits": {"rate_ingest": {"requests": 5}}}}
    found = learned("outlit", recorded("outlit", hidden, SCRIPTS["outlit"], rate_mode="enforce"))
    assert [(fact.pointer, fact.now) for fact in found.facts] == [("/protocol/limits/rate_ingest/requests", 5)]
    assert found.answered == found.compared
    assert found.notes == ("some requests were above a rate limit: the mock refuses them with --rate-limits enforce",)


def test_every_fact_says_where_it_is_from_and_what_was_not_seen() -> None:
    protocol, hidden = PLANTS["other cap"]
    found = learned(protocol, recorded(protocol, hidden, SCRIPTS[protocol]))
    (fact,) = found.facts
    assert (fact.pointer, fact.before, fact.now) == ("/requests/envelope/properties/events/maxItems", 100, 10)
    assert fact.source == (
        "inferred: 10 chosen; nothing between 8 and 14 was seen; recorded from http://upstream.test on 2026-06-09, "
        "exchange x4"
    )
    assert f"# {fact.line()}" in found.text.splitlines()


def test_reply_of_a_server_that_failed_is_listed_and_not_learnt() -> None:
    script = SCRIPTS["whisperr"][:1]
    failed = WireReply(status=503, headers=(), body=b"")
    found = learned("whisperr", recorded("whisperr", {}, script, replies={0: failed}))
    assert (found.patch, found.answered) == ({}, 0)
    assert [one.line() for one in found.unanswered] == ["x1: the server failed with 503"]


def test_headers_that_differ_each_time_are_not_compared() -> None:
    script = SCRIPTS["whisperr"][:1] * 4
    replies = {
        number: WireReply(
            status=202,
            headers=(("Content-Type", "application/json"), ("X-Instance", f"node-{number}"), ("Server", "nginx")),
            body=b'{"accepted":1,"rejected":0}',
        )
        for number in range(4)
    }
    found = learned("whisperr", recorded("whisperr", {}, script, replies=replies))
    assert found.patch == {}
    assert found.notes == ("the header x-instance has another value in each reply, and is not compared",)


def test_exchanges_of_several_recordings_are_named_with_their_files() -> None:
    protocol, hidden = PLANTS["refusal text"]
    first, second = (recorded(protocol, hidden, SCRIPTS[protocol][:2]) for _ in range(2))
    (found,) = learn_from({"a/one.ndjson": first, "two.ndjson": second}, library()).protocols
    assert found.answered == found.compared == 4
    assert "exchanges x2 of one.ndjson, x2 of two.ndjson" in found.facts[0].source


def test_recordings_without_the_protocol_are_refused() -> None:
    recording = recorded("whisperr", {}, SCRIPTS["whisperr"][:1])
    with pytest.raises(SettingsError, match=r"no exchange of outlit in a\.ndjson"):
        learn_from({"a.ndjson": recording}, library(), protocol="outlit")
    with pytest.raises(ContractError, match="did you mean"):
        learn_from({"a.ndjson": recording}, library(), protocol="outlet")
    with pytest.raises(SettingsError, match=r"no exchange in a\.ndjson"):
        learn_from({"a.ndjson": replace(recording, exchanges=())}, library())


def test_python_reads_files_and_returns_the_same(tmp_path: Path) -> None:
    protocol, hidden = PLANTS["refusal text"]
    (tmp_path / "a.ndjson").write_bytes(content_of(protocol, hidden, SCRIPTS[protocol][:2]))
    found = mockserver.learn(tmp_path / "a.ndjson").of("whisperr")
    assert found.as_json()["patch"]["protocol"]["refusals"]["default"]["missing_api_key"]["message"] == "send a key"
    with pytest.raises(KeyError):
        mockserver.learn(tmp_path / "a.ndjson").of("outlit")


def test_keys_that_the_server_does_not_know_are_no_facts(tmp_path: Path) -> None:
    """Their requests are answered as recorded in a session with keys of its own, which the notes say."""
    keys = [{"X-API-Key": f"wrk_{name}"} for name in ("known1", "other2", "known1")]
    script = [replace(SCRIPTS["whisperr"][0], headers=headers) for headers in keys]
    body = {"error": {"code": "invalid_api_key", "message": "api key is not valid", "request_id": "r"}}
    refused = WireReply(status=401, headers=(("Content-Type", "application/json"),), body=json.dumps(body).encode())
    found = learned("whisperr", recorded("whisperr", {}, script, replies={1: refused}))
    assert (found.patch, found.answered, found.unanswered) == ({}, 3, ())
    assert found.notes == (
        "some keys are unknown to the server: the mock refuses them in a session whose keys are others",
    )


def test_status_for_keys_is_no_reason_to_narrow_what_is_in_a_body() -> None:
    script = [SCRIPTS["whisperr"][0], SCRIPTS["whisperr"][5]]
    refused = WireReply(status=403, headers=(("Content-Type", "text/html"),), body=b"<h1>Forbidden</h1>")
    found = learned("whisperr", recorded("whisperr", {}, script, replies={1: refused}))
    assert (found.patch, found.answered) == ({}, 1)
    assert [one.exchanges for one in found.unanswered] == [("x2",)]


def test_large_recordings_are_learnt_from_with_some_of_each_kind() -> None:
    """All exchanges are played in the end: one that comes late and is of its own kind counts like any other."""
    hidden = {"requests": {"batch": {"properties": {"events": {"maxItems": 10}}}}}
    script = [replace(SCRIPTS["whisperr"][0], body=products(1000 + 10 * number, 1)) for number in range(400)]
    script += [replace(script[0], body=products(10_000, count)) for count in (12, 9)]
    found = learned("whisperr", recorded("whisperr", hidden, script))
    assert found.answered == found.compared == 402
    assert [(fact.pointer, fact.now) for fact in found.facts] == [("/requests/batch/properties/events/maxItems", 10)]


@pytest.mark.parametrize(("protocol", "revision"), [("whisperr", "async-2026-10"), ("outlit", "r1-2026-01")])
def test_whole_revision_is_learnt_as_far_as_it_shows(protocol: str, revision: str) -> None:
    """A revision changes much at once, and most of it shows in no reply of the script."""
    hidden = library().protocol(protocol).revisions[revision].patch
    found = learned(protocol, recorded(protocol, hidden, SCRIPTS[protocol]))
    assert found.before < found.answered == found.compared
    assert facts_in(facts_of(found.patch)) < facts_in(facts_of(hidden))


def test_rate_limit_of_an_operation_that_had_none_is_learnt() -> None:
    hidden = {
        "protocol": {
            "limits": {
                "mine": {"requests": 3, "window_ms": 60_000, "starts": "first_request", "source": "patch: planted"}
            },
            "operations": {"batch": {"rate": "mine"}},
        }
    }
    script = [replace(SCRIPTS["whisperr"][0], body=products(10 * number, 1), after_ms=9000) for number in range(1, 13)]
    found = learned("whisperr", recorded("whisperr", hidden, script, rate_mode="enforce"))
    assert found.before < found.answered == found.compared == 12
    assert found.patch["protocol"]["operations"]["batch"]["rate"] == "rate_batch"
    assert found.patch["protocol"]["limits"]["rate_batch"]["requests"] == 3
    assert facts_in(facts_of(found.patch)) <= facts_in(hidden)
