"""From the schemas of a form to types that msgspec decodes a good body into.

Whatever these types take is good; what they refuse may be good all the same. No part of a body is skipped: a member
that no type can express is not among the members of its type, so that a body that has it is refused.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from types import GenericAlias
from typing import Annotated, Any, Final, Literal, TypeAlias, Union

import msgspec
from msgspec import UNSET, Meta, UnsetType

from mockserver.contract.known_texts import KnownTexts, known_texts
from mockserver.contract.operation import Form
from mockserver.contract.schema import OWN_KEYWORDS, every_schema
from mockserver.jsonkit import Json

Path: TypeAlias = tuple[str, ...]
Type: TypeAlias = Any
"""A type as msgspec takes it: an annotation, not always a class."""

MOST_SCHEMAS: Final = 200
"""Schemas in a form for which types are made: that takes some milliseconds at most."""
DEEPEST: Final = 4
"""Levels of arrays and objects inside a member that may hold anything."""
EXACT: Final = 2**53
"""Up to this number, a double has every integer."""

NOTES: Final = OWN_KEYWORDS | {"title", "description", "examples"}
"""Keywords that refuse nothing."""
_TEXT: Final = {"minLength": "min_length", "maxLength": "max_length"}
ARRAY_LIMITS: Final = {"minItems": "min_length", "maxItems": "max_length"}
_CONSTRAINTS: Final = {
    "string": {*_TEXT, "pattern", "format"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "array": {"items", *ARRAY_LIMITS},
    "object": {"properties", "required", "additionalProperties", "minProperties", "anyOf"},
    "boolean": set[str](),
    "null": set[str](),
}
"""The keywords that are understood, by the type that they are about."""
_HASHABLE: Final = frozenset({"string", "number", "integer", "boolean", "null"})
"""The types of values that can be kept in a set."""


NOTHING: Final[Mapping[str, Type]] = {}


class UnknownError(Exception):
    """No type is known for a schema."""


@dataclass(frozen=True, slots=True)
class TextCheck:
    """The texts at a place of an event are to be among those that are known to fit."""

    path: Path
    texts: KnownTexts


@dataclass(frozen=True, slots=True)
class Condition:
    """A member as one alternative wants it: to be there, with at least so many characters, with a text that fits."""

    attribute: str
    required: bool
    shortest: int = 0
    values: frozenset[str] | None = None
    texts: KnownTexts | None = None

    @property
    def only_asks(self) -> bool:
        """Whether it is enough that the member is there."""
        return self.required and not self.shortest and self.values is None and self.texts is None

    def holds(self, value: object) -> bool:
        """Tell whether it holds for a member's value."""
        if value is UNSET:
            return not self.required
        if not self.shortest and self.values is None and self.texts is None:
            return True
        return (
            type(value) is str
            and len(value) >= self.shortest
            and (self.values is None or value in self.values)
            and (self.texts is None or self.texts.all_fit((value,)))
        )


@dataclass(frozen=True, slots=True)
class Kind:
    """What is made of the schema of an object: its type, and what is checked after decoding.

    One of the `alternatives` has to hold, if there are any.
    """

    type: Type
    checks: tuple[TextCheck, ...] = ()
    alternatives: tuple[tuple[Condition, ...], ...] = ()

    def fits(self, values: Sequence[Any], columns: Columns) -> bool:
        """Tell whether all values, which have its type, are good for certain. `columns` are theirs."""
        for check in self.checks:
            if not check.texts.all_fit(columns.at(check.path)):
                return False
        return not self.alternatives or self._has_alternatives(values, columns)

    def _has_alternatives(self, values: Sequence[Any], columns: Columns) -> bool:
        for conditions in self.alternatives:
            first, *others = conditions
            if first.only_asks and not others and UnsetType not in set(map(type, columns.at((first.attribute,)))):
                return True
        return all(
            any(
                all(condition.holds(getattr(value, condition.attribute)) for condition in conditions)
                for conditions in self.alternatives
            )
            for value in values
        )


class Columns:
    """What each of many values has at a place; `opened` are members whose values were converted, by attribute."""

    __slots__ = ("_known", "_values")

    def __init__(self, values: Sequence[Any], opened: Mapping[str, list[Any]] = NOTHING) -> None:
        self._values = values
        self._known: dict[Path, list[Any]] = {(attribute,): found for attribute, found in opened.items()}

    def at(self, path: Path) -> list[Any]:
        """Return what each value has at a place, UNSET where it has nothing."""
        found = self._known.get(path)
        if found is None:
            start = self._values if len(path) == 1 else self.at(path[:-1])
            found = self._known[path] = _column(start, path[-1])
        return found


def _column(values: Sequence[Any], attribute: str) -> list[Any]:
    try:
        return list(map(attrgetter(attribute), values))
    except AttributeError:  # a member that is absent, or in an object that may have any
        name = member_of(attribute)
        return [
            value.get(name, UNSET) if isinstance(value, dict) else getattr(value, attribute, UNSET) for value in values
        ]


def attribute_of(name: str) -> str:
    """Return the attribute that holds a member: an identifier, whatever the member's name is."""
    return "m_" + name.encode().hex()


def member_of(attribute: str) -> str:
    """Return the name of the member that an attribute holds."""
    return bytes.fromhex(attribute[2:]).decode()


@lru_cache(maxsize=256)
def path_of(tokens: tuple[str, ...]) -> Path:
    """Return the attributes that lead to a place."""
    return tuple(map(attribute_of, tokens))


@dataclass(slots=True)
class Types:
    """Makes types. `asked` are the places of an event that are read, whether its schema has them or not.

    With `nested_open`, objects inside an event that may have further members are decoded as they are; `opened` has the
    type that each of them is to be converted to.
    """

    asked: Collection[tuple[str, ...]] = ()
    nested_open: bool = False
    opened: dict[str, Type] = field(default_factory=dict)
    _checks: list[TextCheck] = field(default_factory=list)
    _is_built: bool = False
    """Whether the values to be read are built already, so that further members may be passed over."""

    def kind(self, schema: Mapping[str, Json], given: Mapping[str, Type] = NOTHING, **extra: Any) -> Kind:
        """Return what is made of the schema of a whole event or body. Raises UnknownError.

        `given` are members whose types are made already; they have to be there.
        """
        self._checks = []
        body = {keyword: value for keyword, value in schema.items() if keyword != "anyOf"}
        if body.get("type", "object") != "object" or "enum" in body or "const" in body:
            raise UnknownError
        self._known(body, ["object"])
        branches = schema.get("anyOf", ())
        wanted = {name for branch in branches for name in (*branch.get("required", ()), *branch.get("properties", {}))}
        made = self._struct(body, (), wanted, given, **extra)
        attributes = frozenset(made.__struct_fields__)
        conditions = (_conditions(branch, attributes) for branch in branches)
        alternatives = tuple(one for one in conditions if one is not None)
        if branches and not alternatives:
            raise UnknownError
        return Kind(made, tuple(self._checks), alternatives)

    def _of(self, schema: Mapping[str, Json], path: tuple[str, ...] | None) -> Type:
        """Return the type of a schema; `path` is where it is in the event, None inside arrays."""
        if "enum" in schema or "const" in schema:
            return _literal(schema)
        stated = schema.get("type")
        if stated is None:
            if schema.keys() - NOTES:
                raise UnknownError
            return ANYTHING
        kinds = stated if isinstance(stated, list) else [stated]
        self._known(schema, kinds)
        if ("pattern" in schema or "format" in schema) and "string" in kinds:
            if path is None or not _HASHABLE.issuperset(kinds):
                raise UnknownError
            self._checks += [TextCheck(path_of(path), texts) for texts in _texts(schema)]
        return one_of(*(self._part(kind, schema, path) for kind in kinds))

    def _known(self, schema: Mapping[str, Json], kinds: Iterable[str]) -> None:
        if schema.keys() - NOTES - {"type"} - set().union(*(_CONSTRAINTS[kind] for kind in kinds)):
            raise UnknownError

    def _part(self, kind: str, schema: Mapping[str, Json], path: tuple[str, ...] | None) -> Type:
        match kind:
            case "string":
                return _limited(str, schema, _TEXT)
            case "number":
                return _number(schema)
            case "integer":
                return _integer(schema)
            case "boolean":
                return bool
            case "null":
                return None
            case "array":
                items = self._of(schema["items"], None) if "items" in schema else ANYTHING
                return _limited(array_of(items), schema, ARRAY_LIMITS)
            case _:
                return self._object(schema, path)

    def _object(self, schema: Mapping[str, Json], path: tuple[str, ...] | None) -> Type:
        if "anyOf" in schema:
            raise UnknownError
        others = schema.get("additionalProperties", True)
        described = bool(schema.get("properties") or schema.get("required"))
        if others is not False and not described:
            inner = ANYTHING if others is True else self._of(others, None)
            return _limited(_map_of(inner), schema, {"minProperties": "min_length"})
        if self.nested_open and others is True and path is not None and len(path) == 1 and not self._is_built:
            self._is_built = True
            try:
                self.opened[attribute_of(path[0])] = self._struct(schema, path)
            finally:
                self._is_built = False
            return _map_of(ANYTHING)
        return self._struct(schema, path)

    def _struct(
        self,
        schema: Mapping[str, Json],
        path: tuple[str, ...] | None,
        wanted: Collection[str] = (),
        given: Mapping[str, Type] = NOTHING,
        **extra: Any,
    ) -> Type:
        required, described = {*schema.get("required", ()), *given}, schema.get("properties", {})
        others = schema.get("additionalProperties", True)
        if isinstance(others, dict) or schema.get("minProperties", 0) > len(required):
            raise UnknownError
        made = {*given, extra.get("tag_field")}
        members = {name: self._member(name, inner, path) for name, inner in described.items() if name not in made}
        members |= given
        others_named = {*required, *wanted, *self._asked_below(path)} - described.keys() - made
        if others is True:
            members |= dict.fromkeys(sorted(others_named), ANYTHING)
        elif others_named & required:
            raise UnknownError
        fields: list[Any] = []
        for name, kind in members.items():
            if kind is None and (name in required or self._is_built):
                raise UnknownError
            if kind is not None:
                attribute = attribute_of(name)
                needed = name in required
                fields.append((attribute, kind) if needed else (attribute, one_of(kind, UnsetType), UNSET))
        present = {name for name, *_ in fields}
        absent = {path_of((name,))[0] for name in (*wanted, *self._asked_below(path))} - present
        return msgspec.defstruct(
            "Object",
            fields,
            namespace=dict.fromkeys(absent, UNSET),
            rename={attribute: member_of(attribute) for attribute in present},
            forbid_unknown_fields=not (self._is_built and others is True),
            kw_only=True,
            eq=False,
            gc=False,
            **extra,
        )

    def _member(self, name: str, schema: Mapping[str, Json], path: tuple[str, ...] | None) -> Type:
        """Return the type of a member, None where none is known: then a good body does not have it."""
        checks = len(self._checks)
        try:
            return self._of(schema, None if path is None else (*path, name))
        except UnknownError:
            del self._checks[checks:]
            return None

    def _asked_below(self, path: tuple[str, ...] | None) -> set[str]:
        if path is None:
            return set()
        depth = len(path)
        return {tokens[depth] for tokens in self.asked if len(tokens) > depth and tokens[:depth] == path}


def _conditions(branch: Mapping[str, Json], attributes: Collection[str]) -> tuple[Condition, ...] | None:
    """Return what an alternative asks for, None where that is not understood: then it is not taken to hold."""
    if branch.keys() - NOTES - {"required", "properties"}:
        return None
    required, described = branch.get("required", ()), branch.get("properties", {})
    conditions = []
    for name in dict.fromkeys((*required, *described)):
        schema, attribute = described.get(name, {}), attribute_of(name)
        if schema.keys() - NOTES - {"minLength", "pattern", "enum"} or attribute not in attributes:
            return None
        values = schema.get("enum")
        if values is not None and not all(type(value) is str for value in values):
            return None
        conditions.append(
            Condition(
                attribute,
                name in required,
                schema.get("minLength", 0),
                None if values is None else frozenset(values),
                next(iter(_texts(schema)), None),
            )
        )
    return tuple(conditions)


def _texts(schema: Mapping[str, Json]) -> list[KnownTexts]:
    found = [known_texts(keyword, schema[keyword]) for keyword in ("pattern", "format") if keyword in schema]
    if None in found:
        raise UnknownError
    return [texts for texts in found if texts is not None]


def _literal(schema: Mapping[str, Json]) -> Type:
    values = schema["enum"] if "enum" in schema else [schema["const"]]
    others = schema.keys() - NOTES - {"type", "enum" if "enum" in schema else "const"}
    texts = schema.get("type", "string") == "string" and all(type(value) is str for value in values)
    if others or not texts:
        raise UnknownError
    return Literal[tuple(dict.fromkeys(values))]


def _limited(kind: Type, schema: Mapping[str, Json], names: Mapping[str, str]) -> Type:
    limits = {ours: schema[keyword] for keyword, ours in names.items() if keyword in schema}
    return Annotated[kind, Meta(**limits)] if limits else kind


def _number(schema: Mapping[str, Json]) -> Type:
    if "minimum" not in schema and "maximum" not in schema:
        return float
    limits = _bounds(schema)
    return one_of(_integer(schema), Annotated[float, Meta(**limits)])


def _integer(schema: Mapping[str, Json]) -> Type:
    limits = _bounds(schema)
    return Annotated[
        int,
        Meta(ge=max(math.ceil(limits.get("ge", -EXACT)), -EXACT), le=min(math.floor(limits.get("le", EXACT)), EXACT)),
    ]


def _bounds(schema: Mapping[str, Json]) -> dict[str, Any]:
    limits = {ours: schema[keyword] for keyword, ours in (("minimum", "ge"), ("maximum", "le")) if keyword in schema}
    if any(abs(limit) > EXACT for limit in limits.values()):
        raise UnknownError
    return limits


def one_of(*types: Type) -> Type:
    """Return the type of what has one of some types."""
    return Union[tuple(types)]  # noqa: UP007, there is no list of them to write


def array_of(items: Type) -> Type:
    """Return the type of an array."""
    return GenericAlias(list, (items,))


def _map_of(values: Type) -> Type:
    """Return the type of an object that may have any members, of values of one type."""
    return GenericAlias(dict, (str, values))


def _anything(levels: int) -> Type:
    """Return the type of any JSON value that is not nested too deep, of numbers in the range of a double."""
    if not levels:
        return one_of(str, float, bool, None)
    inner = _anything(levels - 1)
    return one_of(str, float, bool, None, array_of(inner), _map_of(inner))


ANYTHING: Final[Type] = _anything(DEEPEST)


def schemas_of(form: Form) -> int:
    """Return how many schemas a form has."""
    schemas = [
        *form.schemas.values(),
        *([form.schema] if form.schema else []),
        *([form.request] if form.request else []),
    ]
    return sum(1 for schema in schemas for _ in every_schema(schema.body))
