"""Compiling operations: their forms, their gates in order, and every name they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from mockserver.contract.operation import BoundGate, Form, Operation, RateClaim
from mockserver.contract.ownership import is_under
from mockserver.contract.raw import RawContract, fail, named, need_reason, referred
from mockserver.contract.schema import Schema, every_schema
from mockserver.contract.sections import Credential, RateLimit, RefusalFamily, Replies, ReplyTemplate
from mockserver.errors import unknown
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import Tokens

FORM_CHECKS: Final = {"request": "envelope", "events": "events"}
"""The check that judges each part of a form."""


def operations(raw: RawContract) -> dict[str, Operation]:
    """Return the operations by name. Raises ContractError."""
    prefixes = [prefix["path"] for prefix in raw.section("prefixes").values()]
    served: dict[tuple[str, str], str] = {}
    for name, spec in raw.section("operations").items():
        place = f"/protocol/operations/{name}/path"
        if not any(is_under(spec["path"], prefix) for prefix in prefixes):
            raise fail(place, f"{spec['path']} does not start with a prefix of the protocol: {', '.join(prefixes)}")
        other = served.setdefault((spec["method"], re.sub(r"\{[^}]*\}", "{}", spec["path"])), name)
        if other != name:
            raise fail(place, f"{spec['method']} {spec['path']} is already served by the operation {other}")
    return {name: _operation(raw, name, spec) for name, spec in raw.section("operations").items()}


def _operation(raw: RawContract, name: str, spec: Mapping[str, Json]) -> Operation:
    place = f"/protocol/operations/{name}"
    family = raw.routed_family(spec["family"], f"{place}/family")
    if "lookup" in spec:
        if "{" + spec["lookup"] + "}" not in spec["path"]:
            raise fail(f"{place}/lookup", f"the path has no parameter {spec['lookup']}")
        need_reason(family, "unknown_entity", f"{place}/lookup")
    forms = {form: _form(raw, f"{place}/forms/{form}", form, rules) for form, rules in spec.get("forms", {}).items()}
    _check_form_reasons(raw, forms, family)
    gates = _gates(raw, spec, family, place)
    rate = referred(raw.rates, spec, "rate", place, "rate {} under /protocol/limits")
    return Operation(
        name=name,
        method=spec["method"],
        path=spec["path"],
        segments=tuple(spec["path"].lstrip("/").split("/")),
        summary=spec["summary"],
        family=family,
        credentials=_credentials(raw, spec, f"{place}/credentials"),
        gates=gates,
        forms=forms,
        replies=_replies(raw, spec["replies"], f"{place}/replies"),
        rate=rate,
        rate_claim=_rate_claim(rate, gates),
        cors=referred(raw.cors, spec, "cors", place, "{} under /protocol/cors"),
        idempotency=referred(raw.idempotency, spec, "idempotency", place, "{} under /protocol/idempotency"),
        query=tuple(spec.get("query", ())),
        lookup=spec.get("lookup"),
    )


def _rate_claim(rate: RateLimit | None, gates: Sequence[BoundGate]) -> RateClaim | None:
    gate = next((gate for gate in gates if gate.check == "rate"), None)
    if rate is None or gate is None:
        return None
    return RateClaim(limit=rate, order=gate.order, reason=gate.reason("rate_limited"))


def _credentials(raw: RawContract, spec: Mapping[str, Json], place: str) -> tuple[Credential, ...]:
    credentials = []
    for name in spec.get("credentials", ()):
        credential = named(raw.credentials, name, place, "{} under /protocol/credentials")
        if credential.place == "path" and "{" + credential.parameter + "}" not in spec["path"]:
            raise fail(place, f"the path has no parameter {credential.parameter} for the credential {name}")
        credentials.append(credential)
    return tuple(credentials)


def _replies(raw: RawContract, names: Mapping[str, str], place: str) -> Replies:
    """Resolve the replies; a missing outcome is answered as the nearest one that is there."""

    def reply(outcome: str) -> ReplyTemplate | None:
        return referred(raw.replies, names, outcome, place, "{} under /protocol/replies")

    success = named(raw.replies, names["success"], f"{place}/success", "{} under /protocol/replies")
    partial = reply("partial") or success
    return Replies(
        success=success, partial=partial, failed=reply("failed") or partial, replayed=reply("replayed") or success
    )


def _form(raw: RawContract, place: str, name: str, rules: Mapping[str, Json]) -> Form:
    events = rules.get("events")
    if events is not None and "schema" not in rules and "discriminator" not in rules:
        raise fail(place, "requires schema or discriminator for its events")
    return Form(
        name=name,
        request=referred(raw.request_schemas, rules, "request", place, "schema {} in requests.yaml"),
        events=None if events is None else Tokens.of(events),
        single=events == "",
        discriminator=Tokens.of(rules.get("discriminator", "")),
        type=rules.get("type"),
        schema=referred(raw.event_schemas, rules, "schema", place, "schema {} in events.yaml"),
        schemas=raw.event_schemas,
        policy=rules.get("policy", "atomic"),
        types=tuple(sorted(raw.event_schemas)),
    )


def _check_form_reasons(raw: RawContract, forms: Mapping[str, Form], family: RefusalFamily) -> None:
    """Refuse a schema or a window whose refusal the operation's family does not answer."""
    for schema in _schemas_of(forms.values()):
        for tokens, inner in every_schema(schema.body):
            refusal = inner.get("refusal", {})
            for reason in refusal.values() if isinstance(refusal, dict) else [refusal]:
                need_reason(family, reason, f"/{schema.document}/{schema.name}{pointer.build(tokens)}/refusal")
    for window in raw.windows if forms else ():
        need_reason(family, window.refusal, f"{window.pointer}/refusal")


def _schemas_of(forms: Iterable[Form]) -> Iterator[Schema]:
    for form in forms:
        if form.request is not None:
            yield form.request
        if form.schema is not None:
            yield form.schema
        elif form.events is not None:
            yield from form.schemas.values()


def _gates(raw: RawContract, spec: Mapping[str, Json], family: RefusalFamily, place: str) -> tuple[BoundGate, ...]:
    declared = raw.section("gates")
    gates = []
    for name in spec.get("gates", list(declared)):
        if name not in declared:
            raise fail(f"{place}/gates", f"the gate {name} is not declared under /protocol/gates")
        gates.append(_gate(raw, name, declared[name], family))
    gates.sort(key=lambda gate: gate.order)
    _check_order(raw, gates, spec, place)
    return tuple(gates)


def _gate(raw: RawContract, name: str, rules: Mapping[str, Json], family: RefusalFamily) -> BoundGate:
    place, check = f"/protocol/gates/{name}", rules.get("check", name)
    if check not in raw.checks:
        raise fail(place, unknown("check", check, sorted(raw.checks)))
    outcomes, reasons = raw.checks[check].outcomes, rules.get("refusals", {})
    for outcome in reasons:
        if outcome not in outcomes:
            raise fail(f"{place}/refusals/{outcome}", unknown("outcome", outcome, outcomes))
    for outcome in outcomes:
        need_reason(family, reasons.get(outcome, outcome), place)
    return BoundGate(name=name, check=check, order=rules["order"], reasons=reasons)


def _check_order(raw: RawContract, gates: Sequence[BoundGate], spec: Mapping[str, Json], place: str) -> None:
    passed: set[str] = set()
    for gate in gates:
        kind = raw.checks[gate.check]
        for missing in sorted(set(kind.after) - passed):
            raise fail(f"{place}/gates", f"the gate {gate.name} requires the gate {missing} before it")
        for needed in kind.needs:
            if pointer.get(raw.documents, pointer.parse(needed)) is pointer.MISSING:
                raise fail(needed, f"required by the gate {gate.name}")
        passed.add(gate.check)
    if "key" in passed and not spec.get("credentials"):
        raise fail(f"{place}/credentials", "the gate key requires at least one credential")
    for form, rules in spec.get("forms", {}).items():
        required = {"object"} | {check for member, check in FORM_CHECKS.items() if member in rules}
        for missing in sorted(required - passed):
            raise fail(f"{place}/forms/{form}", f"requires the gate {missing} in the operation")
