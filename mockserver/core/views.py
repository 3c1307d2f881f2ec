"""What a journalled exchange looks like to somebody who asks: rows, findings, the reply. Derived, never kept."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from mockserver.core import jsontext, pointer
from mockserver.core.answer import answer
from mockserver.core.attempts import Brought, brought
from mockserver.core.contract import Contract
from mockserver.core.events import event_violations, outside_window
from mockserver.core.explain import Violation, reference_spots, violations
from mockserver.core.formats import rfc3339_ms
from mockserver.core.identity import credentials
from mockserver.core.intake import Intake
from mockserver.core.judge import approach, judge
from mockserver.core.model import Exchange, Finding, Json, Judged, Verdict, WireReply
from mockserver.core.schema import Schema, drop_nulls
from mockserver.core.transform import stored

SERVER_NOTES: Mapping[str, Json] = {
    "long_credential": {
        "message": "the credential is longer than 200 bytes, so the request went to the session named default",
        "source": "assumed: this server's own bound on session names",
    },
    "long_session": {
        "message": "X-Mock-Session is longer than 200 bytes, so the request went to the session named default",
        "source": "assumed: this server's own bound on session names",
    },
}
"""What the server itself has to say about a request, beside the contract."""


class View:
    """One exchange. It is judged again, under the contract and terms of the first time, when that is asked for."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    @cached_property
    def judged(self) -> Judged:
        """What was to happen to the request."""
        exchange = self.exchange
        judged = judge(approach(Intake(exchange.request), exchange.contract), exchange.terms)
        if exchange.special.rejected:
            judged.faults = exchange.special.rejected
        return judged

    @cached_property
    def _brought(self) -> Brought:
        return brought(self.exchange)

    @property
    def id(self) -> str:
        """The request's id in its session."""
        return f"r{self.exchange.seq}"

    def events(self) -> list[Json]:
        """Return the events as sent, integers of any length kept."""
        return self._brought.events

    def reply(self) -> WireReply:
        """Return the reply that was sent, or would have been where the connection was cut."""
        return self.exchange.reply or answer(self.judged, self.exchange.receipt)

    def match_rows(self) -> Iterator[dict[str, Json]]:
        """Yield of each event only what a matcher may look at, and its number."""
        found = self._brought
        for index, (event, kind) in enumerate(zip(found.events, found.types, strict=True)):
            yield {
                "seq": self.exchange.first_event + index,
                "index": index,
                "protocol": self.exchange.contract.name,
                "operation": self.exchange.operation,
                "type": kind,
                "verdict": str(self.exchange.verdicts[index]),
                "event": event,
            }

    def event_rows(self, *, advice: bool = True) -> Iterator[dict[str, Json]]:
        """Yield the row of each event, findings and stored form included."""
        exchange, form = self.exchange, self.judged.form
        if form is None:
            return
        for index, (event, verdict) in enumerate(zip(self.events(), exchange.verdicts, strict=True)):
            seq = exchange.first_event + index
            schema = form.schema_for(event)
            kept = verdict is Verdict.ACCEPTED and schema is not None
            findings = self._event_findings(index, event, verdict) + (
                self._advice(event) if advice and verdict is not Verdict.REJECTED else []
            )
            yield {
                "id": f"e{seq}",
                "request_id": self.id,
                "index": index,
                "seq": seq,
                "received_at": rfc3339_ms(exchange.received_ms),
                "session_time": rfc3339_ms(exchange.now_ms),
                "protocol": exchange.contract.name,
                "operation": exchange.operation,
                "type": form.type_of(event),
                "verdict": str(verdict),
                "findings": [finding.as_json() for finding in findings],
                "event": event,
                "stored": stored(event, schema.name, exchange.contract, exchange.now_ms) if kept and schema else None,
            }

    def _event_findings(self, index: int, event: Json, verdict: Verdict) -> list[Finding]:
        if verdict is not Verdict.REJECTED:
            return []
        injected = [fault.finding for fault in self.exchange.special.rejected if fault.index == index and fault.finding]
        return explain_event(self.judged, event) or injected or [self._whole_finding()]

    def _whole_finding(self) -> Finding:
        """The finding of a good event that was refused with its request."""
        exchange, refusal = self.exchange, self.judged.refusal
        if exchange.fault is not None:
            return self._note("/fault", "the reply was injected by a fault; nothing was stored", exchange.fault)
        if exchange.receipt.refused is not None or refusal is None:
            rule = f"/protocol/refusals/{self._family()}/{exchange.receipt.refused}"
            return self._note(rule, f"the whole request was refused: {exchange.receipt.refused}", None)
        return self._note(refusal.finding.rule, f"the whole request was refused: {refusal.finding.message}", None)

    def _family(self) -> str:
        return self.judged.operation.family if self.judged.operation is not None else ""

    def _note(self, rule: str, message: str, got: Json) -> Finding:
        source = self.exchange.contract.source_of(rule)
        return Finding(
            rule=rule, severity="refused", pointer="", expected=None, got=got, source=source, message=message
        )

    def _advice(self, event: Json) -> list[Finding]:
        contract = self.exchange.contract
        form, operation = self.judged.form, self.exchange.operation
        if form is None or operation is None:
            return []
        found: list[Finding] = []
        kind = form.type_of(event)
        for name, rule in contract.documents.get("advice", {}).get("events", {}).items():
            if kind in rule.get("types", (kind,)) and operation in rule.get("operations", (operation,)):
                schema = contract.advice[f"events/{name}"]
                found += [
                    Finding(
                        rule=f"/advice/events/{pointer.escape(name)}",
                        severity="advice",
                        pointer=broken.finding().pointer,
                        expected=broken.expected,
                        got=broken.got,
                        source=rule["source"],
                        message=rule["message"],
                    )
                    for broken in self._broken(schema, event)
                ]
        return found + self._newest_advice(event)

    def _broken(self, schema: Schema, value: Json) -> Sequence[Violation]:
        """Return what a value breaks; the slow engine, which can explain, is asked only where the fast one objects."""
        if schema.is_valid(self.judged.engine_view(value)):
            return ()
        return violations(schema, value, reference_spots)

    def _newest_advice(self, event: Json) -> list[Finding]:
        """What the newest revision would refuse in an event accepted under this contract."""
        newest = self.exchange.contract.newest
        operation = None if newest is None else newest.operations.get(self.exchange.operation or "")
        form = self.judged.form
        theirs = None if form is None or operation is None else operation.forms.get(form.name)
        if newest is None or theirs is None:
            return []
        found = [violation.finding("advice") for violation in _violations_under(self.judged, theirs, event, newest)]
        return [
            Finding(**{**finding.as_json(), "message": f"{newest.revision} refuses this: {finding.message}"})
            for finding in found
        ]

    def findings(self) -> list[Finding]:
        """Return the request's own findings: why it was refused as a whole, and advice on it."""
        found: list[Finding] = []
        if self.judged.refusal is not None:
            found.append(self.judged.refusal.finding)
        elif self.exchange.receipt.refused is not None:
            found.append(self._whole_finding())
        elif self.exchange.refused:
            found += [fault.finding for fault in self.judged.faults[:1] if fault.finding is not None]
        return found + self._transport_advice() + self._request_advice()

    def _request_advice(self) -> list[Finding]:
        contract, body = self.exchange.contract, self.judged.body
        if body is None or self.exchange.refused:
            return []
        found: list[Finding] = []
        for name, rule in contract.documents.get("advice", {}).get("requests", {}).items():
            if self.exchange.operation in rule.get("operations", (self.exchange.operation,)):
                for broken in self._broken(contract.advice[f"requests/{name}"], body):
                    place = broken.finding().pointer
                    found.append(self._advise(f"/advice/requests/{pointer.escape(name)}", rule, place, broken.got))
        return found

    def _transport_advice(self) -> list[Finding]:
        rules = self.exchange.contract.documents.get("advice", {}).get("transport", {})
        seen = [*self._transport_notes(), *self.exchange.special.notes]
        return [self._advise(f"/advice/transport/{name}", rules[name], "", None) for name in seen if name in rules] + [
            self._advise(f"/server/{name}", SERVER_NOTES[name], "", None) for name in seen if name in SERVER_NOTES
        ]

    def _transport_notes(self) -> Iterator[str]:
        request, place = self.exchange.request, self.judged.place
        if place.leading_slashes:
            yield "leading_slashes"
        if place.trailing_slash:
            yield "trailing_slash"
        if self.exchange.receipt.over_rate:
            yield "over_rate"
        if self.judged.operation is not None:
            keys = credentials(self.judged.intake, self.exchange.contract, place, self.judged.operation)
            if len({value for _, value in keys}) > 1:
                yield "two_credentials"
        kind = (request.header(b"content-type") or "").partition(";")[0].strip().lower()
        if self.judged.body is not None:
            if kind != "application/json":
                yield "content_type"
            twice: list[str] = []
            jsontext.parse_exactly(self.judged.intake.text, twice)
            if twice:
                yield "duplicate_members"

    def _advise(self, rule: str, spec: Json, place: str, got: Json) -> Finding:
        return Finding(
            rule=rule,
            severity="advice",
            pointer=place,
            expected=None,
            got=got,
            source=spec["source"],
            message=spec["message"],
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
            "status": exchange.told_status,
            "events": len(exchange.verdicts),
            "fault": exchange.fault,
        }

    def request_detail(self) -> dict[str, Json]:
        """Return the whole exchange: what arrived, what was answered, why."""
        request, reply = self.exchange.request, self.reply()
        headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in request.headers]
        return {
            **self.request_row(),
            "request": {"headers": headers, "body": body_view(request.body)},
            "reply": {"headers": [list(pair) for pair in reply.headers], "body": body_view(reply.body)},
            "findings": [finding.as_json() for finding in self.findings()],
            "connection": self.exchange.connection,
        }


def explain_event(judged: Judged, event: Json) -> list[Finding]:
    """Return every refused finding of one event, as the reference engine sees it; windows included."""
    form = judged.form
    if form is None:
        return []
    broken = _violations_under(judged, form, event, judged.contract)
    late = outside_window(judged, event)
    return [violation.finding() for violation in (*broken, *([late] if late else []))]


def _violations_under(judged: Judged, form: Json, event: Json, contract: Contract) -> Sequence[Json]:
    schema = form.schema_for(event)
    if schema is None:
        return event_violations(judged, form, event)
    missing = contract.beyond and contract.beyond(judged.body, event)
    own = [missing] if missing else []
    value = judged.engine_view(event)
    if schema.is_valid(value):
        return own
    value = drop_nulls(value, schema.body) if contract.nulls_absent else value
    return [*violations(schema, value, reference_spots), *own]


def body_view(body: bytes) -> dict[str, str]:
    """Return a body as text where it is UTF-8, else as base64."""
    try:
        return {"text": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii")}
