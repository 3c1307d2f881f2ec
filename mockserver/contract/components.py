"""The named schemas of a published document: event types, bodies, replies. Only what is referred to is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.portable import COMPONENTS, portable
from mockserver.contract.schema import Schema, plain
from mockserver.jsonkit import Json

_SUFFIXES: Final = {"events": "Event", "requests": "Request", "replies": "Reply"}
_COMPLETE: Final = (*_SUFFIXES.values(), "Error")
"""Endings of a name that says already what it is."""


def published_schema(contract: Contract, schema: Schema) -> dict[str, Json]:
    """Return a schema of the contract for other tools. Events and requests are objects in every case."""
    body: Mapping[str, Json] = plain(schema.body)
    if schema.document == "replies":
        return portable(body)
    if schema.document == "events":
        body = _with_type(body, _type_member(contract, schema), schema.name)
    return portable({"type": "object", **body}, nulls_absent=contract.nulls_absent)


def _type_member(contract: Contract, schema: Schema) -> str | None:
    """Return the member that picks an event schema by its name, if that is what picks it wherever it is used."""
    members = set()
    for operation in contract.operations.values():
        for form in operation.forms.values():
            if form.events is not None and form.schema in (None, schema):
                members.add(form.discriminator[0] if _picks(form) else None)
    return members.pop() if len(members) == 1 else None


def _picks(form: Form) -> bool:
    """Tell whether a direct member of each event picks the schema of the event."""
    return form.schema is None and len(form.discriminator) == 1


def _with_type(body: Mapping[str, Json], member: str | None, name: str) -> Mapping[str, Json]:
    if member is None:
        return body
    properties = body.get("properties", {})
    declared = properties.get(member, {})
    kept = {keyword: declared[keyword] for keyword in ("description", "x-source") if keyword in declared}
    return {
        **body,
        "required": [*dict.fromkeys([*body.get("required", ()), member])],
        "properties": {**properties, member: {"type": "string", "const": name, **kept}},
    }


class Components:
    """Collects the schemas that a document refers to, each under one name without dots."""

    def __init__(self, contract: Contract) -> None:
        self.schemas: dict[str, Json] = {}
        self._contract = contract
        self._names: dict[Hashable, str] = {}

    def reference(self, schema: Schema) -> Json:
        """Return a reference to a schema of the contract."""
        name = _class_name(schema.name, _SUFFIXES[schema.document])
        return self._refer(schema, name, lambda: published_schema(self._contract, schema))

    def body(self, operation: Operation, form: Form) -> Json:
        """Return a reference to the schema of a whole body of this form."""
        if form.single:
            return self._event(form)
        if form.events is None:
            return {} if form.request is None else self.reference(form.request)
        name = f"{operation.name}_{form.name}" if form.request is None else form.request.name
        written: Mapping[str, Json] = {} if form.request is None else plain(form.request.body)
        item = self._event(form)
        whole = _with_items({"type": "object", **written}, form.events, item)
        nulls_absent = self._contract.nulls_absent
        key = (form.request, form.events, item["$ref"])
        return self._refer(key, _class_name(name, "Request"), lambda: portable(whole, nulls_absent=nulls_absent))

    def _event(self, form: Form) -> Json:
        """Return a reference to what one event of a form may be."""
        if form.schema is not None:
            return self.reference(form.schema)
        return self._refer(("event", form.discriminator), "Event", lambda: self._one_of(form))

    def _one_of(self, form: Form) -> dict[str, Json]:
        references = {name: self.reference(schema) for name, schema in form.schemas.items()}
        if not _picks(form):
            return {"anyOf": list(references.values())}
        mapping = {name: reference["$ref"] for name, reference in references.items()}
        return {
            "oneOf": list(references.values()),
            "discriminator": {"propertyName": form.discriminator[0], "mapping": mapping},
        }

    def _refer(self, key: Hashable, name: str, make: Callable[[], dict[str, Json]]) -> Json:
        if key not in self._names:
            number = 2
            free = name
            while free in self.schemas:
                free, number = f"{name}{number}", number + 1
            self._names[key] = free
            self.schemas[free] = {}
            self.schemas[free] = make()
        return {"$ref": f"{COMPONENTS}{self._names[key]}"}


def _class_name(name: str, suffix: str) -> str:
    """Return a name such as `PageviewEvent`, which every generator takes for a type."""
    words = "".join(word[:1].upper() + word[1:] for word in re.split("[^A-Za-z0-9]+", name))
    return words if words.endswith(_COMPLETE) else words + suffix


def _with_items(schema: Mapping[str, Json], tokens: tuple[str, ...], item: Json) -> dict[str, Json]:
    """Return an object's schema in which the array at `tokens` has `item` as its items."""
    if not tokens:
        return {"type": "array", **schema, "items": item}
    name, *inner = tokens
    properties = schema.get("properties", {})
    member = _with_items(
        {"type": "object"} if inner and name not in properties else properties.get(name, {}), tuple(inner), item
    )
    required = {} if name in properties else {"required": [*schema.get("required", ()), name]}
    return {**schema, **required, "properties": {**properties, name: member}}
