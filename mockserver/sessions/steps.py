"""Fault steps: what a test scripted to go wrong, and which step a request takes. Pure: the dice are seeded."""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal

from mockserver.core.model import Judged, Verdict
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.matcher import differences
from mockserver.sessions.matcher import problem as matcher_problem

When = Literal["before_commit", "after_commit"]
Cut = Literal["reset", "drop", "truncate", "dribble", "malformed", "close_idle"]
CLOSE_IDLE: Final = "close_idle"
"""Closes the kept-alive connection after the complete answer, as a server does that has waited too long."""

FRAMING: Final = frozenset({"content-length", "transfer-encoding"})
"""Headers that the server sets, because a client would misread a reply under other ones."""

_HEADER_VALUE: Final = re.compile(r"[\t -~]*")

BODILESS: Final = (HTTPStatus.NO_CONTENT, HTTPStatus.RESET_CONTENT, HTTPStatus.NOT_MODIFIED)
"""Statuses whose replies have no body in HTTP."""

EFFECTS: Final = ("reply", "connection", "reject")
"""What a step does beside a delay; it has at most one of them."""
PREFLIGHT: Final = "preflight"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """The reply a step sends; a `body` of MISSING asks for the contract's own for that status, bytes are sent as is."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: Json | bytes = MISSING

    @property
    def success(self) -> bool:
        """Whether the client is told that the request was taken."""
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """How the matching events of a batch fail; None takes the contract's own words."""

    message: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay:
    """A delay drawn anew each time, in ms."""

    min: float
    max: float
    seed: int = 0


class Step:
    """One step of a session's script, with the uses it has left and its own seeded dice.

    `given` is the step as the control surface took it; its members' types were checked there.
    """

    def __init__(self, given: Mapping[str, Json]) -> None:
        self.given = dict(given)
        self.match: Mapping[str, Json] = given.get("match") or {}
        self.remaining: int | None = given.get("times")
        self.probability: float | None = given.get("probability")
        self.reply = None if "reply" not in given else _reply(given["reply"])
        self.connection: Cut | None = given.get("connection")
        self.reject = None if "reject" not in given else _rejection(given["reject"])
        self.delay = _delay(given.get("delay_ms"))
        self.when: When = given.get("when") or _default_when(self.reply)
        self._dice = random.Random(given.get("seed", 0))
        self._delays = random.Random(0 if self.delay is None else self.delay.seed)

    def as_json(self) -> dict[str, Json]:
        """Return the step as it was given, with `remaining` (null: for ever)."""
        return {**self.given, "remaining": self.remaining}

    @property
    def spent(self) -> bool:
        """Whether no uses are left."""
        return self.remaining is not None and self.remaining <= 0

    @property
    def stores(self) -> bool:
        """Whether the request is taken all the same: a reply or a cut before the commit replaces the handling."""
        return self.when == "after_commit" or (self.reply is None and self.connection in (None, CLOSE_IDLE))

    def use(self) -> bool:
        """Roll the dice and, when they say so, use the step once."""
        if self.probability is not None and self._dice.random() >= self.probability:
            return False
        if self.remaining is not None:
            self.remaining -= 1
        return True

    def delay_ms(self) -> float:
        """Return the next delay in ms."""
        if self.delay is None:
            return 0.0
        return self._delays.uniform(self.delay.min, self.delay.max)

    def matches(self, judged: Judged) -> bool:
        """Tell whether the step is meant for a request; `where` and `type` need one event that fits."""
        operation = self.match.get("operation")
        if judged.preflight and operation != PREFLIGHT:
            return False
        if operation is not None and operation != judged.operation_name:
            return False
        if self.match.get("protocol") not in (None, judged.contract.name):
            return False
        if not any(name in self.match for name in ("type", "verdict", "where")):
            return True
        return any(not differences(self.match, row) for row in rows_of(judged))

    def matching_events(self, judged: Judged) -> list[int]:
        """Return the positions of the events the step is meant for; all of them without a matcher."""
        return [index for index, row in enumerate(rows_of(judged)) if not differences(self.match, row)]


def _reply(given: Mapping[str, Json]) -> ScriptedReply:
    headers = tuple(
        (name, str(value))
        for name, values in (given.get("headers") or {}).items()
        for value in (values if isinstance(values, list) else [values])
    )
    body = given.get("body", MISSING)
    return ScriptedReply(status=given["status"], headers=headers, body=_bytes(body) if _is_base64(body) else body)


def _is_base64(body: Json) -> bool:
    return isinstance(body, dict) and body.keys() == {"base64"}


def _bytes(body: Json) -> bytes:
    """Return the bytes of `{"base64": text}`. Raises ValueError for a text that is not base64."""
    text = body["base64"]
    if not isinstance(text, str):
        raise ValueError("base64 must be a string")
    return base64.b64decode(text, validate=True)


def _rejection(given: Mapping[str, Json]) -> Rejection:
    return Rejection(message=given.get("message"), code=given.get("code"))


def _delay(given: Json) -> Delay | None:
    if given is None:
        return None
    return Delay(**given) if isinstance(given, dict) else Delay(min=given, max=given)


def _default_when(reply: ScriptedReply | None) -> When:
    """A successful reply is applied after the commit, everything else before it."""
    return "after_commit" if reply is not None and reply.success else "before_commit"


def rows_of(judged: Judged) -> list[dict[str, Json]]:
    """Return what a matcher may look at of a request's events before they are committed."""
    bad = {error.index for error in judged.event_errors}
    refused, form = judged.refusal is not None, judged.form
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


def problem(given: Mapping[str, Json]) -> tuple[str, str] | None:
    """Return where and why a step cannot be used, or None. Its members' types are checked by the API's schema."""
    effects = [effect for effect in EFFECTS if effect in given]
    if len(effects) > 1:
        return f"/{effects[1]}", f"a step has one of {', '.join(EFFECTS)}, not {' and '.join(effects)}"
    if not effects and "delay_ms" not in given:
        return "", f"a step requires one of {', '.join(EFFECTS)} or delay_ms"
    if "reject" in given and given.get("when") == "after_commit":
        return "/when", "must be before_commit: after the commit, the events are stored and cannot be rejected"
    invalid = _reply_problem(given.get("reply") or {})
    if invalid is not None:
        return invalid
    delay = _delay(given.get("delay_ms"))
    if delay is not None and delay.min > delay.max:
        return "/delay_ms/min", "min is greater than max"
    return matcher_problem(given.get("match") or {})


def _reply_problem(reply: Mapping[str, Json]) -> tuple[str, str] | None:
    for name, values in (reply.get("headers") or {}).items():
        place = pointer.build(("reply", "headers", name))
        if name.lower() in FRAMING:
            return place, "the server sets this header; for a reply that breaks off, use the connection fault truncate"
        for value in values if isinstance(values, list) else [values]:
            if not _HEADER_VALUE.fullmatch(str(value)):
                return place, f"a header value is printable ASCII, spaces and tabs, got {value!r}"
    body = reply.get("body", MISSING)
    if _is_base64(body):
        try:
            body = _bytes(body)
        except ValueError as error:
            return "/reply/body/base64", f"not valid base64: {error}"
    if body not in (MISSING, "", b"") and reply["status"] in BODILESS:
        return "/reply/body", f"a reply with the status {reply['status']} has no body in HTTP"
    return None
