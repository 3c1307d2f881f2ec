"""Outlit: who a server's events are about (outlit §4).

One name anywhere in the batch will do, or each event needs its own: the contract's `identity` says which.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mockserver.adapters import Adapter, EventRule
from mockserver.contract.contract import Contract
from mockserver.core.events import events_of
from mockserver.core.explain import Violation
from mockserver.core.gates import BoundGate, Gate
from mockserver.core.model import Judged, Refusal
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING

BATCH: Final = "batch"
PER_EVENT: Final = "per_event"


def _identity(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Look at the raw events, before any of them is judged: a bad or repeated event still says who it is about."""
    rules: Mapping[str, Json] = judged.contract.protocol["identity"]
    batch = rules.get(BATCH)
    if batch is None or judged.form is None or judged.body.get("source") not in batch["sources"]:
        return None
    if _any_identity(judged.body, events_of(judged.form, judged.body), rules):
        return None
    text = "neither an event nor the batch identifies a user"
    return gate.refuse(judged, "missing_identity", text, rule=f"/protocol/identity/{BATCH}")


def _any_identity(body: Json, events: list[Json], rules: Mapping[str, Json]) -> bool:
    if _says(body, rules[BATCH]["pointers"]):
        return True
    said_by = [rule for name, rule in rules.items() if name not in (BATCH, PER_EVENT)]
    return any(_applies(rule, event) and _says(event, rule["pointers"]) for event in events for rule in said_by)


def _own_identity(contract: Contract) -> EventRule | None:
    """Where the contract has the rule, an event from a server says itself who it is about."""
    rule: Json = contract.protocol["identity"].get(PER_EVENT)
    if rule is None:
        return None
    nobody = Violation(
        keyword="anyOf",
        tokens=pointer.parse(rule["pointers"][0]),
        rule=f"/protocol/identity/{PER_EVENT}",
        source=rule["source"],
        expected={"anyOf": rule["pointers"]},
        got=None,
        refusal=None,
        message=contract.protocol["messages"]["required"]["value"],
        rank=(),
    )

    def check(body: Json, event: Json) -> Violation | None:
        asked = body.get("source") in rule["sources"] and _applies(rule, event)
        return nobody if asked and not _says(event, rule["pointers"]) else None

    return check


def _applies(rule: Mapping[str, Json], event: Json) -> bool:
    return isinstance(event, dict) and event.get("type") in rule.get("types", (event.get("type"),))


def _says(holder: Json, pointers: Iterable[str]) -> bool:
    return any(_has_content(pointer.get(holder, pointer.parse(place))) for place in pointers)


def _has_content(value: Json) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    if isinstance(value, dict):
        return any(_has_content(member) for member in value.values())
    return value is not None and value is not MISSING


ADAPTER = Adapter(
    gates={"identity": Gate("identity", _identity, ("missing_identity",), after=("object",))},
    event_rules=_own_identity,
    needs=("/protocol/identity", "/protocol/messages/required"),
)
