"""Sessions: which one a request belongs to, what a session may be told, and that no other one notices."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

import pytest

from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient, clicks_body, track_body


async def listed(control: ControlClient) -> dict[str, int]:
    """Return all sessions with the number of their requests."""
    _, answer = await control.get("/_mock/sessions")
    return {row["session"]: row["requests"] for row in answer["sessions"]}


def named(key: str) -> str:
    return f"/_mock/sessions/{quote(key, safe='')}"


async def test_session_is_named_by_prefix_before_header_before_credential(
    control: ControlClient, vendor: VendorClient
) -> None:
    headers = {"X-API-Key": vendor.key, "X-Mock-Session": "by-header"}
    await vendor.post("/_mock/s/by-prefix/v1/events/batch", track_body("m1"), headers)
    await vendor.post("/v1/events/batch", track_body("m1"), headers)
    await vendor.post("/v1/events/batch", track_body("m1"), {"X-API-Key": vendor.key})
    assert await listed(control) == {"by-prefix": 1, "by-header": 1, vendor.key: 1}


@pytest.mark.parametrize(
    ("path", "body", "headers", "session"),
    [
        ("/v1/events/batch", track_body("m1"), {}, "default"),
        ("/v1/events/batch", track_body("m1"), {"X-API-Key": "k1"}, "k1"),
        ("/v1/events/batch", track_body("m1"), {"Authorization": "Bearer k2"}, "k2"),
        ("/v1/events/batch", b"{", {"X-API-Key": "k3"}, "k3"),
        ("/api/i/v1/k4/events", clicks_body("a"), {}, "k4"),
        ("/api/i/v1/k%2F5/events", clicks_body("a"), {}, "k/5"),
        ("//api/i/v1/k6/events", clicks_body("a"), {}, "k6"),
        ("/api/events", {"projectKey": "k7", "events": []}, {}, "k7"),
        ("/api/events", b'{"projectKey": "k8"', {}, "default"),
        ("/api/v1/events", {"events": []}, {"x-api-key": "k9"}, "k9"),
        ("/v1/unknown", {}, {"X-API-Key": "k10"}, "k10"),
        ("/v1/events/batch", {}, {"X-API-Key": "\\u00fc"}, "\\u00fc"),
        ("/v1/events/batch", {}, {"X-API-Key": "k" * 200}, "k" * 200),
        ("/v1/events/batch", {}, {"X-API-Key": "k" * 201}, "default"),
        ("/v1/events/batch", {}, {"X-Mock-Session": "k" * 201}, "default"),
        ("/_mock/s/a%2Fb/v1/events/batch", {}, {}, "a/b"),
        ("/_mock/s/a%252Fb/v1/events/batch", {}, {}, "a%2Fb"),
    ],
)
async def test_credential_names_the_session(
    control: ControlClient, vendor: VendorClient, path: str, body: object, headers: dict[str, str], session: str
) -> None:
    await vendor.post(path, body, headers)
    assert await listed(control) == {session: 1}
    _, described = await control.get(named(session))
    assert (described["session"], described["counts"]["requests"]) == (session, 1)


async def test_too_long_credential_leaves_a_finding(control: ControlClient, vendor: VendorClient) -> None:
    await vendor.post("/v1/events/batch", track_body("m1"), {"X-API-Key": "k" * 201})
    _, detail = await control.get("/_mock/sessions/default/requests/r1")
    assert [finding["rule"] for finding in detail["findings"]] == ["/server/long_credential"]


async def test_unseen_session_is_there_and_empty(control: ControlClient, session: str, key: str) -> None:
    status, described = await control.get(session)
    protocols = described.pop("protocols")
    assert (status, described) == (
        200,
        {
            "session": key,
            "credentials": [],
            "keys": None,
            "rate_limits": "warn",
            "journal_limit": 100_000,
            "counts": {"requests": 0, "accepted": 0, "duplicate": 0, "rejected": 0},
            "evicted": 0,
            "replay": None,
        },
    )
    assert set(protocols) == {"outlit", "apex", "whisperr"}
    assert all(protocol["patch"] is None for protocol in protocols.values())
    for what in ("requests", "events", "deliveries"):
        assert await control.get(f"{session}/{what}") == (200, {what: [], "next": None})


async def test_counts_tell_the_verdicts(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await vendor.track("m1", "m2")
    await vendor.track("m2", "m3")
    await vendor.track("m4", event_type="Not A Name")
    _, described = await control.get(session)
    assert described["counts"] == {"requests": 3, "accepted": 3, "duplicate": 1, "rejected": 1}


async def test_change_replaces_named_members_and_leaves_the_rest(control: ControlClient, session: str) -> None:
    await control.patch(session, {"keys": ["b", "a", "b"], "journal_limit": 7})
    await control.patch(session, {"rate_limits": "off"})
    status, described = await control.patch(session, {"keys": []})
    assert status == 200
    assert (described["keys"], described["rate_limits"], described["journal_limit"]) == ([], "off", 7)
    cleared = {"keys": None, "rate_limits": None, "journal_limit": None, "credentials": None, "protocols": None}
    _, described = await control.patch(session, cleared)
    assert (described["keys"], described["rate_limits"], described["journal_limit"]) == (None, "warn", 100_000)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"credential": []}, "/credential"),
        ({"keys": "k"}, "/keys"),
        ({"keys": [1]}, "/keys/0"),
        ({"rate_limits": "on"}, "/rate_limits"),
        ({"journal_limit": 0}, "/journal_limit"),
        ({"credentials": [""]}, "/credentials/0"),
        ({"credentials": ["k" * 201]}, "/credentials/0"),
        ({"protocols": {"outlet": {}}}, "/protocols/outlet"),
        ({"protocols": {"outlit": {"revision": "r9"}}}, "/protocols/outlit/revision"),
        ({"protocols": {"outlit": {"patches": {}}}}, "/protocols/outlit/patches"),
        ({"protocols": {"outlit": {"patch": {"protocols": {}}}}}, "/protocols/outlit/patch/protocols"),
        ({"protocols": {"outlit": {"patch": {"protocol": {"limit": {}}}}}}, "/protocols/outlit/patch"),
        (
            {"protocols": {"outlit": {"patch": {"events": {"custom": {"properties": {"n": {"pattern": "a{9999}"}}}}}}}},
            "/protocols/outlit/patch/events/custom/properties/n/pattern",
        ),
    ],
)
async def test_unusable_change_is_refused_with_its_place_and_changes_nothing(
    control: ControlClient, session: str, change: dict[str, Any], place: str
) -> None:
    patch = {"protocol": {"limits": {"body": {"max_bytes": 2000}}}}
    good = {"keys": ["a"], "rate_limits": "off", "credentials": ["x"], "protocols": {"apex": {"patch": patch}}}
    _, before = await control.patch(session, good)
    status, problem = await control.patch(session, {"keys": [], "journal_limit": 5, "credentials": ["y"], **change})
    assert status == 400
    assert problem["pointer"].startswith(place)
    assert await control.get(session) == (200, before)


async def test_keys_are_checked_in_the_session_the_request_resolved_to(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.patch(session, {"keys": ["other"]})
    assert (await vendor.track("m1")).status == 401
    await control.patch(session, {"keys": ["other", vendor.key]})
    assert (await vendor.track("m1")).status == 202
    assert (
        await vendor.post(f"/_mock/s/{vendor.key}/v1/events/batch", track_body("m2"), {"X-API-Key": "no"})
    ).status == 401
    await control.patch(session, {"keys": []})
    assert (await vendor.track("m3")).status == 401
    await control.patch(session, {"keys": None})
    assert (await vendor.track("m3")).status == 202


async def test_further_credentials_lead_to_the_session(
    control: ControlClient, vendor: VendorClient, session: str, key: str
) -> None:
    server_key = f"apex_sk_{key}"
    _, described = await control.patch(session, {"credentials": [server_key]})
    assert described["credentials"] == [server_key]
    await vendor.track("m1")
    await vendor.post("/api/v1/events", {"events": [{"type": "a"}]}, {"x-api-key": server_key})
    await vendor.post(f"/_mock/s/{server_key}/api/v1/events", {"events": [{"type": "a"}]}, {"x-api-key": server_key})
    assert await listed(control) == {key: 3}
    _, same = await control.get(named(server_key))
    assert (same["session"], same["counts"]["requests"]) == (key, 3)
    await control.patch(session, {"credentials": []})
    await vendor.post("/api/v1/events", {"events": [{"type": "a"}]}, {"x-api-key": server_key})
    assert await listed(control) == {key: 3, server_key: 1}


async def test_credential_of_another_session_is_a_conflict(
    control: ControlClient, vendor: VendorClient, session: str, key: str
) -> None:
    await vendor.track("m1")
    other = f"{session}x"
    await control.patch(other, {"credentials": ["shared"], "keys": ["k"]})
    for taken in ("shared", key):
        target, before = (session, None) if taken == "shared" else (other, ["shared"])
        status, problem = await control.patch(target, {"credentials": ["fresh", taken], "keys": []})
        assert (status, problem["pointer"]) == (409, "/credentials")
        _, described = await control.get(target)
        assert described["credentials"] == (before or [])
        assert described["keys"] == (["k"] if before else None)
    await control.delete(other)
    assert (await control.patch(session, {"credentials": ["shared"]}))[0] == 200


async def test_key_of_a_session_that_was_set_up_is_a_conflict_before_its_first_request(
    control: ControlClient, session: str
) -> None:
    looked_at, set_up = "looked-at", "set-up"
    await control.get(f"/_mock/sessions/{looked_at}")
    await control.patch(f"/_mock/sessions/{set_up}", {"keys": ["k"]})
    assert (await control.patch(session, {"credentials": [set_up]}))[0] == 409
    assert (await control.patch(session, {"credentials": [looked_at]}))[0] == 200


async def test_contract_patch_holds_in_its_session_only(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    patch = {"protocol": {"replies": {"counted": {"status": 207}}}}
    _, described = await control.patch(session, {"protocols": {"whisperr": {"patch": patch}}})
    assert described["protocols"]["whisperr"]["patch"] == patch
    other = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    assert ((await vendor.track("m1")).status, (await other.track("m1")).status) == (207, 202)
    _, theirs = await control.get(f"{session}x")
    assert theirs["protocols"]["whisperr"]["contract_hash"] != described["protocols"]["whisperr"]["contract_hash"]
    await control.patch(session, {"protocols": None})
    assert (await vendor.track("m2")).status == 202


async def test_revision_and_patch_go_together(control: ControlClient, vendor: VendorClient, session: str) -> None:
    change = {
        "protocols": {
            "outlit": {"revision": "r4-2026-08", "patch": {"protocol": {"limits": {"body": {"max_bytes": 30}}}}}
        }
    }
    _, described = await control.patch(session, change)
    assert described["protocols"]["outlit"]["revision"] == "r4-2026-08"
    assert (await vendor.clicks("a")).status == 413


async def test_delete_forgets_this_session_and_no_other(
    control: ControlClient, vendor: VendorClient, session: str, key: str
) -> None:
    other = VendorClient(http=vendor.http, url=vendor.url, key=key + "x")
    await vendor.track("m1")
    await other.track("m1")
    await control.patch(session, {"keys": [key], "credentials": ["further"], "journal_limit": 3})
    await control.put(f"{session}/clock", {"now": "2031-01-01T00:00:00Z", "frozen": True})
    await control.put(f"{session}/faults", [{"connection": "reset"}])
    assert await control.delete(session) == (204, None)
    assert await listed(control) == {other.key: 1}
    _, described = await control.get(session)
    assert (described["keys"], described["credentials"], described["journal_limit"]) == (None, [], 100_000)
    assert (await vendor.track("m1")).json == {"accepted": 1, "rejected": 0}
    _, page = await control.get(f"{session}/events")
    assert [(row["id"], row["verdict"]) for row in page["events"]] == [("e1", "accepted")]
    assert [row["verdict"] for row in (await control.get(f"{session}x/events"))[1]["events"]] == ["accepted"]


async def test_delete_of_an_unseen_session_is_done_already(control: ControlClient, session: str) -> None:
    assert await control.delete(session) == (204, None)
    assert await listed(control) == {}


async def test_dedup_is_the_sessions_and_each_protocols_own(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    name = "0190a1b2-0000-7000-8000-000000000001"
    await vendor.track(name)
    await vendor.post(f"/api/i/v1/{vendor.key}/events", clicks_body("a", uuid=name))
    other = VendorClient(http=vendor.http, url=vendor.url, key=vendor.key + "x")
    await other.track(name)
    await vendor.track(name)
    _, page = await control.get(f"{session}/events")
    assert [row["verdict"] for row in page["events"]] == ["accepted", "accepted", "duplicate"]
    _, page = await control.get(f"{session}x/events")
    assert [row["verdict"] for row in page["events"]] == ["accepted"]


async def test_journal_limit_drops_the_oldest_and_counts_them(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    for number in range(5):
        await vendor.track(f"m{number}")
    await control.patch(session, {"journal_limit": 2})
    await vendor.track("m0")
    _, described = await control.get(session)
    assert (described["evicted"], described["counts"]["requests"]) == (4, 6)
    _, page = await control.get(f"{session}/events")
    assert [(row["id"], row["verdict"]) for row in page["events"]] == [("e5", "accepted"), ("e6", "duplicate")]
    _, ledger = await control.get(f"{session}/deliveries")
    assert [row["id"] for row in ledger["deliveries"]] == ["m4", "m0"]


@pytest.mark.parametrize("what", ["requests", "events", "deliveries"])
async def test_pages_join_without_gap_or_repeat(
    control: ControlClient, vendor: VendorClient, session: str, what: str
) -> None:
    for number in range(7):
        await vendor.track(f"m{number}")
    _, whole = await control.get(f"{session}/{what}")
    pages: list[list[Any]] = []
    after: int | None = 0
    while after is not None:
        _, page = await control.get(f"{session}/{what}?limit=3&after={after}")
        pages.append(page[what])
        after = page["next"]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [row for page in pages for row in page] == whole[what]
    assert whole["next"] is None


async def test_lists_are_filtered(control: ControlClient, vendor: VendorClient, session: str) -> None:
    await vendor.track("m1")
    await vendor.track("m1", "m2", event_type="opened")
    await vendor.clicks("a")
    await vendor.track("m3", occurred_at="never")

    async def ids(query: str) -> list[str]:
        what = query.partition("?")[0]
        _, page = await control.get(f"{session}/{query}")
        return [row["id"] for row in page[what]]

    assert await ids("requests?protocol=outlit") == ["r3"]
    assert await ids("requests?operation=batch") == ["r1", "r2", "r4"]
    assert await ids("requests?status=400") == ["r4"]
    assert await ids("events?protocol=whisperr") == ["e1", "e2", "e3", "e5"]
    assert await ids("events?type=opened") == ["e2", "e3"]
    assert await ids("events?verdict=duplicate") == ["e2"]
    assert await ids("events?verdict=rejected") == ["e5"]
    assert await ids("events?verdict=any&after=3") == ["e4", "e5"]
    assert await ids("events?protocol=whisperr&verdict=accepted&limit=1&after=1") == ["e3"]


async def test_concurrent_requests_of_many_sessions_stay_apart(control: ControlClient, vendor: VendorClient) -> None:
    clients = [VendorClient(http=vendor.http, url=vendor.url, key=f"pk_{number:02}") for number in range(16)]
    for number, client in enumerate(clients):
        await control.put(f"/_mock/sessions/{client.key}/faults", [{"reply": {"status": 500 + number}, "times": 2}])
    sent = [client.track(f"m{number}") for number in range(8) for client in clients]
    replies = await asyncio.gather(*sent)
    for number, client in enumerate(clients):
        statuses = sorted(reply.status for reply in replies[number::16])
        assert statuses == [202] * 6 + [500 + number] * 2
        _, described = await control.get(f"/_mock/sessions/{client.key}")
        assert described["counts"] == {"requests": 8, "accepted": 6, "duplicate": 0, "rejected": 2}
