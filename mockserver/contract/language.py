"""The contract language: its own schemas (contracts/meta), and the check of a document against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import jsonschema_rs

from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer, yamltext

LONGEST_TEXT: Final = 300


class Meta:
    """The contract language: its own schemas, and the check against them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents = {path.stem: yamltext.load(path) for path in sorted(folder.glob("*.yaml"))}
        self._engines: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def _engine(self, name: str) -> jsonschema_rs.Draft202012Validator:
        if name not in self._engines:
            registry = jsonschema_rs.Registry([(f"mock:/{n}.yaml", d) for n, d in self._documents.items()])
            self._engines[name] = jsonschema_rs.Draft202012Validator(
                {"$ref": f"mock:/{name}.yaml"}, registry=registry, base_uri="mock:/"
            )
        return self._engines[name]

    def check(self, name: str, document: Json, file: str, root: str = "") -> None:
        """Hold a document to the language. Raises ContractError with file, pointer (below `root`) and problem."""
        engine = self._engine(name)
        try:
            errors = [] if engine.is_valid(document) else list(engine.iter_errors(document))
        except ValueError as error:
            raise ContractError(file, root, f"holds what JSON cannot: {error}") from None
        if errors:
            place, problem = _told(errors)
            raise ContractError(file, root + pointer.build(place), problem)

    def schema(self, name: str) -> Json:
        """Return one schema of the language."""
        return self._documents[name]


def _told(errors: Sequence[jsonschema_rs.ValidationError]) -> tuple[list[str | int], str]:
    """Choose of several errors the deepest, and of alternatives the one that fits best; return its place and text."""
    error = max(errors, key=lambda error: len(list(error.instance_path)))
    place = list(error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.AnyOf(context=branches):
            return _told(min(branches, key=len))
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            return [*place, names[0]], f"{names[0]} is not a word of the contract language here"
        case _:
            return place, error.message if len(error.message) <= LONGEST_TEXT else f"{error.message[:LONGEST_TEXT]}…"
