"""Compiling the sections of `protocol.yaml` that stand for themselves, and `warnings.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from mockserver.contract.raw import RawContract, fail
from mockserver.contract.schema import Schema
from mockserver.contract.sections import (
    ContentTypes,
    CorsRules,
    Credential,
    Dedup,
    DeliveryRules,
    Fill,
    Idempotency,
    IdentityRule,
    MemberLimit,
    Projects,
    RateLimit,
    StoredRules,
    Strip,
    Tokens,
    WarningRule,
    WarningRules,
    Window,
)
from mockserver.jsonkit import Json, pointer

T = TypeVar("T")
WarningSchema = Callable[[str, str, Mapping[str, Json]], Schema]
"""Compiles the schema of a warning rule: takes its level, its name and the rule."""


def credentials(raw: RawContract) -> dict[str, Credential]:
    """Return the credentials by name."""
    return {
        name: Credential(
            name=name,
            place=spec["in"],
            parameter=spec.get("name", ""),
            tokens=pointer.parse(spec.get("pointer", "")),
            pattern=spec.get("pattern"),
            example=spec.get("example"),
        )
        for name, spec in raw.section("credentials").items()
    }


def cors_rules(raw: RawContract) -> dict[str, CorsRules]:
    """Return the CORS rules by name."""
    return {
        name: CorsRules(
            name=name,
            methods=rules["methods"],
            headers=rules["headers"],
            credentials=rules["credentials"],
            wildcard_without_origin=rules["without_origin"] == "*",
            preflight_status=rules["preflight_status"],
            allowed_origins=tuple(rules["allowed_origins"]),
            max_age=rules.get("max_age"),
            expose=rules.get("expose"),
        )
        for name, rules in raw.section("cors").items()
    }


def rate_limits(raw: RawContract) -> dict[str, RateLimit]:
    """Return the rate limits by name."""
    return {
        name: RateLimit(
            name=name,
            requests=limit["requests"],
            window_ms=limit["window_ms"],
            aligned=limit["starts"] == "aligned",
            headers=limit.get("headers", {}),
        )
        for name, limit in raw.section("limits").items()
        if "requests" in limit
    }


def member_limits(raw: RawContract) -> dict[str, MemberLimit]:
    """Return the limits on single members by name."""
    limits = {name: limit for name, limit in raw.section("limits").items() if "schema" in limit}
    for name, limit in limits.items():
        _known_schemas(raw, [limit["schema"]], f"/protocol/limits/{name}/schema")
    return {
        name: MemberLimit(
            name=name, schema=limit["schema"], tokens=pointer.parse(limit["pointer"]), max_bytes=limit["max_bytes"]
        )
        for name, limit in limits.items()
    }


def windows(raw: RawContract) -> tuple[Window, ...]:
    """Return the time windows in the order of the contract."""
    return tuple(
        Window(
            name=name,
            tokens=pointer.parse(rule["pointer"]),
            past_ms=rule["past_ms"],
            future_ms=rule["future_ms"],
            refusal=rule["refusal"],
            message=rule.get("message"),
        )
        for name, rule in raw.section("windows").items()
    )


def idempotency_rules(raw: RawContract) -> dict[str, Idempotency]:
    """Return the idempotency rules by name."""
    return {
        name: Idempotency(name=name, header=rule["header"], window_ms=rule["window_ms"])
        for name, rule in raw.section("idempotency").items()
    }


def messages(raw: RawContract) -> dict[str, str]:
    """Return the text templates by broken keyword."""
    return {keyword: text["value"] for keyword, text in raw.section("messages").items()}


def id_prefixes(raw: RawContract) -> dict[str, str]:
    """Return the prefixes of generated ids by kind."""
    return {kind: rule["prefix"] for kind, rule in raw.section("ids").items()}


def identity_rules(raw: RawContract) -> dict[str, IdentityRule]:
    """Return the identity rules by name."""
    return {
        name: IdentityRule(
            name=name,
            pointers=tuple(rule["pointers"]),
            sources=tuple(rule.get("sources", ())),
            types=_optional_set(rule.get("types")),
        )
        for name, rule in raw.section("identity").items()
    }


def content_types(raw: RawContract) -> ContentTypes | None:
    """Return the accepted media types."""
    return _section(
        raw,
        "content_types",
        lambda rule: ContentTypes(accepted=tuple(rule["accepted"]), anything=rule["anything"]),
    )


def projects(raw: RawContract) -> Projects | None:
    """Return the projects of the organisation."""
    return _section(
        raw,
        "projects",
        lambda rule: Projects(header=rule["header"], known=tuple(rule["known"]), default=rule["default"]),
    )


def dedup(raw: RawContract) -> Dedup | None:
    """Return what repeats are known by."""
    return _section(raw, "dedup", lambda rule: Dedup(tokens=pointer.parse(rule["pointer"]), by=rule["by"]))


def entity(raw: RawContract) -> Tokens | None:
    """Return the event member that names an entity."""
    return _section(raw, "entities", lambda rule: pointer.parse(rule["pointer"]))


def _section(raw: RawContract, name: str, read: Callable[[Mapping[str, Json]], T]) -> T | None:
    return read(raw.section(name)) if name in raw.protocol else None


def stored_rules(raw: RawContract) -> StoredRules:
    """Return what the vendor does to an accepted event."""
    rules = raw.section("stored")
    for name, rule in rules.get("fill", {}).items():
        _known_schemas(raw, rule.get("schemas", ()), f"/protocol/stored/fill/{name}/schemas")
    return StoredRules(
        fill=tuple(
            Fill(tokens=pointer.parse(rule["pointer"]), value=rule["value"], schemas=_optional_set(rule.get("schemas")))
            for rule in rules.get("fill", {}).values()
        ),
        normalise=tuple(pointer.parse(rule["pointer"]) for rule in rules.get("normalise", {}).values()),
        strip=tuple(
            Strip(tokens=pointer.parse(rule["pointer"]), contains=tuple(rule["contains"]), ignore=rule["ignore"])
            for rule in rules.get("strip", {}).values()
        ),
    )


def delivery_rules(raw: RawContract) -> DeliveryRules:
    """Return what clients make of replies; without the section only a cut connection is a reason to send again."""
    rules = raw.section("delivery")
    identity = rules.get("identity", {})
    return DeliveryRules(
        retried=frozenset(rules.get("retried", {}).get("statuses", ())),
        acknowledged_by_json=rules.get("acknowledged", {}).get("by") == "json",
        event_identity=tuple(map(pointer.parse, identity.get("event", ()))),
        request_identity=tuple(map(pointer.parse, identity.get("request", ()))),
    )


def warning_rules(raw: RawContract, schema: WarningSchema) -> WarningRules:
    """Return the warnings."""
    document: Mapping[str, Json] = raw.documents.get("warnings", {})
    levels: dict[str, tuple[WarningRule, ...]] = {}
    for level in ("events", "requests"):
        rules = document.get(level, {})
        for name, rule in rules.items():
            _known_operations(raw, rule.get("operations", ()), f"/warnings/{level}/{name}/operations")
        levels[level] = tuple(_warning(level, name, rule, schema(level, name, rule)) for name, rule in rules.items())
    transport = {name: _warning("transport", name, rule, None) for name, rule in document.get("transport", {}).items()}
    return WarningRules(events=levels["events"], requests=levels["requests"], transport=transport)


def _warning(level: str, name: str, rule: Mapping[str, Json], schema: Schema | None) -> WarningRule:
    return WarningRule(
        name=name,
        pointer=pointer.build(("warnings", level, name)),
        message=rule["message"],
        source=rule["source"],
        schema=schema,
        types=_optional_set(rule.get("types")),
        operations=_optional_set(rule.get("operations")),
    )


def _optional_set(names: Iterable[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _known_schemas(raw: RawContract, names: Iterable[str], place: str) -> None:
    for name in names:
        if name not in raw.events:
            raise fail(place, f"no schema {name} in events.yaml")


def _known_operations(raw: RawContract, names: Iterable[str], place: str) -> None:
    for name in names:
        if name not in raw.section("operations"):
            raise fail(place, f"no {name} under /protocol/operations")
