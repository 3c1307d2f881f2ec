"""Schemas of the contract language: flattened, annotated, compiled for the judging engine.

Flattening lays a schema over the shared one it `use`s, so that readers see plain JSON Schema. Annotating gives every
schema object its `source` and its place in the contract, so that a finding can name the fact it broke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Final

from mockserver.contract.engine import Engine, compile_schema
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import FORMATS, PATTERNS

POINTER: Final = "x-pointer"
SOURCE: Final = "source"
OWN_KEYWORDS: Final = frozenset({SOURCE, "refusal", "message", "use", POINTER})
NO_SOURCE: Final = ""
NOTHING_CHANGED: Final[Mapping[str, str]] = {}


def subschemas(schema: Mapping[str, Json]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Json]]]:
    """Yield the schemas directly inside a schema, each with its tokens."""
    for name, member in schema.get("properties", {}).items():
        yield ("properties", name), member
    for index, branch in enumerate(schema.get("anyOf", ())):
        yield ("anyOf", str(index)), branch
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield (keyword,), schema[keyword]


def annotate(
    schema: Mapping[str, Json], place: str, source: str, changed: Mapping[str, str] = NOTHING_CHANGED
) -> dict[str, Json]:
    """Return a copy in which each schema object carries its contract pointer and its own or inherited source.

    `changed` has the sources, by pointer, of schema objects that a patch changed without naming one.
    """
    source = changed.get(place) or schema.get(SOURCE, source)
    annotated: dict[str, Json] = {**schema, POINTER: place, SOURCE: source}
    if "properties" in annotated:
        annotated["properties"] = {
            name: annotate(member, place + pointer.build(("properties", name)), source, changed)
            for name, member in annotated["properties"].items()
        }
    if "anyOf" in annotated:
        annotated["anyOf"] = [
            annotate(branch, place + pointer.build(("anyOf", index)), source, changed)
            for index, branch in enumerate(annotated["anyOf"])
        ]
    for keyword in ("items", "additionalProperties"):
        if isinstance(annotated.get(keyword), dict):
            annotated[keyword] = annotate(annotated[keyword], f"{place}/{keyword}", source, changed)
    return annotated


def flatten(schema: Mapping[str, Json], shared: Mapping[str, Json]) -> dict[str, Json]:
    """Lay a schema, and those inside it, over the shared ones they `use`. Raises KeyError for an unknown one."""
    flat: dict[str, Json] = dict(schema)
    base = flat.pop("use", None)
    if base is not None:
        flat = _overlay(flatten(shared[base], shared), flat)
    for tokens, inner in list(subschemas(flat)):
        holder: Json = flat
        if len(tokens) == 2:
            holder = flat[tokens[0]] = flat[tokens[0]].copy()
        last: Json = int(tokens[-1]) if isinstance(holder, list) else tokens[-1]
        holder[last] = flatten(inner, shared)
    return flat


def _overlay(base: dict[str, Json], own: Mapping[str, Json]) -> dict[str, Json]:
    merged = {**base, **own}
    if "required" in base and "required" in own:
        merged["required"] = [*base["required"], *(name for name in own["required"] if name not in base["required"])]
    if "properties" in base and "properties" in own:
        merged["properties"] = {**base["properties"]}
        for name, member in own["properties"].items():
            before = base["properties"].get(name)
            merged["properties"][name] = member if before is None else _overlay(before, member)
    return merged


def plain(schema: Json) -> Json:
    """Return a schema as anybody else's tools read it: our own keywords gone, the source as `x-source`."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    published: dict[str, Json] = {}
    for keyword, value in schema.items():
        if keyword == "properties":
            published[keyword] = {name: plain(member) for name, member in value.items()}
        elif keyword in ("anyOf", "items", "additionalProperties"):
            published[keyword] = plain(value)
        elif keyword not in OWN_KEYWORDS:
            published[keyword] = value
    if schema.get(SOURCE):
        published["x-source"] = schema[SOURCE]
    return published


class Schema:
    """One compiled schema. `document` and `name` say where it stands; `body` is flattened and annotated."""

    def __init__(self, document: str, name: str, body: dict[str, Json]) -> None:
        self.document = document
        self.name = name
        self.body = body

    def __repr__(self) -> str:
        return f"Schema({self.document}/{self.name})"

    @cached_property
    def engine(self) -> Engine:
        """The engine that says where a value breaks the schema; built when first asked for."""
        return compile_schema(self.body, FORMATS)

    @cached_property
    def quick_engine(self) -> Engine:
        """The engine that only says yes or no: formats are patterns in it, so it never calls back into Python."""
        return compile_schema(formats_as_patterns(self.body))

    @cached_property
    def list_engine(self) -> Engine:
        """The quick engine for a list of objects that all have to fit."""
        item = {"allOf": [{"type": "object"}, formats_as_patterns(self.body)]}
        return compile_schema({"type": "array", "items": item})

    def all_valid(self, values: list[Json]) -> bool:
        """Tell whether all values are objects and fit. They have no lone surrogates."""
        return self.list_engine.is_valid(values)

    @cached_property
    def is_valid(self) -> Callable[[Json], bool]:
        """Tell whether a value fits. The value has no lone surrogates."""
        return self.quick_engine.is_valid


def formats_as_patterns(schema: Json) -> Json:
    """Return a schema in which each `format` is its pattern."""
    rewritten = {**schema}
    for tokens, inner in subschemas(schema):
        if len(tokens) == 1:
            rewritten[tokens[0]] = formats_as_patterns(inner)
        elif tokens[0] == "properties":
            rewritten["properties"] = {**rewritten["properties"], tokens[1]: formats_as_patterns(inner)}
    if "anyOf" in rewritten:
        rewritten["anyOf"] = [formats_as_patterns(branch) for branch in schema["anyOf"]]
    if "format" in rewritten:
        rewritten["allOf"] = [{"pattern": PATTERNS[rewritten.pop("format")]}]
    return rewritten


def drop_nulls(value: Json, schema: Mapping[str, Json]) -> Json:
    """Return the value without the null members that the schema declares and does not allow, at any depth."""
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        kept: dict[str, Json] = {}
        for name, member in value.items():
            inner = declared.get(name)
            if inner is None:
                kept[name] = member
            elif member is not None or _allows_null(inner):
                kept[name] = drop_nulls(member, inner)
        return kept
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [drop_nulls(item, schema["items"]) for item in value]
    return value


def _allows_null(schema: Mapping[str, Json]) -> bool:
    kinds = schema.get("type")
    if kinds is not None:
        return kinds == "null" or (isinstance(kinds, list) and "null" in kinds)
    if "enum" in schema:
        return None in schema["enum"]
    return "const" not in schema
