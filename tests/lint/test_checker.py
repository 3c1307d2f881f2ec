"""`mockserver check`: what files hold is judged, event by event, with the rule and the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from whisperr import Whisperr

from mockserver import MockServer
from mockserver.cli.main import main
from tests.sdks.fixtures import node, outlit, packages, server, whisperr
from tests.sdks.harness import Host, Session

__all__ = ["node", "outlit", "packages", "server", "whisperr"]

ROOT = Path(__file__).parent.parent.parent
AT = "2026-06-14T12:00:00.000Z"
WEB_0_1_0 = {
    "events": [
        {
            "external_user_id": "user_1",
            "event_type": "$pageview",
            "occurred_at": AT,
            "properties": {"path": "/"},
            "context": {"library": "@whisperr/web"},
        },
        {
            "external_user_id": "user_1",
            "event_type": "signed_up",
            "context": {"$message_id": "m-1"},
            "user": {"channels": [{"type": "email", "address": "a@b.example"}]},
        },
    ]
}
"""What @whisperr/web 0.1.0 sends (whisperr dossier §5.2 note 9): $pageview, no message id, `type` in channels."""


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, words)])


def findings(*words: object) -> list[dict[str, Any]]:
    told = run("--json", *words)
    document = json.loads(told.output)
    refused = [one for one in document["findings"] if one["severity"] == "error"]
    assert told.exit_code == (1 if refused else 0)
    return refused


def written(folder: Path, name: str, *values: object) -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(value) for value in values))
    return path


def test_first_web_client_fails_for_the_stated_reasons_when_its_batch_is_checked(tmp_path: Path) -> None:
    found = findings(written(tmp_path, "web.json", WEB_0_1_0))
    assert {(one["protocol"], one["operation"]) for one in found} == {("whisperr", "batch")}
    reasons = {(one["event"], one["pointer"]) for one in found}
    assert reasons == {
        (0, "/event_type"),
        (0, "/context/$message_id"),
        (1, "/user/channels/0/channel"),
        (1, "/user/channels/0/type"),
    }


@pytest.mark.parametrize(
    ("payload", "protocol", "operation"),
    [
        ({"type": "pageview", "url": "https://a.example/"}, "outlit", "events"),
        ({"visitorId": "v-1", "events": [{"type": "custom", "eventName": "a"}]}, "outlit", "events"),
        ({"projectKey": "pk_1", "type": "signup"}, "apex", "events"),
        ({"projectKey": "pk_1", "events": [{"type": "signup"}]}, "apex", "events"),
        ({"events": [{"type": "signup"}]}, "apex", "server_events"),
        ({"visitorId": "v", "email": "a@b.example", "projectKey": "pk"}, "apex", "identity_stitch"),
        (WEB_0_1_0["events"][0], "whisperr", "track"),
    ],
)
def test_protocol_is_told_by_the_shape_when_nobody_names_it(
    payload: object, protocol: str, operation: str, tmp_path: Path
) -> None:
    path = written(tmp_path, "payload.json", payload)
    told = json.loads(run("--json", path).output)
    assert told["requests"] == 1
    named = findings("--protocol", protocol, "--operation", operation, path)
    assert [one["pointer"] for one in told["findings"] if one["severity"] == "error"] == [
        one["pointer"] for one in named
    ]


def test_unlike_anything_is_said_when_a_payload_is_no_event(tmp_path: Path) -> None:
    (found,) = findings(written(tmp_path, "payload.json", {"hello": "world"}))
    assert "set --protocol" in found["message"]


def test_each_line_is_judged_when_there_are_many(tmp_path: Path) -> None:
    good, bad = {"type": "pageview", "url": "https://a.example/", "path": "/"}, {"type": "pageview", "path": "/"}
    (found,) = findings("--protocol", "outlit", written(tmp_path, "events.ndjson", good, bad, good))
    assert (found["place"], found["pointer"], found["expected"]) == ("line 2", "/url", {"required": ["url"]})
    assert found["source"].startswith("seed:")


def test_recorded_traffic_is_judged_when_it_is_a_har(tmp_path: Path) -> None:
    def entry(url: str, body: object) -> dict[str, Any]:
        headers = [{"name": "Content-Type", "value": "application/json"}, {"name": "X-API-Key", "value": "wrk_1"}]
        request = {"method": "POST", "url": url, "headers": headers, "postData": {"text": json.dumps(body)}}
        return {"startedDateTime": AT, "request": request}

    early = {**WEB_0_1_0["events"][1], "user": {}, "occurred_at": "2024-01-01T00:00:00Z"}
    entries = [
        entry("https://api.whisperr.net/v1/events/track", early),
        entry("https://elsewhere.example/collect", {}),
    ]
    path = written(tmp_path, "traffic.har", {"log": {"entries": entries}})
    (found,) = findings(path)
    assert (found["place"], found["rule"]) == ("entry 0", "/protocol/windows/occurred_at/past_ms")
    assert "skipped 1 request to other hosts" in run(path).output


def test_times_are_held_to_windows_only_when_it_is_known_what_time_it_was(tmp_path: Path) -> None:
    event = {**WEB_0_1_0["events"][1], "user": {}, "occurred_at": "2024-01-01T00:00:00Z"}
    path = written(tmp_path, "event.json", event)
    assert findings(path) == []
    assert len(findings("--now", AT, path)) == 1


def test_fixtures_and_revisions_are_clean_when_all_are_checked() -> None:
    cases = sorted((ROOT / "fixtures").glob("*/cases/*.yaml"))
    told = run(*cases, *sorted((ROOT / "contracts").glob("*/revisions/*.yaml")))
    assert told.exit_code == 0, told.output
    assert len(cases) > 100


def test_corpus_is_clean_when_all_of_it_is_checked() -> None:
    told = run(*sorted((ROOT / "fixtures" / "corpus").glob("*.ndjson")))
    assert told.exit_code == 0, told.output


def test_summary_has_the_singular_when_there_is_one_of_each(tmp_path: Path) -> None:
    told = run("--protocol", "outlit", written(tmp_path, "event.json", {"type": "custom", "url": "u", "path": "/"}))
    assert told.output.splitlines()[-1].startswith("1 request, 1 event: 1 error, ")
    assert ": error: eventName is required" in told.output


def test_case_that_is_written_wrong_is_told_when_the_contract_answers_otherwise(tmp_path: Path) -> None:
    case = tmp_path / "outlit" / "cases" / "wrong.yaml"
    case.parent.mkdir(parents=True)
    step = "{request: {path: /api/i/v1/pk_1/events, json: {events: []}}, expect: {status: 200}}"
    case.write_text(f"case: wrong\ndossier: none\nsteps:\n  - {step}\n")
    (found,) = findings(case)
    assert (found["expected"], found["got"]) == (200, 400)


def test_patch_that_leads_nowhere_is_told_with_its_place_when_checked(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: outlit\npatch: {protocol: {operations: {events: {family: unheard_of}}}}\n")
    (found,) = findings(patch)
    assert "/protocol/operations/events/family" in found["message"]


def test_unreadable_file_is_a_finding_when_checked(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")
    assert run(path).exit_code == 1


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("deep.json", b"[" * 100_000, "nested deeper"),
        ("binary.json", b"\x00\xff\xfe", "is not valid JSON: not UTF-8"),
        ("nan.json", b'{"type":"pageview","url":"u","path":"/","x":NaN}', "NaN is not a JSON value"),
        ("empty.json", b"", "is not valid JSON"),
        ("entry.har", b'{"log":{"entries":[{"request":{}}]}}', "entry 0"),
        ("text.har", b'{"log":{"entries":"x"}}', "entry 0"),
        ("null.har", b'{"log":{"entries":[null,{"request":null},{"request":{"method":5,"url":7}}]}}', "entry 2"),
        ("corpus.ndjson", b'{"request":5,"expect":5}', "line 1"),
        ("exchange.ndjson", b'{"request":{},"method":1,"path":2}', "line 1"),
        ("latin.yaml", b"\xff", "latin.yaml"),
        ("odd.yaml", b"patch: {}\nrevision: 5\nprotocol: [1]\n", "cannot be read"),
        ("outlit/cases/step.yaml", b"steps: [5]\n", "cannot be read"),
        ("outlit/cases/steps.yaml", b"steps: 7\n", "cannot be read"),
    ],
)
def test_file_is_a_finding_when_it_is_not_what_it_looks_like(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    result = run(path)
    assert result.exit_code == 1, result.output
    assert told in result.output


def test_other_lines_are_judged_when_one_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "lines.ndjson"
    path.write_text('{"type":"pageview"}\n{bad\n{"type":"custom"}\n')
    assert {one["place"] for one in findings(path)} == {"line 1", "line 2", "line 3"}


def test_line_ends_only_where_json_lets_it_when_text_holds_other_breaks(tmp_path: Path) -> None:
    path = tmp_path / "lines.ndjson"
    event = '{"type":"pageview","url":"https://a.example/","path":"/\u2028\u0085"}'
    path.write_bytes(f"{event}\r\n{event}\n".encode())
    told = run(path)
    assert told.exit_code == 0, told.output
    assert "2 requests, 2 events" in told.output


@pytest.mark.parametrize(("text", "count"), [("{}", 1), ("{}\n{}\n", 2), ("\n{}\n\n{}", 2), ('{\n"a": 1\n}', 1)])
def test_stdin_is_json_or_lines_when_asked_for(text: str, count: int) -> None:
    told = CliRunner().invoke(main, ["check", "-", "--json"], input=text)
    assert told.exit_code == 1, told.output
    assert len(json.loads(told.stdout)["findings"]) == count


def test_usage_error_is_told_when_operation_or_stdin_cannot_be_meant(tmp_path: Path) -> None:
    path = written(tmp_path, "event.json", {"type": "pageview"})
    unknown = CliRunner().invoke(main, ["check", str(path), "--protocol", "apex", "--operation", "track"])
    twice = CliRunner().invoke(main, ["check", "-", "-"], input="{}")
    assert (unknown.exit_code, twice.exit_code) == (2, 2)
    assert "available: apex_js, events," in unknown.output


def test_address_of_a_session_is_looked_through_when_traffic_was_recorded_there(tmp_path: Path) -> None:
    post = {"text": '{"type":"pageview"}', "mimeType": "application/json"}
    sent = {"method": "POST", "url": "http://h/_mock/s/a%20b/api/i/v1/pk_1/events", "postData": post}
    assert findings(written(tmp_path, "a.har", {"log": {"entries": [{"request": sent}]}}))


def exported(url: str, key: str, folder: Path) -> Path:
    """Keep what a session saw as lines."""
    from urllib.request import urlopen

    path = folder / "session.ndjson"
    path.write_bytes(urlopen(f"{url}/_mock/sessions/{key}/export?format=ndjson").read())
    return path


def test_python_sdk_passes_when_its_session_is_checked(tmp_path: Path) -> None:
    with MockServer() as mock:
        client = Whisperr(mock.key, base_url=mock.url)
        client.track("user_1", "payment_failed", {"amount_cents": 4900})
        client.identify("user_1", traits={"plan": "pro"}, email="ada@acme.example")
        client.shutdown()
        path = exported(mock.url, mock.key, tmp_path)
    assert findings(path) == []
    assert len(path.read_text().splitlines()) == 2


@pytest.mark.sdk
def test_node_sdks_pass_when_their_sessions_are_checked(
    node: Host, whisperr: Session, outlit: Session, tmp_path: Path
) -> None:
    for driver, session in (("whisperr-node", whisperr), ("outlit-core", outlit)):
        node.drive(driver, session)
        assert findings(exported(session.url, session.key, tmp_path)) == []
