"""Recordings: no secret in any of them, the verdicts of the originals in all of them, written whole or not at all."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import jsonschema_rs
import pytest

from mockserver import recording
from mockserver.contract.library import library
from mockserver.lint.checker import CheckOptions, check
from mockserver.recording import recorder
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.recording.secret_ways import KEY, MAIL, NAME, OTHER, WAYS
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.raw import Attack, Plain, carry_out, once
from tests.server.scripted_upstream import upstream
from tests.server.vendor_client import VendorClient

SCHEMA = json.loads(Path(recording.__file__).with_name("recording.schema.json").read_bytes())
LINE = jsonschema_rs.Draft202012Validator(SCHEMA)


async def exported(control: ControlClient, name: str, *rules: str) -> list[Any]:
    """Return the lines of a session's recording, each of which follows the schema."""
    text = await text_of(control, name, *rules)
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        LINE.validate(line)
    assert "recording" in lines[0]
    assert not any("recording" in line for line in lines[1:])
    return lines


async def text_of(control: ControlClient, name: str, *rules: str) -> str:
    query = f"&redact={quote(json.dumps(rules))}" if rules else ""
    async with control.http.get(f"{control.url}/_mock/sessions/{name}/export?format=recording{query}") as reply:
        assert reply.status == 200, await reply.text()
        assert reply.headers["Content-Type"] == "application/x-ndjson"
        return await reply.text()


async def rows(control: ControlClient, name: str) -> tuple[list[Any], list[Any]]:
    """Return what the journal has of a session: the rules of its requests, and the verdicts and rules of its events."""
    requests = (await control.get(f"/_mock/sessions/{name}/requests"))[1]["requests"]
    details = [(await control.get(f"/_mock/sessions/{name}/requests/{row['id']}"))[1] for row in requests]
    events = (await control.get(f"/_mock/sessions/{name}/events"))[1]["events"]
    return [rules_of(detail) for detail in details], [(row["verdict"], rules_of(row)) for row in events]


def rules_of(row: Any) -> list[str]:
    return [finding["rule"] for finding in row["findings"]]


@pytest.mark.parametrize("name", WAYS)
async def test_no_secret_is_in_a_recording_and_it_is_judged_alike(
    app_server: AppServer, control: ControlClient, tmp_path: Path, name: str
) -> None:
    way = WAYS[name]
    sent = Plain(
        method=way.request.method,
        path=f"/_mock/s/way{way.request.path}",
        headers=way.request.headers,
        body=way.request.body,
    )
    if way.chunked:
        pieces = (
            sent.head("Transfer-Encoding: chunked", "Connection: close") + sent.chunked(10).partition(b"\r\n\r\n")[2]
        )
        await carry_out(app_server.port, Attack(pieces=(pieces,)))
    else:
        await once(app_server.port, sent)
    text = await text_of(control, "way")
    shown = {word: word in text or quote(word) in text for word in way.hidden}
    assert not any(shown.values()), shown
    lines = await exported(control, "way")
    exchange = lines[1]
    requests, events = await rows(control, "way")
    assert [rules_of(exchange)] == requests
    assert [(event["verdict"], rules_of(event)) for event in exchange["events"]] == events
    file = tmp_path / "recorded.ndjson"
    file.write_text(text)
    again = await asyncio.to_thread(check, [file], library(), CheckOptions(warnings=False))
    errors = [problem for problem in again.problems if problem.finding.severity == "error"]
    refused = exchange["reply"]["status"] >= 400 or any(event["verdict"] == "rejected" for event in exchange["events"])
    if not any(
        "unknown_entity" in rule for rule in rules_of(exchange)
    ):  # whoever reads a file does not know the entities
        assert bool(errors) == refused, errors
    assert not any(problem.finding.pointer.startswith("/reply") for problem in errors), errors


async def test_same_session_is_recorded_to_the_same_bytes(control: ControlClient, vendor: VendorClient) -> None:
    await vendor.track("m1", "m2", properties={"mail": MAIL})
    assert await text_of(control, vendor.key) == await text_of(control, vendor.key)


async def test_equal_values_stay_equal_and_repeats_stay_repeats(control: ControlClient, vendor: VendorClient) -> None:
    people = ["ada", "bob", "ada"]
    for number, person in enumerate(people):
        await vendor.track(f"id-{number % 2}", external_user_id=person, properties={"seen_by": f"{person}@b.example"})
    lines = (await exported(control, vendor.key))[1:]
    events = [line["request"]["body"]["json"]["events"][0] for line in lines]
    ids = [event["external_user_id"] for event in events]
    mails = [event["properties"]["seen_by"] for event in events]
    assert ids == ["<id:1>", "<id:2>", "<id:1>"]
    assert mails == ["user-1@example.test", "user-2@example.test", "user-1@example.test"]
    assert [line["events"][0]["verdict"] for line in lines] == ["accepted", "accepted", "duplicate"]
    assert len({json.dumps(line["request"]["headers"]) for line in lines}) == 1
    assert lines[0]["at_ms"] == 0


async def test_key_of_one_request_is_found_in_another_before_it(control: ControlClient, vendor: VendorClient) -> None:
    body = {
        "events": [
            {
                "external_user_id": "u1",
                "event_type": "paid",
                "context": {"$message_id": "a"},
                "properties": {"note": f"see {OTHER}"},
            }
        ]
    }
    await vendor.post("/_mock/s/two/v1/events/batch", body, {"X-API-Key": "wrk_first"})
    await vendor.post("/_mock/s/two/v1/events/batch", body, {"X-API-Key": "wrk_first", "X-Secret": OTHER})
    text = await text_of(control, "two")
    assert OTHER not in text
    assert "wrk_first" not in text


async def test_rules_of_the_user_hide_more(control: ControlClient, vendor: VendorClient) -> None:
    query = "/v1/events/batch?tenant=acme&page=2"
    body = {
        "events": [
            {
                "external_user_id": "u1",
                "event_type": "paid",
                "context": {"$message_id": "a"},
                "properties": {"plan": "pro", "ref": "ACME-12"},
            }
        ]
    }
    await vendor.post(query, body, {"X-API-Key": vendor.key, "Accept-Language": "tlh"})
    plain = await text_of(control, vendor.key)
    assert all(word in plain for word in ("acme", "pro", "ACME-12", "tlh"))
    rules = ("query:tenant", "/events/*/properties/plan", "regex:^ACME-[0-9]+$", "header:accept-language")
    lines = await exported(control, vendor.key, *rules)
    text = json.dumps(lines)
    assert not any(word in text for word in ("acme", '"pro"', "ACME-12", "tlh"))
    assert "page=2" in text
    assert lines[0]["redaction"]["rules"] == 4


async def test_rule_that_cannot_be_used_is_refused(control: ControlClient, session: str) -> None:
    status, problem = await control.get(f"{session}/export?format=recording&redact={quote(json.dumps(['cookie:x']))}")
    assert (status, problem["parameter"]) == (400, "redact")
    assert "header:NAME" in problem["detail"]
    status, problem = await control.get(f"{session}/export?redact={quote(json.dumps(['header:x']))}")
    assert (status, problem["parameter"]) == (400, "redact")


async def test_value_that_the_contract_judges_is_hidden_in_its_own_shape(
    control: ControlClient, vendor: VendorClient
) -> None:
    await vendor.track("m1")
    lines = await exported(control, vendor.key, "/events/*/event_type")
    event_type = lines[1]["request"]["body"]["json"]["events"][0]["event_type"]
    assert event_type != "paid"


async def test_exchange_that_would_be_judged_otherwise_is_named_and_nothing_is_written(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1")
    await vendor.clicks("c")
    rule = quote(json.dumps(["/source"]))
    status, problem = await control.get(f"{session}/export?format=recording&redact={rule}")
    assert status == 409
    assert "request r2 cannot be recorded: it would be judged otherwise" in problem["detail"]


async def test_recording_of_a_session_without_requests_is_a_head(control: ControlClient) -> None:
    (head,) = await exported(control, "nobody")
    assert head["contracts"] == head["upstreams"] == {}
    async with control.http.head(f"{control.url}/_mock/sessions/nobody/export?format=recording") as reply:
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/x-ndjson")


async def test_nothing_volatile_is_in_a_recording(control: ControlClient, vendor: VendorClient) -> None:
    texts = []
    for name in ("first", "second"):
        await control.put(f"/_mock/sessions/{name}/clock", {"now": "2026-06-14T12:00:00Z", "frozen": True})
        for _ in range(2):
            await vendor.post(
                f"/_mock/s/{name}/v1/events/track",
                {"external_user_id": "u1", "event_type": "paid", "context": {"$message_id": "a"}},
                {"X-API-Key": f"wrk_{name}00"[:9]},
            )
        texts.append(await text_of(control, name))
    assert texts[0] == texts[1]
    assert f":{control.url.rpartition(':')[2]}" not in texts[0]
    assert json.loads(texts[0].splitlines()[0])["created"] == "2026-06-14T12:00:00.000Z"


async def test_large_and_late_bodies_are_recorded_by_their_size(app_server: AppServer, control: ControlClient) -> None:
    big = b'{"events": "' + b"x" * (6 * 1024 * 1024) + b'"}'
    headers = (("X-API-Key", KEY), ("Content-Type", "application/json"))
    assert (
        await once(app_server.port, Plain(path="/_mock/s/big/v1/events/batch", headers=headers, body=big))
    ).status == 413
    bomb = (*headers, ("Content-Encoding", "gzip"))
    answer = await once(
        app_server.port, Plain(path="/_mock/s/big/v1/events/batch", headers=bomb, body=gzip.compress(big))
    )
    assert answer.status == 413
    lines = (await exported(control, "big"))[1:]
    assert [line["request"]["body"]["left_out"] for line in lines] == ["body too large"] * 2
    assert len(json.dumps(lines)) < 10_000


REPLY = (
    b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=c00kieS3cret; Path=/\r\nX-Debug: head3rSecret\r\n"
    b"%bContent-Length: %d\r\n\r\n%b"
)


@pytest.fixture
async def proxied(http: aiohttp.ClientSession) -> AsyncIterator[tuple[ControlClient, VendorClient]]:
    packed = gzip.compress(json.dumps({"token": "Zs3cr3tToken9", "mail": MAIL, "key": KEY, "ok": 1}).encode())
    page = f"<p>{MAIL} {KEY} token=Zs3cr3tToken9</p>".encode()
    replies = (
        REPLY % (b"Content-Encoding: gzip\r\n", len(packed), packed),
        REPLY % (b"", len(page), page),
        REPLY % (b"", 4, b"\xff\xfe\x00x"),
    )
    async with upstream(*replies) as there, serving(Settings(port=0, upstreams={"whisperr": there.url})) as (_, url):
        yield ControlClient(http, url), VendorClient(http=http, url=url, key=KEY)


async def test_no_secret_of_a_reply_of_an_upstream_is_in_a_recording(
    proxied: tuple[ControlClient, VendorClient],
) -> None:
    control, vendor = proxied
    for _ in range(3):
        await vendor.track("m1")
    text = await text_of(control, KEY)
    for word in ("Zs3cr3tToken9", MAIL, KEY, "c00kieS3cret", "head3rSecret"):
        assert word not in text
    head, first, second, third = await exported(control, KEY)
    assert head["upstreams"].keys() == {"whisperr"}
    assert [line["reply"]["from"] for line in (first, second, third)] == ["upstream"] * 3
    assert first["reply"]["body"]["json"]["ok"] == 1
    assert "text" in second["reply"]["body"]
    assert third["reply"]["body"]["left_out"] == "not UTF-8"
    assert {difference["pointer"] for difference in first["differs"]} >= {"/reply/status"}
    assert (first["events"][0]["verdict"], second["events"][0]["verdict"]) == ("accepted", "duplicate")


async def test_faults_and_lost_replies_are_recorded(control: ControlClient, vendor: VendorClient, session: str) -> None:
    steps = [
        {"reply": {"status": 503, "body": {"error": f"ask {MAIL}"}}, "times": 1},
        {"connection": "drop", "times": 1},
        {"reject": {"message": f"not {NAME}, {MAIL}"}, "times": 1},
    ]
    assert (await control.put(f"{session}/faults", steps))[0] == 200
    for _ in steps:
        try:
            await vendor.track("m1")
        except aiohttp.ClientError:
            continue
    lines = (await exported(control, vendor.key))[1:]
    assert [line["reply"] and line["reply"]["status"] for line in lines] == [503, None, 202]
    assert all("fault" in line for line in lines)
    assert MAIL not in json.dumps(lines)


async def test_request_that_comes_meanwhile_is_in_the_next_recording(
    control: ControlClient, vendor: VendorClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await vendor.track("m1")
    add, loop = recorder.Known.add, asyncio.get_running_loop()

    def adding(known: recorder.Known, exchange: Any) -> None:
        add(known, exchange)
        asyncio.run_coroutine_threadsafe(vendor.track("m2", external_user_id=OTHER), loop).result(20)

    monkeypatch.setattr(recorder.Known, "add", adding)
    assert len(await exported(control, vendor.key)) == 2
    monkeypatch.setattr(recorder.Known, "add", add)
    lines = await exported(control, vendor.key)
    assert len(lines) == 3
    assert OTHER not in json.dumps(lines)


@pytest.mark.parametrize(
    ("format", "media_type", "beginning"),
    [
        ("har", "application/json", b'{"log":{"version":"1.2"'),
        ("vcr", "application/yaml", b"interactions:\n"),
        ("case", "application/yaml", b"case: recording\nprotocol: whisperr\n"),
    ],
)
async def test_export_over_http_has_other_formats_and_says_what_they_cannot_hold(
    control: ControlClient, vendor: VendorClient, format: str, media_type: str, beginning: bytes
) -> None:
    await vendor.track("m1", external_user_id=MAIL)
    url = f"{control.url}/_mock/sessions/{vendor.key}/export?format={format}"
    async with control.http.get(url) as reply:
        body = await reply.read()
        assert (reply.status, reply.headers["Content-Type"]) == (200, media_type)
        assert bool(json.loads(reply.headers["X-Mock-Left-Out"])) == (format != "har")
    assert body.startswith(beginning)
    assert vendor.key.encode() not in body
    assert MAIL.encode() not in body
    async with control.http.head(url) as reply:
        assert (reply.status, reply.headers["Content-Type"]) == (200, media_type)


async def test_session_of_two_protocols_is_no_golden_case(control: ControlClient, vendor: VendorClient) -> None:
    prefix = f"{vendor.url}/_mock/s/two"
    for path in ("/v1/events/batch", "/api/i/v1/pk_x/events"):
        async with vendor.http.post(prefix + path, json={}) as reply:
            assert reply.status in (400, 401)
    status, problem = await control.get("/_mock/sessions/two/export?format=case")
    assert (status, "one protocol, not of outlit, whisperr" in problem["detail"]) == (409, True)
