"""The responses of one operation in a published OpenAPI document: what its replies and its refusals can be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Final

from mockserver.contract.components import Components
from mockserver.contract.contract import Contract
from mockserver.contract.examples import Example
from mockserver.contract.operation import Operation
from mockserver.contract.refusal_reasons import refusals
from mockserver.contract.schema import Schema
from mockserver.contract.server_rules import BODY_TIMEOUT, REQUEST_TIMEOUT, SERVER_RULES
from mockserver.jsonkit import Json

JSON_TYPE: Final = "application/json"
_HEADER: Final[Json] = {"schema": {"type": "string"}}


class Responses:
    """Collects the responses by status. Their headers are without those of CORS, which depend on the request."""

    def __init__(self, operation: Operation, components: Components, examples: Sequence[Example]) -> None:
        self._operation = operation
        self._components = components
        self._examples = examples
        self._said: dict[str, list[str]] = {}
        self._made: dict[str, dict[str, Json]] = {}

    def all(self, contract: Contract) -> Json:
        """Return all responses of the operation."""
        operation = self._operation
        always = () if operation.rate_claim is None else tuple(operation.rate_claim.limit.headers)
        for reply in operation.replies.distinct():
            headers = (*always, *reply.headers)
            self._add(reply.status, reply.name, reply.schema, headers, reply.media_type)
        for refusal in refusals(contract, operation):
            self._add(refusal.status, refusal.reason, refusal.shape.schema, (*always, *refusal.headers))
        self._add(REQUEST_TIMEOUT, SERVER_RULES[BODY_TIMEOUT].message, operation.family.default.shape.schema, always)
        for status, response in self._made.items():
            response["description"] = f"{_phrase(int(status))}: {', '.join(self._said[status])}"
        return dict(sorted(self._made.items()))

    def _add(
        self, status: int, said: str, schema: Schema | None, headers: Iterable[str], media_type: str = JSON_TYPE
    ) -> None:
        key = str(status)
        if said not in self._said.setdefault(key, []):
            self._said[key].append(said)
        response = self._made.setdefault(key, {"description": "", "content": {}})
        _add_schema(response["content"], media_type, self._schema(schema, media_type))
        shown = {e.name: {"value": e.reply} for e in self._examples if e.status == status and e.reply is not None}
        if shown and media_type == JSON_TYPE:
            response["content"][media_type]["examples"] = shown
        for header in headers:
            response.setdefault("headers", {})[header] = _HEADER

    def _schema(self, schema: Schema | None, media_type: str) -> Json:
        if schema is not None:
            return self._components.reference(schema)
        return {} if media_type == JSON_TYPE else {"type": "string"}


def _add_schema(content: dict[str, Json], media_type: str, schema: Json) -> None:
    present = content.setdefault(media_type, {"schema": schema})
    if present["schema"] != schema:
        options = present["schema"].get("anyOf", [present["schema"]])
        if schema not in options:
            present["schema"] = {"anyOf": [*options, schema]}


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return str(status)
