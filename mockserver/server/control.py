"""The control surface: guards, routing and validation, all read from control.yaml; the handlers do the rest."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import jsonschema_rs
from aiohttp import web

from mockserver.contract.contract import split_target
from mockserver.jsonkit import Json, jsontext, pointer, yamltext
from mockserver.server.aiohttp_io import BodyTimeoutError, problem, read_body
from mockserver.settings import Settings

MAX_BODY: Final = 16 * 1024 * 1024
OPEN_HOSTS: Final = frozenset({"localhost", "host.docker.internal"})
ROOT: Final = "/_mock/"
UNGUARDED: Final = frozenset({"/livez", "/readyz"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One control call after validation: decoded path members, typed query members, parsed body."""

    params: Mapping[str, str]
    query: Mapping[str, Any]
    body: Json
    request: web.BaseRequest


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


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


class RejectedError(Exception):
    """A control call that cannot be carried out; holds the problem that answers it."""

    def __init__(self, status: int, title: str, detail: str, **members: Json) -> None:
        super().__init__(detail)
        self.response = problem(status, title, detail, **members)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    segments: tuple[str, ...]
    methods: Mapping[str, Json]
    place: str

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        if len(segments) != len(self.segments):
            return None
        params: dict[str, str] = {}
        for mine, raw in zip(self.segments, segments, strict=True):
            if not mine.startswith("{"):
                if mine != raw:
                    return None
                continue
            name, _, suffix = mine[1:].partition("}")
            if not raw.endswith(suffix) or len(raw) == len(suffix):
                return None
            params[name] = unquote(raw[: len(raw) - len(suffix)] if suffix else raw, errors="replace")
        return params


class Control:
    """Routes a control request to its handler. `handlers` has one entry per operationId of control.yaml."""

    def __init__(self, settings: Settings, handlers: Mapping[str, Handler]) -> None:
        self._settings = settings
        self._handlers = handlers
        self._known_routes: list[_Route] | None = None

    @property
    def _routes(self) -> list[_Route]:
        if self._known_routes is None:
            self._known_routes = [
                _Route(
                    segments=tuple(path.split("/")[1:]),
                    methods={method.upper(): spec for method, spec in item.items() if method != "parameters"},
                    place=pointer.build(("paths", path)),
                )
                for path, item in document()["paths"].items()
            ]
        return self._known_routes

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one control request; what is wrong with it comes back as problem+json."""
        try:
            path, query = split_target(request.raw_path)
            if path not in UNGUARDED:
                self._guard(request)
            route, params = self._find(path)
            method = "GET" if request.method == "HEAD" else request.method
            spec = route.methods.get(method)
            if spec is None:
                allow = ", ".join(sorted(route.methods))
                raise RejectedError(
                    405, "Method Not Allowed", f"{request.method} is not served here", headers={"Allow": allow}
                )
            call = Call(
                params=params,
                query=_query(spec, query),
                body=await self._body(route, method, spec, request),
                request=request,
            )
            return await self._handlers[spec["operationId"]](call)
        except RejectedError as error:
            return error.response

    def _find(self, path: str) -> tuple[_Route, dict[str, str]]:
        bare = path.rstrip("/")
        segments = tuple((ROOT if bare == ROOT.rstrip("/") else bare).split("/")[1:])
        for route in self._routes:
            params = route.match(segments)
            if params is not None:
                return route, params
        raise RejectedError(404, "Not Found", f"the control surface has no {path}; GET /_mock/ lists what there is")

    async def _body(self, route: _Route, method: str, spec: Json, request: web.BaseRequest) -> Json:
        wanted = spec.get("requestBody")
        try:
            text, truncated = await read_body(request, MAX_BODY, self._settings.body_timeout)
        except BodyTimeoutError:
            raise RejectedError(408, "Request Timeout", "the body did not arrive in time") from None
        if truncated:
            raise RejectedError(413, "Content Too Large", f"a control call's body is at most {MAX_BODY} bytes")
        if wanted is None:
            if text.strip():
                raise RejectedError(400, "Bad Request", "this call takes no body", pointer="")
            return None
        if not text.strip() and not wanted.get("required"):
            return None
        twice: list[str] = []
        try:
            body = jsontext.parse_exactly(text, twice)
        except jsontext.NotJSONError as error:
            raise RejectedError(400, "Bad Request", f"the body is not JSON: {error}", pointer="") from None
        if twice:
            raise RejectedError(
                400, "Bad Request", f"the member {twice[0]} stands twice", pointer=pointer.build((twice[0],))
            )
        place = pointer.build(("requestBody", "content", "application/json", "schema"))
        body = whole(body)
        _hold(validator(f"{route.place}/{method.lower()}{place}"), body)
        return body

    def _guard(self, request: web.BaseRequest) -> None:
        headers = request.headers
        if headers.get("Sec-Fetch-Site", "none") in ("cross-site", "same-site"):
            raise RejectedError(403, "Forbidden", "a page of another site may not use the control surface")
        host = headers.get("Host", "")
        if not self._host_allowed(host):
            raise RejectedError(421, "Misdirected Request", f"the host {host} is not allowed here; see --allowed-host")
        origin = headers.get("Origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            raise RejectedError(403, "Forbidden", f"the origin {origin} may not use the control surface")
        token = self._settings.admin_token
        if token is not None:
            scheme, _, given = headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not hmac.compare_digest(
                given.strip().encode("utf-8", "replace"), token.encode()
            ):
                raise RejectedError(
                    401,
                    "Unauthorized",
                    "the control surface needs the token given with --admin-token",
                    headers={"WWW-Authenticate": "Bearer"},
                )

    def _host_allowed(self, host: str) -> bool:
        name = _host_name(host)
        if name is None:
            return False
        if name in OPEN_HOSTS or name.endswith(".localhost") or ("." not in name and ":" not in name):
            return True
        if name in {allowed.lower() for allowed in self._settings.allowed_hosts}:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _host_name(host: str) -> str | None:
    """Return the name in a Host value, lower case and without port and brackets; None when it is malformed."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.username is not None or parts.path or parts.query:
        return None
    return parts.hostname.lower()


def _query(spec: Json, query: str) -> dict[str, Any]:
    declared = {p["name"]: p for p in map(resolve, spec.get("parameters", ())) if p["in"] == "query"}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), errors="replace")
    except ValueError:
        raise RejectedError(400, "Bad Request", "the query cannot be read") from None
    values: dict[str, Any] = {}
    for name, text in pairs:
        if name not in declared:
            known = ", ".join(declared) or "none"
            raise RejectedError(
                400, "Bad Request", f"unknown query member {name}; this call takes: {known}", parameter=name
            )
        if name in values:
            raise RejectedError(400, "Bad Request", f"the query member {name} stands twice", parameter=name)
        values[name] = _typed(name, text, resolve(declared[name]["schema"]))
    return values


def _typed(name: str, text: str, schema: Json) -> Any:
    value: Any = text
    if schema.get("type") == "integer":
        if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
            raise RejectedError(400, "Bad Request", f"{name} must be a whole number, got {text!r}", parameter=name)
        value = int(text)
    elif schema.get("type") == "boolean":
        if text not in ("true", "false"):
            raise RejectedError(400, "Bad Request", f"{name} must be true or false, got {text!r}", parameter=name)
        value = text == "true"
    for error in jsonschema_rs.Draft202012Validator(schema).iter_errors(value):
        raise RejectedError(400, "Bad Request", f"{name}: {error.message}", parameter=name)
    return value


def whole(value: Json) -> Json:
    """Return a body with 3 for 3.0, which JSON Schema takes for an integer as well."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [whole(item) for item in value]
    if isinstance(value, dict):
        return {name: whole(member) for name, member in value.items()}
    return value


def _hold(engine: jsonschema_rs.Draft202012Validator, body: Json) -> None:
    try:
        errors = list(engine.iter_errors(body))
    except UnicodeEncodeError:
        raise RejectedError(400, "Bad Request", "the body holds a lone surrogate", pointer="") from None
    if errors:
        error = max(errors, key=lambda error: len(list(error.instance_path)))
        place = pointer.build(error.instance_path)
        if type(error.kind).__name__ in ("AdditionalProperties", "UnevaluatedProperties"):
            place += pointer.build([next(iter(getattr(error.kind, "unexpected", [""])))])
        raise RejectedError(400, "Bad Request", f"{place or 'the body'}: {error.message}", pointer=place)
