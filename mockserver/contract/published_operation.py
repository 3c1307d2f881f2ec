"""One operation in a published OpenAPI document: its parameters, its body, who may call it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from mockserver.contract.components import Components
from mockserver.contract.contract import Contract
from mockserver.contract.examples import Example, is_valid_request
from mockserver.contract.operation import Operation
from mockserver.contract.published_responses import JSON_TYPE, Responses
from mockserver.contract.sections import Credential
from mockserver.jsonkit import Json

_NOT_BLANK: Final = "\\S"
_WITH_BODY: Final = ("POST", "PUT", "PATCH")


def published_operation(
    contract: Contract, operation: Operation, components: Components, examples: Sequence[Example]
) -> Json:
    """Return an operation; `components` collects the schemas that it refers to."""
    published: dict[str, Json] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"{operation.summary}.",
        "tags": [contract.name],
        "parameters": [
            *_path_parameters(operation, examples),
            *_query_parameters(operation, examples),
            *_headers(contract, operation),
        ],
        "security": _security(operation),
    }
    body = _request_body(contract, operation, components, examples)
    if body is not None:
        published["requestBody"] = body
    published["responses"] = Responses(operation, components, examples).all(contract)
    published["x-source"] = contract.source_of(operation.pointer)
    return published


def security_schemes(operations: Iterable[Operation]) -> dict[str, Json]:
    """Return the schemes of the keys that operations take in a header or in the query."""
    credentials = dict.fromkeys(credential for operation in operations for credential in operation.credentials)
    return {credential.name: _scheme(credential) for credential in credentials if _has_scheme(credential)}


def _has_scheme(credential: Credential) -> bool:
    return credential.place in ("bearer", "header", "query")


def _scheme(credential: Credential) -> Json:
    said = {} if credential.pattern is None else {"description": f"A key that matches `{credential.pattern}`."}
    if credential.place == "bearer":
        return {"type": "http", "scheme": "bearer", **said}
    return {"type": "apiKey", "in": credential.place, "name": credential.parameter, **said}


def _security(operation: Operation) -> list[Json]:
    """Return which schemes will do, none where the key stands in the path or the body; `{}` where it is optional."""
    ways: list[Json] = [{credential.name: []} for credential in operation.credentials if _has_scheme(credential)]
    if not ways or _needs_key(operation):
        return ways
    return [*ways, {}]


def _needs_key(operation: Operation) -> bool:
    in_query = {credential.parameter for credential in operation.credentials if credential.place == "query"}
    return operation.gate("key") is not None or not in_query.isdisjoint(operation.query)


def _path_parameters(operation: Operation, examples: Sequence[Example]) -> list[Json]:
    patterns = {c.parameter: c for c in operation.credentials if c.place == "path"}
    made = []
    for name in operation.parameters():
        credential = patterns.get(name)
        example = next((e.path[name] for e in examples if name in e.path), None)
        example = example if credential is None else credential.example or example
        pattern = None if credential is None else credential.pattern
        made.append(_parameter(name, "path", {"minLength": 1} if pattern is None else {"pattern": pattern}, example))
    return made


def _query_parameters(operation: Operation, examples: Sequence[Example]) -> list[Json]:
    keys = {c.parameter: c.example for c in operation.credentials if c.place == "query"}
    made = []
    for name in operation.query:
        example = keys.get(name) or next((e.query[name] for e in examples if name in e.query), None)
        made.append(_parameter(name, "query", {"pattern": _NOT_BLANK}, example))
    return made


def _headers(contract: Contract, operation: Operation) -> list[Json]:
    """Return the optional headers that change what a request does."""
    names = [] if operation.idempotency is None else [operation.idempotency.header]
    if contract.projects is not None and operation.gate("project") is not None:
        names.append(contract.projects.header)
    return [{"name": name, "in": "header", "required": False, "schema": {"type": "string"}} for name in names]


def _parameter(name: str, place: str, limits: Mapping[str, Json], example: str | None) -> Json:
    shown = {} if example is None else {"example": example}
    return {"name": name, "in": place, "required": True, "schema": {"type": "string", **limits}, **shown}


def has_body(operation: Operation) -> bool:
    """Tell whether the published operation has a request body: the contract reads one, or the method suggests one."""
    return _needs_body(operation) or operation.method in _WITH_BODY


def _needs_body(operation: Operation) -> bool:
    return operation.gate("json") is not None or bool(operation.forms)


def body_schema(operation: Operation, components: Components) -> Json:
    """Return the schema of an operation's whole body; `components` collects the schemas that it refers to."""
    bodies = [components.body(operation, form) for form in operation.forms.values()]
    if not bodies:
        return _open_body(operation)
    return bodies[0] if len(bodies) == 1 else {"anyOf": bodies}


def _request_body(
    contract: Contract, operation: Operation, components: Components, examples: Sequence[Example]
) -> Json | None:
    if not has_body(operation):
        return None
    shown = {e.name: {"value": e.body} for e in examples if e.body is not None and is_valid_request(operation, e)}
    content = {"schema": body_schema(operation, components), **({"examples": shown} if shown else {})}
    types = contract.content_types
    media_types = (JSON_TYPE,) if types is None or types.anything else types.accepted
    return {"required": _needs_body(operation), "content": dict.fromkeys(media_types, content)}


def _open_body(operation: Operation) -> Json:
    """Return the schema of a body of which the contract knows nothing but where a key may be."""
    if operation.gate("object") is None:
        return {"description": "Nothing in the body is checked."}
    checked = operation.gate("key") is not None
    keys = {c.tokens[0]: c for c in operation.credentials if c.place == "body" and len(c.tokens) == 1}
    properties = {name: _key_member(credential, checked=checked) for name, credential in keys.items()}
    required = {"required": list(properties)} if properties and checked else {}
    members = {"properties": properties} if properties else {}
    return {"type": "object", **required, **members, "additionalProperties": True}


def _key_member(credential: Credential, *, checked: bool) -> Json:
    """Return the schema of a key in a body; where nothing checks it, any value will do."""
    if not checked:
        return {"description": "The key."}
    return {"type": "string"} if credential.pattern is None else {"type": "string", "pattern": credential.pattern}
