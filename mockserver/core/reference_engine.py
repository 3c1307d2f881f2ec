"""The reference engine: jsonschema with ECMA patterns and our closed list of formats.

Imported only to explain or to cross-check; it takes longer to import than the rest of the server together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

import jsonschema
from jsonschema.validators import extend

from mockserver.contract.schema import Schema
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import FORMATS
from mockserver.jsonkit.patterns import matches

Errors: TypeAlias = Iterator[jsonschema.ValidationError] | None
Check: TypeAlias = Callable[[Any, Any, Any, Any], Errors]


def _pattern(validator: object, pattern: str, instance: Json, schema: Json) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


def _additional(validator: Any, allowed: Json, instance: Json, schema: Json) -> Iterator[jsonschema.ValidationError]:
    """Find undeclared members in the order of the object, where jsonschema takes them in the order of a set."""
    if isinstance(instance, dict) and allowed is not True:
        undeclared = (name for name in instance if name not in schema.get("properties", {}))
        if isinstance(allowed, dict):
            for name in undeclared:
                yield from validator.descend(instance[name], allowed, path=name)
        elif next(undeclared, None) is not None:
            yield jsonschema.ValidationError("undeclared members")


_checker = jsonschema.FormatChecker(formats=())
for _name, _check in FORMATS.items():
    _checker.checks(_name)(lambda value, check=_check: not isinstance(value, str) or check(value))


class _List(list[Json]):
    def __repr__(self) -> str:
        return "[…]"


class _Dict(dict[str, Json]):
    def __repr__(self) -> str:
        return "{…}"


_BRIEF: Final[dict[type, type]] = {list: _List, dict: _Dict}
"""Classes whose values are written briefly: each error has a message with the value it is about, which nobody reads.

To write 5 MB takes 200 ms in which no other thread runs. Texts are fast, and the checks of patterns want plain ones.
"""


def _briefly(check: Check) -> Check:
    """Return a check whose messages do not have the value in full."""

    def checked(validator: Any, expected: Json, instance: Json, schema: Json) -> Errors:
        brief = _BRIEF.get(type(instance))
        return check(validator, expected, instance if brief is None else brief(instance), schema)

    return checked


_CHECKS: Final[dict[str, Check]] = {
    **jsonschema.Draft202012Validator.VALIDATORS,
    "pattern": _pattern,
    "additionalProperties": _additional,
}
_Validator = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {keyword: _briefly(check) for keyword, check in _CHECKS.items()}
)


_made: WeakKeyDictionary[Schema, jsonschema.protocols.Validator] = WeakKeyDictionary()
"""The validators of the schemas that are in use."""


def validator(schema: Schema) -> jsonschema.protocols.Validator:
    """Return the reference validator of a compiled schema."""
    reference = _made.get(schema)
    if reference is None:
        reference = _made[schema] = _Validator(schema.body, format_checker=_checker)
    return reference


def let_go(error: jsonschema.ValidationError) -> None:
    """Part an error from those of its branches: they hold each other, and so the value, until garbage is collected."""
    for inner in error.context or ():
        inner.parent = None
        let_go(inner)
