"""Compiling replies, the shapes and families of refusals, and the prefixes that point at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mockserver.contract.ownership import longest_first
from mockserver.contract.raw import RawContract, fail, named
from mockserver.contract.schema import Schema
from mockserver.contract.sections import CorsRules, Prefix, RefusalFamily, RefusalTemplate, ReplyTemplate, Shape
from mockserver.jsonkit import Json, template

JSON_TYPE: Final = "application/json"
DEFAULT: Final = "default"
ROUTING_REASONS: Final = (DEFAULT, "unknown_path", "method_not_allowed", "internal")
"""Reasons that every family answers, because they come up before an operation is reached."""


def shapes(raw: RawContract) -> dict[str, Shape]:
    """Return the body templates of refusals by name."""
    return {
        name: Shape(name=name, body=spec["body"], schema=_schema(raw, spec, f"/protocol/shapes/{name}"))
        for name, spec in raw.section("shapes").items()
    }


def replies(raw: RawContract) -> dict[str, ReplyTemplate]:
    """Return the replies by name."""
    return {name: _reply(raw, name, spec) for name, spec in raw.section("replies").items()}


def _reply(raw: RawContract, name: str, spec: Mapping[str, Json]) -> ReplyTemplate:
    place = f"/protocol/replies/{name}"
    if ("body" in spec) == ("text" in spec):
        raise fail(place, "requires either body or text")
    if "errors" in template.names(spec.get("body")) and "item" not in spec:
        raise fail(place, "requires item, the template for each of its errors")
    return ReplyTemplate(
        name=name,
        status=spec["status"],
        media_type=spec.get("content_type", JSON_TYPE),
        body=spec.get("body"),
        text=spec.get("text"),
        item=spec.get("item"),
        schema=_schema(raw, spec, place),
        headers=spec.get("headers", {}),
    )


def _schema(raw: RawContract, spec: Mapping[str, Json], place: str) -> Schema | None:
    if "schema" not in spec:
        return None
    return named(raw.replies, spec["schema"], f"{place}/schema", f"schema {spec['schema']} in replies.yaml")


def families(raw: RawContract, known: Mapping[str, Shape]) -> dict[str, RefusalFamily]:
    """Return the families of refusals by name, each reason with its family's default merged in."""
    compiled: dict[str, RefusalFamily] = {}
    for family, reasons in raw.section("refusals").items():
        templates = {
            reason: _refusal(family, reason, {**reasons[DEFAULT], **spec}, known) for reason, spec in reasons.items()
        }
        compiled[family] = RefusalFamily(name=family, default=templates.pop(DEFAULT), reasons=templates)
    return compiled


def _refusal(family: str, reason: str, spec: Mapping[str, Json], known: Mapping[str, Shape]) -> RefusalTemplate:
    place = f"/protocol/refusals/{family}/{reason}"
    for member in ("status", "shape", "message"):
        if member not in spec:
            raise fail(place, f"requires {member}, here or in the default of the family")
    shape = named(known, spec["shape"], f"{place}/shape", f"{spec['shape']} under /protocol/shapes")
    if "code" in template.names(shape.body) and "code" not in spec:
        raise fail(place, f"requires code, because the shape {shape.name} uses it")
    return RefusalTemplate(
        family=family,
        reason=reason,
        status=spec["status"],
        shape=shape,
        message=spec["message"],
        code=spec.get("code"),
        headers=spec.get("headers", {}),
    )


def prefixes(raw: RawContract, known: Mapping[str, RefusalFamily], cors: Mapping[str, CorsRules]) -> tuple[Prefix, ...]:
    """Return the protocol's prefixes, longest first; one that names no family gets the first one there is."""
    compiled = []
    for label, spec in raw.section("prefixes").items():
        place = f"/protocol/prefixes/{label}"
        compiled.append(
            Prefix(
                protocol=raw.protocol["name"],
                path=spec["path"],
                family=routed_family(known, spec["family"], f"{place}/family")
                if "family" in spec
                else next(iter(known.values())),
                cors=named(cors, spec["cors"], f"{place}/cors", f"{spec['cors']} under /protocol/cors")
                if "cors" in spec
                else None,
            )
        )
    return longest_first(compiled)


def routed_family(known: Mapping[str, RefusalFamily], name: str, place: str) -> RefusalFamily:
    """Return a family that must answer whatever routing can come to. Raises ContractError at `place`."""
    family = named(known, name, place, f"family {name} under /protocol/refusals")
    for reason in ROUTING_REASONS:
        need_reason(family, reason, place)
    return family


def need_reason(family: RefusalFamily, reason: str, place: str) -> None:
    """Raise ContractError at `place` when a family has no answer for a reason."""
    if reason != DEFAULT and reason not in family.reasons:
        raise fail(place, f"the reason {reason} is not defined under /protocol/refusals/{family.name}")
