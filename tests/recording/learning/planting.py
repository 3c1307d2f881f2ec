"""Recordings of an upstream that runs under a patch that nobody tells the learner, made without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.recorder import Known, Recorder
from mockserver.recording.recordings import Recording, recording_of
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.sessions.exchange import Exchange, Relayed
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.settings import RateMode

NOW = 1_781_000_000_000
UPSTREAM = "http://upstream.test"
KEYS = {"whisperr": "wrk_abc", "outlit": "pk_abc", "apex": "apex_sk_abc"}


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One request of a script, `after_ms` after the one before it."""

    path: str
    body: Any = None
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    after_ms: int = 100

    def wire(self) -> WireRequest:
        content = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        given = {"Content-Type": "application/json", **self.headers}
        return wire_request(self.method, self.path, given.items(), b"" if self.method == "GET" else content)


def recorded(
    protocol: str,
    hidden: Mapping[str, Any],
    script: Sequence[Sent],
    *,
    replies: Mapping[int, WireReply] | None = None,
    rate_mode: RateMode = "warn",
) -> Recording:
    """Return the recording of a script that an upstream under a hidden patch answered; `replies` are others of its."""
    return recording_of(content_of(protocol, hidden, script, replies=replies, rate_mode=rate_mode), "planted.ndjson")


def contract_with(protocol: str, patch: Mapping[str, Any]) -> Contract:
    return library().protocol(protocol).contract(None, [Patch(name="hidden", patch=patch)] if patch else [])


def content_of(
    protocol: str,
    hidden: Mapping[str, Any],
    script: Sequence[Sent],
    *,
    replies: Mapping[int, WireReply] | None = None,
    rate_mode: RateMode = "warn",
) -> bytes:
    """Return the content of the file of that recording."""
    upstream, own = contract_with(protocol, hidden), contract_with(protocol, {})
    exchanges = asyncio.run(_exchanges(upstream, own, script, replies or {}, rate_mode))
    known = Known()
    for exchange in exchanges:
        known.add(exchange)
    recorder = Recorder(known.scrubber(Rules(), shaped=False))
    lines = [recorder.line(exchange) for exchange in exchanges]
    return b"".join([recorder.head({protocol: UPSTREAM}, Rules(), NOW), *lines])


async def _exchanges(
    upstream: Contract, own: Contract, script: Sequence[Sent], replies: Mapping[int, WireReply], rate_mode: RateMode
) -> list[Exchange]:
    there, store, now_ms = Session("there", SessionSettings()), _store(), NOW
    exchanges = []
    for number, sent in enumerate(script):
        now_ms += sent.after_ms
        judged = judge(route(RequestBody(sent.wire()), upstream), Terms(now_ms=now_ms, rate_mode=rate_mode))
        given = answer(judged, there.settle(judged))
        relayed = Relayed(reply=replies.get(number, given))
        judged_here = judge(route(RequestBody(sent.wire()), own), Terms(now_ms=now_ms))
        exchange, _ = await store.commit(store.session("s"), judged_here, received_ms=now_ms, relayed=relayed)
        exchanges.append(exchange)
    return exchanges


def _store() -> MemoryStore:
    return MemoryStore(SessionSettings(), max_bytes=1 << 28, max_sessions=10)
