"""The contract for other tools: OpenAPI 3.1 of the emulated API, JSON Schemas with `$id`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from mockserver.contract.components import Components, published_schema
from mockserver.contract.contract import Contract
from mockserver.contract.examples import NO_EXAMPLES, Examples, fitting
from mockserver.contract.portable import as_json_schema
from mockserver.contract.published_operation import body_schema, has_body, published_operation, security_schemes
from mockserver.contract.schema import Schema
from mockserver.jsonkit import Json
from mockserver.settings import DEFAULT_PORT

SCHEMA_DOCUMENTS: Final = ("requests", "events", "replies")
BODIES: Final = "bodies"
PUBLISHED_DOCUMENTS: Final = (*SCHEMA_DOCUMENTS, BODIES)
"""What is published as JSON Schema: the contract's own documents, and the whole body of each operation that has one."""
DEFAULT_SERVER: Final = f"http://127.0.0.1:{DEFAULT_PORT}"
_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schemas_of(contract: Contract, document: str) -> Mapping[str, Schema]:
    """Return the compiled schemas of one of `SCHEMA_DOCUMENTS`."""
    documents = (contract.request_schemas, contract.event_schemas, contract.reply_schemas)
    return dict(zip(SCHEMA_DOCUMENTS, documents, strict=True))[document]


def schema_names(contract: Contract, document: str) -> list[str]:
    """Return the names of the schemas in one of `PUBLISHED_DOCUMENTS`; of bodies, those of the operations."""
    if document == BODIES:
        return [operation.name for operation in contract.operations.values() if has_body(operation)]
    return list(schemas_of(contract, document))


def schemas(contract: Contract, document: str, base: str, query: str = "") -> Json:
    """Return one of `PUBLISHED_DOCUMENTS`: its schemas under `$defs`, each with an absolute `$id` below `base`.

    `query` is the query of the request for it, with its `?`: an `$id` leads to the same contract.
    """
    names = schema_names(contract, document)
    return {
        "$schema": _DIALECT,
        "$id": f"{_place(contract, document, base)}.json{query}",
        "title": f"{contract.name} {document}, revision {contract.revision}",
        "$defs": {name: schema(contract, document, name, base, query) for name in names},
    }


def schema(contract: Contract, document: str, name: str, base: str, query: str = "") -> Json:
    """Return one schema of a document, as it stands in the `$defs` of the document."""
    identifier = f"{_place(contract, document, base)}/{quote(name, safe='')}.json{query}"
    return {"$schema": _DIALECT, "$id": identifier, **as_json_schema(_published(contract, document, name))}


def _published(contract: Contract, document: str, name: str) -> Json:
    if document != BODIES:
        return published_schema(contract, schemas_of(contract, document)[name])
    components = Components(contract)
    body = body_schema(contract.operations[name], components)
    return {**body, "$defs": components.schemas} if components.schemas else body


def _place(contract: Contract, document: str, base: str) -> str:
    return f"{base}/_mock/schemas/{contract.name}/{document}"


def openapi(contract: Contract, examples: Examples = NO_EXAMPLES, server: str = DEFAULT_SERVER) -> Json:
    """Return the emulated API as an OpenAPI 3.1 document. `server` is the base URL of the mock server for it."""
    paths: dict[str, Json] = {}
    components = Components(contract)
    for operation in contract.operations.values():
        found = list(fitting(contract, operation, examples))
        published = published_operation(contract, operation, components, found)
        paths.setdefault(operation.path, {})[operation.method.lower()] = published
    return {
        "openapi": "3.1.0",
        "info": {
            "title": contract.title,
            "version": contract.revision,
            "description": f"The {contract.title} as mockserver emulates it, revision {contract.revision}.",
        },
        "jsonSchemaDialect": _DIALECT,
        "servers": [
            {"url": server, "description": "mockserver"},
            {"url": contract.host, "description": "production"},
        ],
        "tags": [{"name": contract.name, "description": contract.title}],
        "security": [],
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.schemas.items())),
            "securitySchemes": security_schemes(contract.operations.values()),
        },
    }
