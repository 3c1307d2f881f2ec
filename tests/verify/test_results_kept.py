"""Nothing that was found is lost: by a target that does not always do the same, an interrupt, an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import strategies

from mockserver import MockServer
from mockserver.cli.main import main
from mockserver.contract.library import library
from mockserver.errors import UnreachableError
from mockserver.strategies.samples import CertificateError, Request
from mockserver.verify import Probe, Reply, Runner, Setup, Status, defects, search, sender
from mockserver.verify.rule import Random, Rule
from mockserver.verify.runner import run
from tests.verify.inprocess import InProcess, as_reply, setup_of
from tests.verify.prepared import verify

OUTLIT = library().protocol("outlit").contract()
ONE = "/events/custom/required/eventName"
SETUP = setup_of("outlit", burst=False)


class Odd(InProcess):
    """A good target, but for what `answer` makes of some requests."""

    def __init__(self, answer: Callable[[Request], Reply | None]) -> None:
        super().__init__(OUTLIT, rate_mode="off")
        self.answer = answer

    def send(self, request: Request) -> Reply:
        self.sent += 1
        return self.answer(request) or as_reply(self.reply(request))


def no_name(request: Request) -> bool:
    return b'"custom"' in request.body and b"eventName" not in request.body


TAKEN = Reply(status=200, headers={"content-type": "application/json"}, body=b'{"success":true,"processed":1}')


def test_flaky_target_is_told_as_n_of_m_when_the_request_was_sent_again() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Reply | None:
        if not no_name(request):
            return None
        seen.append(request)
        return TAKEN if len(seen) == 1 else None

    outcomes = verify(OUTLIT, SETUP, Odd(answer), only=[ONE])
    finding = next(finding for finding, _ in defects(outcomes) if finding.fact == ONE)
    assert (finding.failed, finding.tries) == (1, 3)
    assert finding.flaky


def test_deviation_is_not_flaky_when_it_shows_each_time() -> None:
    outcomes = verify(OUTLIT, SETUP, Odd(lambda request: TAKEN if no_name(request) else None), only=[ONE])
    finding = next(finding for finding, _ in defects(outcomes) if finding.fact == ONE)
    assert (finding.failed, finding.tries) == (3, 3)


@pytest.mark.parametrize("every", [2, 3, 5])
def test_random_finding_is_kept_when_it_does_not_show_again(every: int) -> None:
    count = 0

    def answer(request: Request) -> Reply | None:
        nonlocal count
        count += 1
        return Reply(status=500, headers={}, body=b"") if count % every == 0 else None

    only = ["/protocol/operations/events#random"]
    outcomes = verify(OUTLIT, replace(SETUP, examples=20), Odd(answer), only=only)
    assert Status.ERROR not in {outcome.status for outcome in outcomes}
    assert [finding for finding, _ in defects(outcomes)]


def test_random_finding_is_kept_when_the_budget_to_make_it_small_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "SHRINKING", 0)
    only = ["/protocol/operations/events#random-accepted"]
    target = Odd(lambda request: Reply(status=500, headers={}, body=b"") if b"utm" in request.body else None)
    outcomes = verify(OUTLIT, replace(SETUP, examples=40), target, only=only)
    assert outcomes[0].status is Status.FAILED


def test_other_rules_are_tried_when_one_ends_with_an_error_of_ours() -> None:
    def broken() -> None:
        raise CertificateError("made to be something else")

    trying = Runner(OUTLIT, SETUP, InProcess(OUTLIT, rate_mode="off"))
    rules = [rule for rule in trying.declared() if rule.id.startswith("/events/custom")]
    rules[1].drafts.insert(0, broken)
    outcomes = trying.run(rules)
    assert outcomes[1].status is Status.ERROR
    assert "CertificateError" in trying.errors[0]
    assert {outcome.status for outcome in outcomes[2 : len(rules)]} == {Status.PASSED}
    assert any("error in mockserver" in note for note in trying.notes())


def test_error_of_a_strategy_is_one_of_ours_when_examples_are_drawn() -> None:
    def bad() -> strategies.SearchStrategy[object]:
        raise CertificateError("not what it was made to be")

    rule = Rule(id="/protocol/operations/events#random-accepted", operation="events", source="docs: page")
    rule.random = Random(bad, None)  # type: ignore[arg-type]
    trying = Runner(OUTLIT, replace(SETUP, examples=5), InProcess(OUTLIT))
    assert trying.try_rule(rule).status is Status.ERROR


@pytest.mark.parametrize("error", [KeyboardInterrupt(), UnreachableError("no answer: it is gone")])
def test_results_are_there_when_the_run_ends_early(error: BaseException) -> None:
    count = 0

    def answer(request: Request) -> Reply | None:
        nonlocal count
        count += 1
        if count > 9:
            raise error
        return TAKEN if no_name(request) else None

    trying = Runner(OUTLIT, SETUP, Odd(answer))
    with pytest.raises(type(error)):
        run(trying, only=[ONE, "/events/stage/"])
    outcomes = trying.results()
    assert trying.stopped
    assert ONE in {finding.fact for finding, _ in defects(outcomes)}
    assert any(outcome.why == f"the run ended before: {trying.stopped}" for outcome in outcomes)
    assert f"The run ended early: {trying.stopped}." in trying.notes()


def test_run_ends_when_as_many_requests_are_sent_as_may_be() -> None:
    target = InProcess(OUTLIT, rate_mode="off")
    trying = Runner(OUTLIT, replace(SETUP, max_requests=25), target)
    outcomes = run(trying)
    assert target.sent == 25
    assert {outcome.status for outcome in outcomes} >= {Status.PASSED, Status.NOT_EXERCISED}
    assert "--max-requests 25 was reached" in trying.notes()[0]


def test_429s_are_sent_again_and_mentioned_when_they_come_now_and_then() -> None:
    count = 0

    def answer(request: Request) -> Reply | None:
        nonlocal count
        count += 1
        return Reply(status=429, headers={"retry-after": "1"}, body=b"") if count % 4 == 0 else None

    trying = Runner(OUTLIT, SETUP, Odd(answer))
    outcomes = run(trying, only=["/events/custom"])
    assert [finding.fact for finding, _ in defects(outcomes)] == []
    assert any("429" in note for note in trying.notes())


def test_rate_is_to_blame_when_every_request_of_a_kind_is_too_many() -> None:
    target = Odd(lambda request: Reply(status=429, headers={}, body=b"") if no_name(request) else None)
    outcomes = verify(OUTLIT, SETUP, target, only=[ONE])
    assert [finding.fact for finding, _ in defects(outcomes)] == ["/protocol/limits/rate_ingest"]


def test_slow_replies_are_mentioned_when_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "SLOW_S", -1.0)
    trying = Runner(OUTLIT, SETUP, InProcess(OUTLIT, rate_mode="off"))
    run(trying, only=[ONE])
    assert any("the slowest" in note for note in trying.notes())


def test_report_is_written_when_the_command_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Runner, rule: Rule) -> object:
        if len(self._outcomes) == 3:
            raise KeyboardInterrupt
        return tried(self, rule)

    tried = Runner.try_rule
    monkeypatch.setattr(Runner, "try_rule", interrupted)
    report = tmp_path / "r.json"
    with MockServer() as mock:
        words = ["verify", "--target", mock.url, "--protocol", "outlit", "--key", "pk_1", "--rate", "100000"]
        result = CliRunner().invoke(main, [*words, "--json", str(report), "--only", "/events"])
    assert result.exit_code == 130
    written = json.loads(report.read_text())
    assert written["counts"]["passed"] >= 3
    assert "The run ended early: it was interrupted." in result.output


def test_report_is_written_and_the_exit_code_tells_when_an_error_is_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Runner, probe: Probe) -> None:
        raise CertificateError("made to be something else")

    monkeypatch.setattr(Runner, "_unaffordable", broken)
    with MockServer() as mock:
        words = ["verify", "--target", mock.url, "--protocol", "outlit", "--key", "pk_1", "--rate", "100000"]
        result = CliRunner().invoke(main, [*words, "--only", "/events/custom"])
    assert result.exit_code == 4
    assert "outlit compat at" in result.output
    assert "CertificateError" in result.output
    assert "this is a bug" not in result.output


def test_setup_is_that_of_a_default_run_when_nothing_is_chosen() -> None:
    assert Setup(key="pk_1").max_requests is None
    assert Setup(key="pk_1").volume < 60_000_000
