"""Targets that are no help: wrong ones, ones that break off, never end, or answer with what no program expects."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli.main import main
from mockserver.contract.library import Patch, library
from mockserver.errors import SettingsError, UnreachableError
from mockserver.strategies.samples import Request
from mockserver.verify import Probe, Reply, Setup, Status, chosen, defects, rules_of, verify
from mockserver.verify import transport as transport_module
from mockserver.verify.outcome_report import Report
from mockserver.verify.rule import Draft
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.transport import Http
from tests.threaded import listening
from tests.verify import prepared
from tests.verify.inprocess import START_MS, InProcess, as_reply, setup_of

OUTLIT = library().protocol("outlit").contract()
ONE = "/events/custom/required/eventName"


class Odd(InProcess):
    """A good target, but for what `answer` makes of some requests."""

    def __init__(self, answer: Callable[[Request], Reply | None]) -> None:
        super().__init__(OUTLIT, rate_mode="off")
        self.answer = answer

    def send(self, request: Request) -> Reply:
        return self.answer(request) or super().send(request)


def report_of(target: Odd, only: str = ONE) -> Report:
    outcomes = prepared.verify(OUTLIT, setup_of("outlit", 5), target, only=[only])
    return Report("http://target", "outlit", outcomes, {})


def no_name(request: Request) -> bool:
    return b'"custom"' in request.body and b"eventName" not in request.body


def breaking_off(request: Request) -> None:
    if no_name(request):
        raise UnreachableError("no answer: it broke off")


def test_request_without_reply_is_a_finding_when_others_have_one() -> None:
    report = report_of(Odd(breaking_off))
    assert [outcome.status for outcome in report.outcomes] == [Status.FAILED]
    assert "no answer: it broke off" in report.text()
    assert b"no answer: it broke off" in report.junit()
    assert report.as_json()["findings"][0]["reply"] is None


def test_target_is_unreachable_when_it_stops_answering() -> None:
    gone = False

    def answer(request: Request) -> None:
        nonlocal gone
        gone = gone or no_name(request)
        if gone:
            raise UnreachableError("no answer: it is gone")

    with pytest.raises(UnreachableError, match="it is gone"):
        report_of(Odd(answer))


@pytest.mark.parametrize("protocol", library().protocols)
def test_target_is_asked_no_more_when_it_goes_away_while_examples_are_drawn(protocol: str) -> None:
    contract, setup = library().protocol(protocol).contract(), setup_of(protocol, 20)

    class Dying(InProcess):
        unanswered = 0

        def send(self, request: Request) -> Reply:
            if self.sent < 15:
                return super().send(request)
            self.unanswered += 1
            raise UnreachableError("no answer: it is gone")

    target = Dying(contract)
    drawn = [rule.id for rule in rules_of(contract, setup, target) if rule.random is not None]
    with pytest.raises(UnreachableError, match="it is gone"):
        verify(contract, setup, target, only=drawn)
    assert target.unanswered <= 2


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 5000, b'"\\ud800"', b"\xff", b"NaN", b'{"success":"\\ud800"}']
)
def test_reply_is_a_finding_when_it_can_hardly_be_read(body: bytes) -> None:
    json = {"content-type": "application/json"}
    report = report_of(Odd(lambda request: Reply(status=400, headers=json, body=body) if no_name(request) else None))
    assert any(finding.fact.startswith("/protocol/replies/none_processed/body") for finding, _ in report.findings)
    report.junit()
    assert report.text().replace("\n", "").isprintable()


def test_defect_is_told_once_when_good_events_are_refused_and_so_are_bad_ones() -> None:
    short = {"events": {"custom": {"properties": {"eventName": {"maxLength": 5}}}}}
    strict = InProcess(library().protocol("outlit").contract(None, [Patch(name="test", patch=short)]), rate_mode="off")
    outcomes = verify(OUTLIT, setup_of("outlit", 5), strict, only=["/events/custom"])
    (finding, _), *more = defects(outcomes)
    assert finding.rule in ("/events/custom#accepted", "/events/custom#unknown-members")  # the smallest request
    assert finding.fact == "/events/custom"
    assert b"eventName" in finding.request.body
    assert not more


def test_commands_are_few_when_it_takes_many_requests_to_see_the_defect() -> None:
    target = InProcess(OUTLIT, rate_mode="warn")
    outcomes = verify(OUTLIT, setup_of("outlit"), target, only=["/protocol/limits/rate_ingest#events"])
    commands = Report("http://target", "outlit", outcomes, {}).as_json()["findings"][0]["curl"]
    limit = OUTLIT.rate_limits["rate_ingest"].requests
    assert commands[0].startswith("sleep ")
    assert any(f"for n in $(seq {limit}); do curl" in command for command in commands)


@pytest.mark.parametrize("wait", ["\u00b2", "9" * 5000, "soon", "-1"])
def test_target_is_refused_when_it_says_oddly_how_long_to_wait(wait: str) -> None:
    target = Odd(lambda request: Reply(status=429, headers={"retry-after": wait}, body=b""))
    with pytest.raises(UnreachableError, match="was answered 429"):
        report_of(target)


@pytest.mark.parametrize("odd", ["\u00b2", "9" * 5000])
def test_rate_header_is_a_finding_when_it_is_no_number(odd: str) -> None:
    def answer(request: Request) -> Reply | None:
        good = as_reply(target.reply(request))
        return replace(good, headers={**good.headers, "x-ratelimit-remaining": odd})

    target = Odd(answer)
    report = report_of(target, "/protocol/limits")
    assert Status.FAILED in {outcome.status for outcome in report.outcomes}


@pytest.mark.parametrize("protocol", ["outlit", "apex", "whisperr"])
def test_key_is_to_blame_when_the_target_does_not_know_it(protocol: str) -> None:
    contract = library().protocol(protocol).contract()
    keys = {"outlit": "pk_other", "apex": "pk_live_other", "whisperr": "wrk_other"}
    with pytest.raises(SettingsError, match="does not take the key"):
        verify(contract, Setup(key=keys[protocol]), InProcess(contract))


def test_server_key_is_to_blame_when_only_that_is_unknown() -> None:
    contract = library().protocol("apex").contract()
    with pytest.raises(SettingsError, match="does not take the key for server_key"):
        verify(contract, Setup(key="pk_live_1", server_key="apex_sk_other"), InProcess(contract))


@pytest.mark.parametrize("only", ["/nosuch", "", "pageview", "/events/pageveiw*"])
def test_unknown_rule_is_a_usage_error_when_named(only: str) -> None:
    target = InProcess(OUTLIT)
    with pytest.raises(SettingsError, match="no rule begins with, or fits"):
        verify(OUTLIT, setup_of("outlit"), target, only=[only])
    with pytest.raises(SettingsError, match="no rule begins with, or fits"):
        verify(OUTLIT, setup_of("outlit"), target, skip=[only])
    assert target.sent == 0


def test_near_rule_is_offered_and_no_rule_left_is_told_when_chosen() -> None:
    rules = rules_of(OUTLIT, setup_of("outlit"), InProcess(OUTLIT))
    with pytest.raises(SettingsError, match="did you mean /events/pageview"):
        chosen(rules, ["/events/pagevew"], [])
    with pytest.raises(SettingsError, match="leave no rule"):
        chosen(rules, ["/events/custom"], ["/events"])


@pytest.mark.parametrize(
    "url",
    [
        ":8207",
        "ftp://h",
        "http://",
        "http://h:99999",
        "http://h:0",
        "http://[::1",
        "http://a b",
        "http://h\n",
        "http://h/?a",
        "http://h/#a",
        "http://user:secret@h/",
    ],
)
def test_target_is_a_usage_error_when_it_is_no_plain_url(url: str) -> None:
    words = ["verify", "--target", url, "--protocol", "outlit", "--key", "pk_1", "--only", "/protocol/cors"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "--target" in result.output


@pytest.mark.parametrize(
    "flags",
    [
        ("--rate", "nan"),
        ("--rate", "inf"),
        ("--rate", "1e-320"),
        ("--max-wait", "nan"),
        ("--json", "no/such/file"),
        ("--junit", "no/such/file"),
        ("--json", "-", "--junit", "-"),
    ],
)
def test_flag_is_a_usage_error_before_anything_is_sent_when_it_cannot_be_used(
    flags: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["verify", "--target", "http://127.0.0.1:1", "--protocol", "outlit", "--key", "pk_1", *flags]
    assert CliRunner().invoke(main, words).exit_code == 2


class Talking(http.server.BaseHTTPRequestHandler):
    """Answers a POST with what `talk` writes."""

    talk: Callable[[Talking], object]

    def do_POST(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
        type(self).talk(self)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def sent_to(
    talk: Callable[[Talking], object], body: bytes = b"{}", over: threading.Event | None = None, timeout: float = 15
) -> Reply:
    """Send one request to such a target; `over` tells it that the reply is no longer waited for."""
    handler = type("Handler", (Talking,), {"talk": staticmethod(talk)})
    with listening(handler) as url:
        target = Http(url, 1000, timeout=timeout)
        try:
            return target.send(Request(method="POST", path="/a", headers=(), body=body))
        finally:
            target.close()
            if over is not None:
                over.set()


@pytest.mark.parametrize("start", [b"\r\n{", b"X-More: "])
def test_reply_is_given_up_when_its_end_does_not_come(start: bytes) -> None:
    over = threading.Event()

    def talk(handler: Talking) -> None:
        handler.wfile.write(start)
        over.wait(10)

    with pytest.raises(UnreachableError, match=r"no whole reply in 0\.2 seconds"):
        sent_to(talk, over=over, timeout=0.2)


def test_reply_is_given_up_when_it_is_longer_than_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "LARGEST", 1000)
    with pytest.raises(UnreachableError, match="longer than 1000 bytes"):
        sent_to(lambda handler: handler.wfile.write(b"\r\n" + b" " * 1001))


def test_reply_is_given_up_when_it_is_cut_short() -> None:
    with pytest.raises(UnreachableError, match="cut short"):
        sent_to(lambda handler: handler.wfile.write(b"Content-Length: 5\r\n\r\n[1"))


def test_reply_is_read_when_its_length_is_told_by_its_end() -> None:
    assert sent_to(lambda handler: handler.wfile.write(b"\r\n[1]")).body == b"[1]"


def test_reply_is_read_when_it_comes_before_the_whole_request_was() -> None:
    reply = sent_to(lambda handler: handler.wfile.write(b"Content-Length: 2\r\n\r\n{}"), b" " * 30_000_000)
    assert reply.body == b"{}"


def test_probes_are_built_for_chosen_rules_only_when_some_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def recorded(
        rule_set: RuleSet, rule_id: str, operation: str | None, draft: Draft, facts: Iterable[str] = ()
    ) -> None:
        def drafted() -> Probe | None:
            built.append(rule_id)
            return draft()

        add(rule_set, rule_id, operation, drafted, facts)

    add = RuleSet.add
    monkeypatch.setattr(RuleSet, "add", recorded)
    outcomes = verify(OUTLIT, setup_of("outlit"), InProcess(OUTLIT), only=["/events/custom"])
    tried = [outcome.rule.id for outcome in outcomes]
    assert list(dict.fromkeys(built)) == tried
    assert len(tried) > 3


class Slow(InProcess):
    """A good target that takes its time: the clock moves on with every request."""

    def send(self, request: Request) -> Reply:
        self.pause(500)
        return super().send(request)


NARROW = {"windows": {"occurred_at": {"past_ms": 60_000, "future_ms": 60_000}}}


def test_times_of_events_are_near_now_when_a_run_takes_longer_than_clocks_may_differ() -> None:
    patch = Patch(name="test", patch={"protocol": NARROW})
    contract = library().protocol("whisperr").contract(None, [patch])
    target = Slow(contract)
    setup = replace(setup_of("whisperr", burst=False), slack_ms=20_000)
    only = ["/events/event/properties/occurred_at", "/protocol/windows", "/protocol/nulls"]
    outcomes = verify(contract, setup, target, only=only)
    assert [outcome.finding for outcome in outcomes if outcome.finding is not None] == []
    assert target.now_ms() - START_MS > 60_000 + setup.slack_ms


def test_ids_are_new_when_rules_are_declared_again() -> None:
    declared = [RuleSet(OUTLIT, setup_of("outlit"), START_MS + number) for number in range(2)]
    numbers = [rule_set.number() for rule_set in declared for _ in range(3)]
    assert len(set(numbers)) == len(numbers)


def test_rule_is_tried_when_only_one_of_its_operations_has_a_key() -> None:
    contract = library().protocol("apex").contract()
    setup = replace(setup_of("apex"), server_key=None)
    outcomes = verify(contract, setup, InProcess(contract), only=["/protocol/gates/query#invalid_request"])
    assert [outcome.status for outcome in outcomes] == [Status.PASSED]
