"""Validating a document against the JSON Schema of its format, with an error that names the place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import jsonschema_rs

from mockserver.errors import MockServerError, unknown
from mockserver.jsonkit import Json, pointer, violations
from mockserver.jsonkit.formats import FORMATS
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.patterns import check_pattern

Kind = jsonschema_rs.ValidationErrorKind


class FormatError(MockServerError):
    """A file does not follow its format. `place` is the part of the file, `pointer` the place in that part."""

    def __init__(self, file: str, place: str, pointer: str, problem: str) -> None:
        self.file = file
        self.place = place
        self.pointer = pointer
        self.problem = problem
        super().__init__(f"{' '.join(filter(None, (file, place, pointer)))}: {problem}")


class DocumentSchema:
    """The JSON Schema of one format. References in it stay inside it."""

    def __init__(self, schema: Mapping[str, Json]) -> None:
        self._schema = schema

    @cached_property
    def _engine(self) -> jsonschema_rs.Draft202012Validator:
        formats = {**FORMATS, "regex": _is_pattern}
        return jsonschema_rs.Draft202012Validator(dict(self._schema), formats=formats, validate_formats=True)

    def check(self, value: Json, file: str, place: str = "") -> None:
        """Raise FormatError if the value does not follow the schema."""
        violation = self.violation(value)
        if violation is not None:
            tokens, problem = violation
            raise FormatError(file, place, pointer.build(tokens), problem)

    def violation(self, value: Json) -> tuple[list[str | int], str] | None:
        """Return the place and the text of the violation that explains most, or None."""
        try:
            violations = [] if self._engine.is_valid(value) else list(self._engine.iter_errors(value))
        except ValueError:  # a lone surrogate, which the engine cannot take
            violations = list(self._engine.iter_errors(without_surrogates(value)))
        return self._explain(max(violations, key=_weight)) if violations else None

    def _explain(self, error: jsonschema_rs.ValidationError) -> tuple[list[str | int], str]:
        tokens, parent = list(error.instance_path), self._parent(error.schema_path)
        match error.kind:
            case Kind.AdditionalProperties(unexpected=keys):
                return [*tokens, keys[0]], unknown("key", keys[0], parent["properties"])
            case Kind.Not():
                return tokens, str(parent["description"])
        return tokens, violations.describe(error)

    def _parent(self, schema_path: Sequence[str | int]) -> Json:
        """Return the schema object that holds the violated keyword."""
        return pointer.get(self._schema, map(str, schema_path[:-1]))


def _weight(error: jsonschema_rs.ValidationError) -> tuple[bool, int]:
    """Rank unknown keys first, because a misspelled key often causes the other errors; then deeper places."""
    return isinstance(error.kind, Kind.AdditionalProperties), len(list(error.instance_path))


def _is_pattern(text: str) -> bool:
    try:
        check_pattern(text)
    except ValueError:
        return False
    return True
