"""A second, naive diagnosis of bodies: everything one breaks, found without the core and its engine.

Schemas are asked of jsonschema; windows, sizes of members and identity are read from the YAML documents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import jsonschema
from jsonschema.validators import extend

from mockserver.contract.contract import Contract
from mockserver.contract.schema import Schema
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import FORMATS
from mockserver.jsonkit.patterns import matches
from tests.strategies.naive_reading import MISSING, Tokens, form_of, look, parse

Broken = tuple[str, str, int | None]
"""A rule, the pointer in the event or body, the event's number; None where the body is meant."""
Place = tuple[str, Tokens]
NO_RULE: Mapping[str, Json] = {"senders": (), "pointers": ()}


def _pattern(validator: object, pattern: str, value: Json, schema: Json) -> Iterator[jsonschema.ValidationError]:
    if isinstance(value, str) and not matches(pattern, value):
        yield jsonschema.ValidationError(f"{value!r} does not match {pattern!r}")


def _format(validator: object, name: str, value: Json, schema: Json) -> Iterator[jsonschema.ValidationError]:
    if isinstance(value, str) and not FORMATS[name](value):
        yield jsonschema.ValidationError(f"{value!r} has not the format {name}")


_Validator = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": _pattern, "format": _format}
)


class NaiveDiagnosis:
    """What bodies break under one contract at one time."""

    def __init__(self, contract: Contract, now_ms: int) -> None:
        self.contract = contract
        self.protocol: Json = contract.documents["protocol"]
        self.now = datetime.fromtimestamp(now_ms / 1000, UTC)
        self.identity: Mapping[str, Mapping[str, Json]] = self.protocol.get("identity", {})
        self._known: dict[tuple[str, bytes], list[Place]] = {}

    def of(self, spec: Mapping[str, Json], body: Json) -> list[Broken]:
        """Return what a body of an operation breaks."""
        form = form_of(spec, body)
        broken: list[Broken] = [(rule, written(tokens), None) for rule, tokens in self._envelope(form, body)]
        for index, event in enumerate(_events(form, body)):
            broken += [(rule, written(tokens), index) for rule, tokens in self._event(form, body, event)]
        return broken

    def _envelope(self, form: Mapping[str, Json], body: Json) -> Iterator[Place]:
        if "request" in form:
            yield from self._schema(self.contract.request_schemas[form["request"]], body)
        if self._names_nobody(form, body):
            yield "/protocol/identity/batch", ()
        for name, limit in self.protocol["limits"].items():
            if form.get("events") == "" and limit.get("schema") == form["schema"]:
                value = look(body, parse(limit["pointer"]))
                text = "" if value is MISSING else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
                if len(text.encode()) > limit["max_bytes"]:
                    yield f"/protocol/limits/{name}/max_bytes", parse(limit["pointer"])

    def _event(self, form: Mapping[str, Json], body: Json, event: Json) -> Iterator[Place]:
        if not isinstance(event, dict):
            yield "/events", ()
            return
        discriminator = parse(form.get("discriminator", ""))
        name = form.get("schema", look(event, discriminator))
        if not isinstance(name, str) or name not in self.contract.event_schemas:
            yield "/events", discriminator
        else:
            yield from self._schema(self.contract.event_schemas[name], event)
            rule = self.identity.get("per_event", NO_RULE)
            if body.get("source") in rule["senders"] and _applies(rule, event) and not _says_any(rule, event):
                yield "/protocol/identity/per_event", parse(rule["pointers"][0])
            yield from self._reserved(body, event)
        yield from self._late(event)

    def _reserved(self, body: Json, event: Json) -> Iterator[Place]:
        """Yield the first member that the sender cannot send: the core tells of one."""
        for name, rule in self.protocol.get("reserved", {}).items():
            for place in map(parse, rule["pointers"]):
                sent = _applies(rule, event) and look(event, place) is not MISSING
                if sent and body.get("source") not in rule["senders"]:
                    yield f"/protocol/reserved/{name}", place
                    return

    def _late(self, event: Json) -> Iterator[Place]:
        for name, window in self.protocol.get("windows", {}).items():
            text = look(event, parse(window["pointer"]))
            if not isinstance(text, str) or not FORMATS["date-time"](text):
                continue
            moment = datetime.fromisoformat(text.upper().replace(":60", ":59"))  # Python has no leap seconds
            if moment > self.now + timedelta(milliseconds=window["future_ms"]):
                yield f"/protocol/windows/{name}/future_ms", parse(window["pointer"])
            elif moment < self.now - timedelta(milliseconds=window["past_ms"]):
                yield f"/protocol/windows/{name}/past_ms", parse(window["pointer"])

    def _names_nobody(self, form: Mapping[str, Json], body: Json) -> bool:
        rules = self.identity
        if body.get("source") not in rules.get("batch", NO_RULE)["senders"] or _says_any(rules["batch"], body):
            return False
        others = [rule for name, rule in rules.items() if name not in ("batch", "per_event")]
        events = _events(form, body)
        return not any(_applies(rule, event) and _says_any(rule, event) for event in events for rule in others)

    def _schema(self, schema: Schema, value: Json) -> list[Place]:
        """Return the rules of a schema that a value breaks; kept, because long batches hold few different events.

        The key is a digest of the value: bodies are up to a megabyte long.
        """
        key = f"{schema.document}/{schema.name}", blake2b(json.dumps(value).encode(), digest_size=16).digest()
        if key not in self._known:
            without = _without_nulls(value, schema.body) if self.protocol["nulls"]["members"] == "absent" else value
            errors = _Validator(schema.body).iter_errors(without)
            self._known[key] = list(dict.fromkeys(place for error in errors for place in _places(schema.body, error)))
        return self._known[key]


def _events(form: Mapping[str, Json], body: Json) -> list[Json]:
    if form.get("events") == "":
        return [body]
    events = look(body, parse(form["events"])) if "events" in form else []
    return events if isinstance(events, list) else []


def _places(schema: Json, error: jsonschema.ValidationError) -> Iterator[Place]:
    """Yield the rules that an error is about, each with its place."""
    *path, keyword = error.absolute_schema_path
    holder, value = look(schema, tuple(path)), look(error.instance, ())
    rule, tokens = f"{holder['x-pointer']}/{keyword}", tuple(error.absolute_path)
    if keyword == "required":
        yield from ((f"{rule}/{_escaped(name)}", (*tokens, name)) for name in holder[keyword] if name not in value)
    elif keyword == "additionalProperties":
        yield from ((rule, (*tokens, name)) for name in value if name not in holder.get("properties", {}))
    elif keyword == "anyOf" and isinstance(value, dict):
        names = holder[keyword][0].get("required", [])
        missing = [name for name in names if name not in value] or names
        yield rule, (*tokens, *missing[:1])
    else:
        yield rule, tokens


def _without_nulls(value: Json, schema: Json) -> Json:
    """Return the value without null members that the schema declares and does not allow."""
    if isinstance(value, list):
        return [_without_nulls(item, schema.get("items", {})) for item in value]
    if not isinstance(value, dict):
        return value
    declared = schema.get("properties", {})
    return {
        name: _without_nulls(member, declared.get(name, {}))
        for name, member in value.items()
        if member is not None or name not in declared or _Validator(declared[name]).is_valid(None)
    }


def _applies(rule: Mapping[str, Json], event: Json) -> bool:
    return isinstance(event, dict) and ("types" not in rule or event.get("type") in rule["types"])


def _says_any(rule: Mapping[str, Json], holder: Json) -> bool:
    return any(_says(look(holder, parse(place))) for place in rule["pointers"])


def _says(value: Json) -> bool:
    """Tell whether a value names somebody: a text that is not blank, an object with such a member, any other value."""
    if value is MISSING or value is None:
        return False
    if isinstance(value, str):
        return bool(value.strip())
    return any(_says(member) for member in value.values()) if isinstance(value, dict) else True


def _escaped(token: str | int) -> str:
    return str(token).replace("~", "~0").replace("/", "~1")


def written(tokens: Tokens) -> str:
    """Write tokens as a pointer."""
    return "".join(f"/{_escaped(token)}" for token in tokens)
