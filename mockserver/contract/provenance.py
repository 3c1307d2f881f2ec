"""Who states each fact: `source` of an object, and `sources` of single members of it.

An object's `source` is that of everything below it, up to the next `source`. A key of its `sources` is a relative
pointer without the leading slash (`pattern`, `required/url`: the element of a list of texts is named by itself), and
its value the source of what stands there. The nearest of both counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING

SOURCE: Final = "source"
SOURCES: Final = "sources"
UNSTATED: Final = frozenset({"use", "title", "description", "examples"})
"""Keywords of a schema that state no fact."""

Tokens = tuple[str, ...]
Named = Mapping[Tokens, str]
"""The sources that objects above give to what is below, by tokens relative to here."""

_INSIDE: Final[Mapping[str, Mapping[str, str]]] = {
    "documents": {
        "protocol": "protocol",
        "requests": "schemas",
        "events": "schemas",
        "replies": "schemas",
        "warnings": "levels",
    },
    "protocol": {"shapes": "templates", "replies": "templates"},
    "templates": {"": "templated"},
    "templated": {"body": "template", "item": "template"},
    "template": {"": "template"},
    "schemas": {"shared": "shared", "": "schema"},
    "shared": {"": "schema"},
    "schema": {
        "properties": "members",
        "anyOf": "members",
        "items": "schema",
        "additionalProperties": "schema",
        "": "keyword",
    },
    "members": {"": "schema"},
    "keyword": {"": "keyword"},
    "levels": {"": "rules"},
    "rules": {"": "rule"},
    "rule": {"schema": "schema"},
}
"""The kind of what stands under a name, by the kind around it; `""` is any other name. All else are objects."""
SOURCED: Final = frozenset({"protocol", "object", "templated", "schema", "rule"})
"""Kinds whose `source` and `sources` are ours: elsewhere those are names that a vendor gave."""
_WHOLE: Final = frozenset({"template", "rule"})
"""Kinds that are one fact, unless a part has a source of its own."""


def kind_below(kind: str, token: str) -> str:
    """Return the kind of what stands under a name in something of a kind."""
    names = _INSIDE.get(kind, {})
    return names.get(token) or names.get("", "object")


@dataclass(frozen=True, slots=True)
class Scope:
    """What is known on the way down: the kind of the value, and what sources reach it from above."""

    kind: str = "documents"
    source: str = ""
    named: Named = field(default_factory=dict)

    def at(self, value: Json) -> Scope:
        """Return the scope with what the value itself says."""
        if self.kind not in SOURCED or not isinstance(value, dict):
            return self
        source, named = self.source, self.named
        if isinstance(value.get(SOURCE), str):
            source, named = value[SOURCE], {}
        return Scope(self.kind, source, {**named, **named_in(value)})

    def below(self, token: str) -> Scope:
        """Return the scope of what stands under a name, before that says something itself."""
        named = {tokens[1:]: source for tokens, source in self.named.items() if tokens[0] == token}
        return Scope(kind_below(self.kind, token), named.pop((), self.source), named)

    def inside(self, tokens: Tokens) -> Scope:
        """Return the scope of what stands at some tokens below, none of which says something itself."""
        scope = self
        for token in tokens:
            scope = scope.below(token)
        return scope


SCHEMA: Final = Scope("schema")
"""Around a schema of which nothing is known."""


def named_in(value: Mapping[str, Json]) -> dict[Tokens, str]:
    """Return what an object's `sources` names, by tokens. Anything that is not of the language is passed over."""
    sources = value.get(SOURCES)
    if not isinstance(sources, dict):
        return {}
    return {tokens_of(key): source for key, source in sources.items() if isinstance(source, str)}


def key(tokens: Tokens) -> str:
    """Return the key under which `sources` names what stands at some tokens."""
    return pointer.build(tokens)[1:]


def tokens_of(key: str) -> Tokens:
    """Return the tokens that a key of `sources` names, relative to its object."""
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in key.split("/"))


def source_at(documents: Mapping[str, Json], place: str, default: str) -> tuple[str, bool]:
    """Return the source of what stands at a pointer, and whether something stands there."""
    scope, value = Scope(source=default), documents
    for token in pointer.parse(place):
        scope = scope.at(value).below(token)
        value = member_of(value, token)
        if value is MISSING:
            return scope.source, False
    return scope.at(value).source, True


def member_of(value: Json, token: str) -> Json:
    """Return a member, an item by its index, or the element of a list of texts that is named."""
    if isinstance(value, list) and token in value:
        return token
    return pointer.get(value, (token,))


def stated(documents: Mapping[str, Json], default: str) -> Iterator[tuple[Tokens, Json, str]]:
    """Yield each fact of the documents: its tokens, its value and its source."""
    yield from _stated(documents, (), Scope(source=default))


def _stated(value: Json, tokens: Tokens, scope: Scope) -> Iterator[tuple[Tokens, Json, str]]:
    scope = scope.at(value)
    if scope.kind in _WHOLE and not scope.named:
        if scope.kind == "rule":
            value = {name: member for name, member in value.items() if name != SOURCE}
        yield tokens, value, scope.source
    elif isinstance(value, dict) and value:
        inner = [fact for name in _facts_in(value, scope.kind) for fact in _below(value[name], tokens, scope, name)]
        yield from inner
        if scope.kind == "schema" and not inner:
            yield tokens, {}, scope.source
    elif isinstance(value, list) and scope.kind == "members":
        for index, branch in enumerate(value):
            yield from _below(branch, tokens, scope, str(index))
    elif isinstance(value, list) and scope.named:
        own = [element for element in value if (element,) in scope.named]
        yield from (((*tokens, element), element, scope.named[(element,)]) for element in own)
        if len(own) < len(value):
            yield tokens, [element for element in value if element not in own], scope.source
    else:
        yield tokens, value, scope.source


def _facts_in(value: Mapping[str, Json], kind: str) -> list[str]:
    skipped = {SOURCE, SOURCES} if kind in SOURCED else set()
    return [name for name in value if name not in skipped and not (kind == "schema" and name in UNSTATED)]


def _below(value: Json, tokens: Tokens, scope: Scope, token: str) -> Iterator[tuple[Tokens, Json, str]]:
    return _stated(value, (*tokens, token), scope.below(token))


def dangling(documents: Mapping[str, Json], checked: Mapping[str, Json] | None = None) -> Iterator[tuple[Tokens, str]]:
    """Yield each key of a `sources` that leads nowhere, with the tokens of the object that has the map.

    The objects that the documents share with some that are `checked` already are passed over.
    """
    yield from _dangling(documents, (), "documents", checked)


def _dangling(value: Json, tokens: Tokens, kind: str, checked: Json) -> Iterator[tuple[Tokens, str]]:
    if isinstance(value, dict):
        if kind in SOURCED and isinstance(value.get(SOURCES), dict):
            yield from ((tokens, key) for key in value[SOURCES] if not _leads_somewhere(value, tokens_of(key)))
        known = checked if isinstance(checked, dict) else {}
        for name, member in value.items():
            if not (isinstance(member, dict) and member is known.get(name)):
                yield from _dangling(member, (*tokens, name), kind_below(kind, name), known.get(name))
    elif isinstance(value, list) and kind == "members":
        for index, branch in enumerate(value):
            yield from _dangling(branch, (*tokens, str(index)), "schema", None)


def _leads_somewhere(value: Json, tokens: Tokens) -> bool:
    for token in tokens:
        value = member_of(value, token)
    return value is not MISSING
