"""Outlit: a batch from a server must name somebody, anywhere in it (outlit §4.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mockserver.adapters import Adapter
from mockserver.core import pointer
from mockserver.core.gates import BoundGate, Gate
from mockserver.core.model import Json, Judged, Refusal


def _identity(judged: Judged, gate: BoundGate) -> Refusal | None:
    """Look at the raw events, before any of them is judged: a bad or repeated event still says who it is about."""
    rules: Mapping[str, Json] = judged.contract.protocol["identity"]
    if judged.body.get("source") not in rules["batch"]["sources"] or _any_identity(judged.body, rules):
        return None
    rule = "/protocol/identity"
    return gate.refuse(judged, "missing_identity", "no event of the batch and no member of it says who it is about", rule=rule)


def _any_identity(body: Json, rules: Mapping[str, Json]) -> bool:
    if _says(body, rules["batch"]["pointers"]):
        return True
    for event in body["events"]:
        if not isinstance(event, dict):
            continue
        if _says(event, rules["event"]["pointers"]):
            return True
        if event.get("type") in rules["properties"]["types"] and _says(event, rules["properties"]["pointers"]):
            return True
    return False


def _says(holder: Json, pointers: Iterable[str]) -> bool:
    return any(_has_content(pointer.get(holder, pointer.parse(place))) for place in pointers)


def _has_content(value: Json) -> bool:
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, dict) and any(_has_content(member) or isinstance(member, int) for member in value.values())


ADAPTER = Adapter(gates={"identity": Gate("identity", _identity, ("missing_identity",))})
