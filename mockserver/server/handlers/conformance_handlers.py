"""The handler of the control surface that scores the client of a session by the rules of its protocol."""

from __future__ import annotations

from asyncio import Lock
from functools import cached_property, partial

from aiohttp import web

from mockserver.conformance.client_traffic import Traffic
from mockserver.conformance.scorecard import counts, scoring
from mockserver.jsonkit.jsontext import render
from mockserver.server.aiohttp_io import json_headers
from mockserver.server.control import Call, RejectedError
from mockserver.server.handlers.handler_base import HandlerBase
from mockserver.server.turns import Turn, in_turns, spread
from mockserver.server.vendor import real_ms
from mockserver.sessions.exchange import Exchange


class ConformanceHandlers(HandlerBase):
    """The handler of scores."""

    @cached_property
    def _scoring(self) -> Lock:
        return Lock()

    async def get_conformance(self, call: Call) -> web.Response:
        """Return the verdict on each rule, of one protocol or of those that the session has requests of."""
        session, query = self.read(call), call.query
        self.check_filters(session, {name: query[name] for name in ("protocol",) if name in query})
        async with self._scoring:  # each holds all events of a session
            seen: dict[str, list[Exchange]] = {}
            async for exchange in in_turns(session):
                seen.setdefault(exchange.contract.name, []).append(exchange)
            scores = []
            for name in self._protocols(query.get("protocol"), seen):
                traffic = Traffic(
                    exchanges=seen.get(name, []),
                    until_ms=real_ms(),
                    final=query.get("final", False),
                    made=query.get("made"),
                )
                rules = self.contracts.library.protocol(name).client_rules.rules.values()
                async for scored in spread(scoring(rules, traffic), large=True):
                    scores += scored or []
        card = {
            "session": session.name,
            "rules": [row.as_json() for row in scores],
            "counts": counts(scores),
            "evicted": session.evicted,
        }
        body = await Turn().do(partial(render, card), large=False)
        return web.Response(body=body, headers=json_headers(headers=call.headers))

    def _protocols(self, named: str | None, seen: dict[str, list[Exchange]]) -> list[str]:
        """Return the protocols to score; all of them where the session has no request, so that no rule passes."""
        if named is not None:
            if named not in self.contracts.served:
                raise RejectedError(400, f"protocol: {named} is not served", parameter="protocol")
            return [named]
        return [name for name in self.contracts.served if name in seen] or list(self.contracts.served)
