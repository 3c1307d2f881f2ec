"""The contract language: its JSON Schemas (contracts/meta), and the validation of documents against them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import jsonschema_rs

from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json, pointer, violations, yamltext


class Meta:
    """The JSON Schemas of the contract language."""

    def __init__(self, folder: Path) -> None:
        self._documents = {path.stem: yamltext.load(path) for path in sorted(folder.glob("*.yaml"))}
        addressed = {f"mock:/{name}.yaml": document for name, document in self._documents.items()}
        registry = jsonschema_rs.Registry(list(addressed.items()))
        self._engines = {
            address: jsonschema_rs.Draft202012Validator({"$ref": address}, registry=registry, base_uri="mock:/")
            for address in addressed
        }

    def check(self, name: str, document: Json, file: str, root: str = "") -> None:
        """Validate a document. Raises ContractError with the file, the pointer (below `root`) and the problem."""
        engine = self._engines[f"mock:/{name}.yaml"]
        try:
            violation = violations.violation(engine, document)
        except ValueError as error:
            raise ContractError(file, root, f"not representable as JSON: {error}") from None
        if violation is not None:
            place, problem = self._explain(name, *violation)
            raise ContractError(file, root + pointer.build(place), problem)

    def schema(self, name: str) -> Json:
        """Return one schema of the language."""
        return self._documents[name]

    def _explain(
        self, name: str, place: violations.Place, error: jsonschema_rs.ValidationError
    ) -> tuple[violations.Place, str]:
        """Return the place and the text of a violation."""
        match error.kind:
            case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=keys):
                return [*place, keys[0]], unknown("key", keys[0], self._known_keys(name, list(error.schema_path)))
            case jsonschema_rs.ValidationErrorKind.PropertyNames(
                error=jsonschema_rs.ValidationError(
                    kind=jsonschema_rs.ValidationErrorKind.Enum(options=known), instance=str(key)
                )
            ):
                return [*place, key], unknown("key", key, map(str, known))
        return place, violations.describe(error)

    def _known_keys(self, name: str, schema_path: Sequence[str | int]) -> Iterable[str]:
        """Return the keys that the schema object of a violated `additionalProperties` declares.

        The path is relative to the document that holds the schema object: `name`, or one that it refers to.
        """
        tokens = [str(token) for token in schema_path[:-1]]
        for document in (self._documents[name], *self._documents.values()):
            holder = pointer.get(document, tokens)
            if isinstance(holder, dict) and holder.get("additionalProperties") is False:
                return list(holder.get("properties", {}))
        return []
