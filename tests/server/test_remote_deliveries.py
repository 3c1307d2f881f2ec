"""The delivery ledger over HTTP: read while requests come, page by page, and by several readers at once."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient
from tests.sessions.keeping import deliveries


async def ledger(control: ControlClient, session: str, query: str = "") -> list[Any]:
    """Read the whole ledger."""
    status, page = await control.get(f"{session}/deliveries?limit=10000{query}")
    assert (status, page["next"]) == (200, None)
    rows: list[Any] = page["deliveries"]
    return rows


async def test_ledger_tells_the_story_of_each_event(control: ControlClient, vendor: VendorClient, session: str) -> None:
    steps = [
        {"reply": {"status": 503}, "times": 1},
        {"connection": "reset", "when": "after_commit", "times": 1},
        {"match": {"where": {"/eventName": "b"}}, "reject": {"message": "no"}, "times": 1},
    ]
    await control.put(f"{session}/faults", steps)
    await vendor.track("m1")
    await asyncio.gather(vendor.track("m1"), return_exceptions=True)
    await vendor.track("m1")
    assert (await vendor.clicks("a", "b")).status == 207
    await control.put(f"{session}/faults", [{"reply": {"status": 401}}])
    await vendor.track("m2")
    told = [(row["type"], row["by"], row["fate"], row["flags"]) for row in await ledger(control, session)]
    assert told == [
        ("paid", "$message_id", "accepted_after_retry", []),
        ("custom", "fingerprint", "accepted", []),
        ("custom", "fingerprint", "rejected", []),
        ("paid", "$message_id", "pending", []),
    ]
    final = await ledger(control, session, "&final=true")
    assert [row["fate"] for row in final] == ["accepted_after_retry", "accepted", "rejected", "lost"]
    assert [attempt["status"] for attempt in final[0]["attempts"]] == [503, None, 202]


async def test_ledger_read_again_and_again_is_the_one_read_at_the_end(
    app_server: AppServer, control: ControlClient, vendor: VendorClient, session: str
) -> None:
    dice = random.Random(20260614)
    steps = [
        {"reply": {"status": 503}, "probability": 0.2, "seed": 1},
        {"reply": {"status": 400}, "probability": 0.1, "seed": 2},
        {"reply": {"status": 503}, "when": "after_commit", "probability": 0.2, "seed": 3},
        {"delay_ms": 1, "when": "after_commit", "probability": 0.2, "seed": 4},
    ]
    await control.put(f"{session}/faults", steps)
    await control.patch(session, {"journal_limit": 40})
    other = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    for _ in range(60):
        if dice.random() < 0.5:
            await vendor.track(*(f"m{dice.randrange(20)}" for _ in range(3)))
        else:
            await vendor.clicks(*(dice.choice("ab") for _ in range(3)))
        await other.track("m1")
        read = await ledger(control, session)
        assert len(await ledger(control, f"{session}x")) == 1
    exchanges = app_server.app.store.session(vendor.key).exchanges()
    assert read == [row.as_json(final=False) for row in deliveries(exchanges)]
    assert {row["fate"] for row in read} >= {"accepted", "accepted_after_retry", "rejected_then_resent"}


async def test_ledger_is_whole_for_every_reader_when_several_read_at_once(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    for number in range(150):
        await vendor.track(f"m{number}", f"n{number}")
    readers = (ledger(control, session) for _ in range(8))
    last = asyncio.create_task(vendor.track("last"))
    for rows in await asyncio.gather(*readers):
        assert [row["id"] for row in rows][:300] == [f"{kind}{n}" for n in range(150) for kind in "mn"]
        assert all(len(row["attempts"]) == 1 for row in rows)
    assert (await last).status == 202
