"""The path of a request through a contract, top-down: where it leads, what refuses it, what becomes of its events.

Nothing here changes anything. What has to be claimed (a rate slot, dedup and idempotency keys) is only named; the
store claims it.
"""

from __future__ import annotations

from hashlib import blake2b

from mockserver.core import pointer
from mockserver.core.contract import Contract, Form
from mockserver.core.explain import Violation
from mockserver.core.formats import epoch_ms
from mockserver.core.gates import BoundGate, Gate, broken_by, rate_claim, refuse_violation, vendor_text
from mockserver.core.identity import credentials
from mockserver.core.intake import Intake
from mockserver.core.model import Fault, Finding, Json, Judged, Refusal, Terms
from mockserver.core.pointer import MISSING

ROUTING_ORDER = 0
NO_TERMS = Terms(now_ms=0)


def approach(intake: Intake, contract: Contract) -> Judged:
    """Say where a request leads under a contract and which credential it carries; nothing is judged yet."""
    judged = Judged(intake=intake, contract=contract, terms=NO_TERMS, place=contract.locate(intake.request.target))
    _route(judged)
    if not judged.preflight:
        for name, value in credentials(intake, contract, judged.place, judged.operation):
            judged.credential_name, judged.credential = name, value
            break
    return judged


def judge(judged: Judged, terms: Terms) -> Judged:
    """Say what should happen to an approached request under a session's terms."""
    judged.terms = terms
    operation = judged.operation
    if judged.preflight or judged.refusal is not None or operation is None:
        return judged
    judged.rate = rate_claim(judged)
    for gate in operation.gates:
        judged.refusal = gate.check(judged, gate)
        if judged.refusal is not None:
            _see_events(judged)
            break
    if "lookup" in operation.spec:
        judged.lookup = digest(judged.place.params[operation.spec["lookup"]])
    return judged


def _see_events(judged: Judged) -> None:
    """Find the events of a refused request all the same: each gets a row that says it was rejected."""
    if judged.events or judged.operation is None or not judged.operation.forms:
        return
    if judged.intake.parse(judged.contract.max_body) and isinstance(judged.intake.value, dict):
        judged.form = judged.contract.adapter.choose_form(judged.operation, judged.intake.value)
        judged.events = [] if judged.form is None else events_of(judged.form, judged.intake.value)


def _route(judged: Judged) -> None:
    operations, method = judged.place.operations, judged.request.method
    judged.operation = operations.get(method)
    if judged.operation is not None:
        return
    if method == "OPTIONS" and any("cors" in operation.spec for operation in operations.values()):
        judged.preflight = True
    elif operations:
        judged.refusal = _routing_refusal(
            judged, "method_not_allowed", f"{method} is not served here", sorted(operations), method
        )
    else:
        served = sorted({operation.path for operation in judged.contract.operations.values()})
        judged.refusal = _routing_refusal(
            judged, "unknown_path", "nothing is served at this path", served, judged.request.target
        )


def _routing_refusal(judged: Judged, reason: str, message: str, expected: Json, got: str) -> Refusal:
    rule = "/protocol/operations"
    finding = Finding(
        rule=rule,
        severity="refused",
        pointer="",
        expected=expected,
        got=got,
        source=judged.contract.source_of(rule),
        message=message,
    )
    return Refusal(reason=reason, order=ROUTING_ORDER, finding=finding, detail=message)


def _events(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Judge each event by the schema of its type and by the time windows; name what it would claim."""
    form = judged.form
    if form is None or form.events is None:
        return None
    events = judged.events = events_of(form, judged.body)
    faults = [fault for index, event in enumerate(events) if (fault := _fault(judged, gate, form, index, event))]
    judged.faults = tuple(fault for fault, _ in faults)
    if faults and (form.policy == "whole" or form.single):
        return faults[0][1]
    _name_claims(judged, {fault.index for fault, _ in faults})
    return None


def events_of(form: Form, body: Json) -> list[Json]:
    """Return the events of a parsed body; empty when there is no array where they should be."""
    if form.events is None:
        return []
    if form.single:
        return [body]
    found = pointer.get(body, form.events)
    return found if isinstance(found, list) else []


def _fault(judged: Judged, gate: BoundGate, form: Form, index: int, event: Json) -> tuple[Fault, Refusal] | None:
    schema = form.schema_for(event)
    fits = schema is not None and judged.lone_surrogates is False and schema.is_valid(event)
    broken = () if fits else event_violations(judged, form, event)
    violation = broken[0] if broken else beyond_schema(judged, event) or outside_window(judged, event)
    if violation is None:
        return None
    prefix = () if form.single else (*form.events, index)  # type: ignore[misc]
    refusal = refuse_violation(judged, gate, violation, prefix, "invalid_event")
    return Fault(index=index, reason=refusal.reason, message=refusal.detail, finding=violation.finding()), refusal


def event_violations(judged: Judged, form: Form, event: Json) -> list[Violation]:
    """Return what an event breaks: its type first, then the schema of that type."""
    schema = form.schema_for(event)
    if schema is not None:
        return broken_by(judged, schema, event)
    kind = pointer.get(event, form.discriminator) if isinstance(event, dict) else MISSING
    rule, names = "/events", sorted(form.schemas)
    if not isinstance(event, dict):
        return [_unpicked("not_an_object", (), rule, judged, {"type": "object"}, event)]
    if kind is MISSING or kind is None:
        return [_unpicked("required", form.discriminator, rule, judged, {"required": [form.discriminator[-1]]}, None)]
    return [_unpicked("unknown_type", form.discriminator, rule, judged, {"enum": names}, kind)]


def _unpicked(
    keyword: str, tokens: tuple[str | int, ...], rule: str, judged: Judged, expected: Json, got: Json
) -> Violation:
    return Violation(
        keyword=keyword,
        tokens=tokens,
        rule=rule,
        source=judged.contract.source_of(f"/protocol/messages/{keyword}"),
        expected={keyword: expected[next(iter(expected))]},
        got=got,
        refusal=None,
        message=None,
        rank=(),
    )


def beyond_schema(judged: Judged, event: Json) -> Violation | None:
    """Return what the protocol's adapter finds broken in an event beside its schema."""
    return judged.contract.adapter.beyond_schema(judged.contract, judged.body, event)


def outside_window(judged: Judged, event: Json) -> Violation | None:
    """Return how an event's time breaks one of the contract's windows."""
    for name, window in judged.contract.windows:
        text = pointer.get(event, window.tokens)
        moment = epoch_ms(text) if isinstance(text, str) else None
        if moment is None:
            continue
        ahead = moment - judged.terms.now_ms
        if -window.past_ms <= ahead <= window.future_ms:
            continue
        side = "future_ms" if ahead > 0 else "past_ms"
        return Violation(
            keyword="window",
            tokens=window.tokens,
            rule=f"/protocol/windows/{name}/{side}",
            source=judged.contract.source_of(f"/protocol/windows/{name}"),
            expected={"window": {"past_ms": window.past_ms, "future_ms": window.future_ms}},
            got=text,
            refusal=window.refusal,
            message=window.message,
            rank=(),
        )
    return None


def _name_claims(judged: Judged, bad: set[int]) -> None:
    contract, events = judged.contract, judged.events
    if contract.dedup is not None:
        judged.dedup = [
            None if index in bad else id_digest(contract.name, pointer.get(event, contract.dedup))
            for index, event in enumerate(events)
        ]
    if contract.entity is not None:
        judged.entities = [
            None if index in bad else id_digest("", pointer.get(event, contract.entity))
            for index, event in enumerate(events)
        ]


def id_digest(namespace: str, value: Json) -> bytes | None:
    """Return the digest of an id a client chose, or None where there is none."""
    return digest(value, namespace) if isinstance(value, str) and value else None


def digest(value: str, namespace: str = "") -> bytes:
    """Return 16 bytes that stand for a text of any length."""
    text = f"{namespace}\0{value}" if namespace else value
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


EVENTS_GATE = Gate("events", _events, ("invalid_event",))

__all__ = [
    "EVENTS_GATE",
    "approach",
    "digest",
    "event_violations",
    "events_of",
    "judge",
    "outside_window",
    "vendor_text",
]
