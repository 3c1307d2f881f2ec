"""Fault steps: what a test scripted to go wrong, which step a request takes, and what the step does to it.

Pure: the dice are seeded.
"""

from __future__ import annotations

import base64
import random
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Final, Literal

from mockserver.contract.server_rules import SERVER_RULES
from mockserver.contract.written import framing_problem
from mockserver.core.answer import JSON_TYPE, Headers, answering, refusal_reply, wire
from mockserver.core.events import INVALID_EVENT
from mockserver.core.findings import Finding
from mockserver.core.model import EventError, Judged, Receipt, Refusal, Verdict
from mockserver.core.wire import WireReply
from mockserver.errors import LONGEST_VALUE
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import bounded
from mockserver.jsonkit.pointer import MISSING
from mockserver.jsonkit.template import fill_text, names
from mockserver.sessions.exchange import ReplyOverride
from mockserver.sessions.match_problems import problem as matcher_problem
from mockserver.sessions.matcher import RequestFacts, about_events, matches, request_differences

When = Literal["before_commit", "after_commit"]
Cut = Literal["reset", "drop", "truncate", "dribble", "malformed", "close_idle"]
CLOSE_IDLE: Final = "close_idle"
"""Closes the kept-alive connection after the complete answer, as a server does that has waited too long."""

_HEADER_VALUE: Final = re.compile(r"[\t -~]*")

BODILESS: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
"""Statuses whose replies have no body in HTTP."""

UNAVAILABLE: Final = HTTPStatus.SERVICE_UNAVAILABLE
"""The status of a request that cannot be stored."""

EFFECTS: Final = ("reply", "connection", "reject")
"""What a step does beside a delay; it has at most one of them."""
PARTIAL: Final = ("truncate", "dribble")
"""Cuts after which the client has the status line."""
INJECTED_RULE: Final = "/fault"
LAST: Final = sys.maxsize
"""The place in the precedence of what a step refuses: behind every gate."""


class Step:
    """One step of a session's script, with the uses it has left and its own seeded dice.

    `script` is the step as the control surface took it; its members' types were checked there. `size` is its length as
    JSON, in bytes. `delay` has the bounds
    (ms) between which a delay is drawn anew each time, and the seed.
    """

    def __init__(self, script: Mapping[str, Json]) -> None:
        self.script = dict(script)
        self.size = len(render(self.script))
        self.match: Mapping[str, Json] = script.get("match") or {}
        self.remaining: int | None = script.get("times")
        self.probability: float | None = script.get("probability")
        self.reply: Mapping[str, Json] | None = script.get("reply")
        self.connection: Cut | None = script.get("connection")
        self.reject: Mapping[str, Json] | None = script.get("reject")
        ms = script.get("delay_ms")
        self.delay: Mapping[str, float] | None = {"min": ms, "max": ms} if isinstance(ms, int | float) else ms
        successful = self.connection in PARTIAL or (self.reply is not None and 200 <= self.reply["status"] < 300)
        self.when: When = script.get("when") or ("after_commit" if successful else "before_commit")
        self._dice = random.Random(script.get("seed", 0))
        self._delays = random.Random((self.delay or {}).get("seed", 0))
        self.rolls = self.delays = 0  # how often a probability and a delay were drawn

    def as_json(self) -> dict[str, Json]:
        """Return the step as it was given, with `remaining` (null: for ever)."""
        return {**self.script, "remaining": self.remaining}

    @property
    def spent(self) -> bool:
        """Whether no uses are left."""
        return self.remaining is not None and self.remaining <= 0

    @property
    def stores(self) -> bool:
        """Whether the request is taken all the same: a reply or a cut before the commit replaces the handling."""
        return self.when == "after_commit" or (self.reply is None and self.connection in (None, CLOSE_IDLE))

    def use(self) -> bool:
        """If uses are left, roll the dice and, when they say so, use the step once."""
        if self.spent:
            return False
        if self.probability is not None:
            self.rolls += 1
            if self._dice.random() >= self.probability:
                return False
        if self.remaining is not None:
            self.remaining -= 1
        return True

    def delay_ms(self) -> float:
        """Return the next delay in ms."""
        if self.delay is None:
            return 0.0
        self.delays += 1
        return self._delays.uniform(self.delay["min"], self.delay["max"])

    def draw_again(self, rolls: int, delays: int) -> None:
        """Draw again what the step drew before the server was started again: what comes next depends on it."""
        self.rolls, self.delays = rolls, delays
        for dice, draws in ((self._dice, rolls), (self._delays, delays)):
            for _ in range(draws):
                dice.random()

    @property
    def needs_attempts(self) -> bool:
        """Whether the matcher asks which attempt to deliver an event a request is."""
        return "attempt" in (self.match.get("request") or {})

    def is_for(self, judged: Judged) -> bool:
        """Tell whether the step is meant for a request, as far as that does not depend on its events."""
        operation = self.match.get("operation")
        if operation != judged.operation_name and (operation is not None or judged.preflight):
            return False
        if self.match.get("protocol") not in (None, judged.contract.name):
            return False
        request = None if about_events(self.match) else self.match.get("request")
        return not request or not any(request_differences(request, RequestFacts(request=judged.request)))


def rows_of(judged: Judged, attempts: Sequence[int] = ()) -> list[dict[str, Json]]:
    """Return what a matcher may look at of a request's events before they are committed.

    `attempts` has the number of the attempt for each event, or nothing where no step asks.
    """
    bad = {error.index for error in judged.event_errors}
    refused, form = judged.refusal is not None, judged.form
    facts = RequestFacts(request=judged.request)
    return [
        {
            "protocol": judged.contract.name,
            "operation": judged.operation_name,
            "type": None if form is None else form.type_of(event),
            "verdict": str(Verdict.REJECTED if refused or index in bad else Verdict.ACCEPTED),
            "event": event,
            "request": facts if index >= len(attempts) else replace(facts, attempt=attempts[index]),
        }
        for index, event in enumerate(judged.events)
    ]


def matching(steps: Iterable[Step], judged: Judged, attempts: Sequence[int] = ()) -> Iterator[Step]:
    """Yield the steps that are meant for a request, in their order; one about events needs one event that fits."""
    rows: list[dict[str, Json]] | None = None
    for step in steps:
        if step.spent or not step.is_for(judged):
            continue
        if about_events(step.match):
            rows = rows_of(judged, attempts) if rows is None else rows
            if not any(matches(step.match, row) for row in rows):
                continue
        yield step


@bounded()
def next_match(matching_steps: Iterator[Step]) -> Step | None:
    """Return the next of matching steps, or None; that is all the work there is in choosing a step."""
    return next(matching_steps, None)


def problem(script: Mapping[str, Json]) -> tuple[str, str] | None:
    """Return where and why a step cannot be used, or None. Its members' types are checked by the API's schema."""
    effects = [effect for effect in EFFECTS if effect in script]
    if len(effects) > 1:
        return f"/{effects[1]}", f"a step has one of {', '.join(EFFECTS)}, not {' and '.join(effects)}"
    if not effects and "delay_ms" not in script:
        return "", f"a step requires one of {', '.join(EFFECTS)} or delay_ms"
    if "reject" in script and script.get("when") == "after_commit":
        return "/when", "must be before_commit: after the commit, the events are stored and cannot be rejected"
    invalid = _reply_problem(script.get("reply") or {})
    if invalid is not None:
        return invalid
    delay = script.get("delay_ms")
    if isinstance(delay, dict) and delay["min"] > delay["max"]:
        return "/delay_ms/min", "min is greater than max"
    match = script.get("match") or {}
    if "status" in (match.get("request") or {}):
        return "/match/request/status", "a step is chosen before the request is answered; match the attempt instead"
    if match.get("verdict") == Verdict.DUPLICATE:
        return "/match/verdict", "a step is chosen before duplicates are known; match the attempt instead"
    return matcher_problem(match)


def _reply_problem(reply: Mapping[str, Json]) -> tuple[str, str] | None:
    for name, values in (reply.get("headers") or {}).items():
        place = pointer.build(("reply", "headers", name))
        for value in values if isinstance(values, list) else [values]:
            if not _HEADER_VALUE.fullmatch(str(value)):
                return place, f"a header value is printable ASCII, spaces and tabs, got {str(value)[:LONGEST_VALUE]!r}"
            problem = framing_problem(name, str(value))
            if problem is not None:
                return place, f"{problem}; for a reply that breaks off, use the connection fault truncate"
    body = reply.get("body", MISSING)
    if _is_base64(body):
        try:
            body = _bytes(body)
        except ValueError as error:
            return "/reply/body/base64", f"not valid base64: {error}"
    if body not in (MISSING, "", b"") and reply["status"] in BODILESS:
        return "/reply/body", f"a reply with the status {reply['status']} has no body in HTTP"
    return None


def _is_base64(body: Json) -> bool:
    return isinstance(body, dict) and body.keys() == {"base64"}


def _bytes(body: Json) -> bytes:
    """Return the bytes of `{"base64": text}`. Raises ValueError for a text that is not base64."""
    text = body["base64"]
    if not isinstance(text, str):
        raise ValueError("base64 must be a string")
    return base64.b64decode(text, validate=True)


def override_of(judged: Judged, receipt: Receipt, step: Step, own: WireReply) -> ReplyOverride:
    """Return what a step changes of an exchange; `own` is the contract's reply."""
    if step.reply is not None:
        return ReplyOverride(fault=step.as_json(), reply=_injected_reply(judged, receipt, step.reply, own))
    lost, status_left = step.connection not in (None, "dribble", CLOSE_IDLE), step.connection in (*PARTIAL, CLOSE_IDLE)
    rejected = () if step.reject is None else judged.event_errors
    return ReplyOverride(fault=step.as_json(), reply=own, lost=lost, status_left=status_left, rejected=rejected)


def truncated(body: bytes) -> bytes:
    """Return the part of a body that leaves before the connection is cut."""
    return body[: len(body) // 2]


def reject(judged: Judged, step: Step, attempts: Sequence[int] = ()) -> None:
    """Make the matching events of a batch fail, as if the vendor had refused them.

    Where the event is the whole request, the request is refused.
    """
    chosen = [index for index, row in enumerate(rows_of(judged, attempts)) if matches(step.match, row)]
    errors = {error.index: error for error in judged.event_errors}
    for index in chosen:
        if index not in errors:
            errors[index] = _forced(judged, step.reject or {}, index)
        for claims in (judged.dedup, judged.entities):  # nothing is claimed for an event that is not stored
            if claims is not None:
                claims[index] = None
    judged.event_errors = tuple(errors[index] for index in sorted(errors))
    if chosen and judged.refusal is None and judged.form is not None and judged.form.single:
        error = errors[chosen[0]]
        assert error.finding is not None
        judged.refusal = Refusal(reason=error.reason, order=LAST, finding=error.finding, detail=error.message)


def _forced(judged: Judged, rejection: Mapping[str, Json], index: int) -> EventError:
    """Return the error of an event that a step rejects, in the contract's own words where the step has none."""
    form = judged.form
    place = "event" if form is None or form.single or form.events is None else ".".join((*form.events, str(index)))
    variables = {"field": "event", "path": place, "detail": "rejected by a fault step"}
    message = rejection.get("message") or fill_text(judged.contract.message("default"), variables)
    finding = Finding(rule=INJECTED_RULE, source=SERVER_RULES[INJECTED_RULE].source, message=message)
    gate = None if judged.operation is None else judged.operation.gate("events")
    reason = INVALID_EVENT if gate is None else gate.reason(INVALID_EVENT)
    return EventError(index=index, reason=reason, message=message, finding=finding, code=rejection.get("code"))


def _injected_reply(judged: Judged, receipt: Receipt, scripted: Mapping[str, Json], own: WireReply) -> WireReply:
    """Return the reply a step asks for.

    Without a body it is the contract's own refusal for that status, or the family's default with the standard phrase;
    below 400 it is the contract's own reply under another status. The step's headers win.
    """
    status, body, headers = scripted["status"], scripted.get("body", MISSING), scripted.get("headers") or {}
    if body is not MISSING:
        base = refusal_reply(judged, receipt, "default", status=status).headers
        if _is_base64(body):
            media_type, content = "application/octet-stream", _bytes(body)
        elif isinstance(body, str):
            media_type, content = "text/plain; charset=utf-8", body.encode("utf-8", "surrogatepass")
        else:
            media_type, content = JSON_TYPE, render(body)
        base = (("Content-Type", media_type), *_without(base, "content-type"))
    elif status >= 400:
        refusal = reply_with_status(judged, receipt, status)
        base, content = refusal.headers, refusal.body
    elif status in BODILESS:
        base, content = _without(own.headers, "content-type"), b""
    else:
        base, content = own.headers, own.body
    own_headers = [
        (name, str(value))
        for name, values in headers.items()
        for value in (values if isinstance(values, list) else [values])
    ]
    return WireReply(status=status, headers=(*_without(base, *headers), *own_headers), body=content)


def reply_with_status(judged: Judged, receipt: Receipt, status: int) -> WireReply:
    """Return the contract's own refusal for a status, or the family's default with the standard phrase."""
    return wire(refusal_reply(judged, receipt, _reason_for(judged, status), status=status))


def _without(headers: Headers, *dropped: str) -> Headers:
    """Return headers without those of some names, whatever their case."""
    left_out = {name.lower() for name in dropped}
    return tuple(pair for pair in headers if pair[0].lower() not in left_out)


def _reason_for(judged: Judged, status: int) -> str:
    """Return the contract's reason for a status: the first one, but one whose text needs no detail is preferred."""
    fitting = [refusal for refusal in answering(judged).family.reasons.values() if refusal.status == status]
    plain = [refusal for refusal in fitting if "detail" not in names(refusal.message)]
    return next((refusal.reason for refusal in plain or fitting), "default")
