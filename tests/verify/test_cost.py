"""What a run costs: how much is sent, what is kept in memory, how soon the first request is sent."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from mockserver.contract.library import library
from mockserver.strategies.samples import Request
from mockserver.verify import Reply, Runner, Status, rules_of, runner
from mockserver.verify.rule import LARGE, MARK
from mockserver.verify.runner import run
from mockserver.verify.transport import Http
from tests.verify.inprocess import InProcess, setup_of

WHISPERR = library().protocol("whisperr").contract()
"""Its bodies may be five times as large as those of the others."""


def test_less_is_sent_and_the_rest_is_named_when_nothing_is_chosen() -> None:
    trying = Runner(WHISPERR, setup_of("whisperr", burst=False), InProcess(WHISPERR))
    outcomes = run(trying)
    print(f"{trying.bytes / 1e6:.1f} MB in {trying.sent} requests")
    assert trying.bytes < 60_000_000
    left_out = [outcome for outcome in outcomes if "--volume" in outcome.why]
    assert {outcome.status for outcome in left_out} <= {Status.PASSED, Status.NOT_EXERCISED}
    assert {outcome.status for outcome in outcomes} & {Status.FAILED, Status.ERROR} == set()


@pytest.mark.parametrize("protocol", library().protocols)
def test_large_bodies_are_tried_when_the_volume_allows_them(protocol: str) -> None:
    contract = library().protocol(protocol).contract()
    trying = Runner(contract, replace(setup_of(protocol, burst=False), volume=10**9), InProcess(contract))
    outcomes = run(trying, only=["/protocol/limits/body", "/protocol/gates/size"])
    assert [outcome.rule.id for outcome in outcomes if outcome.why] == []


def test_no_large_body_is_kept_when_rules_are_declared() -> None:
    tracemalloc.start()
    try:
        rules = rules_of(WHISPERR, setup_of("whisperr", burst=False), InProcess(WHISPERR))
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    print(f"{len(rules)} rules keep {kept / 1e6:.0f} MB, {most / 1e6:.0f} MB while they are declared")
    assert kept < 80_000_000
    assert any(len(step.request.body) >= LARGE for rule in rules for probe in rule.built() for step in probe.steps)


def test_request_is_sent_before_rules_are_declared_when_all_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    class FirstRequestError(Exception):
        """The first request was sent."""

    class Target(InProcess):
        def send(self, request: Request) -> Reply:
            raise FirstRequestError

    monkeypatch.setattr(runner, "rules_of", None)
    with pytest.raises(FirstRequestError):
        run(Runner(WHISPERR, setup_of("whisperr"), Target(WHISPERR)))


def test_requests_name_this_program_unless_a_header_does() -> None:
    own, given = Http("http://h", 1), Http("http://h", 1, headers=(("user-agent", "gateway/1"),))
    assert [value.partition("/")[0] for _, value in own._headers] == [MARK]
    assert given._headers == (("user-agent", "gateway/1"),)


@pytest.mark.parametrize(("protocol", "only"), [("apex", "/protocol/idempotency"), ("whisperr", "/protocol/dedup")])
def test_ids_name_this_program_when_the_contract_takes_them(protocol: str, only: str) -> None:
    contract, sent = library().protocol(protocol).contract(), list[Request]()

    class Target(InProcess):
        def send(self, request: Request) -> Reply:
            sent.append(request)
            return super().send(request)

    run(Runner(contract, setup_of(protocol, burst=False), Target(contract)), only=[only])
    assert [request for request in sent if MARK in f"{request.headers}{request.body!r}"]
