"""The decoder of one form of a body: it reads good bodies only, and gives their events as objects with attributes."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from weakref import WeakKeyDictionary

import msgspec
from msgspec import UNSET, Meta, Struct

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form
from mockserver.contract.schema import Schema
from mockserver.contract.typed_decoder import (
    ARRAY_LIMITS,
    MOST_SCHEMAS,
    NOTES,
    Columns,
    Kind,
    Type,
    Types,
    UnknownError,
    array_of,
    attribute_of,
    one_of,
    path_of,
    schemas_of,
)
from mockserver.jsonkit import Json

FURTHER_MEMBER: Final = "unknown field"
"""What msgspec says of a member that a type does not have."""
NOT_GOOD: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_TAGGED: Final[WeakKeyDictionary[Schema, dict[Hashable, Kind | None]]] = WeakKeyDictionary()
"""What is made of a schema of one type of events, by the type and the places that are read."""


class Unread:
    """The type of `UNREAD`: what a decoded body does not tell without being parsed."""


UNREAD: Final = Unread()


class Decoded(Struct, eq=False):
    """A good body. `events` are its events in order; `missing` are places where none of them has anything."""

    decoder: FormDecoder
    body: Any
    events: list[Any]
    columns: Columns
    missing: Collection[tuple[str, ...]]

    def column(self, tokens: tuple[str, ...]) -> list[Any] | None:
        """Return what each event has at one of the places that were asked for, UNSET where it has nothing.

        None where it is known that none of them has anything.
        """
        return None if tokens in self.missing else self.columns.at(path_of(tokens))

    def text(self, tokens: tuple[str, ...]) -> str | Unread | None:
        """Return the text at a place of the body, None where there is nothing, UNREAD for everything else."""
        value = getattr(self.body, attribute_of(tokens[0]), UNSET) if len(tokens) == 1 else UNREAD
        if tokens == self.decoder.discriminator:
            return UNREAD
        return None if value is UNSET else value if type(value) is str else UNREAD


@dataclass(frozen=True, slots=True)
class Way:
    """One way to read a form; `opened` are the types that some members of the events are converted to."""

    read: msgspec.json.Decoder[Any]
    body: Kind | None
    kinds: Mapping[Type, Kind]
    opened: Mapping[str, Type]
    missing: Collection[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class FormDecoder:
    """Reads the bodies of a form in one of several ways, the fastest one first."""

    form: Form
    events: str
    discriminator: tuple[str, ...]
    ways: tuple[Way, ...]

    def decode(self, text: bytes) -> Decoded | None:
        """Return a body that is good for certain, None for any other one."""
        for way in self.ways:
            try:
                return self._decode(way, text)
            except msgspec.ValidationError as error:
                if FURTHER_MEMBER not in str(error):
                    return None
            except NOT_GOOD:
                return None
        return None

    def _decode(self, way: Way, text: bytes) -> Decoded | None:
        body = way.read.decode(text)
        events = getattr(body, self.events) if self.events else [body]
        if way.body is not None and not way.body.fits((body,), Columns((body,))):
            return None
        columns = Columns(events)
        if way.opened:
            columns = Columns(
                events, {name: _converted(columns.at((name,)), kind) for name, kind in way.opened.items()}
            )
        found = set(map(type, events)) if self.discriminator else way.kinds.keys()
        for kind in found:
            rules = way.kinds.get(kind)
            if rules is not None:
                own = events if len(found) == 1 else [event for event in events if type(event) is kind]
                if not rules.fits(own, columns if own is events else Columns(own)):
                    return None
        return Decoded(self, body, events, columns, way.missing)


def _converted(values: list[Any], type: Type) -> list[Any]:
    if UNSET not in values:
        return list(msgspec.convert(values, array_of(type)))
    there = [value for value in values if value is not UNSET]
    converted = iter(msgspec.convert(there, array_of(type)))
    return [UNSET if value is UNSET else next(converted) for value in values]


def form_decoder(contract: Contract, form: Form) -> FormDecoder | None:
    """Return what reads a form of a contract; None where its schemas say what no type can express."""
    asked = _asked(contract)
    unusable = any(not tokens or any(map(str.isdigit, tokens)) for tokens in asked)
    if form.events is None or len(form.events) > 1 or unusable or schemas_of(form) > MOST_SCHEMAS:
        return None
    discriminator = () if form.schema is not None else tuple(form.discriminator)
    if form.schema is None and (len(discriminator) != 1 or any(tokens[:1] == discriminator for tokens in asked)):
        return None
    events = "" if form.single else attribute_of(form.events[0])
    ways, missing = [], _missing(contract, form)
    for nested_open in (False, True) if form.schema is not None else (False,):
        read = asked if nested_open else [tokens for tokens in asked if tokens not in missing]
        try:
            way = _way(contract, form, Types(read, nested_open), () if nested_open else missing)
        except (UnknownError, TypeError, ValueError, UnicodeError):
            continue
        if way is not None and (way.opened or not nested_open):
            ways.append(way)
    return FormDecoder(form, events, discriminator, tuple(ways)) if ways else None


def _asked(contract: Contract) -> list[tuple[str, ...]]:
    """Return the places of an event that are read of a good one: ids, what it brings into being, times."""
    asked: list[tuple[str, ...]] = [window.tokens for window in contract.windows]
    if contract.dedup is not None:
        asked.append(contract.dedup.tokens)
    if contract.entity is not None:
        asked.append(contract.entity)
        if contract.no_entity is not None:
            asked.append(contract.no_entity.tokens)
    return asked


def _missing(contract: Contract, form: Form) -> Collection[tuple[str, ...]]:
    """Return the places that are read of events but are not described: hardly any event has something there.

    A body that has it is left to the second way, so that the first one need not look.
    """
    mark, schema = contract.no_entity, None if form.schema is None else form.schema.body
    if mark is None or schema is None or mark.tokens in (contract.entity, contract.dedup and contract.dedup.tokens):
        return ()
    for token in mark.tokens:
        described, required = schema.get("properties", {}), schema.get("required", ())
        if token not in described:
            becomes_struct = schema.get("type") == "object" and (described or required)
            return (mark.tokens,) if becomes_struct and token not in required else ()
        schema = described[token]
    return ()


def _way(contract: Contract, form: Form, types: Types, missing: Collection[tuple[str, ...]]) -> Way:
    kinds = _tagged(form, types) if form.schema is None else [types.kind(form.schema.body)]
    if not kinds:
        raise UnknownError
    event = one_of(*(kind.type for kind in kinds))
    checked = {kind.type: kind for kind in kinds if kind.checks or kind.alternatives}
    if form.single:
        if form.request is not None:
            raise UnknownError
        return Way(msgspec.json.Decoder(event), None, checked, types.opened, missing)
    assert form.events is not None
    name = form.events[0]
    request = {} if form.request is None else form.request.body
    array = _array(request.get("properties", {}).get(name, {}), event)
    keys = [credential.tokens for credential in contract.credentials.values() if credential.place == "body"]
    body = Types(keys).kind(request, {name: array})
    return Way(msgspec.json.Decoder(body.type), body, checked, types.opened, missing)


def _tagged(form: Form, types: Types) -> list[Kind]:
    """Return what is made of the schemas of events whose type can be told by the decoder.

    Contracts that have a schema in common share what is made of it.
    """
    (name,) = form.discriminator
    asked, kinds = (name, *sorted(types.asked)), []
    for tag, schema in form.schemas.items():
        made = _TAGGED.setdefault(schema, {})
        key = (tag, asked)
        if key not in made:
            made[key] = _kind_of(tag, name, schema.body, types)
        kinds.append(made[key])
    return [kind for kind in kinds if kind is not None]


def _kind_of(tag: str, name: str, schema: Mapping[str, Json], types: Types) -> Kind | None:
    """Return what is made of the schema of one type of events; None where that is not known, or it takes none."""
    own = schema.get("properties", {}).get(name, {})
    stated, is_closed = own.get("type", "string"), schema.get("additionalProperties", True) is False
    if own.keys() - NOTES - {"type", "enum", "const"} or stated != "string":
        return None
    if tag not in own.get("enum", [tag]) or own.get("const", tag) != tag:
        return None
    if is_closed and name not in schema.get("properties", {}):
        return None
    try:
        return types.kind(schema, tag_field=name, tag=tag)
    except UnknownError:
        return None


def _array(schema: Mapping[str, Json], event: Type) -> Type:
    if schema.keys() - NOTES - ARRAY_LIMITS.keys() - {"type"} or schema.get("type", "array") != "array":
        raise UnknownError
    limits = {ours: schema[keyword] for keyword, ours in ARRAY_LIMITS.items() if keyword in schema}
    return Annotated[array_of(event), Meta(**limits)] if limits else array_of(event)
