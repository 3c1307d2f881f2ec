"""Playing a golden case without a server: through the core and a memory store, with the clock frozen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.core.wire import WireReply
from mockserver.lint.comparison import Difference, differences, reply_differences, row_differences
from mockserver.lint.golden_cases import AdvanceStep, Case, ExchangeStep
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View

SESSION: Final = "case"
ROOM: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedExchange:
    """One step as it was played: how the request was judged and answered, and where the case expects otherwise."""

    step: ExchangeStep
    judged: Judged
    view: View
    reply: WireReply
    differences: tuple[Difference, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedCase:
    """A case as it was played; `differences` are those of the session as a whole."""

    exchanges: tuple[PlayedExchange, ...]
    differences: tuple[Difference, ...]


async def play(case: Case, contract: Contract) -> PlayedCase:
    """Play a case under a contract, in a session of its own."""
    store = MemoryStore(SessionSettings(), max_bytes=ROOM, max_sessions=1)
    session, now_ms = store.session(SESSION), case.clock_ms
    played: list[PlayedExchange] = []
    for step in case.steps:
        if isinstance(step, AdvanceStep):
            now_ms += step.ms
            continue
        terms = Terms(now_ms=now_ms, keys=case.settings.keys, rate_mode=case.settings.rate_limits)
        played.append(await _send(step, contract, terms, store))
    counted = () if case.stored is None else differences(case.stored, session.counts.accepted, "/stored")
    return PlayedCase(exchanges=tuple(played), differences=tuple(counted))


async def _send(step: ExchangeStep, contract: Contract, terms: Terms, store: MemoryStore) -> PlayedExchange:
    judged = judge(route(RequestBody(step.request), contract), terms)
    exchange, reply = await store.commit(store.session(SESSION), judged, received_ms=terms.now_ms)
    view = View(exchange)
    differing = tuple(_differences(step, reply, view))
    return PlayedExchange(step=step, judged=judged, view=view, reply=reply, differences=differing)


def _differences(step: ExchangeStep, reply: WireReply, view: View) -> Iterator[Difference]:
    if step.expect is not None:
        yield from reply_differences(step.expect, reply)
        if step.expect.events is not None:
            yield from row_differences(step.expect.events, list(view.event_rows(warnings=False)))
