"""Consistency of a merged contract: every reference resolves, and every template uses available names only.

The contract language (contracts/meta) constrains single values; the checks here compare one part of a contract with
another. Each check yields pointers with problems; the compiler raises the first one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import jsonschema_rs

from mockserver.adapters import Adapter
from mockserver.contract.schema import subschemas
from mockserver.core.answer import ITEM_NAMES, RATE_NAMES, REFUSAL_NAMES, REPLY_NAMES, TEXT_NAMES
from mockserver.core.gates import MESSAGE_NAMES
from mockserver.jsonkit import Json, pointer, template
from mockserver.jsonkit.patterns import compile_pattern, refuse_unportable
from mockserver.jsonkit.pointer import MISSING

Problem: TypeAlias = tuple[str, str]
"""A pointer into the merged documents, and the problem there."""


def problems(documents: Mapping[str, Json], adapter: Adapter) -> Iterator[Problem]:
    """Yield the inconsistencies of documents that are valid in the contract language."""
    protocol: Mapping[str, Json] = documents["protocol"]
    for place in adapter.needs:
        if pointer.get(documents, pointer.parse(place)) is MISSING:
            yield place, "required by the adapter of this protocol"
    yield from _paths(protocol)
    yield from _credentials(protocol)
    yield from _references(documents)
    yield from _answers(documents)
    yield from _templates(protocol, adapter)
    for document in ("requests", "events", "replies"):
        for name, schema in _named_schemas(documents.get(document, {})):
            yield from _schema(schema, pointer.build((document, *name)))
    for level in ("events", "requests"):
        for name, rule in documents.get("warnings", {}).get(level, {}).items():
            yield from _schema(rule["schema"], pointer.build(("warnings", level, name, "schema")))


def _paths(protocol: Mapping[str, Json]) -> Iterator[Problem]:
    prefixes = [prefix["path"] for prefix in protocol["prefixes"].values()]
    taken: dict[tuple[str, str], str] = {}
    for name, operation in protocol["operations"].items():
        place = f"/protocol/operations/{name}/path"
        if not any(under(operation["path"], prefix) for prefix in prefixes):
            yield place, f"{operation['path']} does not start with a prefix of the protocol: {', '.join(prefixes)}"
        other = taken.setdefault(route(operation), name)
        if other != name:
            yield place, f"{operation['method']} {operation['path']} is already served by the operation {other}"


def route(operation: Mapping[str, Json]) -> tuple[str, str]:
    """Return the method and the path of an operation, without the names of path parameters."""
    return operation["method"], re.sub(r"\{[^}]*\}", "{}", operation["path"])


def collisions(protocols: Sequence[Mapping[str, Json]]) -> Iterator[tuple[str, str, str]]:
    """Yield conflicts between the paths of protocols: the name of a protocol, a pointer into it, the problem."""
    owners: dict[str, str] = {}
    for protocol in protocols:
        for label, prefix in protocol["prefixes"].items():
            other = owners.setdefault(prefix["path"], protocol["name"])
            if other != protocol["name"]:
                yield protocol["name"], f"/prefixes/{label}/path", f"{prefix['path']} already belongs to {other}"
    for protocol in protocols:
        for label, operation in protocol["operations"].items():
            longest = max((path for path in owners if under(operation["path"], path)), key=len, default=None)
            if longest is not None and owners[longest] != protocol["name"]:
                problem = f"{operation['path']} starts with {longest}, which belongs to {owners[longest]}"
                yield protocol["name"], f"/operations/{label}/path", problem


def under(path: str, prefix: str) -> bool:
    """Return whether a path belongs to a prefix."""
    return path.startswith(prefix) or path + "/" == prefix


def _credentials(protocol: Mapping[str, Json]) -> Iterator[Problem]:
    declared: Mapping[str, Json] = protocol["credentials"]
    for name, spec in declared.items():
        if "pattern" in spec:
            yield from _pattern(spec["pattern"], f"/protocol/credentials/{name}/pattern")
    for name, operation in protocol["operations"].items():
        place = f"/protocol/operations/{name}/credentials"
        for credential in operation.get("credentials", ()):
            spec = declared.get(credential)
            if spec is None:
                yield place, f"no {credential} under /protocol/credentials"
            elif spec["in"] == "path" and "{" + spec["name"] + "}" not in operation["path"]:
                yield place, f"the path has no parameter {spec['name']} for the credential {credential}"


def _references(documents: Mapping[str, Json]) -> Iterator[Problem]:
    protocol: Mapping[str, Json] = documents["protocol"]
    events, operations = documents.get("events", {}), protocol["operations"]
    for name, operation in operations.items():
        rate = operation.get("rate")
        if rate is not None and "requests" not in protocol["limits"].get(rate, {}):
            yield f"/protocol/operations/{name}/rate", f"no rate {rate} under /protocol/limits"
    for name, limit in protocol["limits"].items():
        if "schema" in limit and limit["schema"] not in events:
            yield f"/protocol/limits/{name}/schema", f"no schema {limit['schema']} in events.yaml"
    for name, rule in protocol.get("stored", {}).get("fill", {}).items():
        for schema in rule.get("schemas", ()):
            if schema not in events:
                yield f"/protocol/stored/fill/{name}/schemas", f"no schema {schema} in events.yaml"
    for level in ("events", "requests"):
        for name, rule in documents.get("warnings", {}).get(level, {}).items():
            for operation in rule.get("operations", ()):
                if operation not in operations:
                    yield f"/warnings/{level}/{name}/operations", f"no {operation} under /protocol/operations"


def _answers(documents: Mapping[str, Json]) -> Iterator[Problem]:
    protocol, known = documents["protocol"], documents.get("replies", {})
    for section in ("shapes", "replies"):
        for name, spec in protocol[section].items():
            if "schema" in spec and (spec["schema"] not in known or spec["schema"] == "shared"):
                yield f"/protocol/{section}/{name}/schema", f"no schema {spec['schema']} in replies.yaml"
    for name, reply in protocol["replies"].items():
        if ("body" in reply) == ("text" in reply):
            yield f"/protocol/replies/{name}", "requires either body or text"
        elif "errors" in template.names(reply.get("body")) and "item" not in reply:
            yield f"/protocol/replies/{name}", "requires item, the template for each of its errors"
    for family, reasons in protocol["refusals"].items():
        for reason, answer in reasons.items():
            yield from _answer(protocol, {**reasons["default"], **answer}, f"/protocol/refusals/{family}/{reason}")


def _answer(protocol: Mapping[str, Json], answer: Mapping[str, Json], place: str) -> Iterator[Problem]:
    for member in ("status", "shape", "message"):
        if member not in answer:
            yield place, f"requires {member}, here or in the default of the family"
            return
    shape = protocol["shapes"].get(answer["shape"])
    if shape is None:
        yield f"{place}/shape", f"no {answer['shape']} under /protocol/shapes"
    elif "code" in template.names(shape["body"]) and "code" not in answer:
        yield place, f"requires code, because the shape {answer['shape']} uses it"


def _templates(protocol: Mapping[str, Json], adapter: Adapter) -> Iterator[Problem]:
    for name, reply in protocol["replies"].items():
        place = f"/protocol/replies/{name}"
        users = [spec for spec in protocol["operations"].values() if name in spec["replies"].values()]
        added = [set(adapter.names(protocol, spec)) for spec in users or protocol["operations"].values()]
        known = REPLY_NAMES | (set.intersection(*added) if users else set().union(*added))
        yield from _asked(reply.get("body"), known, f"{place}/body")
        yield from _asked(reply.get("item"), ITEM_NAMES, f"{place}/item")
        yield from _asked(reply.get("headers"), known | RATE_NAMES, f"{place}/headers")
    for name, shape in protocol["shapes"].items():
        yield from _asked(shape["body"], REFUSAL_NAMES, f"/protocol/shapes/{name}/body")
    for name, limit in protocol["limits"].items():
        yield from _asked(limit.get("headers"), RATE_NAMES, f"/protocol/limits/{name}/headers")
    for name, window in protocol.get("windows", {}).items():
        yield from _asked(window.get("message"), MESSAGE_NAMES, f"/protocol/windows/{name}/message")
    for name, text in protocol["messages"].items():
        yield from _asked(text["value"], MESSAGE_NAMES, f"/protocol/messages/{name}/value")
    for family, reasons in protocol["refusals"].items():
        for reason, answer in reasons.items():
            place = f"/protocol/refusals/{family}/{reason}"
            for member in ("message", "code"):
                yield from _asked(answer.get(member), TEXT_NAMES | ({"message"} - {member}), f"{place}/{member}")
            yield from _asked(answer.get("headers"), REFUSAL_NAMES | RATE_NAMES, f"{place}/headers")


def _asked(value: Json, known: Iterable[str], place: str) -> Iterator[Problem]:
    for name in sorted(template.names(value) - set(known)):
        yield place, f"${{{name}}} is not available here; available: {', '.join(sorted(known))}"


def _named_schemas(document: Mapping[str, Json]) -> Iterator[tuple[tuple[str, ...], Json]]:
    for name, schema in document.items():
        if name == "shared":
            yield from ((("shared", inner), shared) for inner, shared in schema.items())
        else:
            yield (name,), schema


def _schema(schema: Mapping[str, Json], place: str) -> Iterator[Problem]:
    if "pattern" in schema:
        yield from _pattern(schema["pattern"], f"{place}/pattern")
    message = schema.get("message")
    for keyword, text in message.items() if isinstance(message, dict) else [("", message)]:
        yield from _asked(text, MESSAGE_NAMES, f"{place}/message" + (keyword and f"/{keyword}"))
    for tokens, inner in subschemas(schema):
        yield from _schema(inner, place + pointer.build(tokens))


def _pattern(pattern: str, place: str) -> Iterator[Problem]:
    try:
        refuse_unportable(pattern)
        compile_pattern(pattern)
        jsonschema_rs.Draft202012Validator({"pattern": pattern})
    except (re.error, ValueError) as error:
        yield place, f"invalid pattern: {str(error).partition(chr(10))[0]}"
