"""Files that lie, are broken or mean harm: a clear error that names the place, and nothing comes out."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any
from urllib.parse import quote

import pytest

from mockserver.lint.document_schema import FormatError
from mockserver.recording.formats import cassette_reader
from mockserver.recording.formats.conversion import Format
from mockserver.recording.formats.writer import NotHeldError
from tests.recording.formats.converting import converted, rows_of
from tests.recording.formats.traffic import recordings
from tests.recording.secret_ways import KEY, MAIL

GOOD: dict[str, Any] = {
    "startedDateTime": "2026-06-14T12:00:00.000Z",
    "request": {
        "method": "POST",
        "url": "https://api.whisperr.net/v1/events/batch",
        "headers": [{"name": "X-API-Key", "value": KEY}, {"name": "Content-Type", "value": "application/json"}],
        "postData": {"mimeType": "application/json", "text": json.dumps({"events": [{"event_type": "paid"}]})},
    },
    "response": {"status": 400, "headers": [], "content": {"text": "{}", "size": 2, "mimeType": "application/json"}},
}
INTERACTION = """
interactions:
- request:
    method: POST
    uri: https://api.whisperr.net/v1/events/batch
    body: '{"events": [{"event_type": "paid"}]}'
    headers: {X-API-Key: [wrk_S3cretKey4711], Content-Type: [application/json]}
  response:
    status: {code: 202, message: Accepted}
    headers: {Date: ['Sun, 14 Jun 2026 12:00:00 GMT']}
    body: {string: '{"accepted": 1, "rejected": 0}'}
version: 1
"""


def archive(*entries: Any, **log: Any) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": list(entries), **log}}).encode()


def changed(change: dict[str, Any], value: Any = GOOD) -> Any:
    """Return an entry with some members changed, whatever is in them."""
    return {
        name: changed(change[name], value.get(name, {}))
        if isinstance(change.get(name), dict) and isinstance(value.get(name, {}), dict)
        else change.get(name, value.get(name))
        for name in {**value, **change}
    }


def problem(content: bytes, read_as: Format) -> str:
    """Return the error of a file that cannot be read."""
    with pytest.raises(FormatError) as refused:
        converted(content, read_as, "recording")
    return str(refused.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"request": {"method": 5}}, "x.har entry 1 /request/method: 5 is not of type"),
        ({"request": {"url": ["x"]}}, "x.har entry 1 /request/url:"),
        ({"request": {"url": "http://[::1"}}, "x.har entry 1 /request/url: is not a valid URL"),
        ({"request": {"headers": {"X-API-Key": "k"}}}, "x.har entry 1 /request/headers:"),
        ({"request": {"headers": [{"value": "k"}]}}, 'x.har entry 1 /request/headers/0: "name" is a required property'),
        ({"request": {"postData": {"text": [{"events": []}]}}}, "x.har entry 1 /request/postData/text:"),
        ({"response": {"content": {"text": 5}}}, "x.har entry 1 /response/content/text:"),
        ({"startedDateTime": 5}, "x.har entry 1 /startedDateTime:"),
        ({"request": "GET /"}, "x.har entry 1 /request:"),
    ],
    ids=["method", "url", "bad-url", "headers", "nameless", "post", "content", "time", "request"],
)
def test_har_entry_with_a_wrong_type_is_named(change: dict[str, Any], place: str) -> None:
    assert problem(archive(GOOD, changed(change)), "har").startswith(place)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "is not valid JSON"),
        (b'{"log": []}', "/log:"),
        (b'{"log": {"entries": {}}}', "/log/entries:"),
        (archive(), "has no request to apex, outlit or whisperr to record"),
        (b"\xff\xfe{\0}\0", "UTF-16"),
        (b'{"log":' * 300, "is not valid JSON"),
        (b'{"log": {"entries": [' + b"[" * 300 + b"]" * 300 + b"]}}", "nested deeper than 254 levels"),
        (archive(GOOD, _mockserver={"contracts": [], "upstreams": {}}), "/log/_mockserver /contracts:"),
    ],
    ids=["cut", "log", "entries", "empty", "utf16", "open", "deep", "head"],
)
def test_file_that_is_no_har_archive_is_refused(content: bytes, text: str) -> None:
    assert text in problem(content, "har")


@pytest.mark.parametrize(
    ("own", "text"),
    [
        ({"protocol": 5}, "/protocol:"),
        ({"from": "nobody"}, "/from:"),
        ({"request_body": "xml"}, "/request_body:"),
        ({"request_body": {"left_out": "x", "bytes": 10**12}}, "/request_body/bytes:"),
        ({"request_body": "base64"}, "/request/postData/text: is not valid base64"),
        ({"fault": "reset"}, "/fault:"),
        ({"fault": {"reply": {"body": {}}}}, "is not a fault step"),
        ({"fault": {"match": 7, "reject": {}}}, "is not a fault step"),
        ({"fault": {"delay_ms": "x" * 9, "seed": []}}, "is not a fault step"),
        ({"reply_body": "json"}, None),
    ],
    ids=["protocol", "from", "body", "huge", "base64", "fault", "reply", "reject", "delay", "good"],
)
def test_archive_that_says_it_is_ours_is_not_trusted(own: dict[str, Any], text: str | None) -> None:
    head = {"contracts": {"whisperr": {"revision": "base"}}, "upstreams": {}}
    entry = {**GOOD, "_mockserver": {"protocol": "whisperr", "from": "upstream", "request_body": "json", **own}}
    content = archive(entry, _mockserver=head)
    if text is not None:
        assert text in problem(content, "har")
        return
    recording = converted(content, "har", "recording")
    assert KEY.encode() not in recording.content
    assert rows_of(recording.content)[1]["events"][0]["verdict"] == "rejected"


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (
            "method: POST",
            "method: !!python/object:os.system {}",
            "line 4: objects of a programming language are not read",
        ),
        ("method: POST", "method: !!python/object/apply:os.system [id]", "line 4: objects of a programming language"),
        ("method: POST", "method: !!python/name:os.system ''", "line 4: objects of a programming language"),
        ("method: POST", "method: [", "line 6: is not valid YAML"),
        ("method: POST", "method: {a: 1}", 'interaction 0 /request/method: {"a":1} is not of type "string"'),
        ("method: POST", "1: 2", "line 4: is not valid YAML: a key must be a string"),
        ("method: POST", "? [a]\n    : b", "a key must be a string"),
        ("method: POST", "method: &a POST\n    x: *a", "line 5: aliases are not read"),
        ("code: 202", "code: two", "interaction 0 /response/status/code:"),
        ("code: 202", "code: .nan", "interaction 0 /response/status/code:"),
        ("code: 202", "code: 99999", "interaction 0 /response/status/code:"),
        ("{string: '{", "{string: !!binary 'a', x: '{", "interaction 0 /response/body/string: is not valid base64"),
        ("https://api", "https://[::1", "interaction 0 /request/uri: is not a valid URL"),
        ("version: 1", "version: 2", "/version:"),
        ("interactions:", "episodes:", '"interactions" is a required property'),
        ("body: '{", "body: [a, '{", "line 7: is not valid YAML"),
        ("version: 1", "version: 1\nx: " + "[" * 500 + "]" * 500, "nested deeper than"),
        ("version: 1", "version: 1\nx: \x01", "is not valid YAML"),
    ],
    ids=[
        "object",
        "apply",
        "name",
        "cut",
        "method",
        "key",
        "list-key",
        "alias",
        "status",
        "nan",
        "large-status",
        "base64",
        "url",
        "version",
        "episodes",
        "body",
        "deep",
        "control",
    ],
)
def test_hostile_cassette_is_refused_and_the_place_is_named(old: str, new: str, text: str) -> None:
    assert old in INTERACTION
    assert text in problem(INTERACTION.replace(old, new).encode(), "vcr")


def test_merges_of_merges_do_not_grow() -> None:
    lines = ["a0: {k: v}"] + [f"a{n + 1}: {{<<: [{{a: b}}, {{a: b}}]}}" for n in range(20)]
    assert "line 14: objects of" in problem((INTERACTION + "\n".join(lines) + "\n").encode(), "vcr")


def test_cassette_of_a_hundred_megabytes_is_refused_before_it_is_read() -> None:
    content = INTERACTION.encode() + b"#" * cassette_reader.LARGEST
    assert "is larger than 64 MiB" in problem(content, "vcr")


def test_har_archive_of_a_hundred_megabytes_keeps_the_sizes_of_bodies_or_names_them() -> None:
    text = '"' + "x" * 70_000_000 + '"'
    sent = [changed({"request": {"postData": {"text": body}}}) for body in (text, text[:30_000_000])]
    replied = changed({"response": {"content": {"text": text}}})
    done = converted(archive(GOOD, *sent, replied), "har", "recording")
    _, first, large, unanswered = rows_of(done.content)
    assert "json" in first["request"]["body"]
    assert large["request"]["body"] == {"left_out": "body too large", "bytes": 30_000_000}
    assert unanswered["reply"] is None
    assert done.notes == [
        "requests whose bodies are larger than 64 MiB: 1 (entry 1)",
        "replies whose bodies are larger than 64 MiB, recorded as no reply: 1 (entry 3)",
    ]


def test_mixed_hosts_are_counted_and_named() -> None:
    others = [changed({"request": {"url": f"https://cdn{number}.example/x?key={KEY}"}}) for number in range(7)]
    page = changed({"request": {"url": "https://api.whisperr.net/pricing"}})
    second = changed({"request": {"url": "https://staging.example/v1/events/batch"}})
    done = converted(archive(GOOD, *others, page, second), "har", "recording")
    assert (done.exchanges, [row["protocol"] for row in rows_of(done.content)[1:]]) == (2, ["whisperr"] * 2)
    names = ", ".join(f"https://cdn{number}.example" for number in range(5))
    assert done.notes == [
        f"requests to other hosts: 7 ({names} and 2 more)",
        "requests to other paths: 1 (entry 8)",
        "requests to whisperr at a second host; the head names the first: 1 (https://staging.example)",
    ]
    assert KEY not in "".join(done.notes)


def test_request_of_no_protocol_alone_is_an_error_that_names_where_it_went() -> None:
    only = archive(changed({"request": {"url": "https://cdn.example/x"}}))
    text = "has no request to apex, outlit or whisperr to record; requests to other hosts: 1 (https://cdn.example)"
    assert f"{text}; name the API with --protocol" in problem(only, "har")


def test_entries_come_in_the_order_of_their_times() -> None:
    early = changed(
        {"startedDateTime": "2026-06-14T11:59:00.000Z", "request": {"url": "https://api.whisperr.net/v1/identify"}}
    )
    head, *rows = rows_of(converted(archive(GOOD, early), "har", "recording").content)
    assert head["created"] == "2026-06-14T11:59:00.000Z"
    assert [(row["operation"], row["at_ms"]) for row in rows] == [("identify", 0), ("batch", 60_000)]


def test_requests_without_a_time_have_that_of_the_file() -> None:
    timeless = changed({"startedDateTime": None})
    done = converted(archive(timeless), "har", "recording")
    assert rows_of(done.content)[0]["created"] == "2026-06-14T12:00:00.000Z"
    assert done.notes == ["requests without a time, recorded at that of the one before or of the file: 1"]


def test_compressed_reply_in_a_har_archive_stays_readable_and_one_in_another_encoding_too() -> None:
    replies = [
        changed({"response": {"headers": [{"name": "Content-Encoding", "value": encoding}]}})
        for encoding in ("gzip", "br", "identity")
    ]
    _, *rows = rows_of(converted(archive(*replies), "har", "recording").content)
    assert [row["reply"]["body"] for row in rows] == [{"json": {}}] * 3
    assert [row["reply"]["headers"] for row in rows] == [
        [["Content-Encoding", "gzip"]], [], [["Content-Encoding", "identity"]],
    ]  # fmt: skip


def test_reply_whose_body_is_not_in_the_file_is_recorded_as_none() -> None:
    done = converted(archive(changed({"response": {"content": {"text": None}}})), "har", "recording")
    assert rows_of(done.content)[1]["reply"] is None
    assert done.notes == ["replies whose bodies the file does not have, recorded as no reply: 1 (entry 0)"]


WAYS: dict[str, dict[str, Any]] = {
    "header": {"request": {"headers": [{"name": "X-API-Key", "value": KEY}, {"name": "X-Other", "value": MAIL}]}},
    "query": {"request": {"url": f"https://api.whisperr.net/v1/events/batch?api_key={KEY}&mail={quote(MAIL)}"}},
    "body": {"request": {"postData": {"text": json.dumps({"events": [], "token": KEY, "mail": MAIL})}}},
    "base64": {"request": {"postData": {"text": json.dumps({"events": [base64.b64encode(KEY.encode()).decode()]})}}},
    "garbage": {"request": {"postData": {"text": f"{KEY} {MAIL}"}}},
    "reply": {"response": {"content": {"text": json.dumps({"yours": KEY, "mail": MAIL})}}},
    "cookie": {"response": {"headers": [{"name": "Set-Cookie", "value": f"sid={KEY}"}]}},
    "referer": {"request": {"headers": [{"name": "X-API-Key", "value": KEY}, {"name": "Referer", "value": f"/{KEY}"}]}},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("write_as", ["recording", "har", "vcr", "case"])
def test_secret_of_a_har_archive_is_in_no_format(way: str, write_as: Any) -> None:
    content = archive(GOOD, changed(WAYS[way]))
    assert KEY.encode() in content
    written = converted(content, "har", write_as).content
    for secret in (KEY, MAIL, quote(MAIL), base64.b64encode(KEY.encode()).decode().rstrip("=")):
        assert secret.encode() not in written


def test_secret_in_a_compressed_body_of_a_cassette_is_hidden_in_it() -> None:
    packed = base64.b64encode(gzip.compress(json.dumps({"events": [], "token": KEY}).encode())).decode()
    cassette = INTERACTION.replace('body: \'{"events": [{"event_type": "paid"}]}\'', f"body: !!binary {packed}")
    cassette = cassette.replace("headers: {X", "headers: {Content-Encoding: [gzip], X")
    _, row = rows_of(converted(cassette.encode(), "vcr", "recording").content)
    assert row["request"]["body"]["json"]["events"] == []
    assert KEY not in json.dumps(row)


def test_rule_that_hides_what_the_contract_checks_names_the_entry() -> None:
    good = {
        "external_user_id": "u",
        "event_type": "paid",
        "context": {"$message_id": "m"},
        "occurred_at": "2026-06-14T12:00:00Z",
    }
    entry = changed({"request": {"postData": {"text": json.dumps({"events": [good]})}}})
    with pytest.raises(FormatError, match="entry 1: cannot be recorded: it would be judged otherwise"):
        converted(archive(GOOD, entry), "har", "recording", "/events/*/occurred_at")


def test_golden_case_cannot_hold_two_protocols_or_nothing() -> None:
    with pytest.raises(NotHeldError, match="one protocol, not of outlit, whisperr; choose one with --protocol"):
        converted(recordings()["contract"], "recording", "case")
    with pytest.raises(NotHeldError, match="at least one request: exchanges whose reply is a fault's"):
        converted(recordings()["gone"], "recording", "case")
