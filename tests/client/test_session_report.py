"""`mockserver report`: what it says of a session, how it ends, what a pipeline gets to read."""

from __future__ import annotations

import json
import re
import socket
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mockserver import MockServer, Session
from mockserver.cli.main import main
from mockserver.client import session_calls
from mockserver.client.session_report import Report
from mockserver.sessions.session_name import shorten
from tests.command import run_command
from tests.sending import post, send_whisperr, whisperr_event

TOKEN = "let me in"


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def session(server: MockServer, request: pytest.FixtureRequest) -> Session:
    """A session of this test alone."""
    return server.session(f"pk_{request.node.name}")


def good(kind: str, **members: object) -> dict[str, Any]:
    """An event that nothing is said against."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    event: dict[str, Any] = {**whisperr_event(kind), "occurred_at": at, **members}
    return event


def run(session: Session, *flags: str) -> Result:
    """Run the command for a session."""
    return CliRunner().invoke(main, ["report", session.target.url, "--session", session.name, *flags])


def as_json(session: Session, *flags: str) -> tuple[int, Any]:
    """Return the exit code and what --json prints."""
    result = run(session, "--json", *flags)
    return result.exit_code, json.loads(result.stdout)


def cases(path: Path) -> dict[str, ET.Element]:
    """Return the test cases of a JUnit file by their full names; the totals must be right."""
    root = ET.parse(path).getroot()
    found = {f"{case.get('classname')} {case.get('name')}": case for case in root.iter("testcase")}
    for suite in (root, *root.iter("testsuite")):
        assert suite.get("tests") == str(len(found))
        assert suite.get("failures") == str(len(root.findall(".//failure")))
    return found


def test_report_passes_when_everything_was_accepted(session: Session) -> None:
    send_whisperr(session, good("opened"), good("closed"))
    result = run(session)
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        f"session {shorten(session.name)} on {session.target.url}: "
        "1 request; events: 2 accepted, 0 duplicate, 0 rejected",
        "deliveries: 2 accepted",
        "passed",
    ]


def test_report_fails_with_rule_pointer_and_message_when_an_event_was_refused(session: Session) -> None:
    send_whisperr(session, good("opened", occurred_at="yesterday"))
    result = run(session)
    assert result.exit_code == 1
    assert "refused events:" in result.output
    assert re.search(r" at /occurred_at \[/events/\S+; ", result.output)
    assert "deliveries: 1 rejected" in result.output
    assert result.output.splitlines()[-1] == "failed: 1 refused"
    code, report = as_json(session)
    assert (code, report["passed"], report["failures"]) == (1, False, {"refused": 1})
    (row,) = report["refused"]
    assert (row["verdict"], row["findings"][0]["pointer"]) == ("rejected", "/occurred_at")
    assert row["findings"][0]["rule"].startswith("/events/")


def test_report_fails_when_a_request_was_refused_before_its_events_could_be_read(session: Session) -> None:
    assert post(session.url, "/v1/events/batch", b'{"events": [', {"X-API-Key": session.name}) == 400
    result = run(session)
    assert result.exit_code == 1
    assert "refused requests:" in result.output
    assert "the body is not valid JSON" in result.output
    code, report = as_json(session)
    assert (code, report["refused"], len(report["refused_requests"])) == (1, [], 1)


def test_fault_steps_do_not_count_as_refused(session: Session) -> None:
    session.faults.add(reply={"status": 503}, times=1)
    event = good("opened")
    send_whisperr(session, event)
    send_whisperr(session, event)
    code, report = as_json(session)
    assert (code, report["refused"], report["injected"]) == (0, [], 1)
    assert report["fates"] == {"accepted_after_retry": 1}
    assert "events refused by fault steps, not counted as refused: 1" in run(session).output


def test_pending_event_is_lost_when_no_more_attempts_come(session: Session) -> None:
    session.faults.add(reply={"status": 503})
    send_whisperr(session, good("opened"))
    assert as_json(session)[1]["fates"] == {"pending": 1}
    assert as_json(session, "--final")[1]["fates"] == {"lost": 1}
    assert [run(session).exit_code, run(session, "--final").exit_code] == [0, 0]
    result = run(session, "--fail-on", "lost")
    assert result.exit_code == 1
    assert "deliveries with problems:" in result.output
    assert "503 -> lost" in result.output


def test_duplicate_delivery_fails_only_where_it_is_asked_for(session: Session) -> None:
    event = good("opened")
    send_whisperr(session, event)
    send_whisperr(session, event)
    assert [run(session).exit_code, run(session, "--fail-on", "lost").exit_code] == [0, 0]
    assert run(session, "--fail-on", "duplicate").exit_code == 1
    assert as_json(session)[1]["flags"] == {"duplicate_delivery": 1}


def test_repeat_after_a_lost_answer_is_no_duplicate_delivery(session: Session) -> None:
    session.faults.add(reply={"status": 503}, when="after_commit", times=1)
    event = good("opened")
    send_whisperr(session, event)
    send_whisperr(session, event)
    assert run(session, "--fail-on", "duplicate", "--fail-on", "lost").exit_code == 0


def test_event_that_is_stored_twice_fails_the_duplicate_gate(session: Session) -> None:
    session.faults.add(connection="truncate", times=1)
    body = {
        "source": "server",
        "events": [{"type": "custom", "eventName": "a", "userId": "u", "url": "u", "path": "/"}],
    }
    for _ in range(2):
        assert post(session.url, f"/api/i/v1/{session.name}/events", body) == 200
    assert run(session).exit_code == 0
    result = run(session, "--fail-on", "duplicate")
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "failed: 1 duplicate")
    assert "outlit custom:a by fingerprint" in result.output
    assert "r1 200 (truncate), r2 200 -> accepted_after_retry (stored_twice)" in result.output
    assert as_json(session)[1]["flags"] == {"stored_twice": 1}


def test_fault_step_that_was_never_used_is_named(session: Session, tmp_path: Path) -> None:
    session.faults.add(reply={"status": 503}, times=1)
    session.faults.add(connection="drop", match={"type": "never"}, times=2)
    session.faults.add(reply={"status": 500}, match={"type": "never"})
    session.faults.add(delay_ms=1, match={"type": "opened"})
    send_whisperr(session, good("opened"))
    send_whisperr(session, good("opened"))
    result = run(session)
    assert result.exit_code == 0
    assert [line for line in result.output.splitlines() if line.startswith("fault never used: ")] == [
        'fault never used: {"connection": "drop", "match": {"type": "never"}, "times": 2}',
        'fault never used: {"reply": {"status": 500}, "match": {"type": "never"}}',
    ]
    junit = tmp_path / "report.xml"
    assert run(session, "--fail-on", "unused-fault", "--junit", str(junit)).exit_code == 1
    failure = cases(junit)["mockserver.session faults"].find("failure")
    assert failure is not None
    assert failure.get("type") == "unused-fault"
    code, report = as_json(session, "--fail-on", "unused-fault")
    assert (code, report["failures"], len(report["unused_faults"])) == (1, {"unused-fault": 2}, 2)


def test_every_fault_step_was_used(session: Session) -> None:
    session.faults.add(reply={"status": 503}, times=1)
    session.faults.add(delay_ms=1)
    for _ in range(2):
        send_whisperr(session, good("opened"))
    assert as_json(session, "--fail-on", "unused-fault")[1]["unused_faults"] == []
    assert run(session, "--fail-on", "unused-fault").exit_code == 0


def test_description_of_a_session_names_a_fault_step_that_was_never_used(session: Session) -> None:
    session.faults.add(delay_ms=1, match={"type": "never"})
    session.faults.add(delay_ms=1)
    send_whisperr(session, good("opened"))
    text = session.connections.run(session_calls.describe(session.name))
    assert text.splitlines()[-1] == 'fault never used: {"delay_ms": 1, "match": {"type": "never"}}'


def test_warnings_are_counted_and_fails_only_where_it_is_asked_for(session: Session) -> None:
    event = {"type": "custom", "eventName": "a", "userId": "u", "url": "server://u", "path": "/"}
    for _ in range(2):
        assert post(session.url, f"//api/i/v1/{session.name}/events", {"source": "server", "events": [event]}) == 200
    code, report = as_json(session)
    assert code == 0
    (slashes,) = [one for one in report["warnings"] if one["rule"] == "/warnings/transport/leading_slashes"]
    assert (slashes["count"], slashes["first"], slashes["case"]) == (2, "r1", ["outlit", "POST events"])
    assert {"rule", "message", "source", "count", "first", "case"} == set(slashes)
    assert "warnings:" in run(session).output
    assert run(session, "--fail-on", "warning").exit_code == 1


PAGE = {"type": "pageview", "url": "https://a.example/", "path": "/", "timestamp": 1}


@pytest.mark.parametrize("read", [1000, 1])
def test_warning_of_a_request_counts_once_although_all_its_events_have_it(
    session: Session, monkeypatch: pytest.MonkeyPatch, read: int
) -> None:
    monkeypatch.setattr("mockserver.client.session_report.READ_REQUESTS", read)
    body = {"visitorId": "visitor-123", "userIdentity": {"userId": ""}, "events": [PAGE, {**PAGE, "url": "/"}]}
    for _ in range(2):
        assert post(session.url, f"/api/i/v1/{session.name}/events", body) == 200
    rows = session.events()
    rules = [[finding.rule for finding in row.warnings] for row in rows]
    assert [rule.rpartition("/")[2] for rule in rules[0]] == [
        "timestamp_in_seconds",
        "visitor_uuid",
        "pattern",
        "minLength",
    ]
    assert set(rules[0]) < set(rules[1])
    _, report = as_json(session)
    counts = {row["rule"]: (row["count"], row["first"], row["case"]) for row in report["warnings"]}
    of_requests = (2, "r1", ["outlit", "POST events"])
    assert counts == {
        "/warnings/events/timestamp_in_seconds": (4, "e1", ["outlit", "pageview"]),
        "/events/shared/common/properties/url/format": (2, "e2", ["outlit", "pageview"]),
        "/warnings/requests/visitor_uuid": of_requests,
        "/requests/envelope/properties/visitorId/pattern": of_requests,
        "/requests/envelope/properties/userIdentity/properties/userId/minLength": of_requests,
    }
    failed = run(session, "--fail-on", "warning")
    assert failed.exit_code == 1
    assert failed.output.count("r4-2026-08 refuses this request: ") == 2


def test_several_gates_are_told_apart(session: Session) -> None:
    send_whisperr(session, good("opened"), good("Not A Name"))
    session.faults.add(connection="drop")
    with pytest.raises(RemoteDisconnected):
        send_whisperr(session, good("closed"))
    code, report = as_json(session, "--fail-on", "lost", "--fail-on", "duplicate")
    assert (code, report["failures"]) == (1, {"refused": 2, "lost": 1})
    assert run(session, "--fail-on", "lost").output.splitlines()[-1] == "failed: 2 refused, 1 lost"


def test_junit_has_a_test_case_for_each_type_of_events(session: Session, tmp_path: Path) -> None:
    send_whisperr(session, good("opened"), good("closed"))
    send_whisperr(session, good("opened", occurred_at="never"))
    post(session.url, "/v1/nowhere", {}, {"X-API-Key": session.name})
    path = tmp_path / "report.xml"
    assert run(session, "--junit", str(path)).exit_code == 1
    found = cases(path)
    assert list(found) == [
        "mockserver.whisperr POST unknown path",
        "mockserver.whisperr closed",
        "mockserver.whisperr opened",
    ]
    assert found["mockserver.whisperr closed"].find("failure") is None
    failure = found["mockserver.whisperr opened"].find("failure")
    assert failure is not None
    assert failure.get("type") == "refused"
    assert "/occurred_at" in (failure.text or "")
    output = found["mockserver.whisperr opened"].findtext("system-out")
    assert output == "events: 2\naccepted: 1\nrejected: 1"


def test_junit_of_a_passed_session_has_no_failures(session: Session, tmp_path: Path) -> None:
    send_whisperr(session, good("opened"))
    path = tmp_path / "report.xml"
    assert run(session, "--junit", str(path)).exit_code == 0
    assert not [case for case in cases(path).values() if case.find("failure") is not None]


def test_junit_names_what_failed_a_gate(session: Session, tmp_path: Path) -> None:
    event = good("opened")
    send_whisperr(session, event)
    send_whisperr(session, event)
    path = tmp_path / "report.xml"
    assert run(session, "--junit", str(path), "--fail-on", "duplicate").exit_code == 1
    (case,) = cases(path).values()
    failure = case.find("failure")
    assert failure is not None
    assert (failure.get("type"), "duplicate_delivery" in (failure.text or "")) == ("duplicate", True)


def test_junit_stays_readable_when_very_many_events_were_refused(session: Session, tmp_path: Path) -> None:
    send_whisperr(session, *(good("opened", occurred_at="never") for _ in range(150)))
    path = tmp_path / "report.xml"
    assert run(session, "--junit", str(path)).exit_code == 1
    (case,) = cases(path).values()
    assert (case.findtext("failure") or "").endswith("… and 50 more")


def test_junit_holds_any_text_a_client_sends(session: Session, tmp_path: Path) -> None:
    event = good("opened\x00<&>\ud800", occurred_at="\x1b[31m")
    body = json.dumps({"events": [event]}).encode()
    post(session.url, "/v1/events/batch", body, {"X-API-Key": session.name})
    path = tmp_path / "report.xml"
    result = run(session, "--junit", str(path))
    assert result.exit_code == 1, result.output
    assert list(cases(path)) == [r"mockserver.whisperr opened\x00<&>\ud800"]


def test_file_that_cannot_be_written_is_a_usage_error(session: Session, tmp_path: Path) -> None:
    send_whisperr(session, good("opened"))
    result = run(session, "--junit", str(tmp_path / "no" / "report.xml"))
    assert result.exit_code == 2
    assert "--junit" in result.output


def test_session_without_events_fails_with_what_to_check(server: MockServer, session: Session, tmp_path: Path) -> None:
    other = server.session(session.name.replace("what", "waht"))
    send_whisperr(other, good("opened"))
    junit = tmp_path / "report.xml"
    result = run_command("report", session.target.url, "--session", session.name, "--junit", str(junit))
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert (
        f"  session {shorten(session.name)} does not exist: does the client use this key and the URL {server.url}?"
        in lines
    )
    assert f"  another session: {shorten(other.name)} received 1 request" in lines
    assert lines[-1] == "failed: no events received"
    failure = cases(junit)["mockserver.session evidence"].find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("empty", "no events received")
    assert shorten(other.name) in (failure.text or "")
    code, report = as_json(session)
    assert (code, report["passed"], report["failures"]) == (1, False, {"empty": 1})
    assert report["missing_evidence"][0] == "no events received"


def test_nearest_session_is_named_first(server: MockServer, session: Session) -> None:
    names = ["pk_unlike", f"{session.name}2", "wrk_unlike"]
    for name in names:
        send_whisperr(server.session(name), good("opened"))
    lines = [line for line in run(session).output.splitlines() if "another session: " in line]
    assert f"another session: {shorten(session.name + '2')} received 1 request" in lines[0]


def test_requests_that_belong_to_no_session_are_counted_when_a_session_is_empty() -> None:
    with MockServer() as server:
        with socket.create_connection((server.target.host, server.target.port)) as link:
            link.sendall(b"\x16\x03\x01\x02\x00\x01\r\n\r\n")
            link.recv(1000)
        result = run(server.session("pk_tls"))
    assert result.exit_code == 1
    assert "in no session: 1 request, the last at " in result.output


def test_session_with_requests_but_no_events_has_no_evidence(session: Session) -> None:
    assert post(session.url, f"/api/i/v1/{session.name}/events", {"source": "server", "events": []}) == 400
    code, report = as_json(session)
    assert (code, set(report["failures"])) == (1, {"refused", "empty"})
    assert "the session received 1 request" in report["missing_evidence"]


def test_empty_session_passes_where_that_is_allowed(session: Session, tmp_path: Path) -> None:
    junit = tmp_path / "report.xml"
    assert run(session, "--allow-empty", "--junit", str(junit)).exit_code == 0
    assert cases(junit) == {}
    assert run(session, "--min-events", "0").exit_code == 0
    send_whisperr(session, good("opened", occurred_at="yesterday"))
    assert run(session, "--allow-empty").exit_code == 1


def test_events_that_are_asked_for_are_required_although_an_empty_session_is_allowed(session: Session) -> None:
    result = run(session, "--allow-empty", "--min-events", "2")
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "failed: no events received")


@pytest.mark.parametrize("name", ["", " ", "..", "a\u200bb"])
def test_name_that_no_session_can_have_is_a_usage_error(server: MockServer, name: str) -> None:
    result = CliRunner().invoke(main, ["report", server.url, "--session", name])
    assert (result.exit_code, "the name of a session must not" in result.output) == (2, True), result.output


@pytest.mark.parametrize(("least", "code"), [(1, 0), (2, 0), (3, 1), (10, 1)])
def test_min_events_counts_each_event_once(session: Session, least: int, code: int) -> None:
    event = good("opened")
    for _ in range(3):
        send_whisperr(session, event)
    send_whisperr(session, good("closed"))
    result = run(session, "--min-events", str(least))
    assert result.exit_code == code
    assert (f"2 events received, {least} required (--min-events)" in result.output) is bool(code)
    assert run(session, "--min-events", str(least), "--allow-empty").exit_code == code


def test_verdict_is_unknown_when_refused_events_were_evicted(session: Session, tmp_path: Path) -> None:
    session.settings(journal_limit=1)
    send_whisperr(session, good("opened", occurred_at="yesterday"), good("closed"))
    send_whisperr(session, good("opened"))
    junit = tmp_path / "report.xml"
    result = run(session, "--junit", str(junit))
    assert (result.exit_code, result.output.splitlines()[-1]) == (1, "failed: cannot tell: 2 events evicted")
    assert "journal_limit" in result.output
    failure = cases(junit)["mockserver.session evidence"].find("failure")
    assert failure is not None
    assert (failure.get("type"), failure.get("message")) == ("evicted", "cannot tell: 2 events evicted")
    assert as_json(session)[1]["failures"] == {"evicted": 1}


def test_verdict_is_unknown_when_an_unreadable_request_was_evicted(session: Session) -> None:
    session.settings(journal_limit=1)
    assert post(session.url, "/v1/events/batch", b"{", {"X-API-Key": session.name}) == 400
    send_whisperr(session, good("opened"))
    assert run(session).output.splitlines()[-1] == "failed: cannot tell: 1 request evicted"


@pytest.mark.parametrize("gate", ["lost", "duplicate", "warning"])
def test_gate_cannot_tell_when_any_request_was_evicted(session: Session, gate: str) -> None:
    session.settings(journal_limit=1)
    for _ in range(3):
        send_whisperr(session, good("opened"))
    assert "the oldest requests (2) were evicted" in run(session).output
    assert run(session).exit_code == 0
    result = run(session, "--fail-on", gate)
    assert (result.exit_code, "cannot tell: 2 events evicted" in result.output) == (1, True)


@pytest.mark.parametrize("body", [b"{", {"events": [whisperr_event("opened")]}])
def test_fault_step_that_only_delays_does_not_hide_what_the_contract_refused(session: Session, body: Any) -> None:
    session.settings(keys=[])
    session.faults.add(delay_ms=1)
    assert post(session.url, "/v1/events/batch", body, {"X-API-Key": session.name}) == 401
    code, report = as_json(session, "--allow-empty")
    assert (code, report["failures"], report["injected"]) == (1, {"refused": 1}, 0)


def test_warnings_of_every_request_are_read_when_they_fail_the_verdict(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mockserver.client.session_report.READ_REQUESTS", 1)
    event = {
        "type": "custom",
        "eventName": "a",
        "userId": "u",
        "url": "https://a.example/",
        "path": "/",
        "timestamp": 1,
    }
    for path in ("/api", "//api"):
        body = {"source": "server", "events": [event]}
        assert post(session.url, f"{path}/i/v1/{session.name}/events", body) == 200
    (warning,) = [
        row for row in Report(session, ["warning"]).warnings if row.rule == "/warnings/transport/leading_slashes"
    ]
    assert warning.first == "r2"


def test_junit_on_stdout_stands_alone(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    send_whisperr(session, good("opened"))
    result = run_command("report", session.target.url, "--session", session.name, "--junit", "-")
    assert result.exit_code == 0
    assert [case.get("name") for case in ET.fromstring(result.stdout).iter("testcase")] == ["opened"]
    assert result.stderr.splitlines()[-1] == "passed"
    assert list(tmp_path.iterdir()) == []


def test_two_reports_do_not_share_stdout(session: Session) -> None:
    result = run(session, "--junit", "-", "--json")
    assert (result.exit_code, "both write to stdout" in result.output) == (2, True)


def test_report_reads_every_page(session: Session) -> None:
    for _ in range(11):
        send_whisperr(session, *(good("opened") for _ in range(100)))
    report = Report(session)
    assert (report.events, len(report.deliveries)) == ({("whisperr", "opened"): 1100}, 1100)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["report"], 2, "URL"),
        (["report", "http://127.0.0.1:8207"], 2, "--session"),
        (["report", "ftp://127.0.0.1:8207", "--session", "s"], 2, "expected a URL"),
        (["report", "http://127.0.0.1:8207", "--session", "s", "--fail-on", "pending"], 2, "--fail-on"),
    ],
)
def test_usage_errors_exit_2(arguments: list[str], code: int, says: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, says in result.output) == (code, True)


@pytest.mark.parametrize("form", ["{}", "{}/", "//{}", "HTTP://{}"])
def test_url_is_taken_in_every_usual_form(form: str) -> None:
    with MockServer() as server:
        url = form.format(server.url.removeprefix("http://"))
        result = CliRunner().invoke(main, ["report", url, "--session", "s"])
    assert "session s does not exist: does the client use this key" in result.output


def test_credentials_in_a_url_are_refused_and_not_repeated() -> None:
    result = CliRunner().invoke(main, ["report", "http://user:hunter2@127.0.0.1:8207", "--session", "s"])
    assert result.exit_code == 2
    assert "credentials in a URL are not supported" in result.output
    assert "hunter2" not in result.output


def test_server_that_is_not_there_exits_3() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    result = CliRunner().invoke(main, ["report", f"http://127.0.0.1:{port}", "--session", "s"])
    assert result.exit_code == 3
    assert f"http://127.0.0.1:{port}" in result.output


def test_token_is_asked_for_and_given() -> None:
    with MockServer(admin_token=TOKEN) as server:
        session = server.session("pk_token")
        refused = run(session)
        assert (refused.exit_code, "--admin-token" in refused.output) == (2, True)
        assert run(session, "--allow-empty", "--admin-token", TOKEN).exit_code == 0
        variable = {"MOCKSERVER_REPORT_ADMIN_TOKEN": TOKEN}
        arguments = ["report", server.url, "--session", session.name, "--allow-empty"]
        assert CliRunner().invoke(main, arguments, env=variable).exit_code == 0
