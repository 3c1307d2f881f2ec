"""The requests printed on the vendors' pages, sent over HTTP and answered as the pages say."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.core.wire import WireReply
from mockserver.jsonkit import yamltext
from mockserver.lint.comparison import reply_differences
from mockserver.lint.golden_cases import ExpectedReply
from mockserver.settings import Settings
from tests.live import Live, Reply, live

EXAMPLES: dict[str, Any] = {
    example["name"]: example for example in yamltext.load(Path(__file__).with_name("documented_examples.yaml"))
}
MEMBERS = {"name", "page", "section", "path", "key", "clock", "settings", "status", "reply", "body"}


@pytest.fixture
async def server() -> AsyncIterator[Live]:
    async with live(Settings(port=0)) as running:
        yield running


def filled(value: Any) -> Any:
    """Replace `$now` by what `Date.now()` returns."""
    if isinstance(value, dict):
        return {name: filled(member) for name, member in value.items()}
    if isinstance(value, list):
        return [filled(item) for item in value]
    return time.time_ns() // 1_000_000 if value == "$now" else value


def session_of(example: Any) -> str:
    """Return the credential of an example, which names its session."""
    inside = example["body"].get("projectKey")
    return str(example.get("key") or inside or example["path"].split("/")[4])


async def send(server: Live, example: Any) -> Reply:
    key = {"X-API-Key": example["key"]} if "key" in example else {}
    body = json.dumps(filled(example["body"]), ensure_ascii=False).encode()
    return await server.send("POST", example["path"], {"Content-Type": "application/json", **key}, body)


async def prepare(server: Live, example: Any) -> str:
    """Give the example's session the clock and settings it asks for."""
    session = session_of(example)
    if "clock" in example:
        status, _ = await server.control.put(f"/_mock/sessions/{session}/clock", {"now": example["clock"]})
        assert status == 200
    if "settings" in example:
        status, _ = await server.control.patch(f"/_mock/sessions/{session}", example["settings"])
        assert status == 200
    return session


@pytest.mark.parametrize("name", EXAMPLES)
async def test_example_is_answered_as_its_page_says(server: Live, name: str) -> None:
    example = EXAMPLES[name]
    assert not set(example) - MEMBERS
    session = await prepare(server, example)
    reply = await send(server, example)
    answered = WireReply(status=reply.status, headers=tuple(reply.headers.items()), body=reply.body)
    assert not list(reply_differences(ExpectedReply(status=example["status"], json=example["reply"]), answered))
    assert reply.headers["content-type"] == "application/json"
    rows = await server.events(session)
    good = example["reply"].get("processed", len(rows))
    assert [row["verdict"] for row in rows].count("accepted") == good


def test_every_page_is_exemplified() -> None:
    pages = {"Ingest Events", "Node.js SDK", "Events API", "Track events"}
    assert {example["page"] for example in EXAMPLES.values()} == pages


async def test_whisperr_batch_is_stored_once_when_it_is_sent_twice(server: Live) -> None:
    example = EXAMPLES["whisperr curl of a batch"]
    session = await prepare(server, example)
    first, second = await send(server, example), await send(server, example)
    assert (first.status, first.body) == (second.status, second.body)
    rows = await server.events(session)
    assert [row["verdict"] for row in rows] == ["accepted", "accepted", "duplicate", "duplicate"]
    assert [row["stored"] is not None for row in rows] == [True, True, False, False]


async def test_whisperr_batch_is_refused_when_the_clock_is_past_its_window(server: Live) -> None:
    example = EXAMPLES["whisperr curl of a batch"]
    await prepare(server, {**example, "clock": "2026-07-14T12:00:01.251Z"})
    reply = await send(server, example)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (400, "timestamp_out_of_window")


async def test_sensitive_form_fields_are_stripped_of_what_is_stored(server: Live) -> None:
    form = {
        "type": "form",
        "url": "https://x.example/",
        "path": "/",
        "formFields": {"email": "j@x.example", "Pass-Word": "s"},
    }
    example = {**EXAMPLES["outlit browser body"], "body": {"visitorId": "v", "events": [form]}}
    assert (await send(server, example)).status == 200
    (row,) = await server.events(session_of(example))
    assert row["stored"]["formFields"] == {"email": "j@x.example"}
    assert row["event"] == form
