"""Turning what a gate found into the refusal of a request, with the vendor's text for it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import islice
from typing import Final

from mockserver.contract.operation import BoundGate
from mockserver.contract.schema import Schema, drop_nulls
from mockserver.core.explain import Spot, Spots, Violation, describe, dotted, judge_spots, reference_spots, violations
from mockserver.core.findings import MOST_EXPLAINED, Finding
from mockserver.core.model import Judged, Refusal
from mockserver.jsonkit import Json
from mockserver.jsonkit.template import fill_text

LARGE_TEXT: Final = 256 * 1024
"""Above this size the reference engine explains: the judging engine copies the whole value into each error."""
MANY_VALUES: Final = MOST_EXPLAINED
"""Above this number of values it does too: it finds one violation after another, the judging engine all at once."""


def refuse(
    judged: Judged,
    gate: BoundGate,
    outcome: str,
    message: str,
    *,
    rule: str | None = None,
    place: str = "",
    expected: Json = None,
    got: Json = None,
) -> Refusal:
    """Return the refusal of the whole request for one of a gate's outcomes. `rule` is the gate unless given."""
    rule = rule or gate.pointer
    source = judged.contract.source_of(rule)
    finding = Finding(rule=rule, pointer=place, expected=expected, got=got, source=source, message=message)
    return Refusal(reason=gate.reason(outcome), order=gate.order, finding=finding)


def refuse_violation(
    judged: Judged, gate: BoundGate, violation: Violation, prefix: tuple[str | int, ...], outcome: str
) -> Refusal:
    """Turn what a schema found into a refusal of the whole request; `outcome` where the schema names no reason."""
    return Refusal(
        reason=violation.refusal or gate.reason(outcome),
        order=gate.order,
        finding=violation.finding(prefix=prefix),
        detail=vendor_text(judged, violation, prefix),
    )


def broken_by(judged: Judged, schema: Schema, value: Json) -> list[Violation]:
    """Return what a value breaks in a schema of the contract it is judged by."""
    spots = partial(quicker_spots, judged)
    return explained(judged, schema, value, nulls_absent=judged.contract.nulls_absent, spots=spots)


def quicker_spots(judged: Judged, schema: Schema, value: Json) -> Iterable[Spot]:
    """Return where a value of a request violates a schema, from the engine that finds it in less time."""
    large = len(judged.request_body.text) > LARGE_TEXT or _has_many_values(value)
    return (reference_spots if large else judge_spots)(schema, value)


def _has_many_values(value: Json) -> bool:
    """Tell whether a value has more than `MANY_VALUES` values inside, without looking at many more."""
    inside, counted = [value], 0
    while inside and counted <= MANY_VALUES:
        holder = inside.pop()
        members = holder.values() if isinstance(holder, dict) else holder if isinstance(holder, list) else ()
        counted += len(members)
        if members:
            inside += islice(members, MANY_VALUES)
    return counted > MANY_VALUES


def explained_by(judged: Judged, schema: Schema, value: Json) -> list[Violation]:
    """Return the same for a reader: the reference engine stops after `MOST_EXPLAINED` violations."""
    return explained(judged, schema, value, nulls_absent=judged.contract.nulls_absent)


def explained(
    judged: Judged, schema: Schema, value: Json, *, nulls_absent: bool, spots: Spots = reference_spots
) -> list[Violation]:
    """Return what a value breaks in a schema; with `nulls_absent` its null members are left out first."""
    value = judged.engine_view(value)
    if schema.is_valid(value):
        return []
    return violations(schema, drop_nulls(value, schema.body) if nulls_absent else value, spots)


def vendor_text(judged: Judged, violation: Violation, prefix: tuple[str | int, ...] = ()) -> str:
    """Return the vendor's text for a violation, from the schema or from the contract's messages."""
    template = violation.message or judged.contract.message(violation.keyword)
    if "${" not in template:
        return template
    variables = {"field": dotted(violation.tokens), "path": dotted((*prefix, *violation.tokens))}
    if "${detail}" in template:
        variables["detail"] = judged.terms.placeholders.get("detail") or describe(violation)
    return fill_text(template, variables)
