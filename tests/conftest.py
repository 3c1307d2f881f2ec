"""The full matrix runs only when it is asked for, long files run first, and what tests count is printed at the end."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parent
COUNTED = "counted"
"""The name a test records a count under, with `record_property`: a line for people, passed or not."""
LONG = (
    "strategies/test_generated.py",
    "verify/test_contract_mutants.py",
    "test_pytest_plugin.py",
    "docs/test_newcomer.py",
    "test_docs.py",
    "verify/test_server_mutants.py",
    "strategies/test_patches.py",
    "server/test_soak.py",
    "server/test_hostile.py",
    "test_packaging.py",
    "strategies/test_shrinking.py",
    "delivery/test_stress.py",
    "strategies/test_model.py",
)
"""The files that take longest, the longest first: what starts last should be short, as a worker has each file whole."""

settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")  # how long an example takes depends on what else the machine does

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the many processes compiles the package anew


def _starts(item: pytest.Item) -> int:
    """Return when a test's file should start."""
    path = item.path.relative_to(TESTS).as_posix() if item.path.is_relative_to(TESTS) else ""
    return LONG.index(path) if path in LONG else len(LONG)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=_starts)
    if "full" in config.option.markexpr:
        return
    left_out = [item for item in items if item.get_closest_marker("full") is not None]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_collection_finish() -> None:
    """Keep the garbage collector off what lives as long as the run: modules, and thousands of tests."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    lines = [str(value) for report in reports for name, value in report.user_properties if name == COUNTED]
    if lines:
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)
