"""Tally: the body's total must be what its items add up to, and replies say what the accepted items are worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockserver.contract.extension import CheckKind
from mockserver.contract.operation import BoundGate, Operation
from mockserver.contract.sections import Projects
from mockserver.core.adapter import Adapter
from mockserver.core.events import events_of
from mockserver.core.model import Judged, Receipt, Refusal, Verdict
from mockserver.core.refusals import refuse
from mockserver.jsonkit import Json


def _cents(item: Json) -> int:
    cents = item.get("cents") if isinstance(item, dict) else None
    return cents if isinstance(cents, int) else 0


def _total(judged: Judged, gate: BoundGate) -> Refusal | None:
    items = [] if judged.form is None else events_of(judged.form, judged.body)
    counted, said = sum(map(_cents, items)), judged.body["total"]
    if counted == said:
        return None
    return refuse(judged, gate, "wrong_total", f"the items add up to {counted}", expected=counted, got=said)


def _variables(judged: Judged, receipt: Receipt) -> Mapping[str, Json]:
    kept = zip(judged.events, receipt.verdicts, strict=True)
    return {"worth": sum(_cents(item) for item, verdict in kept if verdict is Verdict.ACCEPTED)}


def _reply_names(operation: Operation, projects: Projects | None) -> Iterable[str]:
    return ("worth",)


ADAPTER = Adapter(
    checks={"total": CheckKind(("wrong_total",), after=("envelope",))},
    run={"total": _total},
    variables=_variables,
    reply_names=_reply_names,
)
