"""Requests and their replies as the exchanges of a session, judged by a contract as a server judges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Receipt, Terms
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json
from mockserver.recording.redaction.scrubbed import SESSION, VOLATILE, recorded_reply_body
from mockserver.sessions import steps
from mockserver.sessions.exchange import (
    NO_OVERRIDE,
    WITHOUT_REPLY,
    Exchange,
    Origin,
    Relayed,
    ReplyOverride,
    SharedHead,
)
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.stores.memory import REFUSING


class NotAStepError(ValueError):
    """What is given as a fault step is none."""


class Player:
    """One session, in which requests are played in order, whatever their protocols are."""

    def __init__(self) -> None:
        self._session = Session(SESSION, SessionSettings())

    def exchange(
        self,
        request: WireRequest,
        contract: Contract,
        now_ms: int,
        reply: WireReply | None,
        *,
        origin: Origin = "upstream",
        failure: str = "",
        fault: Mapping[str, Json] | None = None,
    ) -> Exchange:
        """Return a request with the reply that it got, None for none.

        `origin` says whose reply it was, `failure` why an upstream or a recording gave none; `fault` is the step that
        was applied. Raises NotAStepError.
        """
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=now_ms))
        relayed = None
        if origin != "contract" and reply is not None:
            source: Literal["upstream", "recording"] = "upstream" if origin in ("upstream", "proxy") else "recording"
            relayed = Relayed(reply=reply, failure=failure, source=source)
        failed = origin in WITHOUT_REPLY
        stored = not failed
        if fault is not None:
            try:
                step = steps.Step(fault)
                stored = stored and step.stores
                if step.reject is not None:
                    steps.reject(judged, step)
            except (AttributeError, KeyError, TypeError, ValueError):
                raise NotAStepError("is not a fault step") from None
        if relayed is not None and relayed.reply.status >= REFUSING:
            judged.dedup = judged.entities = judged.idempotency = None
        receipt = self._session.settle(judged, stored=stored)
        own = answer(judged, receipt)
        override = NO_OVERRIDE
        if fault is not None or relayed is not None or reply is None or not _is_same(own, reply):
            override = ReplyOverride(
                reply=reply or own,
                fault=None if fault is None else dict(fault),
                lost=reply is None,
                rejected=judged.event_errors if fault is not None and "reject" in fault else (),
                relayed=relayed,
            )
        return _exchange(judged, receipt, override, own, refused=failed)

    def own(self, request: WireRequest, contract: Contract, now_ms: int) -> tuple[Exchange, Judged]:
        """Return a request with the reply of the contract, and how it was judged."""
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=now_ms))
        receipt = self._session.settle(judged)
        return _exchange(judged, receipt, NO_OVERRIDE, answer(judged, receipt)), judged


def _exchange(
    judged: Judged, receipt: Receipt, override: ReplyOverride, own: WireReply, *, refused: bool = False
) -> Exchange:
    request, terms = judged.request, judged.terms
    shared = SharedHead(
        head=structs.replace(request, body=b""),
        contract=judged.contract,
        keys=terms.keys,
        rate_mode=terms.rate_mode,
        operation=judged.operation_name,
        bytes=0,
    )
    return Exchange(
        shared=shared,
        body=request.body,
        now_ms=terms.now_ms,
        status=(override.reply or own).status,
        connection="",
        refused=refused or judged.refusal is not None or receipt.refused is not None,
        receipt=receipt,
        override=override,
    )


def _is_same(own: WireReply, reply: WireReply) -> bool:
    """Tell whether a reply is the contract's own, apart from what belongs to a connection or a moment."""
    if (own.status, _lasting(own)) != (reply.status, _lasting(reply)):
        return False
    return recorded_reply_body(own, None) == recorded_reply_body(reply, None)


def _lasting(reply: WireReply) -> list[tuple[str, str]]:
    return [(name, value) for name, value in reply.headers if name.lower().encode("utf-8", "replace") not in VOLATILE]
