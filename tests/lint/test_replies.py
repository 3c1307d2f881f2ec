"""Recorded replies: each one that the contract can give is right, and one that it cannot give is an error."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from mockserver import MockServer
from mockserver.cli.main import main
from mockserver.core.model import Verdict
from mockserver.lint.golden_cases import Case
from mockserver.lint.playback import play
from mockserver.lint.replies import reply_findings
from tests import cases
from tests.lint.mutating import assert_checked, mutated
from tests.sending import post

AT = "2026-06-14T12:00:00.000Z"
PAGEVIEW = {"type": "pageview", "url": "https://a.example/", "path": "/"}
OUTLIT = "/api/i/v1/pk_1/events"
GOOD: dict[str, Any] = {"visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "events": [PAGEVIEW, PAGEVIEW]}
TYPE = ["Content-Type", "application/json; charset=utf-8"]
LIMITS = [["X-RateLimit-Limit", "100"], ["x-ratelimit-remaining", "7"], ["X-RateLimit-Reset", "1781438401"]]


@pytest.mark.parametrize("case", cases.load_all(), ids=str)
async def test_own_replies_are_right(case: Case) -> None:
    """Whatever the history and the settings of the session: only what is in the request is known to the check."""
    for exchange in (await play(case, cases.contract_of(case))).exchanges:
        findings = reply_findings(exchange.judged, exchange.reply)
        assert findings == [], (exchange.step.place, exchange.reply)
        verdicts = exchange.view.exchange.verdicts
        repeats = [index for index, verdict in enumerate(verdicts) if verdict is Verdict.DUPLICATE]
        findings = reply_findings(exchange.judged, exchange.reply, repeats=repeats, complete=True)
        assert findings == [], (exchange.step.place, exchange.reply, repeats)
        failed = reply_findings(exchange.judged, replace(exchange.reply, status=503, body=b""))
        assert failed
        assert [finding.severity for finding in failed] == ["warning"]


def exchange(answer: Any, body: Any = GOOD, status: Any = 200, path: str = OUTLIT, **members: Any) -> dict[str, Any]:
    """Return one line of an export."""
    text = {"text": body if isinstance(body, str) else json.dumps(body)}
    answered = {"text": answer if isinstance(answer, str) else json.dumps(answer)}
    return {
        "method": "POST",
        "path": path,
        "protocol": "outlit",
        "session_time": AT,
        "status": status,
        "fault": None,
        "request": {"headers": [TYPE], "body": text},
        "reply": {"headers": [TYPE, *LIMITS], "body": answered},
        **members,
    }


def as_har(line: dict[str, Any]) -> dict[str, Any]:
    """Return an exchange as a HAR entry, its reply in base64."""

    def pairs(message: Any) -> Any:
        return [{"name": name, "value": value} for name, value in message["headers"]]

    text = base64.b64encode(line["reply"]["body"]["text"].encode()).decode()
    content = {"mimeType": "application/json", "text": text, "encoding": "base64"}
    sent = {"method": "POST", "url": f"https://app.outlit.ai{line['path']}", "headers": pairs(line["request"])}
    sent["postData"] = {"mimeType": "application/json", "text": line["request"]["body"]["text"]}
    answered = {"status": line["status"], "headers": pairs(line["reply"]), "content": content}
    return {"startedDateTime": AT, "request": sent, "response": answered}


def check(folder: Path, line: dict[str, Any], kind: str = "ndjson") -> dict[str, Any]:
    path = folder / f"a.{kind}"
    path.write_text(json.dumps({"log": {"entries": [as_har(line)]}} if kind == "har" else line))
    result = CliRunner().invoke(main, ["check", "--json", str(path)])
    assert result.exit_code in (0, 1), result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


BAD = {**GOOD, "events": [PAGEVIEW, {"type": "nope"}]}
ALL_BAD = {"visitorId": "v", "events": [{"type": "nope"}]}


@pytest.mark.parametrize("kind", ["ndjson", "har"])
@pytest.mark.parametrize(
    ("line", "rule", "pointer", "expected", "got"),
    [
        (
            exchange({"success": True, "processed": 99}),
            "/protocol/replies/processed",
            "/reply/json/processed",
            2,
            99,
        ),
        (exchange({"success": True}), "/protocol/replies/processed", "/reply/json/processed", 2, None),
        (
            exchange({"success": True, "processed": 2, "extra": 1}),
            "/protocol/replies/processed",
            "/reply/json/extra",
            None,
            1,
        ),
        (
            exchange({"success": True, "processed": "2"}),
            "/protocol/replies/processed",
            "/reply/json/processed",
            2,
            "2",
        ),
        (exchange("OK"), "/protocol/replies/processed", "/reply/json", {"success": True, "processed": 2}, "OK"),
        (
            exchange({"success": True, "processed": 2}, status=202),
            "/protocol/replies/processed",
            "/reply/status",
            200,
            202,
        ),
    ],
)
def test_reply_is_an_error_when_the_contract_cannot_give_it(
    tmp_path: Path, kind: str, line: Any, rule: str, pointer: str, expected: object, got: object
) -> None:
    document = check(tmp_path, line, kind)
    (error,) = [finding for finding in document["findings"] if finding["severity"] == "error"]
    assert (error["rule"], error["pointer"], error["expected"], error["got"]) == (rule, pointer, expected, got)
    assert error["source"].startswith("docs:")
    assert document["replies"] == 1
    assert CliRunner().invoke(main, ["contracts", "explain", "outlit", rule]).exit_code == 0


def test_required_header_is_an_error_when_it_is_missing(tmp_path: Path) -> None:
    line = exchange({"success": True, "processed": 2})
    assert check(tmp_path, line)["clean"]
    line["reply"]["headers"] = [TYPE, *LIMITS[1:]]
    (error,) = [finding for finding in check(tmp_path, line)["findings"] if finding["severity"] == "error"]
    assert error["pointer"] == "/reply/headers/x-ratelimit-limit"
    line["reply"]["headers"] = [["Content-Type", "text/plain"], *LIMITS]
    (error,) = [finding for finding in check(tmp_path, line)["findings"] if finding["severity"] == "error"]
    assert error["pointer"] == "/reply/headers/content-type"


def test_accepted_request_is_an_error_of_both_sides_when_it_breaks_the_contract(tmp_path: Path) -> None:
    document = check(tmp_path, exchange({"success": True, "processed": 1}, ALL_BAD))
    errors = [finding["pointer"] for finding in document["findings"] if finding["severity"] == "error"]
    assert errors == ["/type", "/reply/status"]


@pytest.mark.parametrize(
    "members",
    [
        {"fault": {"reply": {"status": 500}}},
        {"reply": None},
        {"reply": {"headers": []}},
        {"reply": {"headers": [], "body": None}},
        {"status": None},
    ],
)
def test_reply_is_counted_and_not_checked_when_it_is_injected_or_missing(tmp_path: Path, members: Any) -> None:
    document = check(tmp_path, exchange({"success": True, "processed": 99}, **members))
    assert document["clean"]
    assert (document["requests"], document["replies"], document["replies_not_checked"]) == (1, 0, 1)


def test_failure_of_the_server_is_a_warning(tmp_path: Path) -> None:
    document = check(tmp_path, exchange("<html>", status=502))
    assert document["clean"]
    assert "502" in json.dumps([finding["message"] for finding in document["findings"]])


def test_export_of_a_session_is_clean_whatever_its_settings(tmp_path: Path) -> None:
    """Repeats, replays, rate limits, revoked keys, refusals: all of these the contract can answer so."""
    event = {"external_user_id": "u", "event_type": "a_b", "context": {"$message_id": "m-1"}}
    with MockServer() as mock:
        mock.settings(rate_limits="enforce")
        for events in ([event], [event, event], [{**event, "context": {"$message_id": "m-2"}}, event]):
            post(mock.url, "/v1/events/batch", {"events": events}, {"X-API-Key": mock.key})
        for _ in range(2):
            post(mock.url, "/v1/identify", {"external_user_id": "u"}, {"X-API-Key": mock.key})
        mock.settings(keys=["other"])
        post(mock.url, "/v1/events/batch", {"events": [event]}, {"X-API-Key": mock.key})
        path = tmp_path / "session.ndjson"
        path.write_bytes(urlopen(f"{mock.url}/_mock/sessions/{mock.key}/export?format=ndjson").read())
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 0, result.output
    assert "6 requests, 8 events: 0 errors, " in result.output
    assert "; 6 replies checked\n" in result.output


LINE = exchange({"success": True, "processed": 2})


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(mutated(LINE))
def test_exchange_raises_nothing_when_it_is_mutated(tmp_path: Path, document: Any) -> None:
    file = tmp_path / "mutated.ndjson"
    file.write_text(json.dumps(document))
    assert_checked([file])
