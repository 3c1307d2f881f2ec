"""`mockserver check`: what files hold is judged, event by event, with the rule and the place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from whisperr import Whisperr

from mockserver import MockServer
from mockserver.cli.main import main
from tests.lint.mutating import assert_checked, mutated
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
"""What @whisperr/web 0.1.0 sends (whisperr.md#notes-on-the-sdks row 9): bad names, no message id, `type`."""


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, words)])


def findings(*words: object) -> list[dict[str, Any]]:
    result = run("--json", *words)
    document = json.loads(result.output)
    errors = [finding for finding in document["findings"] if finding["severity"] == "error"]
    assert result.exit_code == (1 if errors else 0)
    return errors


def written(folder: Path, name: str, *values: object) -> Path:
    path = folder / name
    path.write_text("\n".join(json.dumps(value) for value in values))
    return path


def test_first_web_client_fails_for_the_stated_reasons_when_its_batch_is_checked(tmp_path: Path) -> None:
    errors = findings(written(tmp_path, "web.json", WEB_0_1_0))
    assert {(error["protocol"], error["operation"]) for error in errors} == {("whisperr", "batch")}
    reasons = {(error["event"], error["pointer"]) for error in errors}
    assert reasons == {
        (0, "/event_type"),
        (0, "/context/$message_id"),
        (1, "/user/channels/0/channel"),
        (1, "/user/channels/0/type"),
    }


@pytest.mark.parametrize(
    ("payload", "protocol", "operation"),
    [
        ({"type": "pageview", "url": "https://a.example/", "paths": "/"}, "outlit", "events"),
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
    guessed = json.loads(run("--json", path).output)
    assert guessed["requests"] == 1
    named = findings("--protocol", protocol, "--operation", operation, path)
    assert [error["pointer"] for error in guessed["findings"] if error["severity"] == "error"] == [
        error["pointer"] for error in named
    ]


def test_payload_is_judged_by_the_revision_that_only_its_protocol_has(tmp_path: Path) -> None:
    path = written(tmp_path, "page.json", {"type": "pageview", "url": "https://a.example/", "path": "/"})
    (error,) = findings("--protocol", "outlit", "--revision", "r4-2026-08", path)
    assert (error["revision"], error["pointer"]) == ("r4-2026-08", "/timestamp")


def test_unlike_anything_is_said_when_a_payload_is_no_event(tmp_path: Path) -> None:
    (error,) = findings(written(tmp_path, "payload.json", {"hello": "world"}))
    assert "set --protocol" in error["message"]


def test_each_line_is_judged_when_there_are_many(tmp_path: Path) -> None:
    good, bad = {"type": "pageview", "url": "https://a.example/", "path": "/"}, {"type": "pageview", "path": "/"}
    (error,) = findings("--protocol", "outlit", written(tmp_path, "events.ndjson", good, bad, good))
    assert (error["place"], error["pointer"], error["expected"]) == ("line 2", "/url", {"required": ["url"]})
    assert error["source"].startswith("docs:")


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
    (error,) = findings(path)
    assert (error["place"], error["rule"]) == ("entry 0", "/protocol/windows/occurred_at/past_ms")
    assert "1 request, 1 event: 1 error, 0 warnings; skipped 1 request to other hosts" in run(path).output


def test_times_are_held_to_windows_only_when_it_is_known_what_time_it_was(tmp_path: Path) -> None:
    event = {**WEB_0_1_0["events"][1], "user": {}, "occurred_at": "2024-01-01T00:00:00Z"}
    path = written(tmp_path, "event.json", event)
    assert findings(path) == []
    assert len(findings("--now", AT, path)) == 1


def test_fixtures_and_revisions_are_clean_when_all_are_checked() -> None:
    cases = sorted((ROOT / "fixtures").glob("*/cases/*.yaml"))
    result = run(*cases, *sorted((ROOT / "contracts").glob("*/revisions/*.yaml")))
    assert result.exit_code == 0, result.output
    assert len(cases) > 100


def test_corpus_is_clean_when_all_of_it_is_checked() -> None:
    result = run(*sorted((ROOT / "fixtures" / "corpus").glob("*.ndjson")))
    assert result.exit_code == 0, result.output


SENT: dict[str, Any] = {
    "path": "/api/i/v1/pk_1/events",
    "json": {
        "visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
        "events": [{"type": "pageview", "url": "https://a.example/", "path": "/"}],
    },
}
GOOD: dict[str, Any] = {"status": 200, "json": {"success": True, "processed": 1}}


def case_file(folder: Path, expect: object, **members: object) -> Path:
    """Write a golden case that sends one good request."""
    path = folder / "outlit" / "cases" / "a.yaml"
    path.parent.mkdir(parents=True)
    steps = [{"advance_ms": 1}, {"request": SENT, "expect": expect}]
    path.write_text(json.dumps({"case": "a", "dossier": "none", "steps": steps, **members}))
    return path


def test_case_is_clean_when_the_contract_answers_as_it_says(tmp_path: Path) -> None:
    events = [{"type": "pageview", "verdict": "accepted"}]
    result = run(case_file(tmp_path, {**GOOD, "headers": {"x-a": None}, "events": events}, stored=1))
    assert result.exit_code == 0
    assert "1 request, 1 event: 0 errors, 0 warnings" in result.output


@pytest.mark.parametrize(
    ("expect", "pointer", "expected", "got"),
    [
        ({"status": 207}, "/expect/status", 207, 200),
        ({**GOOD, "json": {"success": True, "processed": 2}}, "/expect/json/processed", 2, 1),
        ({**GOOD, "json": {"success": True}}, "/expect/json/processed", None, 1),
        ({**GOOD, "headers": {"x-a": "b"}}, "/expect/headers/x-a", "b", None),
        ({"status": 200, "text": ""}, "/expect/text", "", '{"success":true,"processed":1}'),
        ({**GOOD, "events": []}, "/expect/events", 0, 1),
        (
            {**GOOD, "events": [{"type": "pageview", "verdict": "rejected"}]},
            "/expect/events/0/verdict",
            "rejected",
            "accepted",
        ),
    ],
)
def test_case_is_an_error_when_the_contract_answers_otherwise(
    tmp_path: Path, expect: object, pointer: str, expected: object, got: object
) -> None:
    (error,) = findings(case_file(tmp_path, expect))
    assert (error["place"], error["pointer"], error["rule"]) == ("step 1", pointer, "/expect")
    assert (error["expected"], error["got"]) == (expected, got)
    assert (error["protocol"], error["operation"]) == ("outlit", "events")


def test_case_is_an_error_when_another_number_of_events_is_stored(tmp_path: Path) -> None:
    (error,) = findings(case_file(tmp_path, GOOD, stored=2))
    assert (error["place"], error["pointer"], error["expected"], error["got"]) == ("", "/stored", 2, 1)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (
            {"steps": [{"request": SENT, "expects": GOOD}]},
            'step 0 /expects: error: unknown key "expects", did you mean "expect"?',
        ),
        ({"stps": []}, '/stps: error: unknown key "stps", did you mean "steps"?'),
        ({"case": "b"}, '/case: error: must be the name of the file, "a"'),
        ({"revision": "compatt"}, "compatt"),
        ({"patch": {"events": {"pageview": {"tpye": "object"}}}}, "tpye"),
    ],
)
def test_case_is_an_error_when_it_cannot_be_played(tmp_path: Path, members: dict[str, object], message: str) -> None:
    result = run(case_file(tmp_path, GOOD, **members))
    assert result.exit_code == 1
    assert message in result.output
    assert "0 requests, 0 events: 1 error, 0 warnings" in result.output


def test_case_is_an_error_when_its_folder_names_no_protocol(tmp_path: Path) -> None:
    path = case_file(tmp_path, GOOD).rename(tmp_path / "a.yaml")
    (error,) = findings(path)
    assert "must be in fixtures/<protocol>/cases" in error["message"]
    assert findings("--protocol", "outlit", path) == []


def test_bug_of_the_server_is_not_an_error_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("own")

    monkeypatch.setattr("mockserver.lint.checker.play", broken)
    result = run(case_file(tmp_path, GOOD))
    assert (result.exit_code, "this is a bug in mockserver; please report it" in result.output) == (4, True)


def test_corpus_line_is_an_error_when_the_contract_answers_otherwise(tmp_path: Path) -> None:
    request = {"path": "/api/i/v1/pk_1/events", "json": {"events": []}}
    line = {"protocol": "outlit", "before": [request], "request": request, "expect": {"status": 200}}
    status, unknown = findings(written(tmp_path, "corpus.ndjson", line, {**line, "revision": "compatt"}))
    assert (status["place"], status["pointer"], status["got"]) == ("line 1", "/expect/status", 400)
    assert (unknown["place"], unknown["rule"]) == ("line 2", "/contract")


def test_patch_is_counted_when_it_is_checked(tmp_path: Path) -> None:
    patch = tmp_path / "patch.YAML"
    patch.write_text("protocol: outlit\npatch: {protocol: {limits: {body: {max_bytes: 9}}}}\n")
    result = run(patch)
    assert result.exit_code == 0
    assert result.output == "0 requests, 0 events: 0 errors, 0 warnings; 1 contract patch checked\n"


def test_patch_that_leads_nowhere_is_an_error_with_its_place_when_checked(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: outlit\npatch: {protocol: {operations: {events: {family: unheard_of}}}}\n")
    (error,) = findings(patch)
    assert "/protocol/operations/events/family" in error["message"]


def test_revision_is_checked_as_it_is_written_when_another_has_its_name(tmp_path: Path) -> None:
    path = tmp_path / "r4-2026-08.yaml"
    path.write_text("protocol: outlit\nrevision: r4-2026-08\npatch: {protocol: {limits: {max_body: {value: many}}}}\n")
    (error,) = findings(path)
    assert "/patch/protocol/limits/" in error["message"]


def test_unreadable_file_is_a_finding_when_checked(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")
    assert run(path).exit_code == 1


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("deep.json", b"[" * 100_000, "nested deeper"),
        ("binary.json", b"\x00\xff\xfe", "is not valid JSON: not UTF-8"),
        ("nan.json", b'{"type":"pageview","url":"u","path":"/","x":NaN}', "NaN is not"),
        ("empty.json", b"", "is not valid JSON"),
        (
            "broken.json",
            b'{\n"a" 1}',
            "broken.json: error: is not valid JSON: Expecting ':' delimiter: line 2 column 5",
        ),
        (
            "broken.ndjson",
            b'{}\n{"a" 1}',
            "line 2: error: is not valid JSON: Expecting ':' delimiter: column 6 (char 5)",
        ),
        (
            "wide.ndjson",
            "{}".encode("utf-16"),
            "wide.ndjson: error: is not valid JSON: the file is UTF-16; save it as UTF-8",
        ),
        (
            "tag.yaml",
            b"case: a\nsteps: !!python/tuple [1]\n",
            "tag.yaml: error: line 2, column 8: tags are not allowed",
        ),
        ("text.yaml", b"case: a\nsteps: !!str 5\n", "text.yaml: error: line 2: tags and directives are not allowed"),
        ("entry.har", b'{"log":{"entries":[{"request":{}}]}}', 'entry 0 /request: error: "method" is a required'),
        ("text.har", b'{"log":{"entries":"x"}}', '/log/entries: error: "x" is not of type "array"'),
        ("url.har", b'{"log":{"entries":[{"request":{"method":"GET","url":"http://[a/"}}]}}', "entry 0 /request/url: "),
        ("null.har", b'{"log":{"entries":[null,{"request":null},{"request":{"method":5,"url":7}}]}}', "entry 2"),
        ("corpus.ndjson", b'{"request":5,"expect":5}', "line 1"),
        (
            "key.ndjson",
            b'{"protocl":"apex","request":{"path":"/"},"expect":{"status":200}}',
            'did you mean "protocol"?',
        ),
        ("exchange.ndjson", b'{"request":{},"method":1,"path":2}', 'line 1 /request: error: "headers" is a required'),
        (
            "base64.ndjson",
            b'{"request":{"headers":[],"body":{"base64":"?"}},"method":"POST","path":"/"}',
            "line 1 /request/body/base64: ",
        ),
        ("latin.yaml", b"\xff", "latin.yaml"),
        ("odd.yaml", b"patch: {}\nrevision: 5\nprotocol: [1]\n", "odd.yaml#/"),
        ("outlit/cases/step.yaml", b"steps: [5]\n", "step.yaml step 0: error: 5 is not of type"),
        ("outlit/cases/steps.yaml", b"steps: 7\n", "steps.yaml /steps: error: 7 is not of type"),
        ("list.yaml", b"[1]\n", "list.yaml: error: is neither a golden case nor a contract patch"),
    ],
)
def test_file_is_a_finding_when_it_is_not_what_it_looks_like(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    result = run(path)
    assert result.exit_code == 1, result.output
    assert message in result.output


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.ndjson", "", "nothing to check: the file is empty; expected one request body, event or exchange per line"),
        ("a.jsonl", "\ufeff \n\r\n\n", "nothing to check: the file is empty"),
        ("a.json", " \n", "nothing to check: the file is empty and is not valid JSON; expected a request body, "),
        ("a.yaml", "# nothing\n", "nothing to check: the file is empty; expected a golden case or a contract patch"),
        ("a.json", "[]", "nothing to check: the list is empty"),
        ("a.har", '{"log":{"entries":[]}}', "nothing to check: the archive has no entries"),
        (
            "a.har",
            '{"log":{"entries":[{"request":{"method":"GET","url":"https://a.example/"}}]}}',
            "nothing to check: expected a request to apex, outlit or whisperr; skipped 1 request to other hosts",
        ),
        (
            "a.har",
            '{"log":{"entries":[{"request":{"method":"POST","url":"https://api.whisperr.net/v1/identify"}}]}}',
            "nothing to check: expected a request to apex, outlit or whisperr; 1 body not recorded",
        ),
    ],
)
def test_file_is_an_error_when_there_is_nothing_in_it(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    (error,) = findings(path)
    assert (error["rule"], error["message"][: len(message)]) == ("/file", message)
    good = written(tmp_path, "good.json", WEB_0_1_0["events"][0] | {"event_type": "a", "context": {"$message_id": "m"}})
    assert len(findings(good, path)) == 1
    allowed = run("--allow-empty", path)
    assert (allowed.exit_code, "0 requests, 0 events: 0 errors, 0 warnings" in allowed.output) == (0, True)


def test_stdin_is_an_error_when_nothing_arrives() -> None:
    result = CliRunner().invoke(main, ["check", "-"], input="")
    assert (result.exit_code, "-: error: nothing to check: stdin is empty" in result.output) == (1, True)
    assert CliRunner().invoke(main, ["check", "-", "--allow-empty"], input="").exit_code == 0


def test_too_few_events_are_an_error_when_a_number_is_asked_for(tmp_path: Path) -> None:
    path = written(tmp_path, "events.ndjson", *[{"type": "pageview", "url": "https://a.example/", "path": "/"}] * 2)
    assert run("--protocol", "outlit", "--min-events", 2, path).exit_code == 0
    result = run("--protocol", "outlit", "--min-events", 3, path)
    assert result.exit_code == 1
    assert "error: expected at least 3 events (--min-events), got 2\n" in result.output
    (error,) = findings("--protocol", "outlit", "--min-events", 3, path)
    assert (error["expected"], error["got"], error["file"]) == (3, 2, "")
    assert run("--allow-empty", "--min-events", 3, path).exit_code == 1


def test_other_lines_are_judged_when_one_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "lines.ndjson"
    path.write_text('{"type":"pageview"}\n{bad\n{"type":"custom"}\n')
    assert {error["place"] for error in findings(path)} == {"line 1", "line 2", "line 3"}


def test_line_ends_only_where_json_lets_it_when_text_holds_other_breaks(tmp_path: Path) -> None:
    path = tmp_path / "lines.ndjson"
    event = '{"type":"pageview","url":"https://a.example/","path":"/\u2028\u0085"}'
    path.write_bytes(f"{event}\r\n{event}\n".encode())
    result = run(path)
    assert result.exit_code == 0, result.output
    assert "2 requests, 2 events: 0 errors, " in result.output


@pytest.mark.parametrize(("text", "count"), [("{}", 1), ("{}\n{}\n", 2), ("\n{}\n\n{}", 2), ('{\n"a": 1\n}', 1)])
def test_stdin_is_json_or_lines_when_asked_for(text: str, count: int) -> None:
    result = CliRunner().invoke(main, ["check", "-", "--json"], input=text)
    assert result.exit_code == 1, result.output
    assert len(json.loads(result.stdout)["findings"]) == count


def test_usage_error_is_refused_when_operation_or_stdin_cannot_be_meant(tmp_path: Path) -> None:
    path = written(tmp_path, "event.json", {"type": "pageview"})
    unknown = CliRunner().invoke(main, ["check", str(path), "--protocol", "apex", "--operation", "track"])
    twice = CliRunner().invoke(main, ["check", "-", "-"], input="{}")
    assert (unknown.exit_code, twice.exit_code) == (2, 2)
    assert "available: apex_js, events," in unknown.output


FULL_CASE: Any = {
    "case": "a",
    "dossier": "none",
    "revision": "compat",
    "patch": {"protocol": {"limits": {"body": {"max_bytes": 2000}}}},
    "settings": {"rate_limits": "enforce", "keys": ["pk_1"], "credentials": ["pk_2"]},
    "clock": AT,
    "steps": [
        {
            "request": {**SENT, "method": "POST", "headers": {"x-a": "b"}},
            "expect": {
                **GOOD,
                "headers": {"content-type": {"$match": "application/.*"}, "x-a": None},
                "events": [{"type": "pageview", "verdict": "accepted", "stored": {"type": "pageview"}}],
            },
        },
        {"advance_ms": 1000},
        {
            "request": {"path": "/api/i/v1/pk_1/events", "text": {"$repeat": {"times": 2, "text": "a"}}},
            "expect": {"status": 400, "text": "", "events": []},
        },
        {"request": {"path": "/a", "base64": "AAE="}, "expect": {"status": 404, "json": {"a": {"$number": True}}}},
    ],
    "stored": 1,
}


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(mutated(FULL_CASE))
def test_case_raises_nothing_when_it_is_mutated(tmp_path: Path, document: Any) -> None:
    file = tmp_path / "outlit" / "cases" / "a.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(document))
    assert_checked([file])


def test_address_of_a_session_is_looked_through_when_traffic_was_recorded_there(tmp_path: Path) -> None:
    post = {"text": '{"type":"pageview"}', "mimeType": "application/json"}
    sent = {"method": "POST", "url": "http://h/_mock/s/a%20b/api/i/v1/pk_1/events", "postData": post}
    errors = findings(written(tmp_path, "a.har", {"log": {"entries": [{"request": sent}]}}))
    assert {(error["protocol"], error["operation"]) for error in errors} == {("outlit", "events")}


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://app.outlit.ai/api/i/v1/pk_1/nope", "outlit"),
        ("https://app.outlit.ai/api/i", "outlit"),
        ("https://app.apex.inc/api/nope", "apex"),
        ("https://api.whisperr.net/v1/nope", "whisperr"),
        ("http://127.0.0.1:8207/_mock/s/a/api/i/v1/pk_1/nope", "outlit"),
        ("http://127.0.0.1:8207/_mock/s/a/api/nope", "apex"),
    ],
)
def test_request_belongs_to_the_longest_prefix_when_several_fit(tmp_path: Path, url: str, protocol: str) -> None:
    sent = {"method": "POST", "url": url}
    (error,) = findings(written(tmp_path, "a.har", {"log": {"entries": [{"request": sent}]}}))
    assert (error["protocol"], error["message"]) == (protocol, "unknown path")


@pytest.mark.parametrize(
    "line",
    [
        {"visitorId": "\ud800", "events": [{"type": "pageview", "path": "\udfff"}]},
        {"method": "POST", "path": "/v1/\ud800", "request": {"headers": [["\ud800", "a"]], "body": {"text": "\ud800"}}},
        {"protocol": "outlit", "\ud800": 1, "request": {"path": "/"}, "expect": {"status": 200}},
        {
            "protocol": "outlit",
            "request": {"path": "/api/", "json": "\ud800"},
            "expect": {"status": 1, "json": "\ud800"},
        },
        {"protocol": "outlit", "request": {"path": "/api/"}, "expect": {"status": 404, "json": {"\ud800": "\ud800"}}},
    ],
)
def test_errors_can_be_written_when_a_file_holds_half_a_surrogate_pair(tmp_path: Path, line: object) -> None:
    path = written(tmp_path, "lines.ndjson", line)
    assert findings(path)
    assert run(path).stdout_bytes.decode("utf-8").startswith(str(path))


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


def test_request_and_event_warn_of_what_the_newest_revision_refuses(tmp_path: Path) -> None:
    page = {"type": "pageview", "url": "/", "path": "/", "timestamp": 1_781_438_400_000}
    visitor = "a1b2c3d4-e5f6-4890-abcd-ef1234567890"
    body = {"userIdentity": {"traits": {"a": []}, "userId": None}, "visitorId": visitor, "events": [page, page]}
    path = written(tmp_path, "body.json", body)
    result = run("--json", path)
    assert result.exit_code == 0
    told = [
        (finding["event"], finding["pointer"], finding["count"], finding["message"].partition(":")[0])
        for finding in json.loads(result.output)["findings"]
        if finding["severity"] == "warning"
    ]
    of_request, of_event = "r4-2026-08 refuses this request", "r4-2026-08 refuses this"
    assert told == [
        (None, "/userIdentity/userId", 1, of_request),
        (None, "/userIdentity/traits/a", 1, of_request),
        (0, "/url", 2, of_event),
    ]
    assert json.loads(run("--json", "--no-warnings", path).output)["findings"] == []
    alone = json.loads(run("--json", written(tmp_path, "event.json", page)).output)["findings"]
    assert [finding["pointer"] for finding in alone] == ["/url"]  # nothing of the request that was built around it
