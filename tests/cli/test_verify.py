"""`mockserver verify` over HTTP: our own server, an unrelated one, none; what it sends, and how fast."""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mockserver import MockServer
from mockserver.cli.main import main
from mockserver.contract.library import library
from mockserver.strategies.samples import Request
from mockserver.verify.outcome_report import curl
from mockserver.verify.transport import Http
from tests.command import run_command
from tests.threaded import listening

FAST = ("--rate", "100000", "--examples", "1")
KEYS = {"outlit": "pk_verify", "apex": "apex_pk", "whisperr": "wrk_verify"}


def verify(target: str, protocol: str, *flags: str) -> Result:
    words = ["verify", "--target", target, "--protocol", protocol, "--key", KEYS[protocol], *flags]
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("protocol", library().protocols)
def test_our_own_server_is_clean_when_it_serves_the_base(protocol: str) -> None:
    with MockServer() as mock:
        result = verify(mock.url, protocol, "--server-key", "apex_sk_verify", *FAST)
    assert result.exit_code == 0, result.output


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """What verify says of a server of another revision, which goes on: as text, as JUnit XML and as JSON."""

    result: Result
    junit: Path
    report: Path


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    folder = tmp_path_factory.mktemp("verified")
    junit, report = folder / "verify.xml", folder / "verify.json"
    with MockServer(revisions={"outlit": "r1-2026-01"}) as mock:
        flags = ("--only", "/events", "--junit", str(junit), "--json", str(report))
        yield Reported(result=verify(mock.url, "outlit", *flags, *FAST), junit=junit, report=report)


def test_other_revision_is_reported_with_a_command_when_it_is_served(reported: Reported) -> None:
    assert reported.result.exit_code == 1, reported.result.output
    first = json.loads(reported.report.read_text())["findings"][0]
    again = subprocess.run(
        first["curl"][-1],
        shell=True,
        capture_output=True,
        check=True,
        env={"MOCKSERVER_VERIFY_KEY": KEYS["outlit"], "PATH": "/usr/bin:/bin"},
    )
    assert f" {first['reply']['status']} " in again.stdout.decode().splitlines()[0]
    assert KEYS["outlit"] not in reported.result.output + reported.report.read_text()
    suite = ET.parse(reported.junit).getroot()[0]
    assert int(suite.attrib["failures"]) == len(suite.findall("testcase/failure")) > 0
    assert len(suite.findall("testcase")) == int(suite.attrib["tests"])


def test_report_is_short_and_begins_with_what_is_wrong_when_much_is(reported: Reported) -> None:
    lines = reported.result.output.splitlines()
    assert len(lines) < 60
    assert "deviations; " in lines[0]
    bases = [line.split()[0] for line in lines[1:9]]
    assert bases == sorted(bases, key=("docs", "spec", "sdk", "inferred", "assumed").index)
    assert lines[9].startswith("  and ")


def test_basis_is_told_and_can_be_left_out_when_only_an_assumed_fact_is_broken(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: outlit\npatch: {protocol: {refusals: {ingest: {unknown_path: {status: 410}}}}}\n")
    only = ("--only", "/protocol/operations")
    with MockServer(contract_patches=(patch,)) as mock:
        result = verify(mock.url, "outlit", *only, *FAST)
        dropped = verify(mock.url, "outlit", *only, "--basis", "docs, spec,sdk,inferred", *FAST)
    assert result.exit_code == 1
    assert result.output.splitlines()[1].startswith("  assumed  /protocol/refusals/ingest/unknown_path/status: ")
    assert dropped.exit_code == 0, dropped.output


def test_server_is_clean_when_only_the_page_counts() -> None:
    with MockServer(revisions={"outlit": "documented"}) as mock:
        result = verify(mock.url, "outlit", "--revision", "documented", "--basis", "docs", *FAST)
    assert result.exit_code == 0, result.output
    assert "no deviations" in result.output.splitlines()[0]
    assert len(result.output.splitlines()) < 60


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("--basis", "dosc"), 'unknown basis "dosc", did you mean "docs"?'),
        (("--basis", ""), "unknown basis"),
        (("--operation", "event"), 'unknown operation "event", did you mean "events"?'),
        (("--max-requests", "0"), "--max-requests"),
        (("--volume", "much"), "is not a valid size"),
    ],
)
def test_flag_is_a_usage_error_when_it_names_nothing(flags: tuple[str, ...], problem: str) -> None:
    with MockServer() as mock:
        result = verify(mock.url, "outlit", *flags, *FAST)
    assert result.exit_code == 2
    assert problem in result.output


def test_requests_are_recognisable_when_they_arrive() -> None:
    with MockServer() as mock:
        verify(mock.url, "apex", "--operation", "events", "--max-requests", "5", "--rate", "100000")
        session = mock.session("apex_pk")
        agents = {session.request(row.id).request.header("user-agent") for row in session.requests()}
    assert len(agents) == 1
    assert str(agents.pop()).startswith("mockserver-verify/")


@pytest.mark.parametrize("flag", ["--json", "--junit"])
def test_report_on_stdout_stands_alone(flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--protocol", "outlit", "--key", KEYS["outlit"], "--only", "/protocol/cors", *FAST, flag, "-"]
    with MockServer() as mock:
        target = mock.url
        result = run_command("verify", "--target", target, *words)
    assert result.exit_code == 0, result.stderr
    if flag == "--json":
        assert json.loads(result.stdout)["clean"]
    else:
        assert len(list(ET.fromstring(result.stdout).iter("testcase"))) > 1
    assert f" at {target}" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_unrelated_server_is_named_when_it_answers() -> None:
    asked: list[str] = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            asked.append(self.path)

    with listening(Quiet) as url:
        result = verify(url, "outlit", *FAST)
    assert result.exit_code == 3
    assert "this does not look like outlit" in result.output
    assert result.output.count("\n") == 1
    assert len(asked) < 10


@pytest.mark.parametrize("protocol", library().protocols)
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://127.0.0.1:1", "Connection refused"),
        ("https://127.0.0.1:1", "Connection refused"),
        ("http://no-such-host.invalid", ""),
        (f"http://{'a' * 70}.invalid", ""),
    ],
)
def test_nobody_there_is_told_before_rules_are_made_when_the_port_is_closed(
    protocol: str, target: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mockserver.verify.rules.RuleSet", None)
    result = verify(target, protocol, *FAST)
    assert result.exit_code == 3
    assert result.output.startswith(f"Error: no answer from {target}: {reason}")
    assert result.output.count("\n") == 1


def test_silence_is_told_once_within_the_timeout_when_a_target_accepts_and_never_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        result = verify(f"http://127.0.0.1:{server.getsockname()[1]}", "outlit", "--timeout", "0.5", *FAST)
    assert result.exit_code == 3
    assert time.monotonic() - started < 15
    assert "no whole reply in 0.5 seconds" in result.output
    assert result.output.count("\n") == 1


def test_target_is_no_http_server_when_it_talks_something_else() -> None:
    class Greeting(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")

    with listening(Greeting) as url:
        result = verify(url, "outlit", *FAST)
    assert result.exit_code == 3
    assert "is not valid HTTP" in result.output
    assert result.output.count("\n") == 1


SECRETS = ("--header", "X-Gateway-Token: s3cret-1", "--header", "Cookie: sid=s3cret-2")


def test_headers_are_sent_with_every_request_and_masked_in_commands_when_given(tmp_path: Path) -> None:
    report, seen = tmp_path / "r.json", list[dict[str, str]]()

    class Gateway(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            seen.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers.get("content-length", 0)))
            allowed = self.headers.get("x-gateway-token") == "s3cret-1"
            body = b'{"success":true,"processed":1}' if allowed else b"{}"
            self.send_response(200 if allowed else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    for method in ("POST", "OPTIONS"):
        setattr(Gateway, f"do_{method}", Gateway.answer)
    only = ("--only", "/events/custom", "--only", "/protocol/cors", "--json", str(report))
    with listening(Gateway) as url:
        result = verify(url, "outlit", "--header", "x-tenant:  team 5", "--header", "Host: h", *SECRETS, *only, *FAST)
        command = json.loads(report.read_text())["findings"][0]["curl"][-1]
        variables = {"HEADER_X_GATEWAY_TOKEN": "s3cret-1", "HEADER_COOKIE": "sid=s3cret-2"}
        keys = {"MOCKSERVER_VERIFY_KEY": KEYS["outlit"], "PATH": "/usr/bin:/bin"}
        repeated = subprocess.run(command, shell=True, capture_output=True, check=True, env={**variables, **keys})
    assert result.exit_code == 1, result.output
    assert b" 200 " in repeated.stdout.splitlines()[0]
    sent = {"x-tenant": "team 5", "x-gateway-token": "s3cret-1", "cookie": "sid=s3cret-2", "host": "h"}
    assert all(headers.items() >= sent.items() for headers in seen)
    assert "x-tenant: team 5" in command
    assert "s3cret" not in result.output + report.read_text()
    assert "HEADER_X_GATEWAY_TOKEN and HEADER_COOKIE" in result.output


def test_headers_come_from_the_variable_when_it_has_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOCKSERVER_VERIFY_HEADER", "X-A: 1\nContent-Type: text/plain\n")
    result = verify("http://127.0.0.1:1", "outlit", *FAST)
    assert result.exit_code == 2
    assert "--header content-type: the checks of outlit control this header themselves" in result.output


@pytest.mark.parametrize(
    ("protocol", "line", "problem"),
    [
        ("outlit", "Content-Length: 3", "control this header"),
        ("outlit", "ORIGIN: https://a.example", "control this header"),
        ("outlit", "accept-encoding: gzip", "control this header"),
        ("whisperr", "Authorization: Bearer s3cret", "control this header"),
        ("whisperr", "x-api-key: s3cret", "control this header"),
        ("apex", "Idempotency-Key: s3cret", "control this header"),
        ("apex", "X-Apex-Project: s3cret", "control this header"),
        ("outlit", "X-A", "expected 'Name: value'"),
        ("outlit", "X-A s3cret", "expected 'Name: value'"),
        ("outlit", "X-A:", "expected 'Name: value'"),
        ("outlit", ": s3cret", "expected 'Name: value'"),
        ("outlit", "X A: s3cret", "expected 'Name: value'"),
        ("outlit", "X-A: s3cret\r\nX-B: 2", "expected 'Name: value'"),
        ("outlit", "X-A: s3cret\xe9", "expected 'Name: value'"),
        ("outlit", "", "expected 'Name: value'"),
    ],
)
def test_header_is_a_usage_error_when_it_is_malformed_or_controlled(protocol: str, line: str, problem: str) -> None:
    result = verify("http://127.0.0.1:1", protocol, "--header", line)
    assert result.exit_code == 2
    assert "--header" in result.output
    assert problem in result.output
    assert "s3cret" not in result.output


def test_header_is_a_usage_error_when_given_twice() -> None:
    result = verify("http://127.0.0.1:1", "outlit", "--header", "X-A: 1", "--header", "x-a: 2")
    assert result.exit_code == 2
    assert "--header x-a: given more than once" in result.output


def test_requests_keep_to_the_rate_and_to_the_protocol_when_sent() -> None:
    seen: list[tuple[float, str]] = []

    class Watching(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            seen.append((time.monotonic(), self.path))
            self.rfile.read(int(self.headers.get("content-length", 0)))
            body = b'{"success":true,"processed":1}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    for method in ("GET", "POST", "OPTIONS", "PUT", "DELETE", "PATCH"):
        setattr(Watching, f"do_{method}", Watching.answer)
    with listening(Watching) as url:
        verify(url, "outlit", "--rate", "200", "--examples", "0", "--max-requests", "160", "--only", "/events")
    assert len(seen) == 160
    for first, later in zip(seen, seen[40:], strict=False):
        assert later[0] - first[0] > 0.15, "40 requests take 0.2 seconds at 200 a second"
    assert not [path for _, path in seen if "_mock" in path]


def test_pauses_are_as_long_as_the_rate_asks_when_time_stands_still() -> None:
    waited: list[float] = []
    transport = Http("http://127.0.0.1:1", 4, now=lambda: 100.0, sleep=waited.append)
    for _ in range(3):
        transport._wait()
    assert waited == [0.25, 0.5]


def test_dry_run_sends_nothing_when_asked() -> None:
    result = verify("http://127.0.0.1:1", "whisperr", "--dry-run", "--only", "/protocol/windows*")
    assert result.exit_code == 0
    assert "POST /v1/events/track" in result.output
    assert " MB; --volume limits those" in result.output.splitlines()[-1]


def test_key_that_fits_nothing_is_a_usage_error_when_given() -> None:
    words = ["verify", "--target", "http://127.0.0.1:1", "--protocol", "outlit", "--key", "wrong"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "^pk_" in result.output


def test_command_needs_no_package_of_the_server_when_it_runs() -> None:
    modules = "mockserver.verify.transport, mockserver.verify.outcome_report"
    code = f"import sys, {modules}\nprint('aiohttp' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"


def test_curl_holds_any_body_when_it_is_long_or_no_text() -> None:
    headers = (("content-type", "application/json"),)
    short = curl("http://h", Request(method="POST", path="/a/k1", headers=headers, body=b'{"a":"\'k1"}'), {"k1": "KEY"})
    assert "k1" not in short
    assert short.count('"$KEY"') == 2
    packed = curl("http://h", Request(method="POST", path="/a", headers=(), body=b"\xff" * 9000), {})
    assert "base64 -d | gunzip | curl" in packed
    assert len(packed) < 300
