"""The reference engine: jsonschema with ECMA patterns and our closed list of formats.

Imported only to explain or to cross-check; it takes longer to import than the rest of the server together.
"""

from __future__ import annotations

from collections.abc import Iterator
from weakref import WeakKeyDictionary

import jsonschema
from jsonschema.validators import extend

from mockserver.contract.schema import Schema
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import FORMATS
from mockserver.jsonkit.patterns import matches


def _pattern(validator: object, pattern: str, instance: Json, schema: Json) -> Iterator[jsonschema.ValidationError]:
    if isinstance(instance, str) and not matches(pattern, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern!r}")


_checker = jsonschema.FormatChecker(formats=())
for _name, _check in FORMATS.items():
    _checker.checks(_name)(lambda value, check=_check: not isinstance(value, str) or check(value))

_Validator = extend(  # type: ignore[no-untyped-call]
    jsonschema.Draft202012Validator, {"pattern": _pattern}
)


_made: WeakKeyDictionary[Schema, jsonschema.protocols.Validator] = WeakKeyDictionary()
"""The validators of the schemas that are in use."""


def validator(schema: Schema) -> jsonschema.protocols.Validator:
    """Return the reference validator of a compiled schema."""
    reference = _made.get(schema)
    if reference is None:
        reference = _made[schema] = _Validator(schema.body, format_checker=_checker)
    return reference
