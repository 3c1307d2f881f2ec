"""Outlit: who a server's events are about (outlit.md#what-counts-as-identity), and what only some senders can send.

One name anywhere in the batch is enough, or each event needs its own: the contract's `identity` says which. Members
that are `reserved` for other sources are an error of the event (outlit.md#calendar-event).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.extension import CheckKind
from mockserver.contract.operation import BoundGate
from mockserver.contract.sections import IdentityRule, ReservedMembers
from mockserver.core.adapter import Adapter, EventRule
from mockserver.core.events import events_of
from mockserver.core.explain import Violation
from mockserver.core.model import Judged, Refusal
from mockserver.core.refusals import refuse
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING, Tokens

BATCH: Final = "batch"
SOURCE: Final = Tokens(("source",))
PER_EVENT: Final = "per_event"


def _identity(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Look at the raw events, before any of them is judged: a bad or repeated event still identifies a user."""
    rules = judged.contract.identity
    batch = rules.get(BATCH)
    if batch is None or judged.form is None or judged.text_at(SOURCE) not in batch.senders:
        return None
    event_rules = [rule for name, rule in rules.items() if name not in (BATCH, PER_EVENT)]
    events = events_of(judged.form, judged.body)
    if _identifies(judged.body, batch) or any(
        _applies(rule, event) and _identifies(event, rule) for event in events for rule in event_rules
    ):
        return None
    text = "neither an event nor the batch identifies a user"
    return refuse(judged, gate, "missing_identity", text, rule=batch.pointer)


def _event_rules(contract: Contract) -> EventRule | None:
    """Where the contract has such rules: an event from a server must identify its user, a member has its senders."""
    checks = [_per_event(contract, rule) for name, rule in contract.identity.items() if name == PER_EVENT]
    checks += [_reserved(contract, rule, place) for rule in contract.reserved.values() for place in rule.pointers]
    if not checks:
        return None
    return lambda body, event: next(filter(None, (check(body, event) for check in checks)), None)


def _per_event(contract: Contract, rule: IdentityRule) -> EventRule:
    violation = Violation(
        keyword="anyOf",
        tokens=pointer.parse(rule.pointers[0]),
        rule=rule.pointer,
        source=contract.source_of(rule.pointer),
        expected={"anyOf": list(rule.pointers)},
        got=None,
        refusal=None,
        message=contract.message("required"),
        rank=(),
    )

    def check(body: Json, event: Json) -> Violation | None:
        required = body.get("source") in rule.senders and _applies(rule, event)
        return violation if required and not _identifies(event, rule) else None

    return check


def _reserved(contract: Contract, rule: ReservedMembers, place: str) -> EventRule:
    tokens = pointer.parse(place)
    violation = Violation(
        keyword="reserved",
        tokens=tokens,
        rule=rule.pointer,
        source=contract.source_of(rule.pointer),
        expected={"reserved": list(rule.senders)},
        got=None,
        refusal=None,
        message=contract.message("reserved"),
        rank=(),
    )

    def check(body: Json, event: Json) -> Violation | None:
        if body.get("source") in rule.senders or not _applies(rule, event):
            return None
        got = pointer.get(event, tokens)
        return None if got is MISSING else replace(violation, got=got)

    return check


def _applies(rule: IdentityRule | ReservedMembers, event: Json) -> bool:
    if not isinstance(event, dict):
        return False
    kind = event.get("type")
    return rule.types is None or (isinstance(kind, str) and kind in rule.types)


def _identifies(value: Json, rule: IdentityRule) -> bool:
    return any(_has_content(pointer.get(value, pointer.parse(place))) for place in rule.pointers)


def _has_content(value: Json) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict):
        return any(_has_content(member) for member in value.values())
    return value is not None and value is not MISSING


ADAPTER = Adapter(
    checks={"identity": CheckKind(("missing_identity",), after=("object",))},
    run={"identity": _identity},
    event_rules=_event_rules,
    needs=("/protocol/identity", "/protocol/messages/required"),
)
