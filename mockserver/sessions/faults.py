"""Fault steps: which one a request takes, and what it says should go wrong. Pure: the dice are seeded."""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Literal

from mockserver.core.answer import family_of, refusal_reply
from mockserver.core.model import EventError, Finding, Judged, Receipt, Refusal, Verdict, WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.template import fill_text, names
from mockserver.sessions.matcher import differences
from mockserver.sessions.matcher import problem as matcher_problem

When = Literal["before_commit", "after_commit"]
BODILESS = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
KINDS = ("reply", "connection", "reject")
INJECTED_RULE = "/fault"
INVALID_EVENT = "invalid_event"
LAST = sys.maxsize
"""The place in the precedence of what a step refuses: behind every gate."""


class Step:
    """One step of a session's script, with the uses it has left and its own seeded dice."""

    def __init__(self, spec: Mapping[str, Json]) -> None:
        self.spec = dict(spec)
        self.remaining: int | None = spec.get("times")
        self._dice = random.Random(spec.get("seed", 0))
        delay = spec.get("delay_ms")
        self._delays = random.Random(delay["seed"] if isinstance(delay, dict) else 0)

    def as_json(self) -> dict[str, Json]:
        """Return the step as it was given, with `remaining` (null: for ever)."""
        return {**self.spec, "remaining": self.remaining}

    @property
    def spent(self) -> bool:
        """Whether no uses are left."""
        return self.remaining is not None and self.remaining <= 0

    @property
    def when(self) -> When:
        """When the step is applied; by default after the commit for a 2xx reply, before it for anything else."""
        named = self.spec.get("when")
        if named is not None:
            return named  # type: ignore[no-any-return]
        reply = self.spec.get("reply")
        return "after_commit" if reply is not None and 200 <= reply["status"] < 300 else "before_commit"

    @property
    def stores(self) -> bool:
        """Whether the request is taken all the same: a reply or a cut before the commit stands for one that is not."""
        return self.when == "after_commit" or not ("reply" in self.spec or "connection" in self.spec)

    def use(self) -> bool:
        """Roll the dice and, when they say so, use the step once."""
        probability = self.spec.get("probability")
        if probability is not None and self._dice.random() >= probability:
            return False
        if self.remaining is not None:
            self.remaining -= 1
        return True

    def delay_ms(self) -> float:
        """Return the next delay in ms."""
        delay = self.spec.get("delay_ms", 0)
        if isinstance(delay, dict):
            return self._delays.uniform(delay["min"], delay["max"])
        return float(delay)

    def matches(self, judged: Judged) -> bool:
        """Tell whether the step is meant for a request; `where` and `type` need one event that fits."""
        match: Mapping[str, Json] = self.spec.get("match") or {}
        wanted = match.get("operation")
        if judged.preflight and wanted != "preflight":
            return False
        if wanted is not None and wanted != judged.operation_name:
            return False
        if match.get("protocol") not in (None, judged.contract.name):
            return False
        if not any(name in match for name in ("type", "verdict", "where")):
            return True
        return any(not differences(match, row) for row in rows_of(judged))

    def matching_events(self, judged: Judged) -> list[int]:
        """Return the positions of the events the step is meant for; all of them without a matcher."""
        match = self.spec.get("match") or {}
        return [index for index, row in enumerate(rows_of(judged)) if not differences(match, row)]


def rows_of(judged: Judged) -> list[dict[str, Json]]:
    """Return what a matcher may look at of a request's events before they are committed."""
    bad = {fault.index for fault in judged.event_errors}
    refused = judged.refusal is not None
    form = judged.form
    return [
        {
            "protocol": judged.contract.name,
            "operation": judged.operation_name,
            "type": None if form is None else form.type_of(event),
            "verdict": str(Verdict.REJECTED if refused or index in bad else Verdict.ACCEPTED),
            "event": event,
        }
        for index, event in enumerate(judged.events)
    ]


def take(steps: Sequence[Step], judged: Judged) -> Step | None:
    """Return the first step that matches, has uses left and whose dice agree, used once; None when there is none."""
    return next((step for step in steps if not step.spent and step.matches(judged) and step.use()), None)


def reject(judged: Judged, step: Step) -> None:
    """Make the matching events of a batch fail, as if the vendor had found fault with them.

    Where the event is the whole request, the request is refused.
    """
    chosen = step.matching_events(judged)
    known = {fault.index: fault for fault in judged.event_errors}
    for index in chosen:
        known.setdefault(index, _forced(judged, step.spec["reject"], index))
    judged.event_errors = tuple(known[index] for index in sorted(known))
    for claims in (judged.dedup, judged.entities):
        for index in chosen if claims is not None else ():
            claims[index] = None  # type: ignore[index]
    if chosen and judged.refusal is None and judged.form is not None and judged.form.single:
        fault = known[chosen[0]]
        assert fault.finding is not None
        judged.refusal = Refusal(reason=fault.reason, order=LAST, finding=fault.finding, detail=fault.message)


def _forced(judged: Judged, spec: Mapping[str, Json], index: int) -> EventError:
    """Return the error of an event that a step rejects, with the contract's message unless the step has one."""
    template: str = judged.contract.protocol["messages"]["default"]["value"]
    form = judged.form
    place = "event" if form is None or form.single or form.events is None else ".".join((*form.events, str(index)))
    words = {"field": "event", "path": place, "detail": "rejected by a fault step"}
    message = spec.get("message") or fill_text(template, words)
    finding = Finding(
        rule=INJECTED_RULE,
        severity="error",
        pointer="",
        expected=None,
        got=None,
        source="patch: fault step",
        message=message,
    )
    return EventError(
        index=index, reason=_event_reason(judged), message=message, finding=finding, code=spec.get("code")
    )


def _event_reason(judged: Judged) -> str:
    """Return the reason a bad event has in this contract: an outcome of the gate that judges events."""
    gates = () if judged.operation is None else judged.operation.gates
    return next((gate.reasons[INVALID_EVENT] for gate in gates if INVALID_EVENT in gate.reasons), INVALID_EVENT)


def injected_reply(judged: Judged, receipt: Receipt, spec: Mapping[str, Json], own: WireReply | None) -> WireReply:
    """Return the reply a step asks for.

    Without a body it is the contract's own refusal for that status, or the family's default with the standard phrase;
    below 400 it is the contract's own reply under another status. The step's headers win.
    """
    status: int = spec["status"]
    if "body" in spec:
        made = _own_body(judged, receipt, spec["body"], status)
    elif status >= 400:
        made = refusal_reply(judged, receipt, _reason_for(judged, status), status=status)
    else:
        headers = () if own is None else own.headers
        bare = own is None or status in BODILESS
        headers = tuple(pair for pair in headers if pair[0] != "Content-Type") if bare else headers
        made = WireReply(status=status, headers=headers, body=b"" if own is None or bare else own.body)
    given = {name.lower() for name in spec.get("headers") or {}}
    kept = tuple(pair for pair in made.headers if pair[0].lower() not in given)
    return WireReply(status=status, headers=(*kept, *(spec.get("headers") or {}).items()), body=made.body)


def _own_body(judged: Judged, receipt: Receipt, body: Json, status: int) -> WireReply:
    base = refusal_reply(judged, receipt, "default", status=status)
    headers = tuple(pair for pair in base.headers if pair[0] != "Content-Type")
    if isinstance(body, str):
        kind, content = "text/plain; charset=utf-8", body.encode("utf-8", "surrogatepass")
    else:
        kind, content = "application/json", render(body)
    return WireReply(status=status, headers=(("Content-Type", kind), *headers), body=content)


def _reason_for(judged: Judged, status: int) -> str:
    """Return the contract's reason for a status: of several the first, and before those whose text needs a detail."""
    family = judged.contract.protocol["refusals"][family_of(judged)]
    standard = family["default"].get("status")
    found = [name for name, spec in family.items() if name != "default" and spec.get("status", standard) == status]
    plain = [name for name in found if "detail" not in names(family[name].get("message", ""))]
    return next(iter(plain or found), "default")


def problem(spec: Mapping[str, Json]) -> tuple[str, str] | None:
    """Return where and why a step cannot be used, or None. Its members' types are checked by the API's schema."""
    kinds = [kind for kind in KINDS if kind in spec]
    if len(kinds) > 1:
        return f"/{kinds[1]}", f"a step can have only one of {', '.join(KINDS)}, got {' and '.join(kinds)}"
    if not kinds and "delay_ms" not in spec:
        return "", f"a step requires one of {', '.join(KINDS)} or delay_ms"
    if "reject" in spec and spec.get("when") == "after_commit":
        return "/when", "must be before_commit: after the commit, the events are stored and cannot be rejected"
    delay = spec.get("delay_ms")
    if isinstance(delay, dict) and delay["min"] > delay["max"]:
        return "/delay_ms/min", "min is greater than max"
    return matcher_problem(spec.get("match") or {})


__all__ = ["Step", "injected_reply", "problem", "reject", "rows_of", "take"]
