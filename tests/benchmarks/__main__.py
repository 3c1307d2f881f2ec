"""Measure and print: `python -m tests.benchmarks` for the ratios, `--all` for everything, `--prism` for the peer."""

from __future__ import annotations

import argparse
import json
import statistics
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.benchmarks import generation, journal, payloads, prism, startup, waits
from tests.benchmarks.load import requests_per_second
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import Server, ceiling, mock

CASES: list[tuple[Payload, int, float]] = [
    (payloads.outlit(1), 1, 0.80),
    (payloads.outlit(1), 16, 0.80),
    (payloads.outlit(100), 16, 0.55),
    (payloads.outlit(100, bad_every=10), 16, 0.40),
    (payloads.apex(1), 16, 0.80),
    (payloads.apex(100), 16, 0.55),
    (payloads.whisperr(1), 16, 0.80),
    (payloads.whisperr(100), 16, 0.55),
    (payloads.whisperr(500), 16, 0.55),
    (payloads.whisperr(500, fresh=False), 16, 0.55),
]


def reply_of(url: str, payload: Payload) -> dict[str, Any]:
    """Send a payload once; returns the reply that the ceiling has to imitate."""
    request = urllib.request.Request(url + payload.path, payload.body.encode(), dict(payload.headers), method="POST")
    with urllib.request.urlopen(request) as reply:
        skipped = {"date", "content-length"}
        headers = [[name, value] for name, value in reply.headers.items() if name.lower() not in skipped]
        return {"status": reply.status, "headers": headers, "body": reply.read().decode()}


def measure(payload: Payload, connections: int, rounds: int, seconds: int) -> dict[str, Any]:
    """Measure ours and the ceiling in turns; returns medians and their spread."""
    ours: list[float] = []
    bare: list[float] = []
    with mock() as server:
        reply = reply_of(server.url, payload)
        assert reply["body"] == payload.expected, reply["body"]
        with ceiling(reply) as top:
            for _ in range(rounds):
                for target, found in ((top, bare), (server, ours)):
                    found.append(_round(target, payload, connections, seconds))
    ratios = [mine / theirs for mine, theirs in zip(ours, bare, strict=True)]
    return {
        "case": payload.name,
        "connections": connections,
        "ours": statistics.median(ours),
        "ceiling": statistics.median(bare),
        "ratio": statistics.median(ratios),
        "spread": max(ratios) - min(ratios),
    }


def _round(target: Server, payload: Payload, connections: int, seconds: int) -> float:
    return requests_per_second(target.url, payload, connections=connections, seconds=seconds, cpu=1)


def throughput(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every case and print it beside its goal."""
    results = []
    print(f"{'case':24}{'conns':>6}{'ours/s':>10}{'ceiling/s':>11}{'ratio':>8}{'±':>7}{'goal':>7}")
    for payload, connections, goal in CASES:
        if options.only in payload.name:
            found = {**measure(payload, connections, options.rounds, options.seconds), "goal": goal}
            results.append(found)
            print(
                f"{found['case']:24}{connections:>6}{found['ours']:>10.0f}{found['ceiling']:>11.0f}"
                f"{found['ratio']:>8.2f}{found['spread'] / 2:>7.2f}{goal:>7.2f}",
                flush=True,
            )
    return results


def _print(name: str, found: dict[str, Any]) -> None:
    print(f"{name}: " + ", ".join(f"{what} {value:.2f}" for what, value in found.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, in turns; medians are printed")
    parser.add_argument("--seconds", type=int, default=2, help="length of one round")
    parser.add_argument("--only", default="", help="only cases whose name contains this")
    parser.add_argument("--all", action="store_true", help="also start-up, waits, generation and the full journal")
    parser.add_argument("--prism", action="store_true", help="also the peer, installed from the npm registry")
    parser.add_argument("--json", type=Path, help="write the numbers there")
    options = parser.parse_args()
    began = time.monotonic()
    results: dict[str, Any] = {"throughput": throughput(options)}
    if options.all:
        results["start-up"] = startup.measure(options.rounds)
        _print("start-up", results["start-up"])
        results["waits"] = waits.measure(options.rounds, options.seconds)
        _print("open waits", results["waits"])
        results["generation"] = generation.measure(500)
        _print("generation", results["generation"])
        results["journal"] = journal.measure(1_000_000, options.rounds, options.seconds)
        for name, found in results["journal"].items():
            _print(name, found)
    if options.prism:
        results["prism"] = prism.measure(options.rounds, options.seconds)
        for name, found in results["prism"].items():
            _print(f"beside Prism, {name}", found)
    print(f"took {time.monotonic() - began:.0f} s")
    if options.json is not None:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
