"""The contract for other tools: OpenAPI 3.1 of the emulated API, JSON Schemas with `$id`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from mockserver.contract.contract import Contract, Form, Operation
from mockserver.contract.schema import Schema, plain
from mockserver.jsonkit import Json

SCHEMA_DOCUMENTS: Final = ("requests", "events", "replies")
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schemas(contract: Contract, document: str, base: str) -> Json:
    """Return one document's schemas under `$defs`, each with an absolute `$id` below `base`."""
    here = f"{base}/_mock/schemas/{contract.name}/{document}.json"
    compiled: Mapping[str, Schema] = getattr(contract, document)
    return {
        "$schema": _DIALECT,
        "$id": here,
        "title": f"{contract.name} {document}, revision {contract.revision}",
        "$defs": {name: {"$id": f"{here}/{name}", **plain(schema.body)} for name, schema in compiled.items()},
    }


def openapi(contract: Contract) -> Json:
    """Return the emulated API as an OpenAPI 3.1 document."""
    protocol = contract.protocol
    paths: dict[str, Json] = {}
    for operation in contract.operations.values():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(contract, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": protocol["title"], "version": contract.revision},
        "jsonSchemaDialect": _DIALECT,
        "servers": [{"url": "/"}, {"url": protocol["host"]["value"], "description": "production"}],
        "paths": paths,
        "components": {
            "schemas": {
                f"{kind}.{name}": plain(schema.body)
                for kind in SCHEMA_DOCUMENTS
                for name, schema in getattr(contract, kind).items()
            },
            "securitySchemes": _security_schemes(protocol["credentials"]),
        },
    }


def _security_schemes(credentials: Mapping[str, Json]) -> Json:
    made: dict[str, Json] = {}
    for name, spec in credentials.items():
        if spec["in"] == "bearer":
            made[name] = {"type": "http", "scheme": "bearer"}
        elif spec["in"] in ("header", "query"):
            made[name] = {"type": "apiKey", "in": spec["in"], "name": spec["name"]}
    return made


def _operation(contract: Contract, operation: Operation) -> Json:
    schemes = _security_schemes(contract.protocol["credentials"])
    made: dict[str, Json] = {
        "operationId": operation.name,
        "summary": operation.spec["summary"],
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in re.findall(r"\{([^}]+)\}", operation.path)
        ]
        + [
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
            for name in operation.spec.get("query", ())
        ],
        "responses": _responses(contract, operation),
    }
    security: list[Json] = [{name: []} for name in operation.credentials if name in schemes]
    if security:
        made["security"] = security
    if operation.forms:
        made["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _any_of(_form(form) for form in operation.forms.values())}},
        }
    return made


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


def _responses(contract: Contract, operation: Operation) -> Json:
    protocol = contract.protocol
    always = {} if operation.rate is None else protocol["limits"][operation.rate.name].get("headers", {})
    made: dict[str, Json] = {}
    for name in dict.fromkeys(operation.spec["replies"].values()):
        spec = protocol["replies"][name]
        _add_response(made, spec["status"], name, spec, contract)
        _add_headers(made, spec["status"], (*always, *spec.get("headers", ())))
    family = protocol["refusals"][operation.family]
    for reason, spec in family.items():
        status = spec.get("status", family["default"].get("status"))
        shape = protocol["shapes"][spec.get("shape", family["default"].get("shape"))]
        _add_response(made, status, reason, shape, contract)
        _add_headers(made, status, (*always, *{**family["default"], **spec}.get("headers", ())))
    return dict(sorted(made.items()))


def _add_headers(made: dict[str, Json], status: int, names: Iterable[str]) -> None:
    """Say which headers replies with a status have; those of CORS depend on the request and are left out."""
    for name in names:
        made[str(status)].setdefault("headers", {})[name] = {"schema": {"type": "string"}}


def _add_response(made: dict[str, Json], status: int, name: str, spec: Mapping[str, Json], contract: Contract) -> None:
    entry = made.setdefault(str(status), {"description": "", "content": {}})
    entry["description"] = ", ".join(filter(None, [entry["description"], name]))
    kind = spec.get("content_type", "application/json")
    schema = _reference(contract.replies[spec["schema"]]) if "schema" in spec else {}
    content = entry["content"].setdefault(kind, {"schema": schema})
    if content["schema"] != schema:
        options = content["schema"].get("anyOf", [content["schema"]])
        if schema not in options:
            content["schema"] = {"anyOf": [*options, schema]}
