"""Measure ratios, print a table, write JSON: `python -m tests.benchmarks`. With `--prism` also beside the peer."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import generation, journal, load, patterns, payloads, prism, startup, waits
from tests.benchmarks.load import SENDERS, WrongReplyError, requests_per_second, send, sender
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


def measure(case: Case, rounds: int, seconds: int) -> dict[str, Any]:
    """Measure ours and the ceiling in turns; returns medians and their spread. Raises WrongReplyError."""
    payload = case.payload
    with mock() as server:
        if case.filled:
            send(server.url, payload, requests=LONG_FILLED)
        reply = reply_of(server.url, payload)
        if reply["body"] != payload.expected:
            raise WrongReplyError(f"{payload.name}: {reply['body']}")
        with ceiling(reply) as top:
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


def throughput(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every case and print it beside its goal."""
    results = []
    print(f"Sent by {sender()}; requests a second, medians of {options.rounds} rounds of {options.seconds} s in turns.")
    print(f"{'case':26}{'conns':>6}{'ours/s':>10}{'ceiling/s':>11}{'ratio':>8}{'±':>7}{'goal':>7}   CPU µs a request")
    for case in CASES:
        if options.only in case.name:
            found = measure(case, options.rounds, options.seconds)
            results.append(found)
            print(
                f"{found['case']:26}{found['connections']:>6}{found['ours']:>10.0f}{found['ceiling']:>11.0f}"
                f"{found['ratio']:>8.2f}{found['spread'] / 2:>7.2f}{found['goal']:>7.2f}"
                f"{found['ours_cpu_us']:>8.0f} / {found['ceiling_cpu_us']:.0f}",
                flush=True,
            )
    return results


PARTS: Final[Mapping[str, Callable[[int, int], Mapping[str, Mapping[str, float]]]]] = {
    "start-up": lambda rounds, seconds: {"start-up": startup.measure(rounds)},
    "waits": lambda rounds, seconds: {"open waits": waits.measure(rounds, seconds)},
    "generation": lambda rounds, seconds: {"generation": generation.measure(500)},
    "patterns": lambda rounds, seconds: patterns.measure(rounds),
    "journal": lambda rounds, seconds: journal.measure(1_000_000, rounds, seconds),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--sender", choices=SENDERS, help="what sends; wrk where it is installed")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, in turns; medians are printed")
    parser.add_argument("--seconds", type=int, default=2, help="length of one round")
    parser.add_argument("--only", default="", help=f"only cases with this in their name, or one of {', '.join(PARTS)}")
    parser.add_argument("--prism", action="store_true", help="also the peer, installed from the npm registry")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="where the numbers go; %(default)s")
    options = parser.parse_args()
    if options.sender is not None:
        load.chosen = options.sender
    began = time.monotonic()
    results: dict[str, Any] = {"sent by": sender()}
    if options.only not in PARTS:
        results["throughput"] = throughput(options)
    chosen = [part for name, part in PARTS.items() if options.only in ("", name)]
    if options.prism:
        chosen.append(prism.measure)
    for part in chosen:
        for name, found in part(options.rounds, options.seconds).items():
            results[name] = dict(found)
            print(f"{name}: " + ", ".join(f"{what} {value:.2f}" for what, value in found.items()), flush=True)
    print(f"took {time.monotonic() - began:.0f} s")
    options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except WrongReplyError as error:
        sys.exit(f"nothing counts: {error}")
