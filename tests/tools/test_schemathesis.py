"""Schemathesis against the running server: what it finds is listed in findings.yaml with a reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver import MockServer
from mockserver.contract.library import library
from mockserver.jsonkit import yamltext
from tests.tools.harness import BASES, HERE, Tools

LISTED: list[dict[str, str]] = yamltext.load(HERE / "findings.yaml")
KEYS = {"apex": "apex_sk_key", "whisperr": "wrk_key"}
"""The only key that a session takes, where keys are sent in a header."""
CERTAIN = {
    "apex": {("POST /api/v1/events", "negative_data_rejection"), ("GET /api/experiments/active", "ignored_auth")},
}
"""What every run finds, which shows that reports are read."""
EXAMPLES = 15
"""Requests for each operation and phase."""


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer(rate_limits="off") as running:
        yield running


def configuration(protocol: str) -> str:
    """Return the keys for the security schemes of a protocol, in Schemathesis' own words."""
    key = KEYS.get(protocol, "pk_key")
    schemes = library().protocol(protocol).contract().credentials.values()
    lines = [
        f'[auth.openapi.{scheme.name}]\n{"bearer" if scheme.place == "bearer" else "api_key"} = "{key}"\n'
        for scheme in schemes
        if scheme.place in ("bearer", "header", "query")
    ]
    return "".join(lines)


def found(report: Path) -> Iterator[tuple[str, str]]:
    """Yield the operation and the check of each failure in a report."""
    for line in report.read_text().splitlines():
        recorder: Any = json.loads(line).get("ScenarioFinished", {}).get("recorder", {})
        for case, checks in recorder.get("checks", {}).items():
            request = recorder["cases"][case]["value"]
            for check in checks:
                if check["status"] == "failure":
                    yield f"{request['method']} {request['path']}", check["name"]


@pytest.mark.parametrize("protocol", BASES)
def test_schemathesis_finds_only_what_is_listed(
    protocol: str, server: MockServer, python_tools: Tools, tmp_path: Path
) -> None:
    session = server.session(f"schemathesis_{protocol}")
    session.settings(keys=[KEYS[protocol]] if protocol in KEYS else None)
    (tmp_path / "schemathesis.toml").write_text(configuration(protocol))
    done = python_tools.run(
        tmp_path,
        "schemathesis",
        "run",
        f"{server.url}/_mock/openapi/{protocol}.json?session=schemathesis_{protocol}",
        f"--url={server.url}/_mock/s/schemathesis_{protocol}",
        f"--max-examples={EXAMPLES}",
        "--seed=1",
        "--continue-on-failure",
        "--no-color",
        "--warnings=off",
        "--report=ndjson",
        "--report-ndjson-path=report.ndjson",
    )
    report = tmp_path / "report.ndjson"
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "unable to" not in done.stdout.lower(), done.stdout
    listed = {(row["operation"], row["check"]) for row in LISTED}
    findings = set(found(report))
    assert not findings - listed, done.stdout
    assert findings >= CERTAIN.get(protocol, set())
    operations = library().protocol(protocol).contract().operations
    assert f"Tested: {len(operations)}" in done.stdout, done.stdout
    assert len(session.requests()) > 20 * len(operations)


def test_reasons_are_given_for_operations_that_exist() -> None:
    served = {f"{o.method} {o.path}" for name in BASES for o in library().protocol(name).contract().operations.values()}
    assert {row["operation"] for row in LISTED} <= served
    assert all(row["reason"] for row in LISTED)
