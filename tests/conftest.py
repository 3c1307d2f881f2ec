"""The full matrix runs only when it is asked for, long files run first, and what tests count is printed at the end."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from mockserver.server.own_process import give_back_large_blocks

TESTS = Path(__file__).parent
COUNTED = "counted"
"""The name a test records a count under, with `record_property`: a line for people, passed or not."""
LONG = (
    "verify/test_contract_mutants.py",
    "test_docs.py",
    "cli/test_verify.py",
    "test_packaging.py",
    "strategies/test_generated.py",
    "tools/test_howto.py",
    "tools/test_schemathesis.py",
    "test_other_tools.py",
    "verify/test_server_mutants.py",
    "server/test_soak.py",
    "verify/test_results_kept.py",
    "test_pytest_plugin.py",
    "delivery/test_sdks.py",
    "sdks/test_browser_sdks.py",
    "live_page/test_live_page.py",
    "live_page/test_quality.py",
    "live_page/test_hostile.py",
    "client/test_report_html.py",
    "recording/learning/test_lessons.py",
    "cli/test_record.py",
    "verify/test_facts_of_findings.py",
    "tools/test_corpus.py",
    "strategies/test_corpus.py",
    "tools/test_python_clients.py",
    "tools/test_linters.py",
    "tools/test_prism.py",
    "test_no_leak.py",
    "cli/test_convert.py",
    "strategies/test_diagnosis.py",
    "strategies/test_coverage.py",
    "strategies/test_citizens.py",
    "core/test_warnings.py",
    "contract/test_explanation.py",
    "strategies/test_minimal.py",
    "server/test_hostile.py",
    "contract/test_outlit_documents.py",
    "verify/test_targets.py",
    "consumer/test_consumer.py",
    "cli/test_main.py",
    "contract/test_pinned.py",
    "verify/test_lies.py",
    "strategies/test_findings.py",
    "strategies/test_patches.py",
    "documented/test_outlit_facts.py",
    "verify/test_cost.py",
    "benchmarks/test_honest.py",
    "documented/test_outlit_bodies.py",
    "delivery/test_stress.py",
    "delivery/test_foreign_pages.py",
    "server/test_bad_input.py",
    "server/test_running.py",
    "server/test_remote_waits.py",
    "lint/test_checker.py",
    "server/test_tls.py",
    "test_cases_http.py",
    "docs/test_reader.py",
)
"""The files that take longest, the longest first: what starts last should be short, as a worker has each file whole."""

LONGEST_ID = 200
"""Characters of a value that names a test."""

settings.register_profile("untimed", settings(), deadline=None)
settings.load_profile("untimed")  # how long an example takes depends on what else the machine does

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of the many processes compiles the package anew


@cache
def _starts(file: Path) -> int:
    """Return when the tests of a file should start."""
    path = file.relative_to(TESTS).as_posix() if file.is_relative_to(TESTS) else ""
    return LONG.index(path) if path in LONG else len(LONG)


def pytest_xdist_auto_num_workers() -> int:
    """Run one process more than there are cores: browsers, npm and servers of the tests keep some waiting."""
    return (os.cpu_count() or 1) + 1


def pytest_configure() -> None:
    """Let the tests' own processes be interrupted: a shell that starts pytest in the background has them ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a long value by its length: ids go to and from each worker, and into an environment variable."""
    if isinstance(val, str | bytes) and len(val) > LONGEST_ID:
        return f"{argname} of {len(val)}"
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _starts(item.path))
    if "full" in config.option.markexpr:
        return
    chosen, left_out = list[pytest.Item](), list[pytest.Item]()
    for item in items:
        (chosen if item.get_closest_marker("full") is None else left_out).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = chosen


def pytest_collection_finish() -> None:
    """Keep the garbage collector off what lives as long as the run: modules, and thousands of tests; let it run less.

    Bodies of megabytes are given back when they are gone, as in the server.
    """
    give_back_large_blocks()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


@pytest.fixture(autouse=True)
def _collector_as_before() -> Iterator[None]:
    """Undo what a server in this process did to the garbage collector: without it, a worker grows by gigabytes."""
    enabled, thresholds = gc.isenabled(), gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    if enabled:
        gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.getreports(kind)]
    lines = [str(value) for report in reports for name, value in report.user_properties if name == COUNTED]
    if lines:
        terminalreporter.section("counted")
        for line in lines:
            terminalreporter.write_line(line)
