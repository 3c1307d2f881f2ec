"""Throughput of one server and another in turns: ours beside the ceiling, or beside another checkout of ours."""

from __future__ import annotations

import statistics
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import payloads
from tests.benchmarks.load import WrongReplyError, requests_per_second, send
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import Server, ceiling, cpu_seconds, mock

LONG_FILLED: Final = 10_000
"""Requests sent before a case that wants a full journal; batches of these are more than the default bound keeps."""


@dataclass(frozen=True)
class Case:
    """A payload from so many connections, and which share of the ceiling it shall reach."""

    payload: Payload
    connections: int
    goal: float
    filled: bool = False

    @property
    def name(self) -> str:
        return self.payload.name + (", journal full" if self.filled else "")


ONE, BATCH, MIXED = 0.80, 0.55, 0.40
CASES: Final = [
    *(
        Case(one(1), connections, ONE)
        for one in (payloads.outlit, payloads.apex, payloads.whisperr)
        for connections in (1, 16)
    ),
    Case(payloads.outlit(100), 1, BATCH),
    Case(payloads.outlit(100), 16, BATCH),
    Case(payloads.outlit(100), 16, BATCH, filled=True),
    Case(payloads.outlit(100, bad_every=10), 1, MIXED),
    Case(payloads.outlit(100, bad_every=10), 16, MIXED),
    Case(payloads.apex(100), 16, BATCH),
    Case(payloads.whisperr(100), 16, BATCH),
    Case(payloads.whisperr(500), 16, BATCH),
    Case(payloads.whisperr(500, fresh=False), 16, BATCH),
]


def reply_of(url: str, payload: Payload) -> dict[str, Any]:
    """Send a payload once; returns the reply that the ceiling has to imitate."""
    request = urllib.request.Request(url + payload.path, payload.body.encode(), dict(payload.headers), method="POST")
    with urllib.request.urlopen(request) as reply:
        skipped = {"date", "content-length"}
        headers = [[name, value] for name, value in reply.headers.items() if name.lower() not in skipped]
        return {"status": reply.status, "headers": headers, "body": reply.read().decode()}


@dataclass
class Rounds:
    """What the rounds with one server gave: verified requests a second, processor microseconds for each."""

    server: Server
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def play(self, case: Case, seconds: int) -> None:
        """Play one round. Raises WrongReplyError."""
        before = cpu_seconds(self.server.pid)
        rate = requests_per_second(self.server.url, case.payload, connections=case.connections, seconds=seconds)
        self.rates.append(rate)
        self.cpu_us.append((cpu_seconds(self.server.pid) - before) * 1e6 / (rate * seconds))


def prepared(server: Server, case: Case) -> dict[str, Any]:
    """Prepare a server of ours for a case; returns its reply. Raises WrongReplyError."""
    payload = case.payload
    if case.filled:
        send(server.url, payload, requests=LONG_FILLED)
    reply = reply_of(server.url, payload)
    if reply["body"] != payload.expected:
        raise WrongReplyError(f"{payload.name}: {reply['body']}")
    return reply


def measure(case: Case, rounds: int, seconds: int) -> dict[str, Any]:
    """Measure ours and the ceiling in turns; returns medians and their spread. Raises WrongReplyError."""
    with mock() as server, ceiling(prepared(server, case)) as top:
        bare, ours = Rounds(top), Rounds(server)
        for _ in range(rounds):
            bare.play(case, seconds)
            ours.play(case, seconds)
    ratios = [mine / theirs for mine, theirs in zip(ours.rates, bare.rates, strict=True)]
    return {
        "case": case.name,
        "connections": case.connections,
        "ours": statistics.median(ours.rates),
        "ceiling": statistics.median(bare.rates),
        "ratio": statistics.median(ratios),
        "spread": max(ratios) - min(ratios),
        "goal": case.goal,
        "ours_cpu_us": statistics.median(ours.cpu_us),
        "ceiling_cpu_us": statistics.median(bare.cpu_us),
    }


def measure_beside(other: Path, case: Case, rounds: int, seconds: int) -> dict[str, Any]:
    """Measure ours and another checkout in turns; returns medians and the ratio. Raises WrongReplyError."""
    with mock() as server, mock(root=other) as reference:
        prepared(server, case)
        prepared(reference, case)
        ours, theirs = Rounds(server), Rounds(reference)
        for number in range(rounds):
            for each in (ours, theirs) if number % 2 else (theirs, ours):
                each.play(case, seconds)
    ratios = [mine / other for mine, other in zip(ours.rates, theirs.rates, strict=True)]
    return {
        "case": case.name,
        "connections": case.connections,
        "ours": statistics.median(ours.rates),
        "other": statistics.median(theirs.rates),
        "ratio": statistics.median(ratios),
        "spread": max(ratios) - min(ratios),
        "ours_cpu_us": statistics.median(ours.cpu_us),
        "other_cpu_us": statistics.median(theirs.cpu_us),
    }
