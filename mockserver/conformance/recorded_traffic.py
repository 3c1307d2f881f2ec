"""The exchanges of a recording as a session would have journalled them, so that rules are judged on them too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.recording.recordings import RecordedExchange, Recording
from mockserver.sessions.exchange import HANDED_THROUGH, Exchange, Relayed
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.steps import Step, reject
from mockserver.sessions.stores.memory import MemoryStore

ROOM: Final = 1 << 40
SESSION: Final = "recording"


async def exchanges_of(recording: Recording, contracts: Mapping[str, Contract]) -> list[Exchange]:
    """Return the exchanges of a recording under the contracts, in their order; `contracts` has one for each protocol.

    Answers are those of the recording. When an answer left that a fault step held up is worked out from the step.
    """
    store = MemoryStore(SessionSettings(journal_limit=len(recording.exchanges) + 1), max_bytes=ROOM, max_sessions=1)
    exchanges = [await _journalled(each, contracts[each.protocol], store) for each in recording.exchanges]
    for exchange in exchanges:
        _note_answer(exchange, exchanges)
    return exchanges


async def _journalled(recorded: RecordedExchange, contract: Contract, store: MemoryStore) -> Exchange:
    judged = judge(route(RequestBody(recorded.request), contract), Terms(now_ms=recorded.now_ms))
    step = None if recorded.fault is None else Step({**recorded.fault, "times": 1})
    if step is not None and step.reject is not None:
        reject(judged, step)
    relayed = None
    if recorded.origin in HANDED_THROUGH and recorded.reply is not None:
        relayed = Relayed(reply=recorded.reply, source="recording" if recorded.origin == "recording" else "upstream")
    session = store.session(SESSION)
    exchange, _ = await store.commit(session, judged, received_ms=recorded.now_ms, step=step, relayed=relayed)
    if recorded.reply is not None and relayed is None and not exchange.override.lost:
        exchange.status = recorded.reply.status
        exchange.override = replace(exchange.override, reply=recorded.reply)
    return exchange


def _note_answer(exchange: Exchange, exchanges: Sequence[Exchange]) -> None:
    fault = exchange.override.fault
    delay = fault.get("delay_ms") if isinstance(fault, dict) else None
    delay = delay["min"] if isinstance(delay, dict) else delay
    if delay:
        left = exchange.received_ms + round(delay)
        newest = max(other.seq for other in exchanges if other.received_ms <= left)
        exchange.override = replace(exchange.override, answered=(left, newest))
