"""Handlers of the control surface that control a session: waits, faults, the clock, deliveries."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms
from mockserver.server import waiting
from mockserver.server.aiohttp_io import json_response
from mockserver.server.control import Call, Handler, RejectedError
from mockserver.server.handlers import DEFAULT_LIMIT, Handlers
from mockserver.server.ledger_cache import Ledgers
from mockserver.server.other_sessions import other_sessions
from mockserver.server.vendor import real_ms
from mockserver.sessions.matcher import problem as matcher_problem
from mockserver.sessions.session import REAL_TIME, Session
from mockserver.sessions.steps import Step
from mockserver.sessions.steps import problem as step_problem

DEFAULT_TIMEOUT_MS: Final = 5000
MAX_TIME_MS: Final = 253_402_300_799_999
"""The end of the year 9999, the latest time that an RFC 3339 date-time can express."""


class Remote:
    """The controlling handlers, by operationId of control.yaml."""

    def __init__(self, handlers: Handlers) -> None:
        self._handlers = handlers
        self._store = handlers.store
        self._ledgers = Ledgers()

    def table(self) -> dict[str, Handler]:
        """Return the handlers by operationId."""
        return {
            "wait": self.wait,
            "faults": self.faults,
            "replace_faults": self.replace_faults,
            "add_fault": self.add_fault,
            "clear_faults": self.clear_faults,
            "clock": self.clock,
            "set_clock": self.set_clock,
            "advance_clock": self.advance_clock,
            "reset_clock": self.reset_clock,
            "deliveries": self.deliveries,
        }

    async def wait(self, call: Call) -> web.Response:
        """Block until the wait is satisfied or has failed."""
        session, request = self._handlers.named(call), call.body or {}
        bad = matcher_problem(request.get("match") or {})
        if bad is not None:
            raise RejectedError(400, "Bad Request", f"{bad[0]}: {bad[1]}", pointer=bad[0])
        began_ms, waiter = real_ms(), waiting.Waiter(session, request)
        if self._handlers.stopping:
            waiter.end("evicted")
        reason = await waiting.wait(waiter, request.get("timeout_ms", DEFAULT_TIMEOUT_MS) / 1000)
        satisfied = reason == "ok"
        return json_response(
            {
                "satisfied": satisfied,
                "reason": reason,
                "matched": len(waiter.matched),
                "events": waiter.rows(),
                "next": waiter.next(),
                "near_misses": [] if satisfied else waiter.near_misses(),
                "refused": [] if satisfied else waiter.refused(),
                "faults_pending": [step.as_json() for step in session.faults if not step.spent],
                "other_sessions": other_sessions(self._store, session, began_ms, look_back=not satisfied),
            }
        )

    async def faults(self, call: Call) -> web.Response:
        """List the fault steps of a session with their remaining uses."""
        return json_response(_steps(self._handlers.named(call)))

    async def replace_faults(self, call: Call) -> web.Response:
        """Replace all fault steps."""
        session = self._handlers.named(call)
        made = [_step(step, f"/{index}") for index, step in enumerate(call.body)]
        session.faults[:] = made
        return json_response(_steps(session))

    async def add_fault(self, call: Call) -> web.Response:
        """Append a fault step."""
        session = self._handlers.named(call)
        session.faults.append(_step(call.body, ""))
        return json_response(_steps(session))

    async def clear_faults(self, call: Call) -> web.Response:
        """Remove all fault steps."""
        session = self._handlers.named(call)
        session.faults.clear()
        return json_response(_steps(session))

    async def clock(self, call: Call) -> web.Response:
        """Return the session time and the real time."""
        return json_response(_clock(self._handlers.named(call), real_ms()))

    async def set_clock(self, call: Call) -> web.Response:
        """Set the session time, absolute or as an offset from real time; running or frozen."""
        session, body, real = self._handlers.named(call), call.body, real_ms()
        if ("now" in body) == ("offset_ms" in body):
            raise RejectedError(400, "Bad Request", "set either now or offset_ms", pointer="/now")
        if "now" in body:
            now = body["now"] if isinstance(body["now"], int) else epoch_ms(body["now"])
            if now is None:
                raise RejectedError(
                    400, "Bad Request", f"/now: {body['now']!r} is not a valid RFC 3339 date-time", pointer="/now"
                )
        else:
            now = real + body["offset_ms"]
        self._move(
            session, now, real, frozen=body.get("frozen", False), place="/now" if "now" in body else "/offset_ms"
        )
        return json_response(_clock(session, real))

    async def advance_clock(self, call: Call) -> web.Response:
        """Advance the session time."""
        session, real = self._handlers.named(call), real_ms()
        now = session.clock.now(real) + call.body["ms"]
        self._move(session, now, real, frozen=session.clock.frozen_ms is not None, place="/ms")
        return json_response(_clock(session, real))

    def _move(self, session: Session, now: int, real: int, *, frozen: bool, place: str) -> None:
        if not 0 <= now <= MAX_TIME_MS:
            raise RejectedError(
                400, "Bad Request", f"{place}: session time must be between the years 1970 and 9999", pointer=place
            )
        session.clock = session.clock.set_to(now, real, frozen=frozen)

    async def reset_clock(self, call: Call) -> web.Response:
        """Reset the session time to real time."""
        session = self._handlers.named(call)
        session.clock = REAL_TIME
        return json_response(_clock(session, real_ms()))

    async def deliveries(self, call: Call) -> web.Response:
        """List the deliveries: one row per logical event with all its attempts."""
        session = self._handlers.named(call)
        after, limit = call.query.get("after", 0), call.query.get("limit", DEFAULT_LIMIT)
        rows, final = await self._ledgers.rows(session), call.query.get("final", False)
        page = [row.as_json(final=final) for row in rows[after : after + limit]]
        return json_response({"deliveries": page, "next": after + limit if len(rows) > after + limit else None})


def _steps(session: Session) -> Json:
    return {"steps": [step.as_json() for step in session.faults]}


def _step(step: Json, place: str) -> Step:
    bad = step_problem(step)
    if bad is not None:
        where = place + bad[0]
        raise RejectedError(400, "Bad Request", f"{where or 'the step'}: {bad[1]}", pointer=where)
    return Step(step)


def _clock(session: Session, real: int) -> Json:
    now = session.clock.now(real)
    return {
        "now": rfc3339_ms(now),
        "offset_ms": now - real,
        "frozen": session.clock.frozen_ms is not None,
        "real_now": rfc3339_ms(real),
    }
