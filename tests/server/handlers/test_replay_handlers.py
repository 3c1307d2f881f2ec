"""The control calls for the recording of a session, and what a server survives of recordings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mockserver.contract.library import library
from mockserver.lint.checker import CheckOptions, check
from mockserver.server import control as surface
from mockserver.server import replaying
from mockserver.server.reloading import reload
from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.recording.made import event, exchange, lines
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient


async def put(control: ControlClient, session: str, content: bytes, query: str = "") -> tuple[int, Any]:
    headers = {"Content-Type": "application/x-ndjson"}
    async with control.http.put(f"{control.url}{session}/recording{query}", data=content, headers=headers) as reply:
        return reply.status, await reply.json()


async def track(vendor: VendorClient, message: str, user: str = "ada", **members: Any) -> Any:
    body = {"events": [event("paid", message, user, **members)]}
    return await vendor.post("/v1/events/batch", body, {"X-API-Key": vendor.key})


async def test_recording_is_set_described_and_removed(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    status, described = await put(control, session, lines(exchange(status=299)), "?record=none&repeats=true")
    assert status == 200
    counts = {"exchanges": 1, "played": 0, "new": 0, "unmatched": 0}
    assert described["replay"] == {"record": "none", "repeats": True, **counts}
    assert {state["mode"] for state in described["protocols"].values()} == {"replay"}
    assert (await track(vendor, "k-1")).status == 299
    assert (await control.get(session))[1]["replay"]["played"] == 1
    status, described = await control.delete(f"{session}/recording")
    assert (status, described["replay"]) == (200, None)
    assert (await track(vendor, "k-2")).status == 202
    assert (await control.delete(f"{session}/recording"))[0] == 200


async def test_recording_is_got_as_it_was_put_and_passes_check(
    control: ControlClient, session: str, tmp_path: Path
) -> None:
    content = lines(exchange(reply={"json": {"accepted": 1, "rejected": 0}}))
    await put(control, session, content)
    async with control.http.get(f"{control.url}{session}/recording") as reply:
        assert (reply.status, reply.headers["Content-Type"]) == (200, "application/x-ndjson")
        text = await reply.read()
    assert [json.loads(line) for line in text.splitlines()] == [json.loads(line) for line in content.splitlines()]
    (tmp_path / "r.ndjson").write_bytes(text)
    checked = await asyncio.to_thread(check, [tmp_path / "r.ndjson"], library(), CheckOptions(warnings=False))
    assert [problem.finding.message for problem in checked.problems if problem.finding.severity == "error"] == []


@pytest.mark.parametrize(
    ("content", "query", "problem"),
    [
        (b"", "?record=none", "the recording is empty; expected a head and exchanges, one per line"),
        (b"nonsense", "", "the recording line 1: "),
        (lines({**exchange(), "protocol": "none"}), "", 'the recording line 2 /protocol: unknown protocol "none"'),
        (lines(), "?record=never", "record: "),
        (lines(), "?mode=none", 'unknown query parameter "mode"'),
    ],
)
async def test_recording_that_cannot_be_used_changes_nothing(
    control: ControlClient, session: str, content: bytes, query: str, problem: str
) -> None:
    await put(control, session, lines(exchange()))
    status, reply = await put(control, session, content, query)
    assert (status, reply["detail"].startswith(problem)) == (400, True), reply
    assert (await control.get(session))[1]["replay"]["exchanges"] == 1


async def test_session_without_a_recording_has_none_to_get(control: ControlClient, session: str) -> None:
    status, reply = await control.get(f"{session}/recording")
    assert (status, reply["detail"]) == (404, "the session has no recording; PUT one, or export the session")


async def test_new_exchange_that_cannot_be_recorded_is_named(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await put(control, session, b"", "?record=once")
    await track(vendor, "m-1")
    await control.call("PATCH", session, {"journal_limit": 1})
    await track(vendor, "m-2")
    status, reply = await control.get(f"{session}/recording")
    assert (status, reply["detail"]) == (409, "1 requests were evicted from the journal; record fewer at once")


async def test_too_long_body_is_refused(control: ControlClient, session: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surface, "MAX_LINES", 1000)
    status, reply = await put(control, session, lines(*[exchange()] * 5))
    assert (status, reply["detail"]) == (413, "the body is longer than 1000 bytes")


@pytest.fixture
def many() -> bytes:
    """A recording of many equal requests with ids that differ, and of a long one."""
    rows: list[Mapping[str, Any]] = [
        exchange(event(user=f"<id:{number}>", message=f"m-{number}"), id=f"x{number}") for number in range(1, 1001)
    ]
    long = exchange(
        *(event("long", f"n-{number}", "<id:0>", properties={"n": number}) for number in range(400)), id="x9000"
    )
    return lines(*rows, long)


@pytest.mark.parametrize("searched", [0, 10_000])
async def test_large_recording_is_played_to_requests_that_come_at_once(
    control: ControlClient,
    vendor: VendorClient,
    session: str,
    many: bytes,
    monkeypatch: pytest.MonkeyPatch,
    searched: int,
) -> None:
    """Equal requests are searched within a turn of the loop, or in a thread where that takes longer."""
    monkeypatch.setattr(replaying, "QUICKLY_SEARCHED", searched)
    status, described = await put(control, session, many)
    assert (status, described["replay"]["exchanges"]) == (200, 1001)
    replies = await asyncio.gather(*(track(vendor, f"k-{number}", f"u-{number}") for number in range(30)))
    body = {"events": [event("long", f"l-{number}", "eve", properties={"n": number}) for number in range(400)]}
    long = await vendor.post("/v1/events/batch", body, {"X-API-Key": vendor.key})
    unknown = await track(vendor, "k-1", "u-1", properties={"new": 1})
    assert {reply.status for reply in replies} == {202}
    assert (long.status, unknown.status) == (202, 404)
    assert (await control.get(session))[1]["replay"] == {
        "record": "once",
        "repeats": False,
        "exchanges": 1001,
        "played": 31,
        "new": 1,
        "unmatched": 1,
    }


async def test_recording_is_played_after_the_contracts_were_loaded_again(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: whisperr\npatch: {protocol: {limits: {body: {max_bytes: 100000}}}}\n")
    settings = Settings(port=0, contract_patches=(patch,), reload=True)
    async with serving(settings) as (app, url), aiohttp.ClientSession() as http:
        control, vendor = ControlClient(http, url), VendorClient(http=http, url=url, key="wrk_reloaded")
        await put(control, "/_mock/sessions/wrk_reloaded", lines(exchange(status=299), exchange(status=298)))
        assert (await track(vendor, "k-1")).status == 299
        patch.write_text("protocol: whisperr\npatch: {protocol: {limits: {body: {max_bytes: 200000}}}}\n")
        assert await reload(settings, app.handlers.contracts, app.store)
        assert (await track(vendor, "k-1")).status == 298
        assert (await track(vendor, "k-1")).status == 404
