"""Compiling operations: their forms, their gates in order, and every name they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mockserver.contract.extension import CheckKind
from mockserver.contract.operation import BoundGate, Form, Operation, RateClaim
from mockserver.contract.ownership import is_under
from mockserver.contract.raw import RawContract, fail, named
from mockserver.contract.read_replies import need_reason, routed_family
from mockserver.contract.schema import Schema, subschemas
from mockserver.contract.sections import (
    CorsRules,
    Credential,
    Idempotency,
    RateLimit,
    RefusalFamily,
    Replies,
    ReplyTemplate,
    Window,
)
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import Tokens

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What operations are made of, compiled before them."""

    credentials: Mapping[str, Credential]
    families: Mapping[str, RefusalFamily]
    replies: Mapping[str, ReplyTemplate]
    rates: Mapping[str, RateLimit]
    cors: Mapping[str, CorsRules]
    idempotency: Mapping[str, Idempotency]
    windows: tuple[Window, ...]
    checks: Mapping[str, CheckKind]


def operations(raw: RawContract, parts: Parts) -> dict[str, Operation]:
    """Return the operations by name. Raises ContractError."""
    _check_paths(raw)
    return {name: _operation(raw, parts, name, spec) for name, spec in raw.section("operations").items()}


def _check_paths(raw: RawContract) -> None:
    prefixes = [prefix["path"] for prefix in raw.section("prefixes").values()]
    served: dict[tuple[str, str], str] = {}
    for name, spec in raw.section("operations").items():
        place = f"/protocol/operations/{name}/path"
        if not any(is_under(spec["path"], prefix) for prefix in prefixes):
            raise fail(place, f"{spec['path']} is under none of the protocol's prefixes: {', '.join(prefixes)}")
        other = served.setdefault((spec["method"], re.sub(r"\{[^}]*\}", "{}", spec["path"])), name)
        if other != name:
            raise fail(place, f"{spec['method']} {spec['path']} is served by the operation {other} already")


def _operation(raw: RawContract, parts: Parts, name: str, spec: Mapping[str, Json]) -> Operation:
    place = f"/protocol/operations/{name}"
    family = routed_family(parts.families, spec["family"], f"{place}/family")
    if "lookup" in spec:
        if "{" + spec["lookup"] + "}" not in spec["path"]:
            raise fail(f"{place}/lookup", f"the path has no parameter {spec['lookup']}")
        need_reason(family, "unknown_entity", f"{place}/lookup")
    forms = {form: _form(raw, f"{place}/forms/{form}", form, rules) for form, rules in spec.get("forms", {}).items()}
    _check_form_reasons(parts, forms, family)
    gates = _gates(raw, parts, spec, family, place)
    rate = _referred(parts.rates, spec, "rate", place, "/protocol/limits")
    return Operation(
        name=name,
        method=spec["method"],
        path=spec["path"],
        segments=tuple(spec["path"].lstrip("/").split("/")),
        summary=spec["summary"],
        family=family,
        credentials=_credentials(parts, spec, f"{place}/credentials"),
        gates=gates,
        forms=forms,
        replies=_replies(parts, spec["replies"], f"{place}/replies"),
        rate=rate,
        rate_claim=_rate_claim(rate, gates),
        cors=_referred(parts.cors, spec, "cors", place, "/protocol/cors"),
        idempotency=_referred(parts.idempotency, spec, "idempotency", place, "/protocol/idempotency"),
        query=tuple(spec.get("query", ())),
        lookup=spec.get("lookup"),
    )


def _referred(known: Mapping[str, T], spec: Mapping[str, Json], member: str, place: str, section: str) -> T | None:
    if member not in spec:
        return None
    kind = "rate " if member == "rate" else ""
    return named(known, spec[member], f"{place}/{member}", f"{kind}{spec[member]} under {section}")


def _rate_claim(rate: RateLimit | None, gates: Sequence[BoundGate]) -> RateClaim | None:
    gate = next((gate for gate in gates if gate.check == "rate"), None)
    if rate is None or gate is None:
        return None
    return RateClaim(limit=rate, order=gate.order, reason=gate.reason("rate_limited"))


def _credentials(parts: Parts, spec: Mapping[str, Json], place: str) -> tuple[Credential, ...]:
    credentials = []
    for name in spec.get("credentials", ()):
        credential = named(parts.credentials, name, place, f"{name} under /protocol/credentials")
        if credential.place == "path" and "{" + credential.parameter + "}" not in spec["path"]:
            raise fail(place, f"the path has no parameter {credential.parameter}, where {name} stands")
        credentials.append(credential)
    return tuple(credentials)


def _replies(parts: Parts, names: Mapping[str, str], place: str) -> Replies:
    """Resolve the replies; a missing outcome is answered as the nearest one that is there."""

    def reply(outcome: str, fallback: ReplyTemplate | None = None) -> ReplyTemplate:
        if outcome not in names and fallback is not None:
            return fallback
        name = names[outcome]
        return named(parts.replies, name, f"{place}/{outcome}", f"{name} under /protocol/replies")

    success = reply("success")
    partial = reply("partial", success)
    return Replies(
        success=success, partial=partial, failed=reply("failed", partial), replayed=reply("replayed", success)
    )


def _form(raw: RawContract, place: str, name: str, rules: Mapping[str, Json]) -> Form:
    request, schema, events = rules.get("request"), rules.get("schema"), rules.get("events")
    if events is not None and schema is None and "discriminator" not in rules:
        raise fail(place, "events need a schema or a discriminator")
    return Form(
        name=name,
        request=None
        if request is None
        else named(raw.requests, request, f"{place}/request", f"schema {request} in requests.yaml"),
        events=None if events is None else Tokens.of(events),
        single=events == "",
        discriminator=Tokens.of(rules.get("discriminator", "")),
        type=rules.get("type"),
        schema=None
        if schema is None
        else named(raw.events, schema, f"{place}/schema", f"schema {schema} in events.yaml"),
        schemas=raw.events,
        policy=rules.get("policy", "atomic"),
        types=tuple(sorted(raw.events)),
    )


def _check_form_reasons(parts: Parts, forms: Mapping[str, Form], family: RefusalFamily) -> None:
    """Refuse a schema or a window whose refusal the operation's family does not answer."""
    for schema in _schemas_of(forms.values()):
        _check_schema_reasons(schema.body, family, f"/{schema.document}/{schema.name}")
    for window in parts.windows if forms else ():
        need_reason(family, window.refusal, f"/protocol/windows/{window.name}/refusal")


def _schemas_of(forms: Iterable[Form]) -> Iterator[Schema]:
    for form in forms:
        if form.request is not None:
            yield form.request
        if form.schema is not None:
            yield form.schema
        elif form.events is not None:
            yield from form.schemas.values()


def _check_schema_reasons(schema: Mapping[str, Json], family: RefusalFamily, place: str) -> None:
    refusal = schema.get("refusal", {})
    for reason in refusal.values() if isinstance(refusal, dict) else [refusal]:
        need_reason(family, reason, f"{place}/refusal")
    for tokens, inner in subschemas(schema):
        _check_schema_reasons(inner, family, place + pointer.build(tokens))


def _gates(
    raw: RawContract, parts: Parts, spec: Mapping[str, Json], family: RefusalFamily, place: str
) -> tuple[BoundGate, ...]:
    declared = raw.section("gates")
    gates = []
    for name in spec.get("gates", list(declared)):
        if name not in declared:
            raise fail(f"{place}/gates", f"the gate {name} is not declared under /protocol/gates")
        gates.append(_gate(parts, name, declared[name], family))
    gates.sort(key=lambda gate: gate.order)
    _check_order(raw, parts, gates, spec, place)
    return tuple(gates)


def _gate(parts: Parts, name: str, rules: Mapping[str, Json], family: RefusalFamily) -> BoundGate:
    place, check = f"/protocol/gates/{name}", rules.get("check", name)
    if check not in parts.checks:
        raise fail(place, f"no check {check}; available: {', '.join(sorted(parts.checks))}")
    outcomes, reasons = parts.checks[check].outcomes, rules.get("refusals", {})
    for outcome in reasons:
        if outcome not in outcomes:
            raise fail(
                f"{place}/refusals/{outcome}",
                f"no such outcome of this gate; available: {', '.join(outcomes) or 'none'}",
            )
    for outcome in outcomes:
        need_reason(family, reasons.get(outcome, outcome), place)
    return BoundGate(name=name, check=check, order=rules["order"], reasons=reasons)


def _check_order(
    raw: RawContract, parts: Parts, gates: Sequence[BoundGate], spec: Mapping[str, Json], place: str
) -> None:
    passed: set[str] = set()
    for gate in gates:
        kind = parts.checks[gate.check]
        for missing in sorted(set(kind.after) - passed):
            raise fail(f"{place}/gates", f"the gate {gate.name} must have {missing} before it")
        for needed in kind.needs:
            if pointer.get(raw.documents, pointer.parse(needed)) is pointer.MISSING:
                raise fail(needed, f"the gate {gate.name} needs it")
        passed.add(gate.check)
    if "key" in passed and not spec.get("credentials"):
        raise fail(f"{place}/credentials", "the gate key needs at least one")
    for form, rules in spec.get("forms", {}).items():
        needed_checks = {"object"} | {check for member, check in FORM_CHECKS.items() if member in rules}
        for missing in sorted(needed_checks - passed):
            raise fail(f"{place}/forms/{form}", f"the operation does not pass the gate {missing}")


FORM_CHECKS = {"request": "envelope", "events": "events"}
"""The check that judges each part of a form."""
