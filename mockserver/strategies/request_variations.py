"""The many faces of one good request: media types, encodings, credentials, slashes, a body as long as may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mockserver.strategies.gate_mutations import EXTRA_SLASHES, Change, changed, with_entry
from mockserver.strategies.plans import OperationPlan

JSON_TYPES: Final = ("application/json; charset=utf-8", "Application/JSON")
OTHER_TYPES: Final = ("text/plain;charset=UTF-8", "text/plain")
PARAMETERS: Final = ("user 1/ä", "42", "a%2Fb")
PLAIN: Final = 24
"""How many times more likely the plain request is than each other one."""


def transports(plan: OperationPlan) -> list[Change]:
    """Return the changes that leave a request of this operation good, the plain one first and most often."""
    return [changed()] * PLAIN + list(variations(plan))


def variations(plan: OperationPlan) -> Iterator[Change]:
    """Yield each of the changes that leave a request of this operation good."""
    operation, projects = plan.operation, plan.contract.projects
    if plan.contract.extra_slashes:
        yield from EXTRA_SLASHES
    yield from (changed(credential=number) for number in range(1, len(operation.credentials)))
    if plan.takes_body:
        yield from _bodily(plan)
    if operation.idempotency is not None:
        yield with_entry("headers", operation.idempotency.header, "key-1")
    if projects is not None and not projects.known and operation.gate("project") is not None:
        yield with_entry("headers", projects.header, "prj_other")
    if operation.cors is not None and not operation.cors.allowed_origins:
        yield with_entry("headers", "origin", "https://app.example.com")
    keys = {credential.parameter for credential in operation.credentials if credential.place == "path"}
    for name in operation.parameters():
        if name not in keys:
            yield from (with_entry("params", name, text) for text in PARAMETERS)


def _bodily(plan: OperationPlan) -> Iterator[Change]:
    operation, types = plan.operation, plan.contract.content_types
    yield from (changed(content_type=media_type) for media_type in JSON_TYPES)
    if operation.gate("content_type") is None or types is None or types.anything:
        yield from (changed(content_type=media_type) for media_type in (*OTHER_TYPES, None))
    if operation.gate("encoding") is not None:
        yield changed(compress=True, encoding="gzip")
    if operation.gate("size") is not None:
        yield changed(padded=plan.contract.max_body)
