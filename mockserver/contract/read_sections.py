"""Compiling the sections of `protocol.yaml` that need more than reading, and `warnings.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from mockserver.contract.raw import RawContract, fail
from mockserver.contract.schema import Schema
from mockserver.contract.sections import (
    DeliveryRules,
    MemberLimit,
    RateLimit,
    StoredRules,
    WarningRule,
    WarningRules,
)
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.decoding import read, read_named
from mockserver.jsonkit.pointer import Tokens

WarningSchema = Callable[[str, str, Mapping[str, Json]], Schema]
"""Compiles the schema of a warning rule: takes its level, its name and the rule."""


def rate_limits(raw: RawContract) -> dict[str, RateLimit]:
    """Return the rate limits by name."""
    limits = raw.section("limits").items()
    return read_named(RateLimit, {name: limit for name, limit in limits if "requests" in limit})


def member_limits(raw: RawContract) -> dict[str, MemberLimit]:
    """Return the limits on single members by name."""
    limits = {name: limit for name, limit in raw.section("limits").items() if "schema" in limit}
    for name, limit in limits.items():
        _known_schemas(raw, [limit["schema"]], f"/protocol/limits/{name}/schema")
    return read_named(MemberLimit, limits)


def stored_rules(raw: RawContract) -> StoredRules:
    """Return what the vendor does to an accepted event."""
    rules = raw.section("stored")
    for name, rule in rules.get("fill", {}).items():
        _known_schemas(raw, rule.get("schemas", ()), f"/protocol/stored/fill/{name}/schemas")
    return read(StoredRules, rules)


def delivery_rules(raw: RawContract) -> DeliveryRules:
    """Return what clients make of replies; without the section only a cut connection is a reason to send again."""
    rules = raw.section("delivery")
    identity = rules.get("identity", {})
    return DeliveryRules(
        retried=frozenset(rules.get("retried", {}).get("statuses", ())),
        acknowledged_by_json=rules.get("acknowledged", {}).get("by") == "json",
        event_identity=tuple(map(Tokens.of, identity.get("event", ()))),
        request_identity=tuple(map(Tokens.of, identity.get("request", ()))),
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
    return read(WarningRule, rule, name=name, pointer=pointer.build(("warnings", level, name)), schema=schema)


def _known_schemas(raw: RawContract, names: Iterable[str], place: str) -> None:
    for name in names:
        if name not in raw.events:
            raise fail(place, f"no schema {name} in events.yaml")


def _known_operations(raw: RawContract, names: Iterable[str], place: str) -> None:
    for name in names:
        if name not in raw.section("operations"):
            raise fail(place, f"no {name} under /protocol/operations")
