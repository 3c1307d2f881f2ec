"""The bound on the number of sessions: who has to go, and what is said about it."""

from __future__ import annotations

import asyncio

import pytest

from mockserver.settings import Settings
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient
from tests.server.watching import watch


@pytest.fixture
def settings() -> Settings:
    """Three sessions at most."""
    return Settings(port=0, max_sessions=3)


async def test_session_idle_for_longest_is_evicted_and_that_is_said(
    control: ControlClient, vendor: VendorClient
) -> None:
    clients = [VendorClient(http=vendor.http, url=vendor.url, key=f"pk_{number}") for number in range(4)]
    for client in clients[:3]:
        await client.track("m1")
    await clients[0].track("m2")
    await control.get("/_mock/sessions/pk_1")
    await clients[3].track("m1")
    _, answer = await control.get("/_mock/sessions")
    assert [row["session"] for row in answer["sessions"]] == ["pk_0", "pk_1", "pk_3"]
    assert answer["evicted"] == 1


async def test_session_that_is_waited_for_is_kept(
    app_server: AppServer, control: ControlClient, vendor: VendorClient
) -> None:
    waits = watch(app_server.app.store.session("pk_0"))
    waiting = asyncio.create_task(control.post("/_mock/sessions/pk_0/wait", {"timeout_ms": 20_000}))
    await waits.reach(1)
    for number in range(1, 6):
        await VendorClient(http=vendor.http, url=vendor.url, key=f"pk_{number}").track("m1")
    await VendorClient(http=vendor.http, url=vendor.url, key="pk_0").track("m1")
    _, answer = await waiting
    assert answer["reason"] == "ok"
    _, answer = await control.get("/_mock/sessions")
    assert [row["session"] for row in answer["sessions"]] == ["pk_0", "pk_4", "pk_5"]


async def test_wait_ends_when_its_session_is_evicted_all_the_same(
    app_server: AppServer, control: ControlClient, vendor: VendorClient
) -> None:
    waits = []
    for number in range(3):
        opened = watch(app_server.app.store.session(f"pk_{number}"))
        path = f"/_mock/sessions/pk_{number}/wait"
        waits.append(asyncio.create_task(control.post(path, {"timeout_ms": 60_000})))
        await opened.reach(1)
    await VendorClient(http=vendor.http, url=vendor.url, key="pk_3").track("m1")
    _, answer = await waits[0]
    assert (answer["satisfied"], answer["reason"]) == (False, "evicted")
    for number in (1, 2):
        await control.delete(f"/_mock/sessions/pk_{number}")
    reasons = [(await wait)[1]["reason"] for wait in waits[1:]]
    assert reasons == ["deleted", "deleted"]
