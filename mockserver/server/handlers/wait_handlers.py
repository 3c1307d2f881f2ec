"""The handler of the control surface that waits for events or requests."""

from __future__ import annotations

from functools import partial

from aiohttp import web

from mockserver.core.wording import SHOWN_ROWS
from mockserver.jsonkit import Json
from mockserver.recording.exporting import quickly_searched
from mockserver.server import waiting
from mockserver.server.control import Call, RejectedError
from mockserver.server.explanation import explain
from mockserver.server.handlers.handler_base import HandlerBase, send_page
from mockserver.server.hiding import redactor_of, secrets_in
from mockserver.server.turns import Turn, spread
from mockserver.server.vendor import real_ms


class WaitHandlers(HandlerBase):
    """The handler of waits; a wait is a `Waiter`."""

    _open_waits = 0

    async def wait_for_traffic(self, call: Call) -> web.StreamResponse:
        """Block until the wait is satisfied or has failed."""
        request, match = call.body or {}, (call.body or {}).get("match") or {}
        self.check_matcher(self.read(call), match, of_events=request.get("for") != "requests")
        exactly, count = request.get("exactly"), request.get("count", 1)
        if exactly is not None and count not in (1, exactly):
            raise RejectedError(400, f"/count: {count} is not {exactly}, which exactly asks for", pointer="/count")
        if self._open_waits >= waiting.MOST_OPEN:
            detail = (
                f"{self._open_waits} waits are open on this server, the maximum: end some of them first, or wait for "
                "several events with one wait (count)"
            )
            raise RejectedError(503, detail, headers={"Retry-After": "1"})
        session, began_ms = self.store.session(self.name_of(call)), real_ms()
        waiter = waiting.Waiter(session, request)
        guessed = "since_ms" not in request
        since_ms = request.get("since_ms", max(began_ms - waiting.LOOK_BACK_MS, session.opened_ms or 0))
        if self.stopping:
            waiter.end("evicted")
        self._open_waits += 1
        try:
            reason = await waiter.outcome(request.get("timeout_ms", waiting.DEFAULT_TIMEOUT_MS) / 1000)
            failed = reason != "ok"
            if failed:
                await waiter.look_for_misses()
            shown = waiter.shown(all_rows=call.query.get("rows") == "all")
            arrived = [] if reason != "too_many" else shown[:SHOWN_ROWS]
            answer: dict[str, Json] = {
                "satisfied": not failed,
                "reason": reason,
                "matched": len(waiter.matched),
                "near_misses": [miss.as_json() for miss in waiter.near_misses],
                "refused": await waiter.refused(),
                "refused_requests": await waiter.refused_requests() if failed else [],
                "faults_pending": [step.as_json() for step in session.faults if not step.spent],
                "unseen": self.unseen.as_json(since_ms),
                "other_sessions": waiting.other_sessions(
                    self.store, session, began_ms, since_ms if failed else None, guessed=guessed
                ),
            }
            rows = [row async for row in waiter.rows(arrived)]
            evidence = waiter.shown_exchanges(arrived, answer) if failed else []
            shown_exchanges = spread(iter(evidence), large=False)
            redactor = await redactor_of(*await secrets_in(self.contracts.served.values(), session, shown_exchanges))
            explained = partial(explain, waiter, request, answer, session, rows, redactor)
            large = not all(map(quickly_searched, evidence))
            answer["explanation"] = await Turn().do(explained, large=large)
        finally:
            self._open_waits -= 1
        kind, other = ("requests", "events") if waiter.for_requests else ("events", "requests")
        return await send_page(
            call, kind, waiter.rendered(shown), limit=len(shown), head={**answer, other: []}, next_of=waiter.next
        )
