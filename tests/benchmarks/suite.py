"""Print how long the delivery suite takes, part by part: `python -m tests.benchmarks.suite [PYTEST ARGUMENT ...]`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITE = "tests/delivery"


def main() -> int:
    """Run the suite in a process of its own; returns its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", SUITE, "-q", f"--junit-xml={report}", *sys.argv[1:]]
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, check=False)
        took = time.monotonic() - began
        if report.is_file():
            _print_parts(report)
    print(f"{SUITE} took {took:.1f} s, start and end of pytest included")
    return done.returncode


def _print_parts(report: Path) -> None:
    """Print the number of tests and the seconds of each module; what many tests share counts for its first one."""
    tests: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        module = case.get("classname", "").rpartition(".")[2]
        tests[module] += 1
        seconds[module] += float(case.get("time", 0))  # type: ignore[assignment]
    print(f"{'module':24}{'tests':>6}{'seconds':>9}")
    for module, count in tests.items():
        print(f"{module:24}{count:>6}{seconds[module]:>9.1f}")


if __name__ == "__main__":
    sys.exit(main())
