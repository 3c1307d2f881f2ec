"""Measure ratios, print a table, write JSON: `python -m tests.benchmarks`. With `--prism` also beside the peer."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from tests.benchmarks import (
    checking,
    generation,
    journal,
    live_page,
    load,
    patterns,
    prism,
    startup,
    turns,
    verifying,
    waits,
)
from tests.benchmarks.load import SENDERS, WrongReplyError, sender
from tests.benchmarks.throughput import CASES, measure, measure_beside


def beside_ceiling(options: argparse.Namespace) -> list[dict[str, Any]]:
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


def beside_other(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Measure every case with ours and with another checkout, and print the ratios."""
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


PARTS: Final[Mapping[str, Callable[[int, int], Mapping[str, Mapping[str, float]]]]] = {
    "start-up": lambda rounds, seconds: {"start-up": startup.measure(rounds)},
    "waits": lambda rounds, seconds: {"open waits": waits.measure(rounds, seconds)},
    "generation": lambda rounds, seconds: {"generation": generation.measure(500)},
    "patterns": lambda rounds, seconds: patterns.measure(rounds),
    "journal": lambda rounds, seconds: journal.measure(1_000_000, rounds, seconds),
    "check": lambda rounds, seconds: checking.measure(),
    "verify": lambda rounds, seconds: verifying.measure(),
    "page": lambda rounds, seconds: {"live page": live_page.measure(rounds, seconds)},
    "turns": lambda rounds, seconds: {"the longest turns of the loop in ms": turns.measure()},
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--sender", choices=SENDERS, help="what sends; wrk where it is installed")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each, in turns; medians are printed")
    parser.add_argument("--seconds", type=int, default=2, help="length of one round")
    parser.add_argument("--only", default="", help=f"only cases with this in their name, or one of {', '.join(PARTS)}")
    parser.add_argument("--prism", action="store_true", help="also the peer, installed from the npm registry")
    parser.add_argument("--json", type=Path, default=Path("benchmarks.json"), help="where the numbers go; %(default)s")
    parser.add_argument("--beside", type=Path, metavar="PATH", help="throughput beside another checkout, and only that")
    options = parser.parse_args()
    if options.sender is not None:
        load.chosen = options.sender
    began = time.monotonic()
    results: dict[str, Any] = {"sent by": sender()}
    if options.only not in PARTS:
        results["throughput"] = beside_ceiling(options) if options.beside is None else beside_other(options)
    chosen = [part for name, part in PARTS.items() if options.only in ("", name) and options.beside is None]
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
