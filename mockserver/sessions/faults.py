"""What a fault step does to one request: events made to fail, the reply that is sent instead of the contract's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.answer import family_of, refusal_reply, wire
from mockserver.core.events import INVALID_EVENT
from mockserver.core.findings import Finding
from mockserver.core.model import EventError, Judged, Receipt, Refusal
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.pointer import MISSING
from mockserver.jsonkit.template import fill_text, names
from mockserver.sessions.exchange import ReplyOverride
from mockserver.sessions.steps import BODILESS, CLOSE_IDLE, Rejection, ScriptedReply, Step

INJECTED_RULE: Final = "/fault"
LAST: Final = sys.maxsize
"""The place in the precedence of what a step refuses: behind every gate."""


def override_of(judged: Judged, receipt: Receipt, step: Step, shown: Json, own: WireReply) -> ReplyOverride:
    """Return what a step changes of an exchange. `shown` is the step as rows show it, `own` the contract's reply."""
    if step.reply is not None:
        return ReplyOverride(fault=shown, reply=injected_reply(judged, receipt, step.reply, own))
    lost = step.connection not in (None, "dribble", CLOSE_IDLE)
    rejected = () if step.reject is None else judged.event_errors
    return ReplyOverride(fault=shown, reply=own, lost=lost, rejected=rejected)


def reject(judged: Judged, step: Step, rejection: Rejection) -> None:
    """Make the matching events of a batch fail, as if the vendor had refused them.

    Where the event is the whole request, the request is refused.
    """
    chosen = step.matching_events(judged)
    errors = {error.index: error for error in judged.event_errors}
    for index in chosen:
        errors.setdefault(index, _forced(judged, rejection, index))
    judged.event_errors = tuple(errors[index] for index in sorted(errors))
    _give_up(judged.dedup, chosen)
    _give_up(judged.entities, chosen)
    if chosen and judged.refusal is None and judged.form is not None and judged.form.single:
        error = errors[chosen[0]]
        assert error.finding is not None
        judged.refusal = Refusal(reason=error.reason, order=LAST, finding=error.finding, detail=error.message)


def _give_up(claims: list[bytes | None] | None, indexes: Sequence[int]) -> None:
    """Drop the claims of events that are not stored."""
    for index in indexes if claims is not None else ():
        assert claims is not None
        claims[index] = None


def _forced(judged: Judged, rejection: Rejection, index: int) -> EventError:
    """Return the error of an event that a step rejects, in the contract's own words where the step has none."""
    form = judged.form
    place = "event" if form is None or form.single or form.events is None else ".".join((*form.events, str(index)))
    variables = {"field": "event", "path": place, "detail": "rejected by a fault step"}
    message = rejection.message or fill_text(judged.contract.message("default"), variables)
    finding = Finding(
        rule=INJECTED_RULE,
        severity="error",
        pointer="",
        expected=None,
        got=None,
        source=SERVER_RULES[INJECTED_RULE].source,
        message=message,
    )
    gate = None if judged.operation is None else judged.operation.gate("events")
    reason = INVALID_EVENT if gate is None else gate.reason(INVALID_EVENT)
    return EventError(index=index, reason=reason, message=message, finding=finding, code=rejection.code)


def injected_reply(judged: Judged, receipt: Receipt, scripted: ScriptedReply, own: WireReply | None) -> WireReply:
    """Return the reply a step asks for.

    Without a body it is the contract's own refusal for that status, or the family's default with the standard phrase;
    below 400 it is the contract's own reply under another status. The step's headers win.
    """
    status = scripted.status
    if scripted.body is not MISSING:
        reply = _with_body(judged, receipt, scripted.body, status)
    elif status >= 400:
        reply = wire(refusal_reply(judged, receipt, _reason_for(judged, status), status=status))
    else:
        headers = () if own is None else own.headers
        bare = own is None or status in BODILESS
        headers = tuple(pair for pair in headers if pair[0] != "Content-Type") if bare else headers
        reply = WireReply(status=status, headers=headers, body=b"" if own is None or bare else own.body)
    replaced = {name.lower() for name, _ in scripted.headers}
    kept = tuple(pair for pair in reply.headers if pair[0].lower() not in replaced)
    return WireReply(status=status, headers=(*kept, *scripted.headers), body=reply.body)


def _with_body(judged: Judged, receipt: Receipt, body: Json | bytes, status: int) -> WireReply:
    base = refusal_reply(judged, receipt, "default", status=status)
    headers = tuple(pair for pair in base.headers if pair[0] != "Content-Type")
    if isinstance(body, bytes):
        media_type, content = "application/octet-stream", body
    elif isinstance(body, str):
        media_type, content = "text/plain; charset=utf-8", body.encode("utf-8", "surrogatepass")
    else:
        media_type, content = "application/json", render(body)
    return WireReply(status=status, headers=(("Content-Type", media_type), *headers), body=content)


def _reason_for(judged: Judged, status: int) -> str:
    """Return the contract's reason for a status: the first one, but one whose text needs no detail is preferred."""
    fitting = [refusal for refusal in family_of(judged).reasons.values() if refusal.status == status]
    plain = [refusal for refusal in fitting if "detail" not in names(refusal.message)]
    return next((refusal.reason for refusal in plain or fitting), "default")
