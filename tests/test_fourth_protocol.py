"""A fourth protocol: a folder of contracts with an adapter in it, served with no other change."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.settings import Settings
from tests.live import Live, Reply, live
from tests.processes import served

FOURTH = Path(__file__).parent / "fourth"
PATH = "/tally/v2/main/collect"
NOW = "2026-06-14T12:00:00.000Z"


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Live]:
    shutil.copytree(FOURTH, tmp_path / "contracts", ignore=shutil.ignore_patterns("__pycache__"))
    async with live(Settings(port=0, contracts=(tmp_path / "contracts",))) as running:
        yield running


async def collect(
    server: Live, *items: Any, token: str = "tk_one", total: int | None = None, once: str | None = None
) -> Reply:
    worth = sum(item.get("cents", 0) for item in items)
    body = {"token": token, "total": worth if total is None else total, "items": items}
    headers = {"Content-Type": "application/json", **({} if once is None else {"Tally-Once": once})}
    return await server.send("POST", PATH, headers, json.dumps(body).encode())


async def freeze(server: Live, session: str, now: str = NOW) -> None:
    status, _ = await server.control.put(f"/_mock/sessions/{session}/clock", {"now": now, "frozen": True})
    assert status == 200


async def test_token_in_the_body_names_the_session(server: Live) -> None:
    assert (await collect(server, {"kind": "view", "ref": "a"}, token="tk_one")).status == 201
    assert (await collect(server, {"kind": "view", "ref": "a"}, token="tk_two")).status == 201
    assert [row["verdict"] for row in await server.events("tk_one")] == ["accepted"]
    assert [row["verdict"] for row in await server.events("tk_two")] == ["accepted"]


@pytest.mark.parametrize("body", [b'{"total": 0, "items": []}', b'{"token": "TK1", "total": 0, "items": []}'])
async def test_request_is_refused_in_the_vendors_words_when_the_token_is_not_one(server: Live, body: bytes) -> None:
    reply = await server.send("POST", PATH, {"Content-Type": "application/json"}, body)
    assert (reply.status, json.loads(reply.body)) == (402, {"problem": "no_token", "text": "pay first"})


async def test_good_items_are_taken_when_others_are_bad(server: Live) -> None:
    items = [
        {"kind": "sale", "ref": "a", "cents": 5},
        {"kind": "gift", "ref": "b"},
        {"kind": "sale", "ref": "c", "cents": -1},
        {"kind": "view", "ref": "d", "colour": "red"},
        {"kind": "sale", "ref": "e", "cents": 7},
    ]
    reply = await collect(server, *items)
    left = [{"at": 1, "why": "misfit"}, {"at": 2, "why": "misfit"}, {"at": 3, "why": "misfit"}]
    assert reply.status == 202
    assert json.loads(reply.body) == {"taken": 2, "again": 0, "worth": 12, "left": left}
    rows = await server.events("tk_one")
    assert [row["verdict"] for row in rows] == ["accepted", "rejected", "rejected", "rejected", "accepted"]
    assert [finding["pointer"] for finding in rows[2]["findings"]] == ["/cents"]


async def test_item_is_stored_once_when_it_is_sent_twice(server: Live) -> None:
    sale = {"kind": "sale", "ref": "a", "cents": 5}
    assert json.loads((await collect(server, sale, sale)).body) == {"taken": 1, "again": 1, "worth": 5}
    assert json.loads((await collect(server, sale)).body) == {"taken": 0, "again": 1, "worth": 0}
    assert [row["verdict"] for row in await server.events("tk_one")] == ["accepted", "duplicate", "duplicate"]


async def test_fourth_request_of_a_minute_is_refused_when_rates_are_enforced(server: Live) -> None:
    await server.control.patch("/_mock/sessions/tk_one", {"rate_limits": "enforce"})
    await freeze(server, "tk_one")
    replies = [await collect(server, {"kind": "view", "ref": str(number)}) for number in range(4)]
    assert [reply.status for reply in replies] == [201, 201, 201, 420]
    assert [reply.headers["tally-left"] for reply in replies] == ["2", "1", "0", "0"]
    assert replies[3].headers["tally-wait"] == "60"
    assert json.loads(replies[3].body) == {"problem": "calm_down", "text": "too fast"}
    await server.control.post("/_mock/sessions/tk_one/clock/advance", {"ms": 60_000})
    assert (await collect(server, {"kind": "view", "ref": "4"})).status == 201


@pytest.mark.parametrize(
    ("at", "status"),
    [
        ("2026-06-14T11:00:00.000Z", 201),
        ("2026-06-14T10:59:59.999Z", 202),
        (NOW, 201),
        ("2026-06-14T12:00:00.001Z", 202),
    ],
)
async def test_item_is_refused_when_its_time_is_outside_the_window(server: Live, at: str, status: int) -> None:
    await freeze(server, "tk_one")
    reply = await collect(server, {"kind": "view", "ref": "a", "at": at})
    assert reply.status == status
    assert json.loads(reply.body).get("left", []) == ([{"at": 0, "why": "stale"}] if status == 202 else [])


async def test_request_is_not_carried_out_again_when_its_idempotency_key_is_known(server: Live) -> None:
    await freeze(server, "tk_one")
    assert (await collect(server, {"kind": "view", "ref": "a"}, once="k1")).status == 201
    again = await collect(server, {"kind": "view", "ref": "b"}, once="k1")
    assert (again.status, json.loads(again.body), again.headers["tally-once"]) == (208, {"once": "k1"}, "k1")
    await server.control.post("/_mock/sessions/tk_one/clock/advance", {"ms": 600_000})
    assert (await collect(server, {"kind": "view", "ref": "b"}, once="k1")).status == 201
    assert [row["verdict"] for row in await server.events("tk_one")] == ["accepted", "duplicate", "accepted"]


async def test_adapters_own_gate_refuses_the_request(server: Live) -> None:
    reply = await collect(server, {"kind": "sale", "ref": "a", "cents": 5}, total=6)
    assert reply.status == 409
    assert json.loads(reply.body) == {"problem": "miscounted", "text": "the items add up to 5"}


async def test_other_bad_requests_are_answered_in_the_vendors_shape(server: Live) -> None:
    wrong_method = await server.send("GET", PATH, {}, None)
    assert (wrong_method.status, wrong_method.headers["allow"]) == (405, "POST")
    assert json.loads(wrong_method.body) == {"problem": "method_not_allowed", "text": "Method Not Allowed"}
    assert (await server.send("POST", "/tally/v9/collect", {}, b"{}")).status == 404
    assert (await server.send("POST", PATH, {}, b"{")).status == 400
    assert (await server.send("POST", PATH, {}, b" " * 4097)).status == 413


async def test_newer_revision_gives_warnings_and_can_be_pinned(server: Live) -> None:
    await collect(server, {"kind": "view", "ref": "a"})
    (row,) = await server.events("tk_one")
    assert [(finding["severity"], finding["pointer"]) for finding in row["findings"]] == [("warning", "/at")]
    await server.control.patch("/_mock/sessions/tk_one", {"protocols": {"tally": {"revision": "strict"}}})
    assert (await collect(server, {"kind": "view", "ref": "b"})).status == 202


async def test_control_surface_knows_the_protocol(server: Live) -> None:
    _, listed = await server.control.get("/_mock/protocols")
    (mine,) = [protocol for protocol in listed["protocols"] if protocol["name"] == "tally"]
    assert mine == {
        "name": "tally",
        "operations": ["collect"],
        "revisions": ["base", "strict"],
        "revision": "base",
        "newest": "strict",
        "upstream": None,
        "clients": [
            {
                "name": "till",
                "title": "Tally at the till",
                "text": "tally-till:",
                "code": 'till.connect("{url}", "tk_demo")',
                "source": "assumed: a protocol of the tests",
            }
        ],
    }
    _, openapi = await server.control.get("/_mock/openapi/tally.json")
    assert sorted(openapi["paths"]["/tally/v2/{stream}/collect"]["post"]["responses"])[:2] == ["201", "202"]
    _, schemas = await server.control.get("/_mock/schemas/tally/events.json")
    assert schemas["$defs"]["sale"]["required"] == ["kind", "ref", "cents"]
    _, ledger = await server.control.get("/_mock/fidelity?protocol=tally")
    facts = {fact["pointer"]: fact["value"] for fact in ledger["facts"]}
    assert facts["/protocol/limits/per_minute/requests"] == 3
    assert {fact["basis"] for fact in ledger["facts"]} == {"assumed"}


async def test_the_three_protocols_are_served_beside_it(server: Live) -> None:
    key = {"X-API-Key": "wrk_beside"}
    assert (await server.send("POST", "/v1/identify", {**key, "Content-Type": "application/json"}, b"{}")).status == 400
    assert (await server.send("POST", "/api/events", {}, b"{}")).status == 400
    assert (await server.send("POST", "/api/i/v1/pk_beside/events", {}, b"{}")).status == 400


def test_command_line_serves_it_from_any_folder(tmp_path: Path) -> None:
    shutil.copytree(FOURTH, tmp_path / "contracts", ignore=shutil.ignore_patterns("__pycache__"))
    with served("--contracts", str(tmp_path / "contracts")) as process:
        body = {"token": "tk_cli", "total": 5, "items": [{"kind": "sale", "ref": "a", "cents": 5}]}
        request = urllib.request.Request(process.url + PATH, json.dumps(body).encode(), method="POST")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
            assert (reply.status, json.load(reply)) == (201, {"taken": 1, "again": 0, "worth": 5})
