"""Measure ratios, print tables, draw charts, write JSON: `python -m tests.benchmarks`; `--prism` adds the peer."""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.benchmarks import (
    checking,
    generation,
    journal,
    live_page,
    load,
    patterns,
    prism,
    startup,
    stores,
    turns,
    verifying,
    waits,
)
from tests.benchmarks.load import SENDERS, WrongReplyError, sender
from tests.benchmarks.payloads import Payload
from tests.benchmarks.throughput import CASES, Case, Peer, measure, measure_beside, missed

BUSY: Final = "client.py"
MakesPeer: TypeAlias = Callable[[Payload], Peer]


def beside_ceiling(options: argparse.Namespace, senders: Sequence[str], peer: MakesPeer | None) -> dict[str, Any]:
    """Measure every case with each sender and print it beside its goals; the busy client comes first."""
    tables: dict[str, Any] = {}
    texts = list[str]()
    for name in senders:
        load.chosen, is_busy = name, name == BUSY
        print(f"Sent by {name}; medians of {options.rounds} rounds of {options.seconds} s in turns. Goals in brackets.")
        print(
            f"{'case':24}{'conns':>6}{'ours/s':>9}{'ceiling/s':>11}{'ratio':>7}{'±':>6}{'':8}"
            f"{'CPU µs a request, ours / ceiling':>34}{'':8}{'busy':>11}  beside a peer"
        )
        found = tables[name] = list[dict[str, Any]]()
        for case in CASES:
            if options.only in case.name and (case.connections > 1 or not (is_busy or options.goals)):
                peers = [peer(case.payload)] if peer is not None and case.has_peers else []
                found.append(measure(case, options.rounds, options.seconds, peers))
                texts += [f"{name}, {text}" for text in missed(case, found[-1], is_busy=is_busy)]
                print(_row(case, found[-1], is_busy=is_busy), flush=True)
        path = options.charts / f"{Path(name).stem}.svg"
        if found and not _drawn(found, name, path):
            print("no chart: install the extra benchmark (pygal)")
    print("\n".join(["missed:", *texts]) if texts else "no goal was missed")
    return {**tables, "missed": texts}


def _row(case: Case, found: Mapping[str, Any], *, is_busy: bool) -> str:
    goals = case.goals
    cpu = f"{found['ours_cpu_us']:.0f} / {found['ceiling_cpu_us']:.0f} = {found['cpu_ratio']:.2f}"
    beside = [f"{name} {peer['ratio']:.2f} {_goal(goals.peer)}" for name, peer in found["peers"].items()]
    return (
        f"{found['case']:24}{found['connections']:>6}{found['ours']:>9.0f}{found['ceiling']:>11.0f}"
        f"{found['ratio']:>7.2f}{found['spread'] / 2:>6.2f} {_goal(goals.busy if is_busy else goals.wrk):7}"
        f"{cpu:>34} {_goal(goals.cpu if is_busy else None):7}"
        f"{found['ours_busy']:>6.2f}/{found['ceiling_busy']:.2f}  {', '.join(beside)}"
    )


def _goal(value: float | None) -> str:
    return "" if value is None else f"({value:g})"


def _drawn(found: Sequence[Mapping[str, Any]], name: str, path: Path) -> bool:
    """Draw a table; return whether there is something to draw with."""
    if find_spec("pygal") is None:
        return False
    from tests.benchmarks.chart import draw

    draw(found, name, path)
    print(f"chart: {path}")
    return True


def beside_other(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every case with ours and with another checkout, and print the ratios."""
    load.chosen = sender() if options.sender is None else options.sender
    print(
        f"Ours and {options.beside} in turns, sent by {sender()}; {options.rounds} rounds of {options.seconds} s each."
    )
    print(
        f"{'case':26}{'conns':>6}{'ours/s':>10}{'other/s':>11}{'ratio':>8}{'±':>7}   CPU µs a request, and their ratio"
    )
    results = []
    for case in CASES:
        if options.only in case.name:
            found = measure_beside(options.beside, case, options.rounds, options.seconds)
            results.append(found)
            print(
                f"{found['case']:26}{found['connections']:>6}{found['ours']:>10.0f}{found['other']:>11.0f}"
                f"{found['ratio']:>8.2f}{found['spread'] / 2:>7.2f}{found['ours_cpu_us']:>8.0f} / "
                f"{found['other_cpu_us']:.0f} = {found['ours_cpu_us'] / found['other_cpu_us']:.2f}",
                flush=True,
            )
    print(f"geometric mean of the ratios: {statistics.geometric_mean(found['ratio'] for found in results):.2f}")
    return results


MILLION: Final = 1_000_000
GOALS: Final = ("start-up", "million")
"""The parts that `--goals` measures beside the tables."""

PARTS: Final[Mapping[str, Callable[[int, int], Mapping[str, Mapping[str, float]]]]] = {
    "start-up": lambda rounds, seconds: {"start-up": startup.measure(rounds)},
    "waits": lambda rounds, seconds: {"open waits": waits.measure(rounds, seconds)},
    "generation": lambda rounds, seconds: {"generation": generation.measure(500)},
    "patterns": lambda rounds, seconds: patterns.measure(rounds),
    "journal": lambda rounds, seconds: journal.measure(MILLION, rounds, seconds),
    "million": lambda rounds, seconds: {"a million events kept": journal.throughput(MILLION, rounds, seconds)},
    "stores": lambda rounds, seconds: stores.measure(rounds, seconds),
    "check": lambda rounds, seconds: checking.measure(),
    "verify": lambda rounds, seconds: verifying.measure(),
    "page": lambda rounds, seconds: {"live page": live_page.measure(rounds, seconds)},
    "turns": lambda rounds, seconds: {"the longest turns of the loop in ms": turns.measure()},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument(
        "--sender", choices=SENDERS, help="what sends; by default one after the other, wrk if installed"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, in turns; medians are printed")
    parser.add_argument("--seconds", type=int, default=2, help="length of one round")
    parser.add_argument("--only", default="", help=f"only cases with this in their name, or one of {', '.join(PARTS)}")
    parser.add_argument(
        "--goals", action="store_true", help=f"only what has a goal of speed: tables, {', '.join(GOALS)}"
    )
    parser.add_argument("--prism", action="store_true", help="also the peer, installed from the npm registry")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="where the numbers go; %(default)s")
    parser.add_argument("--charts", type=Path, default=Path("build/benchmarks"), help="where charts go; %(default)s")
    parser.add_argument("--beside", type=Path, metavar="PATH", help="throughput beside another checkout, and only that")
    options = parser.parse_args()
    began = time.monotonic()
    results: dict[str, Any] = {}
    if options.beside is not None:
        results["throughput"] = beside_other(options)
    elif options.only not in PARTS:
        senders = [BUSY, *(["wrk"] if shutil.which("wrk") else [])] if options.sender is None else [options.sender]
        with prism.warm() if options.prism else nullcontext() as peer:
            results["throughput"] = beside_ceiling(options, senders, peer)
    wanted = GOALS if options.goals else [name for name in PARTS if name != "million" or options.only == name]
    load.chosen = options.sender or ""
    for name in wanted if options.beside is None else ():
        if options.only in ("", name):
            for what, found in PARTS[name](options.rounds, options.seconds).items():
                results[what] = dict(found)
                print(f"{what}: " + ", ".join(f"{part} {value:.2f}" for part, value in found.items()), flush=True)
    print(f"took {time.monotonic() - began:.0f} s")
    options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    try:
        main()
    except WrongReplyError as error:
        sys.exit(f"nothing counts: {error}")
