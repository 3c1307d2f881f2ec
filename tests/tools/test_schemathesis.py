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
from tests.tools.harness import BASES, CONTROL, HERE, Documents, Tools

LISTED: list[dict[str, str]] = yamltext.load(HERE / "findings.yaml")
KEYS = {"apex": "apex_sk_key", "whisperr": "wrk_key"}
"""The only key that a session takes, where keys are sent in a header."""
CERTAIN = {
    "apex": {("POST /api/v1/events", "negative_data_rejection"), ("GET /api/experiments/active", "ignored_auth")},
}
"""What every run finds, which shows that reports are read."""
OF_REPLIES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "allow_header_conformance",
)
"""Checks of what is answered. No schema says all that the control surface takes: names, times, what goes together."""
BLOCKING = ("wait_for_traffic", "stream_server", "stream_session")
"""Operations that answer when something happens, or go on without an end."""
NOT_JSON = ("set_recording",)
"""Operations with a body that Schemathesis cannot write."""
BY_ITSELF = ("get_openapi",)
"""The operation that Schemathesis has the document from, which it leaves out."""
EXAMPLES = 8
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


def fuzzed(
    python_tools: Tools, folder: Path, document: str, operations: int, *options: str
) -> tuple[set[tuple[str, str]], str]:
    """Run Schemathesis; return what it found, and what it printed."""
    report = folder / "report.ndjson"
    always = ("--seed=1", "--continue-on-failure", "--no-color", "--warnings=off", "--report=ndjson")
    done = python_tools.run(
        folder, "schemathesis", "run", document, *options, *always, f"--report-ndjson-path={report}"
    )
    printed = done.stdout + done.stderr
    assert done.returncode in (0, 1), printed
    assert f"Tested: {operations}" in done.stdout, printed
    return set(found(report)), printed


@pytest.mark.parametrize("protocol", BASES)
def test_schemathesis_finds_only_what_is_listed(
    protocol: str, server: MockServer, python_tools: Tools, tmp_path: Path
) -> None:
    session = server.session(f"schemathesis_{protocol}")
    session.settings(keys=[KEYS[protocol]] if protocol in KEYS else None)
    (tmp_path / "schemathesis.toml").write_text(configuration(protocol))
    document = f"{server.url}/_mock/openapi/{protocol}.json?session=schemathesis_{protocol}"
    options = (f"--url={server.url}/_mock/s/schemathesis_{protocol}", f"--max-examples={EXAMPLES}")
    operations = len(library().protocol(protocol).contract().operations)
    findings, printed = fuzzed(python_tools, tmp_path, document, operations, *options)
    assert not findings - {(row["operation"], row["check"]) for row in LISTED}, printed
    assert findings >= CERTAIN.get(protocol, set())
    assert len(session.requests()) > 20 * operations


def test_schemathesis_finds_no_reply_of_the_control_surface_that_is_not_as_it_says(
    server: MockServer, python_tools: Tools, documents: Documents, tmp_path: Path
) -> None:
    operations = len(documents.operations(CONTROL).keys() - {*BLOCKING, *NOT_JSON, *BY_ITSELF})
    options = (
        f"--url={server.url}",
        "--phases=examples,fuzzing",
        "--max-examples=8",
        f"--checks={','.join(OF_REPLIES)}",
    )
    left_out = [f"--exclude-operation-id={name}" for name in (*BLOCKING, *NOT_JSON)]
    document = f"{server.url}/_mock/openapi.json"
    findings, printed = fuzzed(python_tools, tmp_path, document, operations, *options, *left_out)
    assert not findings, printed


def test_reasons_are_given_for_operations_that_exist() -> None:
    served = {f"{o.method} {o.path}" for name in BASES for o in library().protocol(name).contract().operations.values()}
    assert {row["operation"] for row in LISTED} <= served
    assert all(row["reason"] for row in LISTED)
