"""Every golden exchange, in process: no sockets, the session's clock frozen where the case says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.contract.library import Patch, library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from tests import cases


@pytest.mark.parametrize("case", cases.load_all(), ids=str)
async def test_case_is_answered_as_written(case: cases.Case) -> None:
    found = [difference async for difference in _run(case)]
    assert not found, f"{case.document['dossier']}\n" + "\n".join(found)


async def _run(case: cases.Case) -> Any:
    document = case.document
    patches = [Patch(name="case", patch=document["patch"])] if "patch" in document else []
    contract = library().protocol(case.protocol).contract(document.get("revision"), patches)
    store = MemoryStore(SessionSettings(), max_bytes=1 << 30, max_sessions=10)
    session, now = store.session(case.name), case.clock
    settings = document.get("settings", {})
    keys = settings.get("keys")
    terms = {"keys": None if keys is None else frozenset(keys), "rate_mode": settings.get("rate_limits", "warn")}
    for number, step in enumerate(document["steps"]):
        if "advance_ms" in step:
            now += step["advance_ms"]
            continue
        judged = judge(route(RequestBody(cases.wire_request(step["request"])), contract), Terms(now_ms=now, **terms))
        exchange, reply = await store.commit(session, judged, received_ms=now)
        headers = {name.lower(): value for name, value in reply.headers}
        view = View(exchange)
        assert view.reply() == reply, "the reply worked out later is the reply that was sent"
        for difference in _step(step["expect"], reply.status, headers, reply.body, view):
            yield f"step {number}: {difference}"
    if "stored" in document and session.counts.accepted != document["stored"]:
        yield f"stored: expected {document['stored']}, got {session.counts.accepted}"


def _step(expect: dict[str, Any], status: int, headers: dict[str, str], body: bytes, view: View) -> Iterator[str]:
    yield from cases.reply_differences(expect, status, headers, body)
    rows = list(view.event_rows())
    if "events" in expect:
        yield from cases.row_differences(expect["events"], rows)
    for row in rows:
        if row["verdict"] == "rejected" and not [f for f in row["findings"] if f["severity"] == "error"]:
            yield f"event {row['index']} was refused without a finding"
