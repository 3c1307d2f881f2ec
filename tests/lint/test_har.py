"""`mockserver check` of HAR archives: whose a request is, bodies in every form, what recorders leave out."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings

from mockserver.cli.main import main
from tests.lint.mutating import assert_checked, mutated
from tests.sdks.fixtures import packages, server
from tests.sdks.harness import program

__all__ = ["packages", "server"]

AT = "2026-06-14T12:00:00.000Z"
OUTLIT = "https://app.outlit.ai/api/i/v1/pk_live_abc/events"
APEX = "https://app.apex.inc/api/events"
WHISPERR = "https://api.whisperr.net/v1/events/batch"
NAME_IS_WRONG = {"events": [{"external_user_id": "u", "event_type": "Bad Name", "context": {"$message_id": "m-1"}}]}
"""A batch with one error, at /event_type: it shows that a body was read."""
JSON = {"name": "Content-Type", "value": "application/json"}
KEY = {"name": "X-API-Key", "value": "wrk_1"}


def entry(url: str = WHISPERR, post: Any = None, *headers: Any, method: str = "POST", **sent: Any) -> dict[str, Any]:
    request = {"method": method, "url": url, "headers": [JSON, KEY, *headers], "postData": post, **sent}
    return {"startedDateTime": AT, "request": request, "response": {"status": 0}}


def check(folder: Path, *entries: Any, args: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the result of `check --json`; it never ends in a traceback."""
    path = folder / "a.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": entries}}))
    result = CliRunner().invoke(main, ["check", "--json", str(path), *args])
    assert result.exit_code in (0, 1), result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def places(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [(error["protocol"], error["pointer"]) for error in document["findings"] if error["severity"] == "error"]


def as_base64(body: bytes) -> str:
    return base64.b64encode(body).decode()


BODY = json.dumps(NAME_IS_WRONG).encode()
GZIP = {"name": "Content-Encoding", "value": "gzip"}


@pytest.mark.parametrize(
    ("post", "headers"),
    [
        ({"text": BODY.decode()}, ()),
        ({"text": BODY.decode(), "comment": None, "params": None, "mimeType": None}, (None, {"name": "X-A"})),
        ({"text": as_base64(BODY), "encoding": "base64"}, ()),
        ({"text": as_base64(BODY).rstrip("="), "encoding": "BASE64"}, ()),
        ({"text": "\n".join(as_base64(BODY)[at : at + 76] for at in range(0, 400, 76)), "encoding": "base64"}, ()),
        ({"text": BODY.decode(), "encoding": "base64"}, ()),  # labelled wrongly
        ({"text": as_base64(BODY)}, ()),  # not labelled
        ({"text": BODY.decode()}, (GZIP,)),  # recorded decoded
        ({"text": as_base64(gzip.compress(BODY)), "encoding": "base64"}, (GZIP,)),
        ({"text": as_base64(gzip.compress(BODY))}, (GZIP,)),
        ({"text": gzip.compress(BODY).decode("latin-1")}, (GZIP,)),
        ({"text": as_base64(BODY), "encoding": "base64"}, (GZIP,)),
        ({"params": [{"name": BODY.decode(), "value": ""}]}, ()),  # a text that was taken for a form
        ({"text": BODY.decode()}, ({"name": ":authority", "value": "api.whisperr.net"}, {"name": ":method"})),
    ],
)
def test_body_is_read_however_it_was_recorded(tmp_path: Path, post: Any, headers: tuple[Any, ...]) -> None:
    document = check(tmp_path, entry(WHISPERR, post, *headers))
    assert places(document) == [("whisperr", "/event_type")]
    assert (document["requests"], document["events"], document["bodies_not_recorded"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("post", "headers", "sent"),
    [
        (None, (), {"bodySize": 180}),
        (None, (), {"bodySize": -1}),
        (None, (), {"bodySize": None}),
        (None, (), {"bodySize": 0}),  # a beacon in Chrome
        (None, (), {"bodySize": 0, "headers": []}),
        ({"mimeType": "application/json", "text": None}, (), {"bodySize": 0}),
        (None, ({"name": "content-length", "value": "180"},), {"bodySize": 0}),
        ({"mimeType": "application/json", "text": ""}, (), {"bodySize": 180}),
        ({"mimeType": "application/json", "text": None}, (), {"bodySize": 180}),
        ({"mimeType": "application/json", "_file": "body.bin"}, (), {}),
        ({"text": BODY.decode()[:40]}, (), {"bodySize": len(BODY)}),
        ({"text": gzip.compress(BODY).decode("utf-8", "replace")}, (GZIP,), {}),
        ({"text": gzip.compress(BODY).decode("utf-8", "replace")}, (), {}),
    ],
)
def test_body_that_was_not_recorded_is_no_error_of_the_client(
    tmp_path: Path, post: Any, headers: tuple[Any, ...], sent: Any
) -> None:
    good = entry(OUTLIT, {"text": json.dumps({"visitorId": "v", "events": [PAGEVIEW]})})
    document = check(tmp_path, good, entry(WHISPERR, post, *headers, **sent))
    assert places(document) == []
    assert (document["requests"], document["bodies_not_recorded"]) == (1, 1)


PAGEVIEW = {"type": "pageview", "url": "https://a.example/", "path": "/"}


@pytest.mark.parametrize(
    ("post", "sent"),
    [
        ({"text": ""}, {"bodySize": 0}),
        (None, {"headers": [JSON, KEY, {"name": "content-length", "value": "0"}], "bodySize": 0}),
        ({"text": "{"}, {"bodySize": 1}),
        ({"text": as_base64(BODY)}, {"bodySize": len(as_base64(BODY))}),  # the client itself sent base64
        ({"params": [{"name": "a", "value": "b"}], "mimeType": "application/x-www-form-urlencoded"}, {}),
        ({"params": [{"name": "a", "value": None}], "mimeType": "multipart/form-data; boundary=x"}, {}),
    ],
)
def test_body_that_is_not_json_is_an_error_of_the_client(tmp_path: Path, post: Any, sent: Any) -> None:
    document = check(tmp_path, entry(WHISPERR, post, **sent))
    (error,) = document["findings"]
    assert "the body is not valid JSON" in error["message"]


def test_unknown_encoding_is_an_error_of_the_client(tmp_path: Path) -> None:
    brotli = {"name": "content-encoding", "value": "br"}
    (error,) = check(tmp_path, entry(WHISPERR, {"text": BODY.decode()}, brotli))["findings"]
    assert "cannot be decoded as br" in error["message"]


OTHER_HOST = "https://www.shop.example"


@pytest.mark.parametrize(
    ("url", "headers", "skipped_to"),
    [
        (f"{OTHER_HOST}/api/users", (), "other hosts"),
        (f"{OTHER_HOST}/api/i/nope", (), "other hosts"),
        (f"{OTHER_HOST}/v1/orders", (), "other hosts"),
        (f"{OTHER_HOST}/health", (), "other hosts"),
        ("https://app.outlit.ai/api/users", (), "other paths"),
        ("https://app.outlit.ai/_next/app.js", (), "other paths"),
        ("https://API.whisperr.net:443/docs", (), "other paths"),
        ("wss://api.whisperr.net/v1/events/batch", (), "other hosts"),
        ("data:application/json,{}", (), "other hosts"),
        ("blob:https://app.apex.inc/api/events", (), "other hosts"),
        ("chrome-extension://abc/api/events", (), "other hosts"),
        ("about:blank", (), "other hosts"),
        ("", (), "other hosts"),
        (f"{OTHER_HOST}/api/events", ({"name": "origin", "value": OTHER_HOST},), "other hosts"),
        (f"{OTHER_HOST}:443/api/events", ({"name": "Referer", "value": f"{OTHER_HOST}/a?b#c"},), "other hosts"),
        (f"{OTHER_HOST}/api/events", ({"name": "sec-fetch-site", "value": "same-origin"},), "other hosts"),
        ("https://app.apex.inc/api/users", ({"name": "origin", "value": "https://app.apex.inc"},), "other paths"),
        ("https://app.apex.inc/api/users", ({"name": "sec-fetch-site", "value": "same-origin"},), "other paths"),
    ],
)
def test_request_is_skipped_when_it_is_nobodys(tmp_path: Path, url: str, headers: Any, skipped_to: str) -> None:
    good = entry(OUTLIT, {"text": json.dumps({"visitorId": "v", "events": [PAGEVIEW]})})
    document = check(tmp_path, good, entry(url, {"text": "{}"}, *headers))
    assert places(document) == []
    assert (document["requests"], document["skipped"], document["skipped_to"]) == (1, 1, {skipped_to: 1})
    text = CliRunner().invoke(main, ["check", str(tmp_path / "a.har")]).output
    assert f"; skipped 1 request to {skipped_to}; 1 reply not checked\n" in text


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        (OUTLIT, "outlit"),
        (OUTLIT.replace("/api", "//api"), "outlit"),
        (OUTLIT.replace("app.outlit.ai", "127.0.0.1:8207"), "outlit"),
        (APEX, "apex"),
        (APEX.replace("app.apex.inc", "APP.apex.inc."), "apex"),
        (APEX.replace("app.apex.inc", "t.shop.example"), "apex"),
        (WHISPERR, "whisperr"),
        (OUTLIT.replace("app.outlit.ai", "t.shop.example").replace("pk_live_abc", "nokey"), "outlit"),
        ("/v1/events/batch", "whisperr"),
        ("https://app.apex.inc/api/i/v1/pk_1/events", "apex"),
    ],
)
def test_protocol_is_that_of_the_host_or_else_of_the_path(tmp_path: Path, url: str, protocol: str) -> None:
    document = check(tmp_path, entry(url, {"text": '{"projectKey": "pk"}'}))
    assert {protocol for protocol, _ in places(document)} == {protocol}


def test_key_tells_when_a_page_sends_to_its_own_host(tmp_path: Path) -> None:
    own = {"name": "Origin", "value": OTHER_HOST}
    document = check(tmp_path, entry(f"{OTHER_HOST}/api/events", {"text": '{"projectKey": "pk"}'}, own))
    assert (document["requests"], document["skipped"]) == (1, 0)


TOKEN = {"name": "authorization", "value": "Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln"}
CALLED_FROM = {"name": "origin", "value": OTHER_HOST}


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/api/events", []),
        ("POST", "/api/events", [CALLED_FROM]),
        ("POST", "/api/v1/events", [CALLED_FROM, TOKEN]),
        ("POST", "/api/identity/stitch", [CALLED_FROM]),
        ("GET", "/api/identity?visitorId=1", [CALLED_FROM, TOKEN]),
        ("GET", "/api/experiments/active?key=abc", [CALLED_FROM]),
        ("GET", "/api/identity?visitorId=1", [CALLED_FROM, KEY]),
        ("POST", "/v1/identify", [CALLED_FROM, {"name": "x-api-key", "value": "abc"}]),
        ("POST", "/v1/identify", [CALLED_FROM, {"name": "authorization", "value": "Basic a2V5Og=="}]),
        ("POST", "/v1/identify", [CALLED_FROM, TOKEN]),
        ("OPTIONS", "/api/events", [CALLED_FROM, {"name": "access-control-request-method", "value": "POST"}]),
    ],
)
def test_request_to_another_api_with_the_same_path_is_skipped(
    tmp_path: Path, method: str, path: str, headers: list[Any]
) -> None:
    good = entry(OUTLIT, {"text": json.dumps({"visitorId": "v", "events": [PAGEVIEW]})})
    other = entry(f"https://api.shop.example{path}", {"text": '{"title": "x"}'}, method=method)
    other["request"]["headers"] = [JSON, *headers]
    other["response"] = {"status": 200, "headers": [JSON], "content": {"text": '{"id": 1}'}}
    document = check(tmp_path, good, other)
    assert places(document) == []
    assert (document["requests"], document["skipped_to"]) == (1, {"other hosts": 1})


@pytest.mark.parametrize(
    ("headers", "code"),
    [([JSON], "missing_api_key"), ([JSON, TOKEN], "invalid_api_key"), ([JSON], None)],
)
def test_reply_tells_whose_a_request_without_a_key_is(tmp_path: Path, headers: list[Any], code: str | None) -> None:
    refused = entry("http://127.0.0.1:8207/v1/events/batch", {"text": BODY.decode()})
    refused["request"]["headers"] = headers
    texts = {"missing_api_key": "api key is required", "invalid_api_key": "api key is not valid"}
    answer = {"error": {"code": code, "message": texts[code], "request_id": "r-1"} if code else "no"}
    refused["response"] = {"status": 401, "headers": [JSON], "content": {"text": json.dumps(answer)}}
    document = check(tmp_path, refused)
    assert (document["requests"], document["skipped"]) == ((1, 0) if code else (0, 1))
    assert (("whisperr", "/event_type") in places(document)) is (code is not None)


def test_preflight_to_another_host_belongs_to_the_api_whose_key_it_announces(tmp_path: Path) -> None:
    asked = {"name": "Access-Control-Request-Headers", "value": "content-type, x-api-key"}
    preflight = entry("https://t.shop.example/v1/events/batch", method="OPTIONS")
    preflight["request"]["headers"] = [CALLED_FROM, {"name": "access-control-request-method", "value": "POST"}, asked]
    document = check(tmp_path, preflight)
    assert (document["requests"], document["skipped"]) == (1, 0)


def test_named_protocol_is_checked_at_any_host_and_the_error_says_so(tmp_path: Path) -> None:
    unkeyed = entry(APEX.replace("app.apex.inc", "api.shop.example"), {"text": "{}"})
    (error,) = check(tmp_path, unkeyed)["findings"]
    assert "skipped 1 request to other hosts" in error["message"]
    assert "--protocol" in error["message"]
    assert ("apex", "/projectKey") in places(check(tmp_path, unkeyed, args=("--protocol", "apex")))


def test_only_requests_of_the_named_protocol_are_checked_when_one_is_named(tmp_path: Path) -> None:
    entries = [entry(OUTLIT, {"text": "{}"}), entry(WHISPERR, {"text": BODY.decode()})]
    document = check(tmp_path, *entries, args=("--protocol", "whisperr"))
    assert places(document) == [("whisperr", "/event_type")]
    assert document["skipped_to"] == {"other hosts": 1}


def test_preflight_is_not_held_to_have_a_body(tmp_path: Path) -> None:
    document = check(tmp_path, entry(method="OPTIONS", bodySize=10), entry(WHISPERR, {"text": BODY.decode()}))
    assert (document["requests"], document["bodies_not_recorded"]) == (2, 0)


def test_byte_order_mark_is_taken_and_utf16_is_named(tmp_path: Path) -> None:
    text = json.dumps({"log": {"entries": [entry(WHISPERR, {"text": BODY.decode()})]}})
    path = tmp_path / "a.har"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert "event_type must match" in CliRunner().invoke(main, ["check", str(path)]).output
    path.write_bytes(text.encode("utf-16"))
    result = CliRunner().invoke(main, ["check", str(path)])
    assert (result.exit_code, "the file is UTF-16; save it as UTF-8" in result.output) == (1, True)


def test_compressed_archive_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(b"PK\x03\x04\x14\x00")
    result = CliRunner().invoke(main, ["check", str(tmp_path / "a.har")])
    assert (result.exit_code, "the file is compressed (zip); unpack it first" in result.output) == (1, True)


def test_archive_is_read_when_it_is_compressed_with_gzip(tmp_path: Path) -> None:
    (tmp_path / "a.har").write_bytes(gzip.compress(b'{"log": {"entries": []}}'))
    result = CliRunner().invoke(main, ["check", str(tmp_path / "a.har")])
    assert (result.exit_code, "the archive has no entries" in result.output) == (1, True)


@pytest.mark.parametrize("document", [{}, {"log": {}}, {"log": None}, {"log": {"entries": None}}, [], 7])
def test_archive_without_entries_is_an_error(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "a.har"
    path.write_text(json.dumps(document))
    result = CliRunner().invoke(main, ["check", str(path)])
    assert result.exit_code == 1
    assert "/file" in result.output


@pytest.mark.parametrize(
    ("status", "headers", "content", "checked"),
    [
        (202, (), {"text": '{"accepted": 0, "rejected": 1}'}, True),
        (202, (), {"text": ""}, False),  # the reply to a beacon in Chromium
        (202, (), {"size": 0}, False),
        (202, (), None, False),
        (202, ({"name": "Content-Length", "value": "0"},), {"text": ""}, True),
        (204, (), {"size": 0}, True),
        (0, (), {"text": "{}"}, False),
        (-1, (), {"text": "{}"}, False),
        (None, (), {"text": "{}"}, False),
        ("202", (), {"text": "{}"}, False),
    ],
)
def test_reply_is_checked_when_its_body_was_recorded(
    tmp_path: Path, status: Any, headers: Any, content: Any, checked: bool
) -> None:
    answered = entry(WHISPERR, {"text": BODY.decode()})
    answered["response"] = {"status": status, "headers": headers, "content": content}
    document = check(tmp_path, answered)
    assert (document["replies"], document["replies_not_checked"]) == (checked, not checked)
    assert [pointer for _, pointer in places(document)] == ["/event_type", *["/reply/status"] * checked]


RECEIVED = b'{"accepted": 0, "rejected": 1}'


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ((), {"text": as_base64(RECEIVED), "encoding": "base64"}),
        ((), {"text": as_base64(RECEIVED)}),  # not labelled
        ((), {"text": RECEIVED.decode(), "encoding": "base64"}),  # labelled wrongly
        ((GZIP,), {"text": RECEIVED.decode()}),
        ((GZIP,), {"text": as_base64(RECEIVED), "encoding": "base64"}),
        ((GZIP,), {"text": as_base64(gzip.compress(RECEIVED)), "encoding": "base64"}),
        ((GZIP,), {"text": as_base64(gzip.compress(RECEIVED))}),
    ],
)
def test_reply_is_read_however_it_was_recorded(tmp_path: Path, headers: tuple[Any, ...], content: Any) -> None:
    answered = entry(WHISPERR, {"text": BODY.decode().replace("Bad Name", "good_name")})
    answered["response"] = {"status": 202, "headers": [JSON, *headers], "content": content}
    document = check(tmp_path, answered)
    assert places(document) == [("whisperr", "/reply/json/accepted"), ("whisperr", "/reply/json/rejected")]


@pytest.mark.parametrize(
    ("headers", "content"),
    [
        ((), {"text": '{"accept', "size": 30}),
        (({"name": "Content-Encoding", "value": "br"},), {"text": "CwGA", "encoding": "base64"}),
        ((GZIP,), {"text": gzip.compress(RECEIVED).decode("utf-8", "replace")}),
    ],
)
def test_reply_that_was_recorded_in_part_is_not_checked(tmp_path: Path, headers: tuple[Any, ...], content: Any) -> None:
    answered = entry(WHISPERR, {"text": BODY.decode()})
    answered["response"] = {"status": 400, "headers": [JSON, *headers], "content": content}
    document = check(tmp_path, answered)
    assert places(document) == [("whisperr", "/event_type")]
    assert document["replies_not_checked"] == 1


@pytest.mark.sdk
def test_archive_of_a_real_browser_is_checked(server: str, packages: Path, tmp_path: Path) -> None:
    """Only the page's error is found; Chromium records neither the body of a Blob nor the reply to a beacon."""
    path = tmp_path / "recorded.har"
    script = packages.parent / "drivers" / "record-har.mjs"
    subprocess.run([program("node"), str(script), program("chromium"), server, str(path)], check=True, timeout=60)
    result = CliRunner().invoke(main, ["check", "--json", "--no-warnings", str(path)])
    document = json.loads(result.stdout)
    assert places(document) == [("whisperr", "/event_type")], result.output
    assert (document["requests"], document["replies"], document["replies_not_checked"]) == (2, 1, 1)
    assert (document["bodies_not_recorded"], document["skipped_to"]) == (1, {"other hosts": 2})


COMPLETE: Any = {
    "log": {
        "version": "1.2",
        "creator": {"name": "WebInspector", "version": "537.36"},
        "pages": [{"id": "page_1", "title": "https://www.shop.example/", "startedDateTime": AT}],
        "entries": [
            entry(WHISPERR, {"mimeType": "application/json", "text": as_base64(BODY), "encoding": "base64"}, GZIP),
            entry(OUTLIT, {"mimeType": "text/plain", "text": '{"visitorId": "v", "events": []}', "params": []}),
            entry(APEX, {"params": [{"name": "a", "value": "b", "fileName": "c"}]}, bodySize=3),
            entry(f"{OTHER_HOST}/api/users", {"text": "{}"}, {"name": "origin", "value": OTHER_HOST}),
            {
                "startedDateTime": AT,
                "_webSocketMessages": [{"type": "send", "data": "{}"}],
                "request": {"method": "GET", "url": "wss://x.example/", "headers": [], "cookies": []},
                "response": {"status": 101, "headers": [KEY], "content": {"size": 0}},
            },
            {
                "request": {"method": "POST", "url": OUTLIT, "headers": [JSON], "postData": {"text": "{}"}},
                "response": {"status": 200, "headers": [JSON], "content": {"text": "e30=", "encoding": "base64"}},
            },
        ],
    }
}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(mutated(COMPLETE))
def test_archive_raises_nothing_when_it_is_mutated(tmp_path: Path, document: Any) -> None:
    file = tmp_path / "mutated.har"
    file.write_text(json.dumps(document))
    assert_checked([file])
