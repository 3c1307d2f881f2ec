"""Script clients: requests at given moments, journalled without a server, so that a back-off takes no time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from mockserver.conformance.client_traffic import Traffic
from mockserver.conformance.scorecard import RuleScore, score
from mockserver.contract.client_rules import ClientRule, LooksAt
from mockserver.contract.library import library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.steps import Step, reject
from mockserver.sessions.stores.memory import MemoryStore

NOW: Final = 1_781_438_402_000
"""2026-06-14T12:00:02Z, as in the examples of the contracts."""
LATER_MS: Final = 3_600_000
"""How long after its last request a session was watched that did not end."""

UNAVAILABLE: Final = {"reply": {"status": 503}}
FAILING: Final = {"reply": {"status": 500}}
BAD_REQUEST: Final = {"reply": {"status": 400}}
UNAUTHORIZED: Final = {"reply": {"status": 401}}
NO_ANSWER: Final = {"connection": "drop"}
LOST_ANSWER: Final = {"connection": "drop", "when": "after_commit"}


def retry_after(value: int | str, status: int = 429) -> dict[str, Any]:
    """Return the step that answers with Retry-After."""
    return {"reply": {"status": status, "headers": {"Retry-After": str(value)}}}


@dataclass(frozen=True, kw_only=True)
class Scripted:
    """One request of a script client, `at` ms after its start; its answer takes `delay` ms."""

    at: int
    target: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    method: str = "POST"
    step: Mapping[str, Any] | None = None
    delay: int = 0
    connection: str = "one"


@dataclass(frozen=True)
class Client:
    """A script client of a protocol: what it sends unless told otherwise, and its requests so far."""

    protocol: str
    target: str
    headers: Mapping[str, str]
    requests: Sequence[Scripted] = ()
    made: int | None = None
    final: bool = True
    revision: str | None = None

    def send(
        self,
        at: int,
        body: object,
        step: Mapping[str, Any] | None = None,
        *,
        to: str | None = None,
        headers: Mapping[str, str | None] | None = None,
        **options: Any,
    ) -> Self:
        """Return the client with one more request; a header of None is left out."""
        pairs = {**self.headers, **(headers or {})}
        content = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        request = Scripted(
            at=at,
            target=to or self.target,
            body=content,
            headers=tuple((name, value) for name, value in pairs.items() if value is not None),
            step={"delay_ms": options["delay"], **(step or {})} if "delay" in options else step,
            **options,
        )
        return replace(self, requests=(*self.requests, request))

    def knowing(self, made: int) -> Self:
        """Return the client of a program that is known to make so many events."""
        return replace(self, made=made)

    def under(self, revision: str) -> Self:
        """Return the client in a session with another revision."""
        return replace(self, revision=revision)

    def watched(self) -> Self:
        """Return the client in a session that may go on, watched for an hour."""
        return replace(self, final=False)


async def exchanges_of(client: Client) -> list[Exchange]:
    """Return the journal of a script client's session."""
    contract = library().protocol(client.protocol).contract(client.revision)
    store = MemoryStore(SessionSettings(), max_bytes=1 << 30, max_sessions=1)
    session, journal = store.session("script"), list[Exchange]()
    for sent in client.requests:
        pairs = tuple((name.encode(), value.encode()) for name, value in sent.headers)
        fields = {name.lower(): value for name, value in pairs}
        request = WireRequest(method=sent.method, target=sent.target, headers=pairs, fields=fields, body=sent.body)
        now = NOW + sent.at
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=now))
        step = None if sent.step is None else Step({**sent.step, "times": 1})
        if step is not None and step.reject is not None:
            reject(judged, step)
        exchange, _ = await store.commit(session, judged, received_ms=now, step=step, connection=sent.connection)
        journal.append(exchange)
    for exchange, sent in zip(journal, client.requests, strict=True):
        if sent.delay:
            left = exchange.received_ms + sent.delay
            newest = max(other.seq for other in journal if other.received_ms <= left)
            exchange.override = replace(exchange.override, answered=(left, newest))
    return journal


async def scored(client: Client, rules: Sequence[ClientRule] | None = None) -> dict[str, RuleScore]:
    """Return the score of a script client by rule: of its protocol's rules, unless others are given."""
    journal = await exchanges_of(client)
    last = max((exchange.received_ms for exchange in journal), default=NOW)
    traffic = Traffic(
        exchanges=journal,
        until_ms=last if client.final else last + LATER_MS,
        final=client.final,
        made=client.made,
    )
    chosen = library().protocol(client.protocol).client_rules.rules.values() if rules is None else rules
    return {row.rule.name: row for row in score(chosen, traffic)}


def rule_of(check: str, parameters: Mapping[str, Any], **members: Any) -> ClientRule:
    """Return a rule that nobody's file has, for a test of a check."""
    return ClientRule(
        name="mine",
        protocol="whisperr",
        text="A client does it",
        level="must",
        source="assumed: a test",
        check=check,
        parameters=parameters,
        looks_at=members.pop("looks_at", LooksAt()),
        **members,
    )


@dataclass(frozen=True)
class Pair:
    """Two clients of one rule: one that keeps it, and one that breaks it and no other."""

    keeps: Client
    breaks: Client
