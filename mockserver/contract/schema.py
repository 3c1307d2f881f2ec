"""Schemas of the contract language: flattened, annotated, compiled with patterns as `jsonkit.patterns` reads them.

Flattening lays a schema over the shared one it `use`s, so that readers see plain JSON Schema. Annotating gives every
schema object its `source` and its place in the contract, so that a finding can name the fact it broke.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from itertools import count
from typing import Final, TypeAlias
from weakref import WeakValueDictionary

import jsonschema_rs

from mockserver.contract.provenance import SCHEMA, SOURCE, SOURCES, UNSTATED, Scope, key
from mockserver.errors import unknown
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.formats import AS_KEYWORDS, FORMATS, OWN_PATTERNS
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import LONGEST_TEXT, known_text, matcher, options

Engine: TypeAlias = jsonschema_rs.Draft202012Validator
Formats: TypeAlias = Mapping[str, Callable[[str], bool]]

POINTER: Final = "x-pointer"
OWN_KEYWORDS: Final = frozenset({SOURCE, SOURCES, "refusal", "message", "use", POINTER})
SEARCHED: Final = "x-searched"
"""The keyword of a pattern that is not left to the engine."""
HOLDERS: Final = frozenset({"properties", "items", "anyOf"})
"""Keywords with schemas inside, which carry their sources themselves."""
NO_SOURCE: Final = ""
NO_FORMATS: Final[Formats] = {}
MOST_PARTS: Final = 4_000
"""Schemas inside a schema, itself included. Shared ones that use others twice double at each level."""
MOST_IN_CONTRACT: Final = 10_000
"""Schemas in all schemas of a contract: to compile so many takes about half a second."""
MOST_TOGETHER: Final = 5
"""Patterns and formats that may look at one value: each reads all of it, which may be the largest body."""
CHARACTERS_OF_A_PLACE: Final = 20
"""Characters of JSON that take as many bytes as a place of a pattern does in all engines; estimated."""
BYTES_PER_CHARACTER: Final = 40
"""What a schema takes with all its engines in use, for each character of its JSON; measured."""


def written_schemas(documents: Mapping[str, Json]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Json]]]:
    """Yield every schema of requests.yaml, events.yaml and replies.yaml with its tokens, the shared ones included."""
    for document in ("requests", "events", "replies"):
        for name, schema in documents.get(document, {}).items():
            if name == "shared":
                yield from (((document, name, inner), shared) for inner, shared in schema.items())
            else:
                yield (document, name), schema


def subschemas(schema: Mapping[str, Json]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Json]]]:
    """Yield the schemas directly inside a schema, each with its tokens."""
    for name, member in schema.get("properties", {}).items():
        yield ("properties", name), member
    for index, branch in enumerate(schema.get("anyOf", ())):
        yield ("anyOf", str(index)), branch
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield (keyword,), schema[keyword]


def every_schema(
    schema: Mapping[str, Json], tokens: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Mapping[str, Json]]]:
    """Yield a schema and those inside it at any depth, outer ones first, each with its tokens."""
    yield tokens, schema
    for inner_tokens, inner in subschemas(schema):
        yield from every_schema(inner, (*tokens, *inner_tokens))


def patterns_together(schemas: Sequence[Mapping[str, Json]]) -> int:
    """Return how many patterns and formats can look at one value, at most, where all the schemas look at one value."""
    here = [inner for schema in schemas for inner in _alternatives(schema)]
    members: dict[tuple[str, ...], list[Mapping[str, Json]]] = {}
    for schema in here:
        for tokens, inner in subschemas(schema):
            if tokens[0] != "anyOf":
                members.setdefault(tokens, []).append(inner)
    others = members.pop(("additionalProperties",), [])
    inside = max(map(patterns_together, members.values()), default=0) + (patterns_together(others) if others else 0)
    return max(inside, sum(("pattern" in schema) + ("format" in schema) for schema in here))


def _alternatives(schema: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """Yield a schema and the alternatives in it, at any depth: all look at the same value."""
    yield schema
    for branch in schema.get("anyOf", ()):
        yield from _alternatives(branch)


def replace_subschemas(
    schema: Mapping[str, Json], replacement: Callable[[tuple[str, ...], Json], Json]
) -> dict[str, Json]:
    """Return a copy with `replacement(tokens, inner)` in place of each schema directly inside, `allOf` included."""
    replaced: dict[str, Json] = dict(schema)
    if "properties" in schema:
        properties = schema["properties"].items()
        replaced["properties"] = {name: replacement(("properties", name), inner) for name, inner in properties}
    for keyword in ("anyOf", "allOf"):
        if isinstance(schema.get(keyword), list):
            branches = enumerate(schema[keyword])
            replaced[keyword] = [replacement((keyword, str(index)), branch) for index, branch in branches]
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            replaced[keyword] = replacement((keyword,), schema[keyword])
    return replaced


def annotate(schema: Mapping[str, Json], place: str, above: Scope = SCHEMA) -> dict[str, Json]:
    """Return a copy in which each schema object carries its contract pointer and the sources of its own keywords.

    `above` is the scope around the schema. `sources` names the keywords, or elements of them, that have another source
    than the object.
    """
    scope = above.at(schema)
    annotated = replace_subschemas(
        schema, lambda tokens, inner: annotate(inner, place + pointer.build(tokens), scope.inside(tokens))
    )
    annotated |= {POINTER: place, SOURCE: scope.source}
    annotated.pop(SOURCES, None)
    here = {tokens: source for tokens, source in scope.named.items() if len(tokens) == 1 or tokens[0] not in HOLDERS}
    own = {key(tokens): source for tokens, source in here.items()}
    return annotated | ({SOURCES: own} if own else {})


def source_of(schema: Mapping[str, Json], keyword: str, element: Json = None) -> str:
    """Return the source of a keyword in an annotated schema, or of one element of its list."""
    sources: Mapping[str, str] = schema.get(SOURCES, {})
    named = sources.get(key((keyword, element))) if isinstance(element, str) else None
    return named or sources.get(key((keyword,))) or schema.get(SOURCE, NO_SOURCE)


class UnusableSchemaError(ValueError):
    """A schema cannot be flattened: it uses a shared one that does not exist, or becomes too large."""


def flatten(
    schema: Mapping[str, Json], shared: Mapping[str, Json], parts: Iterator[int] | None = None
) -> dict[str, Json]:
    """Lay a schema, and those inside it, over the shared ones they `use`. Raises UnusableSchemaError.

    `parts` counts the schemas that are written out for it.
    """
    parts = count() if parts is None else parts
    if next(parts) >= MOST_PARTS:
        raise UnusableSchemaError(f"more than {MOST_PARTS} schemas, with those of the shared schemas that it uses")
    flat: dict[str, Json] = dict(schema)
    base = flat.pop("use", None)
    if base is not None:
        if base not in shared:
            raise UnusableSchemaError(unknown("shared schema", base, shared))
        flat = _overlay(flatten(shared[base], shared, parts), flat)
    return replace_subschemas(flat, lambda _, inner: flatten(inner, shared, parts))


def _overlay(base: dict[str, Json], own: Mapping[str, Json]) -> dict[str, Json]:
    merged = {**base, **own}
    if SOURCE in own:
        sources = _kept_sources(base, own)
        merged.pop(SOURCES, None)
        merged |= {SOURCES: sources} if sources else {}
    if "required" in base and "required" in own:
        known = frozenset(base["required"])
        merged["required"] = [*base["required"], *(name for name in own["required"] if name not in known)]
    if "properties" in base and "properties" in own:
        merged["properties"] = {**base["properties"]}
        for name, member in own["properties"].items():
            before = base["properties"].get(name)
            merged["properties"][name] = member if before is None else _overlay(before, member)
    return merged


def _kept_sources(base: Mapping[str, Json], own: Mapping[str, Json]) -> dict[str, str]:
    """Return the `sources` of a schema over a shared one: what only the shared one says keeps its source."""
    kept: dict[str, str] = {}
    for keyword, value in base.items():
        if keyword == "required":
            only_here = [name for name in value if name not in own.get(keyword, ())]
            kept |= {key((keyword, name)): source_of(base, keyword, name) for name in only_here}
        elif keyword not in own and keyword not in OWN_KEYWORDS | UNSTATED:
            named = {name: source for name, source in base.get(SOURCES, {}).items() if name.startswith(f"{keyword}/")}
            kept |= {key((keyword,)): source_of(base, keyword), **named}
    own_sources: Mapping[str, str] = own.get(SOURCES, {})
    return {name: source for name, source in kept.items() if source != own[SOURCE]} | dict(own_sources)


def plain(schema: Json) -> Json:
    """Return a schema as anybody else's tools read it: our own keywords gone, the source as `x-source`."""
    if isinstance(schema, list):
        return [plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    published = replace_subschemas(schema, lambda _, inner: plain(inner))
    published = {keyword: value for keyword, value in published.items() if keyword not in OWN_KEYWORDS}
    if schema.get(SOURCE):
        published["x-source"] = schema[SOURCE]
    return published


class Schema:
    """One compiled schema. `document` and `name` say where it is written; `body` is flattened and annotated.

    `bytes` is about what it takes with its engines.
    """

    def __init__(self, document: str, name: str, body: dict[str, Json], size: int = 0) -> None:
        self.document = document
        self.name = name
        self.body = body
        self.bytes = size * BYTES_PER_CHARACTER

    @classmethod
    def shared(cls, document: str, name: str, body: dict[str, Json]) -> Schema:
        """Return the schema of this place and content: one object, however many contracts have it."""
        text = render(body)
        key = (document, name, blake2b(text, digest_size=16).digest())
        schema = _SHARED.get(key)
        if schema is None:
            patterns = (inner["pattern"] for _, inner in every_schema(body) if "pattern" in inner)
            size = len(text) + CHARACTERS_OF_A_PLACE * sum(matcher(pattern).places for pattern in patterns)
            schema = _SHARED.setdefault(key, cls(document, name, body, size))
        return schema

    def __repr__(self) -> str:
        return f"Schema({self.document}/{self.name})"

    def __reduce__(self) -> tuple[Callable[..., Schema], tuple[str, str, dict[str, Json]]]:
        return Schema.shared, (self.document, self.name, self.body)

    def __deepcopy__(self, memo: object) -> Schema:
        return self  # nothing changes a schema, and its engines cannot be copied

    @cached_property
    def engine(self) -> Engine:
        """The engine that says where a value breaks the schema; built when first asked for."""
        return compile_schema(self.body, FORMATS)

    @cached_property
    def is_valid(self) -> Callable[[Json], bool]:
        """Tell whether a value without lone surrogates fits.

        Formats are keywords in this engine, so it calls back into Python for hardly any text.
        """
        return compile_schema(formats_as_keywords(self.body), FORMATS).is_valid

    def keywords(self) -> Iterator[tuple[str, Json, str]]:
        """Yield pointer, value and source of each keyword, those of the shared schemas included.

        The elements of a list of texts follow their list.
        """
        for _, level in every_schema(self.body):
            for keyword, value in level.items():
                if keyword not in (POINTER, SOURCE, SOURCES, "use"):
                    place = level[POINTER] + pointer.build([keyword])
                    yield place, plain(value), source_of(level, keyword)
                    for element in value if isinstance(value, list) else ():
                        if isinstance(element, str):
                            yield place + pointer.build([element]), element, source_of(level, keyword, element)

    def build(self) -> None:
        """Build now what judges a value, so that no request has to wait for it."""
        _ = self.is_valid

    @cached_property
    def all_valid(self) -> Callable[[list[Json]], bool]:
        """Tell whether all values are objects and fit. They have no lone surrogates."""
        item = {"allOf": [{"type": "object"}, formats_as_keywords(self.body)]}
        return compile_schema({"type": "array", "items": item}, FORMATS).is_valid


_SHARED: Final[WeakValueDictionary[tuple[str, str, bytes], Schema]] = WeakValueDictionary()


def formats_as_keywords(schema: Json) -> Json:
    """Return a schema in which each `format` is keywords that the engine evaluates itself."""
    rewritten = replace_subschemas(schema, lambda _, inner: formats_as_keywords(inner))
    if "format" in rewritten:
        rewritten["allOf"] = [AS_KEYWORDS[rewritten.pop("format")]]
    return rewritten


def compile_schema(schema: Mapping[str, Json], formats: Formats = NO_FORMATS) -> Engine:
    """Compile a schema; `formats` has the check of each format. Raises ValueError for a pattern that cannot be used."""
    return Engine(
        _for_engine(schema),
        formats=dict(formats),
        validate_formats=bool(formats),
        keywords={SEARCHED: _Searched},
        pattern_options=options(),
    )


def _for_engine(schema: Mapping[str, Json]) -> dict[str, Json]:
    """Return a schema with patterns as the engine reads them; one that it must not match is a `SEARCHED` keyword.

    A text that is too long for a pattern breaks `maxLength`.
    """
    translated = replace_subschemas(schema, lambda _, inner: _for_engine(inner))
    if "pattern" in translated:
        pattern = translated.pop("pattern")
        text = known_text(pattern) if pattern in OWN_PATTERNS else matcher(pattern).engine_text
        most = translated.get("maxLength", LONGEST_TEXT)
        fast = text is not None and most <= LONGEST_TEXT
        translated |= {"pattern": text, "maxLength": most} if fast else {SEARCHED: pattern}
    return translated


class _Searched:
    """A pattern that is searched step by step, as jsonschema-rs asks a keyword that is not its own."""

    def __init__(self, parent_schema: Mapping[str, Json], value: str, schema_path: Sequence[str | int]) -> None:
        self._pattern = value
        self._matches = matcher(value)

    def validate(self, instance: Json) -> None:
        """Raise ValueError for a text that does not match."""
        if isinstance(instance, str) and not self._matches(instance):
            raise ValueError(f"does not match {self._pattern}")


def drop_nulls(value: Json, schema: Mapping[str, Json]) -> Json:
    """Return the value without the null members that the schema declares and does not allow, at any depth."""
    if isinstance(value, dict):
        declared = schema.get("properties", {})
        cleaned: dict[str, Json] = {}
        for name, member in value.items():
            inner = declared.get(name)
            if inner is None:
                cleaned[name] = member
            elif member is not None or _allows_null(inner):
                cleaned[name] = drop_nulls(member, inner)
        return cleaned
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
