"""Stores and exchanges for unit tests: what the server would journal, without a server."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from mockserver.contract.contract import Contract
from mockserver.core.model import Judged, Receipt, Terms, Verdict
from mockserver.core.wire import WireReply, WireRequest
from mockserver.sessions.delivery import Delivery
from mockserver.sessions.exchange import NO_OVERRIDE, Exchange, ReplyOverride, SharedHead
from mockserver.sessions.ledger import Ledger
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.steps import Step, matching, next_match
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request

TALLY: Final = contract_of("tally")


def collected(
    *items: Any, token: str = "tk_one", headers: Mapping[str, str] | None = None, terms: Terms | None = None
) -> Judged:
    """Return what the made-up protocol makes of some items; one good item unless some are given."""
    request = wire_request(COLLECT, collection(*(items or (sale(),)), token=token), headers)
    return judged(TALLY, request, terms or Terms(now_ms=NOW))


def new_store(*, max_bytes: int = 1 << 24, max_sessions: int = 100, **settings: Any) -> MemoryStore:
    """Return an empty store whose sessions begin with these settings."""
    return MemoryStore(SessionSettings(**settings), max_bytes=max_bytes, max_sessions=max_sessions)


async def commit(store: MemoryStore, session: Session, *items: Any, **options: Any) -> tuple[Exchange, WireReply]:
    """Journal one request with some items in a session."""
    return await store.commit(session, collected(*items), received_ms=NOW, **options)


def exchange(
    request: WireRequest,
    verdicts: Sequence[Verdict] = (),
    *,
    contract: Contract = TALLY,
    operation: str | None = "collect",
    seq: int = 1,
    first_event: int = 1,
    status: int = 200,
    now_ms: int = NOW,
    refused: bool = False,
    override: ReplyOverride = NO_OVERRIDE,
    shared_bytes: int = 0,
) -> Exchange:
    """Return one exchange that no store has made."""
    shared = SharedHead(
        head=request, contract=contract, keys=None, rate_mode="warn", operation=operation, bytes=shared_bytes
    )
    return Exchange(
        shared=shared,
        body=request.body,
        now_ms=now_ms,
        status=status,
        connection="",
        refused=refused,
        receipt=Receipt(session="s", seq=seq, first_event=first_event, verdicts=tuple(verdicts)),
        override=override,
    )


def step_taken(steps: Iterable[Step], request: Judged) -> Step | None:
    """Return the first step that is meant for a request and can be used, used once; None when there is none."""
    choices = matching(steps, request)
    while (step := next_match(choices)) is not None:
        if step.use():
            return step
    return None


def deliveries(exchanges: Iterable[Exchange]) -> list[Delivery]:
    """Return the rows of the ledger of some exchanges, oldest event first."""
    ledger = Ledger()
    for entry in exchanges:
        deque(ledger.adding(entry), maxlen=0)
    return ledger.rows


class Onlooker:
    """A waiter that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def offer(self, exchange: Exchange, view: View) -> None:
        assert view.exchange is exchange
        self.heard.append(exchange.seq)

    def rest(self) -> None:
        self.heard.append("rest")

    def end(self, reason: Literal["deleted", "evicted"]) -> None:
        self.heard.append(reason)
