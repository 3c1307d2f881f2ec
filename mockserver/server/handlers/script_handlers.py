"""Handlers of the control surface for what a test prepares in a session: fault steps and the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import MAX_TIME_MS, epoch_ms, rfc3339_ms
from mockserver.jsonkit.jsontext import memory_of
from mockserver.server.control import MAX_BODY, Call, RejectedError, resolve
from mockserver.server.handlers.handler_base import HandlerBase
from mockserver.server.turns import Turn, in_turns
from mockserver.server.vendor import real_ms
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.session import REAL_TIME, Session
from mockserver.sessions.steps import Step
from mockserver.sessions.steps import problem as step_problem


class ScriptHandlers(HandlerBase):
    """The handlers of fault steps and of the clock of a session."""

    async def list_faults(self, call: Call) -> Json:
        """List the fault steps of a session with their remaining uses."""
        return _steps(self.read(call))

    async def replace_faults(self, call: Call) -> Json:
        """Replace all fault steps."""
        steps, turn = [], Turn()
        for index, script in enumerate(call.body):
            steps.append(self._step(self.read(call), script, f"/{index}"))
            await turn.end_if_over()
        _check_size(steps)
        self.check_memory(memory_of(call.body), "")
        session = self.named(call)
        await _count_attempts(session, steps)
        session.faults[:] = steps
        self.store.set_up(session)
        return _steps(session)

    async def add_fault(self, call: Call) -> Json:
        """Append a fault step."""
        step, session = self._step(self.read(call), call.body, ""), self.named(call)
        _check_size([*session.faults, step])
        self.check_memory(session.settings_bytes + memory_of(call.body), "")
        await _count_attempts(session, [step])
        session.faults.append(step)
        self.store.set_up(session)
        return _steps(session)

    def _step(self, session: Session, script: Mapping[str, Json], place: str) -> Step:
        """Return a fault step. Raises RejectedError for one that cannot be used."""
        invalid = step_problem(script)
        if invalid is not None:
            place += invalid[0]
            raise RejectedError(400, f"{place or 'the step'}: {invalid[1]}", pointer=place)
        self.check_matcher(session, script.get("match") or {}, place)
        return Step(script)

    async def clear_faults(self, call: Call) -> Json:
        """Remove all fault steps."""
        session = self.named(call)
        session.faults.clear()
        self.store.set_up(session)
        return _steps(session)

    async def get_clock(self, call: Call) -> Json:
        """Return the session time and the real time."""
        return _clock(self.read(call), real_ms())

    async def set_clock(self, call: Call) -> Json:
        """Set the session time, absolute or as an offset from real time; running or frozen."""
        session, body, real = self.named(call), call.body, real_ms()
        if ("now" in body) == ("offset_ms" in body):
            raise RejectedError(400, "set either now or offset_ms", pointer="/now")
        if "now" in body:
            now = body["now"] if isinstance(body["now"], int) else epoch_ms(body["now"])
            if now is None:
                detail = f"/now: {body['now']!r} is not a valid RFC 3339 date-time"
                raise RejectedError(400, detail, pointer="/now")
        else:
            now = real + body["offset_ms"]
        place = "/now" if "now" in body else "/offset_ms"
        return self._move_clock(session, now, real, frozen=body.get("frozen", False), place=place)

    async def advance_clock(self, call: Call) -> Json:
        """Advance the session time."""
        session, real = self.named(call), real_ms()
        now = session.clock.now(real) + call.body["ms"]
        return self._move_clock(session, now, real, frozen=session.clock.frozen_ms is not None, place="/ms")

    def _move_clock(self, session: Session, now: int, real: int, *, frozen: bool, place: str) -> Json:
        if not 0 <= now <= MAX_TIME_MS:
            detail = f"{place}: session time must be between the years 1970 and 9999, got {now} ms since 1970"
            raise RejectedError(400, detail, pointer=place)
        session.clock = session.clock.set_to(now, real, frozen=frozen)
        self.store.set_up(session)
        return _clock(session, real)

    async def reset_clock(self, call: Call) -> Json:
        """Reset the session time to real time."""
        session = self.named(call)
        session.clock = REAL_TIME
        self.store.set_up(session)
        return _clock(session, real_ms())


def _steps(session: Session) -> Json:
    return {"steps": [step.as_json() for step in session.faults]}


def _check_size(steps: Sequence[Step]) -> None:
    """Raise RejectedError for more steps than a session may have."""
    most: int = resolve({"$ref": "#/components/schemas/StepList"})["maxItems"]
    size = sum(step.size for step in steps)
    if len(steps) > most or size > MAX_BODY:
        limit = f"{most} fault steps" if len(steps) > most else f"{MAX_BODY} bytes of fault steps"
        sent = f"{len(steps)} steps" if len(steps) > most else f"{size} bytes"
        raise RejectedError(400, f"a session has at most {limit}, and this would make {sent}; delete some", pointer="")


async def _count_attempts(session: Session, steps: Iterable[Step]) -> None:
    """Start to count attempts if a step asks for them, from the requests that are in the journal.

    Raises RejectedError if the session is deleted meanwhile.
    """
    if session.attempts is None and any(step.needs_attempts for step in steps):
        attempts = AttemptNumbers()
        async for exchange in in_turns(session):
            attempts.add(exchange)
        session.attempts = attempts
    if session.deleted:
        raise RejectedError(409, f"session {session.name} was deleted during this call")


def _clock(session: Session, real: int) -> Json:
    now, frozen = session.clock.now(real), session.clock.frozen_ms is not None
    return {"now": rfc3339_ms(now), "offset_ms": now - real, "frozen": frozen, "real_now": rfc3339_ms(real)}
