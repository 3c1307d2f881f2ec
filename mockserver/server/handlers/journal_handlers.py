"""Handlers of the control surface that read what a session has received."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cached_property, partial
from itertools import repeat
from typing import Any, Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.recording.exporting import MANY_SECRETS, export_line, quickly_searched
from mockserver.recording.redaction.redact import Redactor
from mockserver.recording.redaction.secret_names import LONGEST_SEARCHED
from mockserver.server import waiting
from mockserver.server.aiohttp_io import SERVER, json_headers, write
from mockserver.server.control import Call, RejectedError
from mockserver.server.handlers.handler_base import FILTERS, HandlerBase, send_page
from mockserver.server.handlers.recording_handlers import send_recording
from mockserver.server.hiding import redactor_of, secrets_in
from mockserver.server.ledgers import Ledgers
from mockserver.server.pages import RenderedRow, rendered
from mockserver.server.turns import Turn, in_turns, spread
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.delivery import Delivery
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.match_problems import problem as matcher_problem
from mockserver.sessions.matcher import ANY, matches
from mockserver.sessions.session import Session
from mockserver.sessions.views import View

NDJSON: Final = "ndjson"
"""The format of an export that is no recording."""
MANY_ATTEMPTS: Final = 1000
"""From more attempts on, a delivery's row is made in the thread for what may take longer than a turn."""


class JournalHandlers(HandlerBase):
    """The handlers of requests, events, deliveries and exports."""

    @cached_property
    def _ledgers(self) -> Ledgers:
        return Ledgers()

    async def list_requests(self, call: Call) -> web.StreamResponse:
        """Return a page of requests."""
        session = self.read(call)
        self.check_filters(session, call.query)

        async def rows() -> AsyncIterator[RenderedRow]:
            async for exchange in in_turns(session, call.query.get("after", 0)):
                if _request_matches(exchange, call.query):
                    yield exchange.seq, render(View(exchange).request_row())

        return await send_page(call, "requests", rows())

    async def get_request(self, call: Call) -> web.StreamResponse:
        """Return one request with bodies and findings."""
        session, name = self.read(call), call.params["id"]
        number = name.removeprefix("r")
        if number.isascii() and number.isdigit() and len(number) < 18:
            exchange = next(session.exchanges(int(number) - 1), None)
            if exchange is not None and exchange.seq == int(number):
                view = View(exchange)
                detail = await Turn().do(lambda: render(view.request_detail()), large=view.large)
                return web.Response(body=detail, headers=json_headers())
        raise RejectedError(404, f"session {session.name} has no request {name}", parameter="id")

    async def list_events(self, call: Call) -> web.StreamResponse:
        """Return a page of events."""
        session, query = self.read(call), {**call.query, "verdict": call.query.get("verdict", ANY)}
        self.check_filters(session, query, of_events=True)
        match: dict[str, Json] = {name: query[name] for name in ("where", "request") if name in query}
        invalid = matcher_problem(match, "")
        if invalid is not None:
            raise RejectedError(400, f"{invalid[0]}: {invalid[1]}", parameter=invalid[0].split("/")[1])
        return await send_page(call, "events", self._event_rows(session, query, match))

    async def _event_rows(
        self, session: Session, query: Mapping[str, Any], match: Mapping[str, Json]
    ) -> AsyncIterator[RenderedRow | None]:
        """Yield the event rows that fit the filters and the matcher, oldest first; None for a piece of other work."""
        after, rows = query.get("after", 0), 0
        attempts = AttemptNumbers() if "attempt" in match.get("request", {}) else None
        first = next(session.exchanges_with_events(after), None)
        async for exchange in in_turns(session, 0 if first is None or attempts is not None else first.seq - 1):
            view = View(exchange)
            async for row in spread(rendered(_matching_rows(view, query, match, attempts)), large=view.large):
                rows += row is not None
                yield row
        if not rows and not after:  # an event of an unknown type may be there, refused
            self.check_filters(session, {name: query[name] for name in FILTERS if name in query})

    async def export_session(self, call: Call) -> web.StreamResponse:
        """Stream the exchanges of a session as NDJSON, or as a recording, which is whole before it is sent."""
        session = self.read(call)
        if call.query.get("format", NDJSON) != NDJSON:
            return await send_recording(self, call, session)
        for name, needed in (("redact", "a format other than ndjson"), ("normalise", "format=recording")):
            if name in call.query:
                raise RejectedError(400, f"{name} needs {needed}", parameter=name)
        headers = CIMultiDict({"Content-Type": "application/x-ndjson", "Server": SERVER, **call.headers})
        if call.request.method == "HEAD":
            return web.Response(headers=headers)
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(call.request)
        secrets, turn = await secrets_in(self.contracts.served.values(), session, in_turns(session)), Turn()
        redactor = await redactor_of(*secrets)
        async for exchange in in_turns(session):
            view = View(exchange)
            line = await turn.do(partial(_rendered_export, view, redactor), large=not quickly_searched(exchange))
            await write(stream, line)
        return stream

    async def list_secrets(self, call: Call) -> web.Response:
        """List what an export of a session hides: secrets, and what keys begin with."""
        session = self.read(call)
        secrets, prefixes = await secrets_in(self.contracts.served.values(), session, in_turns(session))
        known = {"secrets": sorted({secret[:LONGEST_SEARCHED] for secret in secrets}), "prefixes": sorted(prefixes)}
        body = await Turn().do(partial(render, known), large=len(secrets) > MANY_SECRETS)
        return web.Response(body=body, headers=json_headers(headers=call.headers))

    async def list_deliveries(self, call: Call) -> web.StreamResponse:
        """List the deliveries: one row per logical event with all its attempts."""
        session, final = self.read(call), call.query.get("final", False)
        after, deliveries = call.query.get("after", 0), await self._ledgers.rows(session)

        async def rows() -> AsyncIterator[RenderedRow | None]:
            turn = Turn()
            for position in range(after, len(deliveries)):
                row = partial(_rendered_delivery, deliveries[position], final)
                large = len(deliveries[position].attempts) > MANY_ATTEMPTS
                yield position + 1, await turn.do(row, large=large)

        return await send_page(call, "deliveries", rows())


def _rendered_export(view: View, redactor: Redactor) -> bytes:
    return render(export_line(view, redactor)) + b"\n"


def _rendered_delivery(delivery: Delivery, final: bool) -> bytes:
    return render(delivery.as_json(final=final))


def _request_matches(exchange: Exchange, query: Mapping[str, Any]) -> bool:
    return (
        query.get("protocol") in (None, exchange.contract.name)
        and query.get("operation") in (None, exchange.operation)
        and query.get("status") in (None, exchange.client_status)
    )


def _matching_rows(
    view: View, query: Mapping[str, Any], match: Mapping[str, Json], attempts: AttemptNumbers | None
) -> Iterator[tuple[int, Json] | None]:
    """Yield the event rows of an exchange that fit the filters and the matcher, oldest first; None for other events.

    `attempts` has counted the exchanges before this one, if the matcher asks for attempts.
    """
    exchange, verdict, type_ = view.exchange, query["verdict"], query.get("type")
    fits = _request_matches(exchange, query) and (verdict == ANY or verdict in exchange.verdicts)
    if not fits and attempts is None:
        return
    numbers = repeat(None) if attempts is None else attempts.adding(exchange, view.sent.events)
    for number, index in zip(numbers, range(len(exchange.verdicts)), strict=False):
        seq = exchange.receipt.first_event + index
        fits_filters = (
            fits
            and seq > query.get("after", 0)
            and verdict in (ANY, exchange.verdicts[index])
            and type_ in (None, view.sent.type_of(index))
        )
        if fits_filters and (not match or matches(match, waiting.row_to_match(view, index, number))):
            yield seq, view.event_row(index)
        else:
            yield None
