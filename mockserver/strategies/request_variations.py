"""The many faces of one good request: media types, encodings, credentials, slashes, a body as long as may be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mockserver.strategies.assembly import Parts, path_names
from mockserver.strategies.gate_mutations import Change, changed, headed
from mockserver.strategies.plans import OperationPlan

JSON_TYPES: Final = ("application/json; charset=utf-8", "Application/JSON")
OTHER_TYPES: Final = ("text/plain;charset=UTF-8", "text/plain")
PARAMETERS: Final = ("user 1/ä", "42", "a%2Fb")
PLAIN: Final = 24
"""How many times more likely the plain request is than each other one."""


def _as_it_is(parts: Parts) -> Parts:
    return parts


def transports(one: OperationPlan) -> list[Change]:
    """Return the changes that leave a request of this operation good, the plain one first and most often."""
    return [_as_it_is] * PLAIN + list(variations(one))


def variations(one: OperationPlan) -> Iterator[Change]:
    """Yield each of the changes that leave a request of this operation good."""
    yield changed(after_path="/")
    yield changed(before_path="/")
    yield from (changed(credential=number) for number in range(1, len(one.operation.credentials)))
    if one.takes_body:
        yield from _bodily(one)
    if "idempotency" in one.operation.spec:
        header = one.contract.protocol["idempotency"][one.operation.spec["idempotency"]]["header"]
        yield headed(header, "key-1")
    if "project" in one.gates and not one.contract.protocol["projects"]["known"]:
        yield headed(one.contract.protocol["projects"]["header"], "prj_other")
    if "cors" in one.operation.spec and not _origins(one):
        yield headed("origin", "https://app.example.com")
    specs = one.contract.protocol["credentials"]
    own = {specs[name].get("name") for name in one.operation.credentials if specs[name]["in"] == "path"}
    for name in path_names(one.operation.path):
        if name not in own:
            yield from (_with_parameter(name, text) for text in PARAMETERS)


def _with_parameter(name: str, text: str) -> Change:
    return lambda parts: replace(parts, params={**parts.params, name: text})


def _origins(one: OperationPlan) -> bool:
    rules = one.contract.protocol["cors"][one.operation.spec["cors"]]
    return bool(rules["allowed_origins"])


def _bodily(one: OperationPlan) -> Iterator[Change]:
    yield from (changed(content_type=kind) for kind in JSON_TYPES)
    if "content_type" not in one.gates or one.contract.protocol["content_types"]["anything"]:
        yield from (changed(content_type=kind) for kind in (*OTHER_TYPES, None))
    if "encoding" in one.gates:
        yield changed(compress=True, encoding="gzip")
    if "size" in one.gates:
        yield changed(padded=one.contract.max_body)
