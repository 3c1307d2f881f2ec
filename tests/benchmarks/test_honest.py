"""The benchmark measures what it says: wrong replies count for nothing, and the ceiling is as bare as it may be."""

from __future__ import annotations

import re
import shutil
import urllib.request
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import ceiling as ceiling_script
from tests.benchmarks import load, payloads
from tests.benchmarks.chart import draw
from tests.benchmarks.load import WrongReplyError, requests_per_second
from tests.benchmarks.servers import ROOT, Server, mock
from tests.benchmarks.throughput import CASES, ONE, OTHER, Case, Peer, measure, measure_beside, missed

LONGEST_CEILING = 30


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with mock() as running:
        yield running


@pytest.fixture(params=load.SENDERS)
def _sender(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "wrk" and shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    monkeypatch.setattr(load, "chosen", request.param)


@pytest.mark.usefixtures("_sender")
def test_replies_are_counted_when_they_are_the_expected_ones(server: Server) -> None:
    assert requests_per_second(server.url, payloads.whisperr(3), connections=2, seconds=1) > 0


@pytest.mark.usefixtures("_sender")
@pytest.mark.parametrize(
    "wrong", [{"expected": '{"accepted":2,"rejected":0}'}, {"status": 200}], ids=["body", "status"]
)
def test_round_counts_for_nothing_when_a_reply_is_another_one(server: Server, wrong: dict[str, object]) -> None:
    payload = replace(payloads.whisperr(3), **wrong)  # type: ignore[arg-type]
    with pytest.raises(WrongReplyError):
        requests_per_second(server.url, payload, connections=2, seconds=1)


def test_case_is_measured_beside_the_ceiling_in_turns_when_run() -> None:
    found = measure(Case(payloads.outlit(2, bad_every=2), 2, OTHER), rounds=2, seconds=1)
    assert found["ours"] > 0
    assert found["ceiling"] > 0
    assert found["spread"] >= 0


def test_peer_is_measured_in_the_same_turns_when_there_is_one(server: Server) -> None:
    case = Case(payloads.whisperr(2), 2, ONE, has_peers=True)
    found = measure(case, rounds=1, seconds=1, peers=[Peer("itself", server, case.payload)])
    itself = found["peers"]["itself"]
    assert min(found["ours_cpu_us"], found["ceiling_cpu_us"], found["ours_busy"], itself["cpu_us"]) > 0
    assert itself["ratio"] == pytest.approx(found["ours"] / itself["rate"])
    assert itself["of_ceiling"] == pytest.approx(itself["rate"] / found["ceiling"])


def outcome(**members: float) -> dict[str, Any]:
    peers = {"Prism": {"ratio": members.pop("peer", 9.0), "of_ceiling": 0.2}}
    return {"case": "outlit 1", "connections": 16, "ratio": 0.97, "cpu_ratio": 1.9, "peers": peers, **members}


@pytest.mark.parametrize(
    ("members", "is_busy", "said"),
    [
        ({}, True, []),
        ({}, False, []),
        ({"ratio": 0.6}, True, []),
        ({"ratio": 0.6}, False, ["outlit 1: 0.60 of the ceiling's throughput, goal 0.95"]),
        ({"ratio": 0.4}, True, ["outlit 1: 0.40 of the ceiling's throughput, goal 0.5"]),
        ({"cpu_ratio": 2.1}, True, ["outlit 1: 2.10 times the ceiling's processor time, goal 2.0"]),
        ({"cpu_ratio": 2.1}, False, []),
        ({"peer": 1.9}, True, ["outlit 1: 1.90 times the throughput of Prism, goal 2.0"]),
    ],
    ids=str,
)
def test_goals_that_are_missed_are_said(members: dict[str, float], is_busy: bool, said: list[str]) -> None:
    assert missed(Case(payloads.outlit(1), 16, ONE), outcome(**members), is_busy=is_busy) == said


def test_busy_client_comes_first_and_what_was_missed_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    costs = {"ours": 900.0, "ceiling": 1000.0, "spread": 0.02, "ours_cpu_us": 60.0, "ceiling_cpu_us": 30.0}
    shares = {"ours_busy": 0.99, "ceiling_busy": 0.98}
    monkeypatch.setattr(
        command, "measure", lambda case, *_: {**outcome(ratio=0.6), "case": case.name, **costs, **shares}
    )
    options = Namespace(rounds=5, seconds=2, only="whisperr 500", goals=True, charts=tmp_path)
    tables = command.beside_ceiling(options, load.SENDERS, None)
    assert [*tables] == ["client.py", "wrk", "missed"]
    assert [len(tables[name]) for name in load.SENDERS] == [2, 2]
    printed = capsys.readouterr().out
    assert printed.index("Sent by client.py") < printed.index("Sent by wrk") < printed.index("missed:")
    assert "60 / 30 = 1.90 (1.2)" in printed
    assert "wrk, whisperr 500: 0.60 of the ceiling's throughput, goal 0.85" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["client.svg", "wrk.svg"]


@pytest.mark.parametrize("sender", load.SENDERS)
def test_chart_shows_each_case_and_loads_nothing(tmp_path: Path, sender: str) -> None:
    path = tmp_path / "charts" / "one.svg"
    draw([outcome(), {**outcome(), "case": "outlit 100", "peers": {}}, {**outcome(), "connections": 1}], sender, path)
    text = path.read_text()
    assert [
        name for name in ("outlit 1", "outlit 100", "mockserver", "Prism", "0.97", "0.20") if name not in text
    ] == []
    assert "<script" not in text
    assert re.findall(r'(?:href|src)="(?!#)', text.replace("xmlns:xlink", "")) == []


def test_case_is_measured_beside_another_checkout_when_run() -> None:
    found = measure_beside(ROOT, Case(payloads.outlit(2), 2, OTHER), rounds=1, seconds=1)
    assert min(found["ours"], found["other"], found["ratio"], found["other_cpu_us"]) > 0


def test_code_of_another_checkout_runs_when_it_is_named(tmp_path: Path) -> None:
    package = tmp_path / "mockserver"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text("print('mockserver ready', __file__, flush=True); input()")
    with mock(root=tmp_path) as other, pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(other.url)


def test_cases_cover_what_matters() -> None:
    names = {case.name for case in CASES}
    assert {"outlit 100", "outlit 100 mixed", "apex 100", "whisperr 500", "whisperr 500 resent"} <= names
    assert {case.connections for case in CASES} == {1, 16}
    assert any(case.filled for case in CASES)


def test_ceiling_is_as_bare_as_it_may_be() -> None:
    text = Path(ceiling_script.__file__).read_text()
    assert len(text.splitlines()) <= LONGEST_CEILING
    assert "Application" not in text
    assert "access_log=None" in text
