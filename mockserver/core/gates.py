"""The checks of a request: small independent functions, each returns a refusal or None.

The contract says which gates stand before an operation and in which order; an adapter may add its own. Every outcome
a gate can have is declared, so that a contract without an answer for one does not load.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs

from mockserver.contract.contract import split_target
from mockserver.contract.schema import Schema, drop_nulls
from mockserver.core.cors import origin_allowed
from mockserver.core.explain import Violation, describe, dotted, judge_spots, reference_spots, violations
from mockserver.core.model import Finding, IdempotencyClaim, Judged, Rate, Refusal
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import compile_pattern
from mockserver.jsonkit.template import fill_text

Check = Callable[[Judged, "BoundGate"], Refusal | None]


LARGE_TEXT: Final = 256 * 1024
"""Over this the reference engine says what is broken: the judging engine copies the whole value into each error."""

MESSAGE_NAMES: Final = frozenset({"field", "path", "detail"})
"""What the text of a fault may ask for."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A check and the outcomes it can have, by name; the contract maps each to one of its refusal reasons.

    `needs` are the pointers of what it reads in the contract, `after` the checks that must stand before it.
    """

    name: str
    check: Check
    outcomes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BoundGate:
    """A gate as a contract uses it: with its place in the precedence and its reasons."""

    name: str
    check: Check
    order: int
    reasons: Mapping[str, str]

    def refuse(
        self,
        judged: Judged,
        outcome: str,
        message: str,
        *,
        rule: str | None = None,
        place: str = "",
        expected: Json = None,
        got: Json = None,
    ) -> Refusal:
        """Return the refusal of the whole request for one of this gate's outcomes."""
        rule = rule or f"/protocol/gates/{self.name}"
        source = judged.contract.source_of(rule)
        finding = Finding(
            rule=rule, severity="error", pointer=place, expected=expected, got=got, source=source, message=message
        )
        return Refusal(reason=self.reasons.get(outcome, outcome), order=self.order, finding=finding, detail=message)


def _size(judged: Judged, gate: BoundGate) -> Refusal | None:
    limit = judged.contract.max_body
    if judged.request_body.decode(limit) != "body_too_large":
        return None
    rule = "/protocol/limits/body/max_bytes"
    return gate.refuse(judged, "body_too_large", f"the body is longer than {limit} bytes", rule=rule, expected=limit)


def _encoding(judged: Judged, gate: BoundGate) -> Refusal | None:
    problem = judged.request_body.decode(judged.contract.max_body)
    if problem is None:
        return None
    encoding = judged.request.header(b"content-encoding")
    return gate.refuse(judged, problem, f"the body cannot be decoded as {encoding}", got=encoding)


def _content_type(judged: Judged, gate: BoundGate) -> Refusal | None:
    rules = judged.contract.protocol["content_types"]
    got = judged.request.header(b"content-type")
    if rules["anything"] or (got or "").partition(";")[0].strip().lower() in rules["accepted"]:
        return None
    rule = "/protocol/content_types/accepted"
    text = f"the Content-Type must be {' or '.join(rules['accepted'])}"
    return gate.refuse(judged, "content_type_invalid", text, rule=rule, expected=rules["accepted"], got=got)


def _json(judged: Judged, gate: BoundGate) -> Refusal | None:
    if judged.request_body.parse(judged.contract.max_body):
        judged.body = judged.request_body.value
        return None
    return gate.refuse(judged, "invalid_json", f"the body is not valid JSON: {judged.request_body.not_json}")


def _object(judged: Judged, gate: BoundGate) -> Refusal | None:
    if isinstance(judged.body, dict):
        judged.form = judged.contract.adapter.choose_form(judged.operation, judged.body)  # type: ignore[arg-type]
        return None
    return gate.refuse(judged, "not_an_object", "the body must be a JSON object", expected={"type": "object"})


def _key(judged: Judged, gate: BoundGate) -> Refusal | None:
    credentials = judged.contract.protocol["credentials"]
    accepted = judged.operation.credentials if judged.operation else ()
    if judged.credential is None or judged.credential_name is None:
        rule = f"/protocol/credentials/{accepted[0]}"
        return gate.refuse(judged, "missing", f"the request has no key; expected {' or '.join(accepted)}", rule=rule)
    spec = credentials[judged.credential_name]
    pattern = spec.get("pattern")
    if pattern is None or compile_pattern(pattern).search(judged.credential):
        return None
    rule = f"/protocol/credentials/{judged.credential_name}/pattern"
    text = f"the key does not match {pattern}"
    return gate.refuse(judged, "malformed", text, rule=rule, expected=pattern, got=judged.credential)


def _allowed_key(judged: Judged, gate: BoundGate) -> Refusal | None:
    keys = judged.terms.keys
    if keys is None or judged.credential in keys:
        return None
    return gate.refuse(judged, "unknown", "the key is not in the `keys` of the session", got=judged.credential)


def _origin(judged: Judged, gate: BoundGate) -> Refusal | None:
    name = judged.operation.spec.get("cors") if judged.operation else None
    origin = judged.request.header(b"origin")
    if name is None or origin is None:
        return None
    allowed = judged.contract.protocol["cors"][name]["allowed_origins"]
    if origin_allowed(origin, allowed):
        return None
    rule = f"/protocol/cors/{name}/allowed_origins"
    text = f"the origin {origin} is not allowed"
    return gate.refuse(judged, "origin_not_allowed", text, rule=rule, expected=allowed, got=origin)


def _rate(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Ask for a slot; whether there is one is settled when the request is committed."""
    return None


def rate_of(protocol: Mapping[str, Json], spec: Mapping[str, Json], gates: Sequence[BoundGate]) -> Rate | None:
    """Return the rate limit of an operation, at its gate's place in the precedence; None where it has none."""
    name = spec.get("rate")
    gate = next((gate for gate in gates if gate.check is _rate), None)
    if name is None or gate is None:
        return None
    limit = protocol["limits"][name]
    return Rate(
        name=name,
        order=gate.order,
        limit=limit["requests"],
        window_ms=limit["window_ms"],
        aligned=limit["starts"] == "aligned",
        reason=gate.reasons.get("rate_limited", "rate_limited"),
    )


def _idempotency(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Ask for the idempotency key; a replay is found when the request is committed."""
    name = judged.operation.spec.get("idempotency") if judged.operation else None
    if name is not None:
        rule = judged.contract.protocol["idempotency"][name]
        key = judged.request.header(rule["header"].lower().encode())
        if key:
            scope = judged.contract.adapter.scope(judged)
            judged.idempotency = IdempotencyClaim(
                order=gate.order, key=f"{judged.contract.name}\0{scope}\0{key}", value=key, window_ms=rule["window_ms"]
            )
    return None


def _query(judged: Judged, gate: BoundGate) -> Refusal | None:
    wanted = judged.operation.spec.get("query", ()) if judged.operation else ()
    got = parse_qs(split_target(judged.request.target)[1])
    for name in wanted:
        if not got.get(name, [""])[0].strip():
            return gate.refuse(
                judged, "invalid_request", f"the query parameter {name} is required", expected={"required": [name]}
            )
    return None


def _envelope(judged: Judged, gate: BoundGate) -> Refusal | None:
    form = judged.form
    if form is None or form.request is None:
        return None
    broken = broken_by(judged, form.request, judged.body)
    return refuse_violation(judged, gate, broken[0], (), "invalid_request") if broken else None


def refuse_violation(
    judged: Judged, gate: BoundGate, violation: Violation, prefix: tuple[str | int, ...], fallback: str
) -> Refusal:
    """Turn what a schema found into a refusal of the whole request."""
    return Refusal(
        reason=violation.refusal or gate.reasons.get(fallback, fallback),
        order=gate.order,
        finding=violation.finding(prefix=prefix),
        detail=vendor_text(judged, violation, prefix),
    )


def broken_by(judged: Judged, schema: Schema, value: Json) -> list[Violation]:
    """Return what the value breaks in the schema; null members that count as absent are left out first."""
    value = judged.engine_view(value)
    if schema.is_valid(value):
        return []
    if judged.contract.nulls_absent:
        value = drop_nulls(value, schema.body)
    return violations(schema, value, judge_spots if len(judged.request_body.text) <= LARGE_TEXT else reference_spots)


def vendor_text(judged: Judged, violation: Violation, prefix: tuple[str | int, ...] = ()) -> str:
    """Return the vendor's text for a violation, from the schema or from the contract's messages."""
    messages = judged.contract.protocol["messages"]
    template: str = violation.message or messages.get(violation.keyword, messages["default"])["value"]
    if "${" not in template:
        return template
    variables = {"field": dotted(violation.tokens), "path": dotted((*prefix, *violation.tokens))}
    if "${detail}" in template:
        variables["detail"] = describe(violation)
    return fill_text(template, variables)


def _measures(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Sizes of single members, in bytes of compact JSON."""
    form = judged.form
    if form is None or form.schema is None or not form.single:
        return None
    for name, limit in judged.contract.protocol["limits"].items():
        if limit.get("schema") == form.schema.name:
            value = pointer.get(judged.body, pointer.parse(limit["pointer"]))
            size = len(render(value)) if isinstance(value, dict | list | str) else 0
            if size > limit["max_bytes"]:
                rule = f"/protocol/limits/{name}/max_bytes"
                text = f"{limit['pointer'][1:]} has {size} bytes as JSON; the limit is {limit['max_bytes']}"
                return gate.refuse(
                    judged,
                    "invalid_request",
                    text,
                    rule=rule,
                    place=limit["pointer"],
                    expected=limit["max_bytes"],
                    got=size,
                )
    return None


GATES: Final[Mapping[str, Gate]] = {
    gate.name: gate
    for gate in (
        Gate("size", _size, ("body_too_large",)),
        Gate("encoding", _encoding, ("broken_encoding", "unsupported_encoding")),
        Gate("content_type", _content_type, ("content_type_invalid",), needs=("/protocol/content_types",)),
        Gate("json", _json, ("invalid_json",)),
        Gate("object", _object, ("not_an_object",), after=("json",)),
        Gate("key", _key, ("missing", "malformed")),
        Gate("allowed_key", _allowed_key, ("unknown",)),
        Gate("origin", _origin, ("origin_not_allowed",)),
        Gate("rate", _rate, ("rate_limited",)),
        Gate("idempotency", _idempotency),
        Gate("query", _query, ("invalid_request",)),
        Gate("envelope", _envelope, ("invalid_request",), after=("object",)),
        Gate("measures", _measures, ("invalid_request",), after=("object",)),
    )
}
