"""Contracts with one member changed at random: refused at load, or good for answering every request."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockserver.contract.contract import DOCUMENTS, Contract
from mockserver.contract.fidelity import facts
from mockserver.contract.library import Library, Protocol, library
from mockserver.contract.publish import openapi
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.errors import ContractError
from mockserver.jsonkit import pointer
from mockserver.lint.wire_requests import wire_request
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from tests import cases

TALLY = Library([Path(__file__).parent.parent / "fourth"]).protocol("tally")


def _places(value: Any, tokens: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, member in members:
        yield (*tokens, name)
        yield from _places(member, (*tokens, name))


def _changed(value: Any, tokens: tuple[Any, ...], change: Callable[[Any, Any], None]) -> Any:
    made = json.loads(json.dumps(value))
    holder = made
    for token in tokens[:-1]:
        holder = holder[token]
    change(holder, tokens[-1])
    return made


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["${accepted}", "/", "/x", "object", "events", "[", "assumed: x", "\ud800"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def corrupted(draw: st.DrawFn) -> tuple[Protocol, dict[str, Any]]:
    """Draw one of our protocols and its documents with one member replaced, removed, renamed, added or copied over."""
    protocol = draw(st.sampled_from([*library().protocols.values(), TALLY]))
    document = draw(st.sampled_from(DOCUMENTS))
    places = list(_places(protocol.documents[document]))
    tokens = draw(st.sampled_from(places))
    what = draw(st.sampled_from(["replace", "remove", "rename", "add", "copy"]))
    value = protocol.documents[document]
    if what == "copy":
        value = pointer.get(value, [str(token) for token in draw(st.sampled_from(places))])
    else:
        value = draw(JSON)

    def change(holder: Any, name: Any) -> None:
        if what in ("replace", "copy"):
            holder[name] = value
        elif what == "remove" or isinstance(holder, list):
            del holder[name]
        else:
            holder[draw(st.text(max_size=8))] = holder.pop(name) if what == "rename" else value

    made = _changed(protocol.documents[document], tokens, change)
    return protocol, {**protocol.documents, document: made}


def _written(protocol: Protocol, documents: dict[str, Any], folder: Path) -> Path:
    """Write a protocol with other documents than its own; return its folder."""
    made = folder / protocol.name
    shutil.copytree(protocol.folder, made, ignore=shutil.ignore_patterns("__pycache__"))
    for name, document in documents.items():
        if document is not protocol.documents[name]:
            (made / f"{name}.yaml").write_text(json.dumps(document))
    return made


async def _answered(contract: Contract, requests: list[WireRequest]) -> None:
    store = MemoryStore(SessionSettings(), max_bytes=1 << 30, max_sessions=10)
    session, now = store.session("corrupted"), 1_781_438_402_000
    for request in requests:
        terms = Terms(now_ms=now, rate_mode="enforce")
        judged = judge(route(RequestBody(request), contract), terms)
        exchange, reply = await store.commit(session, judged, received_ms=now)
        view = View(exchange)
        assert view.reply() == reply
        assert len(list(view.event_rows())) == len(exchange.receipt.verdicts)
        assert view.request_detail()["status"] == reply.status


REQUESTS: dict[str, list[WireRequest]] = {}
for _case in cases.load_all():
    if Path(_case.file).stat().st_size < 4000:
        REQUESTS.setdefault(_case.protocol, []).extend(step.request for step in _case.exchanges)
REQUESTS["tally"] = [
    wire_request(
        "POST",
        "/tally/v2/main/collect",
        [("content-type", "application/json")],
        json.dumps({"token": "tk_a", "total": total, "items": items}).encode(),
    )
    for total, items in [
        (0, [{"kind": "view", "ref": "a", "at": "2026-06-14T12:00:00.000Z"}, {"kind": "gift"}, 7]),
        (5, [{"kind": "sale", "ref": "a", "cents": 5}]),
        (1, []),
    ]
]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(corrupted(), st.data())
def test_corrupted_contract_is_refused_or_answers_every_request(
    drawn: tuple[Protocol, dict[str, Any]], data: st.DataObject
) -> None:
    protocol, documents = drawn
    with TemporaryDirectory() as folder:
        try:
            contract = Protocol(_written(protocol, documents, Path(folder)), library().meta).contract()
        except ContractError:
            return
    requests = data.draw(st.lists(st.sampled_from(REQUESTS[protocol.name]), min_size=5, max_size=5))
    asyncio.run(_answered(contract, requests))
    assert facts(contract)
    assert openapi(contract)["openapi"] == "3.1.0"
