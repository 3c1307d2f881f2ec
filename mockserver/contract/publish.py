"""The contract for other tools: OpenAPI 3.1 of the emulated API, JSON Schemas with `$id`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Schema, plain
from mockserver.contract.sections import Credential
from mockserver.jsonkit import Json

SCHEMA_DOCUMENTS: Final = ("requests", "events", "replies")
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_HEADER: Final[Json] = {"schema": {"type": "string"}}


def schemas_of(contract: Contract, document: str) -> Mapping[str, Schema]:
    """Return the compiled schemas of one of `SCHEMA_DOCUMENTS`."""
    documents = (contract.request_schemas, contract.event_schemas, contract.reply_schemas)
    return dict(zip(SCHEMA_DOCUMENTS, documents, strict=True))[document]


def schemas(contract: Contract, document: str, base: str) -> Json:
    """Return one document's schemas under `$defs`, each with an absolute `$id` below `base`."""
    identifier = f"{base}/_mock/schemas/{contract.name}/{document}.json"
    compiled = schemas_of(contract, document)
    return {
        "$schema": _DIALECT,
        "$id": identifier,
        "title": f"{contract.name} {document}, revision {contract.revision}",
        "$defs": {name: {"$id": f"{identifier}/{name}", **plain(schema.body)} for name, schema in compiled.items()},
    }


def openapi(contract: Contract) -> Json:
    """Return the emulated API as an OpenAPI 3.1 document."""
    paths: dict[str, Json] = {}
    for operation in contract.operations.values():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": contract.title, "version": contract.revision},
        "jsonSchemaDialect": _DIALECT,
        "servers": [{"url": "/"}, {"url": contract.host, "description": "production"}],
        "paths": paths,
        "components": {
            "schemas": {
                f"{document}.{name}": plain(schema.body)
                for document in SCHEMA_DOCUMENTS
                for name, schema in schemas_of(contract, document).items()
            },
            "securitySchemes": _security_schemes(contract.credentials.values()),
        },
    }


def _security_schemes(credentials: Iterable[Credential]) -> dict[str, Json]:
    schemes: dict[str, Json] = {}
    for credential in credentials:
        if credential.place == "bearer":
            schemes[credential.name] = {"type": "http", "scheme": "bearer"}
        elif credential.place in ("header", "query"):
            schemes[credential.name] = {"type": "apiKey", "in": credential.place, "name": credential.parameter}
    return schemes


def _operation(operation: Operation) -> Json:
    parameters = [(name, "path") for name in operation.parameters()] + [(name, "query") for name in operation.query]
    published: dict[str, Json] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [
            {"name": name, "in": place, "required": True, "schema": {"type": "string"}} for name, place in parameters
        ],
        "responses": _responses(operation),
    }
    security: list[Json] = [{name: []} for name in _security_schemes(operation.credentials)]
    if security:
        published["security"] = security
    if operation.forms:
        published["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _any_of(_form(form) for form in operation.forms.values())}},
        }
    return published


def _any_of(options: Iterable[Json]) -> Json:
    listed = list(options)
    return listed[0] if len(listed) == 1 else {"anyOf": listed}


def _reference(schema: Schema) -> Json:
    return {"$ref": f"#/components/schemas/{schema.document}.{schema.name}"}


def _form(form: Form) -> Json:
    item: Json = {}
    if form.schema is not None:
        item = _reference(form.schema)
    elif form.events is not None:
        member = form.discriminator[-1]
        item = {
            "anyOf": [
                {"allOf": [_reference(schema), {"properties": {member: {"const": name}}}]}
                for name, schema in form.schemas.items()
            ]
        }
    if form.single:
        return item
    parts: list[Json] = [] if form.request is None else [_reference(form.request)]
    if form.events is not None:
        inner: Json = {"type": "array", "items": item}
        for token in reversed(form.events):
            inner = {"type": "object", "properties": {token: inner}}
        parts.append(inner)
    return parts[0] if len(parts) == 1 else {"allOf": parts}


def _responses(operation: Operation) -> Json:
    """Return the responses by status. Their headers are without those of CORS, which depend on the request."""
    responses: dict[str, Json] = {}
    always = () if operation.rate_claim is None else tuple(operation.rate_claim.limit.headers)
    for reply in operation.replies.distinct():
        headers = (*always, *reply.headers)
        _add_response(responses, reply.status, reply.name, reply.schema, headers, reply.media_type)
    family = operation.family
    for refusal in (family.default, *family.reasons.values()):
        headers = (*always, *refusal.headers)
        _add_response(responses, refusal.status, refusal.reason, refusal.shape.schema, headers)
    return dict(sorted(responses.items()))


def _add_response(
    responses: dict[str, Json],
    status: int,
    name: str,
    reply_schema: Schema | None,
    headers: Iterable[str],
    media_type: str = "application/json",
) -> None:
    entry = responses.setdefault(str(status), {"description": "", "content": {}})
    entry["description"] = ", ".join(filter(None, [entry["description"], name]))
    schema = {} if reply_schema is None else _reference(reply_schema)
    content = entry["content"].setdefault(media_type, {"schema": schema})
    if content["schema"] != schema:
        options = content["schema"].get("anyOf", [content["schema"]])
        if schema not in options:
            content["schema"] = {"anyOf": [*options, schema]}
    for header in headers:
        entry.setdefault("headers", {})[header] = _HEADER
