"""What a journalled exchange looks like to somebody who asks: rows, findings, the reply. Derived, never kept."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from msgspec.structs import replace

from mockserver.contract.sections import Fill, StoredRules
from mockserver.contract.server_rules import RECORDING, SERVER_RULES, UPSTREAM
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.findings import Finding, as_rows, distinct
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Verdict
from mockserver.core.route import route
from mockserver.core.stripping import removed_names
from mockserver.core.warnings import event_errors, event_warnings, request_warnings
from mockserver.core.wire import WireReply
from mockserver.core.wording import abridged
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms
from mockserver.sessions.exchange import HANDED_THROUGH, WITHOUT_REPLY, Exchange, SentEvents, sent_events
from mockserver.sessions.matcher import RequestFacts
from mockserver.sessions.steps import INJECTED_RULE, Step, truncated

KEPT_ROWS: Final = 1000
"""How many rows a view keeps for the next matcher. A larger batch than vendors take is read by each matcher anew."""


QUICKLY_READ: Final = 64 * 1024
MANY_VALUES: Final = 2_000
"""Bytes and commas of a body that is explained within a turn of the event loop, whatever is wrong with it."""


class View:
    """One exchange. It is judged again, under the contract and terms of the first time, when that is asked for."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._match_rows: dict[int, dict[str, Json]] = {}

    @property
    def large(self) -> bool:
        """Whether its body, decompressed, may be too large to read within a turn of the event loop."""
        body, relayed = RequestBody(self.exchange.request), self.exchange.override.relayed
        if relayed is not None and len(relayed.reply.body) > QUICKLY_READ:
            return True
        return body.large or body.claimed_size > QUICKLY_READ or body.request.body.count(b",") > MANY_VALUES

    @cached_property
    def judged(self) -> Judged:
        """What was to happen to the request."""
        exchange = self.exchange
        judged = judge(route(RequestBody(exchange.request), exchange.contract), exchange.terms)
        if exchange.override.rejected:
            judged.event_errors = exchange.override.rejected
        return judged

    @cached_property
    def sent(self) -> SentEvents:
        """The events as sent, integers of any length kept."""
        return sent_events(self.exchange)

    @property
    def id(self) -> str:
        """The request's id in its session."""
        return f"r{self.exchange.seq}"

    def reply(self) -> WireReply:
        """Return the reply as far as it was sent, or would have been where no status line left."""
        override = self.exchange.override
        reply = override.reply or answer(self.judged, self.exchange.receipt)
        if override.lost and override.status_left and override.fault["connection"] == "truncate":
            return replace(reply, body=truncated(reply.body))
        return reply

    def contract_reply(self) -> WireReply | None:
        """Return the contract's reply to a request that an upstream or a recording answered; None for any other."""
        is_other = self.exchange.override.origin in HANDED_THROUGH
        return answer(self.judged, self.exchange.receipt) if is_other else None

    def upstream_reply(self) -> WireReply | None:
        """Return the reply of the upstream or recording where a fault step had another one sent; None for any other."""
        override = self.exchange.override
        if override.relayed is None or override.origin not in HANDED_THROUGH or override.is_handed_through:
            return None
        return override.relayed.reply

    @property
    def request_facts(self) -> RequestFacts:
        """What a matcher may look at of the request itself."""
        return RequestFacts(request=self.exchange.shared.head, status=self.exchange.client_status)

    def match_row(self, index: int) -> dict[str, Json]:
        """Return of an event only what a matcher may look at, and its number."""
        row = self._match_rows.get(index)
        if row is None:
            row = {
                "seq": self.exchange.receipt.first_event + index,
                "index": index,
                "protocol": self.exchange.contract.name,
                "operation": self.exchange.operation,
                "type": self.sent.type_of(index),
                "verdict": str(self.exchange.verdicts[index]),
                "event": self.sent.events[index],
                "request": self.request_facts,
            }
            if len(self._match_rows) < KEPT_ROWS:
                self._match_rows[index] = row
        return row

    def event_rows(self, *, warnings: bool = True) -> Iterator[dict[str, Json]]:
        """Yield the row of each event, findings and stored form included."""
        if self.judged.form is not None:
            for index in range(len(self.exchange.verdicts)):
                yield self.event_row(index, warnings=warnings)

    def event_row(self, index: int, *, warnings: bool = True) -> dict[str, Json]:
        """Return the row of one event, findings and stored form included."""
        exchange, form, event = self.exchange, self.sent.form and self.judged.form, self.sent.events[index]
        seq, verdict = exchange.receipt.first_event + index, exchange.verdicts[index]
        schema = form.schema_for(event) if form is not None and verdict is Verdict.ACCEPTED else None
        findings: list[Finding] = []
        if form is None:  # its contract has changed, and knows nothing of such an event
            pass
        elif verdict is Verdict.REJECTED:
            noted = [error.finding for error in self.judged.event_errors if error.index == index]
            findings = event_errors(self.judged, event) or list(filter(None, noted)) or [self._whole_finding()]
        elif warnings:
            findings = distinct([*event_warnings(self.judged, event), *self.warnings])
        return {
            "id": f"e{seq}",
            "request_id": self.id,
            "index": index,
            "seq": seq,
            "received_at": rfc3339_ms(exchange.received_ms),
            "session_time": rfc3339_ms(exchange.now_ms),
            "protocol": exchange.contract.name,
            "operation": exchange.operation,
            "type": self.sent.type_of(index),
            "verdict": str(verdict),
            "findings": as_rows(findings),
            "event": event,
            "stored": schema
            and stored(event, schema.name, exchange.contract.stored, exchange.now_ms, body=self.judged.body),
        }

    def _whole_finding(self) -> Finding:
        """The finding of a good event that was refused with its request."""
        exchange, refusal, operation = self.exchange, self.judged.refusal, self.judged.operation
        if exchange.override.origin in WITHOUT_REPLY:
            return self._unrelayed_finding()
        if exchange.override.relayed is not None and not exchange.override.relayed.stores:
            rule, message = (
                INJECTED_RULE,
                "the recorded reply was injected by a fault, or no upstream gave it; nothing was stored",
            )
        elif exchange.override.fault is not None and not Step(exchange.override.fault).stores:
            rule, message = INJECTED_RULE, "the reply was injected by a fault; nothing was stored"
        elif exchange.receipt.refused is not None or refusal is None:
            rule = f"/protocol/refusals/{operation.family.name if operation else ''}/{exchange.receipt.refused}"
            message = f"the whole request was refused: {exchange.receipt.refused}"
        else:
            rule, message = refusal.finding.rule, f"the whole request was refused: {refusal.finding.message}"
        own = SERVER_RULES.get(rule)
        source = exchange.contract.source_of(rule) if own is None else own.source
        return Finding(rule=rule, got=abridged(exchange.override.fault), source=source, message=message)

    def _unrelayed_finding(self) -> Finding:
        """The finding of an event that no upstream, or no exchange of a recording, has answered for."""
        relayed = self.exchange.override.relayed
        assert relayed is not None
        if relayed.origin == "unmatched":
            rule, got = SERVER_RULES[RECORDING], relayed.nearest
            message = relayed.failure
        else:
            rule, got = SERVER_RULES[UPSTREAM], relayed.failure
            message = f"{rule.message}: {got}"
        return Finding(rule=rule.pointer, expected="a reply", got=got, source=rule.source, message=message)

    def findings(self) -> list[Finding]:
        """Return the request's own findings: why it was refused as a whole, and warnings about it."""
        return distinct([*self.errors(), *self.warnings])

    def errors(self) -> list[Finding]:
        """Return why the request was refused as a whole."""
        if self.exchange.override.origin in WITHOUT_REPLY:
            return [self._unrelayed_finding()]
        if self.judged.refusal is not None:
            return [self.judged.refusal.finding]
        if self.exchange.receipt.refused is not None:
            return [self._whole_finding()]
        if self.exchange.refused:
            return [fault.finding for fault in self.judged.event_errors[:1] if fault.finding is not None]
        return []

    @cached_property
    def warnings(self) -> list[Finding]:
        """The warnings about the request, which its accepted events have too."""
        return request_warnings(
            self.judged,
            notes=self.exchange.override.notes,
            over_rate=self.exchange.receipt.over_rate,
            refused=self.exchange.refused,
        )

    def request_row(self) -> dict[str, Json]:
        """Return the request's row in a list."""
        exchange = self.exchange
        return {
            "id": self.id,
            "seq": exchange.seq,
            "received_at": rfc3339_ms(exchange.received_ms),
            "session_time": rfc3339_ms(exchange.now_ms),
            "protocol": exchange.contract.name,
            "operation": exchange.operation,
            "method": exchange.request.method,
            "path": exchange.request.target,
            "status": exchange.client_status,
            "events": len(exchange.verdicts),
            "fault": exchange.override.fault,
            "from": exchange.override.origin,
        }

    def request_detail(self) -> dict[str, Json]:
        """Return the whole exchange: what arrived, what was answered, why."""
        request, reply = self.exchange.request, self.reply()
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers]
        return {
            **self.request_row(),
            "request": {"headers": headers, "body": body_view(request.body)},
            "reply": {"headers": [list(pair) for pair in reply.headers], "body": body_view(reply.body)},
            "contract_reply": reply_view(self.contract_reply()),
            "upstream_reply": reply_view(self.upstream_reply()),
            "findings": as_rows(self.findings()),
            "event_pointer": self._event_pointer(),
            "connection": self.exchange.connection,
        }

    def _event_pointer(self) -> str | None:
        """Return where events are in the body, `{index}` in place of an index; None for an operation without events."""
        form = self.judged.form
        if form is None or form.events is None:
            return None
        return "" if form.single else pointer.build((*form.events, "{index}"))


def reply_view(reply: WireReply | None) -> Json:
    """Return a reply with its status, headers and body; None for none."""
    if reply is None:
        return None
    headers = [list(pair) for pair in reply.headers]
    return {"status": reply.status, "headers": headers, "body": body_view(reply.body)}


def body_view(body: bytes) -> dict[str, str]:
    """Return a body as text where it is UTF-8, else as base64."""
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}


def stored(event: Json, schema_name: str, rules: StoredRules, now_ms: int, *, body: Json = None) -> Json:
    """Return the event as the vendor keeps it; `now_ms` is the session time of its arrival, `body` its request's.

    What is not changed is shared with the event.
    """
    kept = event
    for fill in rules.fill.values():
        holder, name = pointer.get(kept, fill.tokens[:-1]), fill.tokens[-1]
        applies = fill.schemas is None or schema_name in fill.schemas
        if applies and isinstance(holder, dict) and holder.get(name) is None:
            value = _filled_in(fill, now_ms, body)
            if value is not pointer.MISSING:
                kept = _replaced(kept, fill.tokens[:-1], {**holder, name: value})
    for rule in rules.normalise.values():
        holder, text = pointer.get(kept, rule.tokens[:-1]), pointer.get(kept, rule.tokens)
        ms = epoch_ms(text) if isinstance(text, str) else None
        if ms is not None and isinstance(holder, dict):
            kept = _replaced(kept, rule.tokens, rfc3339_ms(ms))
    for strip in rules.strip.values():
        removed, holder = set(removed_names(kept, strip)), pointer.get(kept, strip.tokens)
        if removed and isinstance(holder, dict):
            left = {name: member for name, member in holder.items() if name not in removed}
            kept = _replaced(kept, strip.tokens, left)
    return kept


def _filled_in(fill: Fill, now_ms: int, body: Json) -> Json | pointer.Missing:
    """Return the value of a member that an event does not have; MISSING where there is none, or a blank text."""
    match fill.value:
        case "epoch_ms":
            return now_ms
        case "rfc3339_ms":
            return rfc3339_ms(now_ms)
        case "object":
            return {}
        case "request_member":
            value = pointer.get(body, fill.origin)
            blank = value is None or (isinstance(value, str) and not value.strip())
            return pointer.MISSING if blank else value


def _replaced(value: Json, tokens: Sequence[str], member: Json) -> Json:
    """Return a value with another member at the tokens, which exist; only what is around the member is copied."""
    if not tokens:
        return member
    token, rest = tokens[0], tokens[1:]
    if isinstance(value, dict):
        return {**value, token: _replaced(value[token], rest, member)}
    place = int(token)
    return [*value[:place], _replaced(value[place], rest, member), *value[place + 1 :]]
