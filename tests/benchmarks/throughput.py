"""Throughput and processor time of servers in turns: ours beside the ceiling and peers, or beside another checkout."""

from __future__ import annotations

import statistics
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.benchmarks import payloads
from tests.benchmarks.load import WrongReplyError, requests_per_second, send
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import Server, ceiling, cpu_seconds, mock

LONG_FILLED: Final = 10_000
"""Requests sent before a case that wants a full journal; batches of these are more than the default bound keeps."""


class Goals(NamedTuple):
    """What ours shall reach: the throughput as a share of the ceiling's, with wrk and with the busy client.

    `cpu` is the processor time at most, as a multiple of the ceiling's with the busy client; `peer` the throughput
    as a multiple of a peer's. None where there is no goal.
    """

    wrk: float
    busy: float | None = None
    cpu: float | None = None
    peer: float | None = None


@dataclass(frozen=True)
class Case:
    """A payload from so many connections, and what ours shall reach; `has_peers` if peers answer it as well."""

    payload: Payload
    connections: int
    goals: Goals
    filled: bool = False
    has_peers: bool = False

    @property
    def name(self) -> str:
        return self.payload.name + (", journal full" if self.filled else "")


ONE: Final = Goals(wrk=0.95, busy=0.5, cpu=2.0, peer=2.0)
BATCH: Final = Goals(wrk=0.9, busy=0.75, cpu=1.3, peer=1.5)
LARGE: Final = Goals(wrk=0.85, cpu=1.2, peer=1.5)
MIXED: Final = Goals(wrk=0.65)
OTHER: Final = Goals(wrk=0.55)
CASES: Final = [
    *(
        Case(one(1), connections, ONE, has_peers=connections > 1)
        for one in (payloads.outlit, payloads.apex, payloads.whisperr)
        for connections in (1, 16)
    ),
    Case(payloads.outlit(100), 1, OTHER),
    Case(payloads.outlit(100), 16, BATCH, has_peers=True),
    Case(payloads.outlit(100), 16, OTHER, filled=True),
    Case(payloads.outlit(100, bad_every=10), 1, OTHER),
    Case(payloads.outlit(100, bad_every=10), 16, MIXED),
    Case(payloads.apex(100), 16, BATCH, has_peers=True),
    Case(payloads.whisperr(100), 16, BATCH, has_peers=True),
    Case(payloads.whisperr(500), 16, LARGE, has_peers=True),
    Case(payloads.whisperr(500, fresh=False), 16, OTHER),
]


def reply_of(url: str, payload: Payload) -> dict[str, Any]:
    """Send a payload once; returns the reply that the ceiling has to imitate."""
    request = urllib.request.Request(url + payload.path, payload.body.encode(), dict(payload.headers), method="POST")
    with urllib.request.urlopen(request) as reply:
        skipped = {"date", "content-length"}
        headers = [[name, value] for name, value in reply.headers.items() if name.lower() not in skipped]
        return {"status": reply.status, "headers": headers, "body": reply.read().decode()}


class Peer(NamedTuple):
    """Another program that answers a payload; its `payload` has the reply that it gives."""

    name: str
    server: Server
    payload: Payload


@dataclass
class Rounds:
    """What the rounds with one server gave: verified requests a second, processor microseconds for each."""

    server: Server
    payload: Payload
    rates: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def play(self, connections: int, seconds: int) -> None:
        """Play one round. Raises WrongReplyError."""
        before = cpu_seconds(self.server.pid)
        rate = requests_per_second(self.server.url, self.payload, connections=connections, seconds=seconds)
        self.rates.append(rate)
        self.cpu_us.append((cpu_seconds(self.server.pid) - before) * 1e6 / (rate * seconds))

    @property
    def rate(self) -> float:
        """The median of requests a second."""
        return statistics.median(self.rates)

    @property
    def cpu(self) -> float:
        """The median of processor microseconds for a request."""
        return statistics.median(self.cpu_us)

    @property
    def busy(self) -> float:
        """Which share of a core the server took."""
        return self.rate * self.cpu / 1e6


def in_turns(servers: Sequence[Rounds], connections: int, rounds: int, seconds: int) -> None:
    """Play rounds with each server; another one is the first each time. Raises WrongReplyError."""
    for number in range(rounds):
        for place in range(len(servers)):
            servers[(number + place) % len(servers)].play(connections, seconds)


def prepared(server: Server, case: Case) -> dict[str, Any]:
    """Prepare a server of ours for a case; returns its reply. Raises WrongReplyError."""
    payload = case.payload
    if case.filled:
        send(server.url, payload, requests=LONG_FILLED)
    reply = reply_of(server.url, payload)
    if reply["body"] != payload.expected:
        raise WrongReplyError(f"{payload.name}: {reply['body']}")
    return reply


def measure(case: Case, rounds: int, seconds: int, peers: Sequence[Peer] = ()) -> dict[str, Any]:
    """Measure ours, the ceiling and peers in turns; returns medians and their spread. Raises WrongReplyError."""
    with mock() as server, ceiling(prepared(server, case)) as top:
        bare, ours = Rounds(top, case.payload), Rounds(server, case.payload)
        others = {peer.name: Rounds(peer.server, peer.payload) for peer in peers}
        in_turns([bare, ours, *others.values()], case.connections, rounds, seconds)
    ratios = _each(ours.rates, bare.rates)
    return {
        "case": case.name,
        "connections": case.connections,
        "ours": ours.rate,
        "ceiling": bare.rate,
        "ratio": statistics.median(ratios),
        "spread": max(ratios) - min(ratios),
        "ours_cpu_us": ours.cpu,
        "ceiling_cpu_us": bare.cpu,
        "cpu_ratio": statistics.median(_each(ours.cpu_us, bare.cpu_us)),
        "ours_busy": ours.busy,
        "ceiling_busy": bare.busy,
        "peers": {
            name: {
                "rate": other.rate,
                "cpu_us": other.cpu,
                "ratio": statistics.median(_each(ours.rates, other.rates)),
                "of_ceiling": statistics.median(_each(other.rates, bare.rates)),
            }
            for name, other in others.items()
        },
    }


def _each(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    return [mine / other for mine, other in zip(ours, theirs, strict=True)]


def missed(case: Case, found: dict[str, Any], *, is_busy: bool) -> list[str]:
    """Return which goals of a case were missed, as texts."""
    goals, texts = case.goals, list[str]()
    least, ratio, cpu = goals.busy if is_busy else goals.wrk, found["ratio"], found["cpu_ratio"]
    if least is not None and ratio < least:
        texts.append(f"{case.name}: {ratio:.2f} of the ceiling's throughput, goal {least}")
    if is_busy and goals.cpu is not None and cpu > goals.cpu:
        texts.append(f"{case.name}: {cpu:.2f} times the ceiling's processor time, goal {goals.cpu}")
    for name, peer in found["peers"].items():
        if goals.peer is not None and peer["ratio"] < goals.peer:
            texts.append(f"{case.name}: {peer['ratio']:.2f} times the throughput of {name}, goal {goals.peer}")
    return texts


def measure_beside(other: Path, case: Case, rounds: int, seconds: int) -> dict[str, Any]:
    """Measure ours and another checkout in turns; returns medians and the ratio. Raises WrongReplyError."""
    with mock() as server, mock(root=other) as reference:
        prepared(server, case)
        prepared(reference, case)
        ours, theirs = Rounds(server, case.payload), Rounds(reference, case.payload)
        in_turns([theirs, ours], case.connections, rounds, seconds)
    ratios = _each(ours.rates, theirs.rates)
    return {
        "case": case.name,
        "connections": case.connections,
        "ours": ours.rate,
        "other": theirs.rate,
        "ratio": statistics.median(ratios),
        "spread": max(ratios) - min(ratios),
        "ours_cpu_us": ours.cpu,
        "other_cpu_us": theirs.cpu,
    }
