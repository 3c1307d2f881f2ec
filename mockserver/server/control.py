"""The control surface: guards, routing and validation as control.yaml defines them. The handlers do the rest."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache, partial
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol
from urllib.parse import parse_qsl, quote

import jsonschema_rs
from aiohttp import web
from multidict import CIMultiDict

from mockserver.contract.contract import split_target
from mockserver.errors import LONGEST_VALUE, StoreError, unknown
from mockserver.jsonkit import Json, jsontext, pointer, violations, yamltext
from mockserver.jsonkit.wiretext import unquoted
from mockserver.server.aiohttp_io import SERVER, json_response, problem, read_body
from mockserver.server.guards import Guard
from mockserver.server.turns import Turn
from mockserver.settings import Settings

_log = logging.getLogger("mockserver")

READ_AT_ONCE: Final = 16 * 1024
"""Bytes of a body that is parsed and validated within a turn of the event loop, in 10 ms; a thread does larger ones."""
MAX_BODY: Final = 2 * 1024 * 1024
MAX_LINES: Final = 64 * 1024 * 1024
"""Bytes of a body of lines, such as a recording."""
LINES: Final = "application/x-ndjson"
MOST_VALUES: Final = 50_000
"""Arrays, objects and their members that a body may have: so many are read and checked in one turn of the loop."""
_STRUCTURE: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{,]', re.DOTALL)
"""A string, to its end or to that of the text, or what begins a value."""
LONGEST_DETAIL: Final = 1000
"""Characters of the detail of a problem: it may hold names from the request."""
ROOT: Final = "/_mock/"
SESSION_PREFIX: Final = f"{ROOT}s/"
"""What vendor paths stand below it belongs to the vendor surface."""
UNGUARDED: Final = frozenset({"/livez", "/readyz"})
HEADERS: Final = MappingProxyType(
    {
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "frame-ancestors 'none'",
    }
)
"""Headers of every reply of the control surface, unless it sets its own: it shows what clients sent, which no browser
may run, store or frame. The vendor surface answers as the vendors do, without them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A validated control call: decoded path parameters, typed query parameters, parsed body; one of lines as bytes."""

    params: Mapping[str, str]
    query: Mapping[str, Any]
    body: Json
    request: web.BaseRequest
    headers: Mapping[str, str]
    """Headers for a reply that the handler starts to send itself."""


Handler = Callable[[Call], Awaitable[Json | web.StreamResponse]]
"""Carries out a call and returns the reply, or just its JSON."""


@cache
def document() -> Json:
    """Return the control surface's OpenAPI document."""
    return yamltext.load(Path(__file__).with_name("control.yaml"))


def resolve(reference: Json) -> Json:
    """Follow a `$ref` inside the document."""
    while isinstance(reference, dict) and "$ref" in reference:
        reference = pointer.get(document(), pointer.parse(reference["$ref"].removeprefix("#")))
    return reference


@cache
def validator(place: str) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a schema in the document, by its pointer."""
    registry = jsonschema_rs.Registry([("mock:/control.yaml", document())])
    return jsonschema_rs.Draft202012Validator({"$ref": f"mock:/control.yaml#{quote(place)}"}, registry=registry)


def is_control(path: str) -> bool:
    """Return whether a path belongs to the control surface."""
    return path in UNGUARDED or path == "/_mock" or (path.startswith(ROOT) and not path.startswith(SESSION_PREFIX))


class RejectedError(Exception):
    """A control call is invalid; `response` is the problem+json reply."""

    def __init__(self, status: int, detail: str, **members: Json) -> None:
        if len(detail) > LONGEST_DETAIL:
            detail = f"{detail[: LONGEST_DETAIL // 2]}…{detail[-LONGEST_DETAIL // 2 :]}"
        super().__init__(detail)
        self.response = problem(status, detail, **members)


class _Route(NamedTuple):
    pattern: re.Pattern[str]
    operations: Mapping[str, Json]
    """The operations by method."""
    place: str
    """The pointer of the path in the document."""


@cache
def _routes() -> list[_Route]:
    """Return the routes of the document; a path parameter matches any text without a slash."""
    return [
        _Route(
            pattern=re.compile(re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(path))),
            operations={method.upper(): operation for method, operation in item.items() if method != "parameters"},
            place=pointer.build(("paths", path)),
        )
        for path, item in document()["paths"].items()
    ]


class Around(Protocol):
    """What handlers have beside their methods."""

    def around(self, call: Call, *, changes: bool, reads: bool) -> AbstractAsyncContextManager[None]:
        """Make the session ready that a call `reads`, keep what it `changes`. Raises RejectedError, StoreError."""


class Control:
    """Routes control requests. `handlers` has one method per operationId of control.yaml, which is a `Handler`."""

    def __init__(self, settings: Settings, handlers: Around) -> None:
        self._settings = settings
        self.guard = Guard(settings)
        self._handlers = handlers

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one control request; an invalid one gets a problem+json reply."""
        cors = self.guard.cors(request.headers)
        reply = await self._handle(request, cors)
        if not reply.prepared:
            reply.headers.update(cors)
            for name, value in HEADERS.items():
                reply.headers.setdefault(name, value)
        return reply

    async def _handle(self, request: web.BaseRequest, cors: Mapping[str, str]) -> web.StreamResponse:
        try:
            path, query = split_target(request.raw_path)
            if path not in UNGUARDED:
                self._check_guards(request)
            if request.method == "OPTIONS" and "Access-Control-Allow-Origin" in cors:
                return _preflight(request, _find(path)[0])
            if path not in UNGUARDED:
                self._check_token(request)
            route, params = _find(path)
            method = "GET" if request.method == "HEAD" else request.method
            operation = route.operations.get(method)
            if operation is None:
                allow = ", ".join(sorted(route.operations))
                detail = f"{request.method} is not allowed for this path; allowed: {allow}"
                raise RejectedError(405, detail, headers={"Allow": allow})
            query_values = _query(operation, query)
            body = await self._body(route, method, operation, request)
            handler: Handler = getattr(self._handlers, operation["operationId"])
            call = Call(params=params, query=query_values, body=body, request=request, headers={**HEADERS, **cors})
            changes = method != "GET" and not operation.get("x-only-reads")
            deletes = operation["operationId"] == "forget_session"
            async with self._handlers.around(call, changes=changes, reads=not deletes):
                reply = await handler(call)
            return reply if isinstance(reply, web.StreamResponse) else json_response(reply)
        except RejectedError as error:
            return error.response
        except StoreError as error:
            return problem(503, str(error))

    async def _body(self, route: _Route, method: str, operation: Json, request: web.BaseRequest) -> Json:
        declared = operation.get("requestBody")
        is_lines = declared is not None and LINES in declared["content"]
        ceiling = MAX_LINES if is_lines else MAX_BODY
        text, truncated, late = await read_body(request, ceiling, self._settings.body_timeout)
        if late:
            raise RejectedError(408, "the body did not arrive in time")
        if truncated:
            raise RejectedError(413, f"the body is longer than {ceiling} bytes")
        if is_lines:
            return text
        if declared is None:
            if text.strip():
                raise RejectedError(400, "this call does not accept a body", pointer="")
            return None
        if not declared.get("required") and not text.strip():
            return None
        place = pointer.build(("requestBody", "content", "application/json", "schema"))
        engine = validator(f"{route.place}/{method.lower()}{place}")
        return await Turn().do(partial(_body_of, text, engine), large=len(text) > READ_AT_ONCE)

    def _check_guards(self, request: web.BaseRequest) -> None:
        refused = self.guard.problem(request.headers, request.raw_path)
        if refused is not None:
            raise RejectedError(*refused)

    def _check_token(self, request: web.BaseRequest) -> None:
        missing = self.guard.token_problem(request.headers)
        if missing is not None:
            _log.warning("control call refused: %s, from %s", missing, request.remote)
            detail = "the control surface requires the bearer token set with --admin-token"
            raise RejectedError(401, detail, headers={"WWW-Authenticate": "Bearer"})


def _preflight(request: web.BaseRequest, route: _Route) -> web.Response:
    """Answer the preflight of an allowed origin, which comes without the admin token."""
    headers = {
        "Access-Control-Allow-Methods": ", ".join(sorted(route.operations)),
        "Access-Control-Allow-Headers": "authorization, content-type",
        "Access-Control-Max-Age": "600",
        "Server": SERVER,
    }
    if "Access-Control-Request-Private-Network" in request.headers:
        headers["Access-Control-Allow-Private-Network"] = "true"
    return web.Response(status=204, headers=CIMultiDict(headers))


def _find(path: str) -> tuple[_Route, dict[str, str]]:
    bare = path.rstrip("/")
    for route in _routes():
        match = route.pattern.fullmatch(ROOT if bare == ROOT.rstrip("/") else bare)
        if match is not None:
            return route, {name: unquoted(text) for name, text in match.groupdict().items()}
    detail = f"unknown path {path}; GET /_mock/ lists the available paths; vendor paths of a session begin with"
    raise RejectedError(404, f"{detail} {SESSION_PREFIX}<session>/")


def is_call(method: str, path: str) -> bool:
    """Return whether a request to a path of the control surface is one of its calls, or the preflight of one."""
    try:
        operations = _find(path)[0].operations
    except RejectedError:
        return False
    return method == "OPTIONS" or ("GET" if method == "HEAD" else method) in operations


def _query(operation: Json, query: str) -> dict[str, Any]:
    declared = {p["name"]: p for p in map(resolve, operation.get("parameters", ())) if p["in"] == "query"}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="replace")
    except ValueError:
        raise RejectedError(400, "malformed query string: expected name=value, joined by &") from None
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name not in declared:
            raise RejectedError(400, unknown("query parameter", name, declared), parameter=name)
        if name in values:
            raise RejectedError(400, f'duplicate query parameter "{name}"', parameter=name)
        content = declared[name].get("content")
        if content is not None:
            values[name] = _json_parameter(name, text, content["application/json"]["schema"])
        else:
            values[name] = _typed(name, text, resolve(declared[name]["schema"]))
    return values


def _json_parameter(name: str, text: str, schema: Json) -> Json:
    """Return the value of a query parameter that is JSON; `schema` is a reference into the document."""
    try:
        value = _parsed(text.encode("utf-8", "surrogatepass"))
        violation = _violation(validator(schema["$ref"].removeprefix("#")), value)
    except ValueError as error:
        raise RejectedError(400, f"{name}: {error}", parameter=name) from None
    if violation is not None:
        raise RejectedError(400, f"{name}{': '.join(violation)}", parameter=name)
    return value


def _parsed(text: bytes) -> Json:
    """Return the value of a JSON text. Raises ValueError if it is not valid, or a key is in an object twice."""
    duplicates: list[str] = []
    try:
        value = whole(jsontext.parse_exactly(text, duplicates))
    except jsontext.NotJSONError as error:
        raise ValueError(f"not valid JSON: {error}") from None
    if duplicates:
        raise ValueError(f'duplicate key "{duplicates[0]}"')
    return value


def _typed(name: str, text: str, schema: Json) -> Any:
    value: Any = text
    if schema.get("type") == "integer":
        if not re.fullmatch("-?[0-9]+", text) or len(text) > 18:
            raise RejectedError(400, f"{name} must be an integer, got {text!r}", parameter=name)
        value = int(text)
    elif schema.get("type") == "boolean":
        if text not in ("true", "false"):
            raise RejectedError(400, f"{name} must be true or false, got {text!r}", parameter=name)
        value = text == "true"
    for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(value):
        raise RejectedError(400, f"{name}: {violations.describe(error)}", parameter=name)
    return value


def whole(value: Json) -> Json:
    """Return a body with 3 for 3.0, which JSON Schema also accepts as an integer."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    return value


def _has_too_many_values(text: bytes) -> bool:
    """Tell whether a JSON text has more than `MOST_VALUES` values, without parsing it."""
    if sum(map(text.count, (b",", b"[", b"{"))) <= MOST_VALUES:
        return False
    beginnings = (match for match in _STRUCTURE.finditer(text) if text[match.start()] != ord('"'))
    return any(islice(beginnings, MOST_VALUES, None))


def _body_of(text: bytes, engine: jsonschema_rs.Draft202012Validator) -> Json:
    """Return the value of a body. Raises RejectedError if it is not valid."""
    if _has_too_many_values(text):
        raise RejectedError(400, f"the body has more than {MOST_VALUES} values; split it up", pointer="")
    duplicates: list[str] = []
    try:
        body = whole(jsontext.parse_exactly(text, duplicates))
    except jsontext.NotJSONError as error:
        problem = f"the body is not valid JSON: {error}" if text.strip() else "the body is empty; this call needs JSON"
        raise RejectedError(400, problem, pointer="") from None
    if duplicates:
        name = duplicates[0][:LONGEST_VALUE]
        raise RejectedError(400, f'duplicate key "{name}"', pointer=pointer.build([name]))
    _validate(engine, body)
    return body


def _validate(engine: jsonschema_rs.Draft202012Validator, body: Json) -> None:
    try:
        violation = _violation(engine, body)
    except ValueError as error:
        raise RejectedError(400, f"the body: {error}", pointer="") from None
    if violation is not None:
        place, problem = violation
        raise RejectedError(400, f"{place or 'the body'}: {problem}", pointer=place)


def _violation(engine: jsonschema_rs.Draft202012Validator, value: Json) -> tuple[str, str] | None:
    """Return where and how a value violates a schema, or None. Raises ValueError for a lone surrogate in it."""
    try:
        violation = violations.violation(engine, value)
    except UnicodeEncodeError:
        raise ValueError("a text contains a lone surrogate") from None
    if violation is None:
        return None
    tokens, error = violation
    place, problem = pointer.build(tokens), violations.describe(error)
    unexpected = getattr(error.kind, "unexpected", None)
    if unexpected:
        place += pointer.build([unexpected[0][:LONGEST_VALUE]])
        schema = pointer.get(document(), [str(token) for token in list(error.schema_path)[:-1]])
        problem = unknown("key", unexpected[0], _members(schema))
    return place, problem


def _members(schema: Json) -> list[str]:
    """Return the members that a schema object declares, those of the schema it refers to included."""
    if not isinstance(schema, dict):
        return []
    inherited = _members(resolve({"$ref": schema["$ref"]})) if "$ref" in schema else []
    return [*inherited, *schema.get("properties", {})]
