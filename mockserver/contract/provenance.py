"""Who states each fact: `source` of an object, `sources` of single members of it, and what a patch does to both.

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
_SOURCED: Final = frozenset({"protocol", "object", "templated", "schema", "rule"})
"""Kinds whose `source` and `sources` are ours: elsewhere those are names that a vendor gave."""
_WHOLE: Final = frozenset({"template", "rule"})
"""Kinds that are one fact, unless a part has a source of its own."""


def _inside(kind: str, token: str) -> str:
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
        if self.kind not in _SOURCED or not isinstance(value, dict):
            return self
        source, named = self.source, self.named
        if isinstance(value.get(SOURCE), str):
            source, named = value[SOURCE], {}
        return Scope(self.kind, source, {**named, **named_in(value)})

    def below(self, token: str) -> Scope:
        """Return the scope of what stands under a name, before that says something itself."""
        named = {tokens[1:]: source for tokens, source in self.named.items() if tokens[0] == token}
        return Scope(_inside(self.kind, token), named.pop((), self.source), named)

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
    return {_tokens(key): source for key, source in sources.items() if isinstance(source, str)}


def key(tokens: Tokens) -> str:
    """Return the key under which `sources` names what stands at some tokens."""
    return pointer.build(tokens)[1:]


def _tokens(key: str) -> Tokens:
    return tuple(token.replace("~1", "/").replace("~0", "~") for token in key.split("/"))


def source_at(documents: Mapping[str, Json], place: str, default: str) -> tuple[str, bool]:
    """Return the source of what stands at a pointer, and whether something stands there."""
    scope, value = Scope(source=default), documents
    for token in pointer.parse(place):
        scope = scope.at(value).below(token)
        value = _member(value, token)
        if value is MISSING:
            return scope.source, False
    return scope.at(value).source, True


def _member(value: Json, token: str) -> Json:
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
    skipped = {SOURCE, SOURCES} if kind in _SOURCED else set()
    return [name for name in value if name not in skipped and not (kind == "schema" and name in UNSTATED)]


def _below(value: Json, tokens: Tokens, scope: Scope, token: str) -> Iterator[tuple[Tokens, Json, str]]:
    return _stated(value, (*tokens, token), scope.below(token))


def _leaves(value: Json, tokens: Tokens, scope: Scope) -> Iterator[tuple[Tokens, str]]:
    """Yield everything that can have a source: values that are no objects, and the elements of lists of texts."""
    scope = scope.at(value)
    if isinstance(value, dict) and value:
        for name, member in value.items():
            if not (scope.kind in _SOURCED and name in (SOURCE, SOURCES)):
                yield from _leaves(member, (*tokens, name), scope.below(name))
    elif isinstance(value, list) and scope.kind == "members":
        yield tokens, scope.source
        for index, branch in enumerate(value):
            yield from _leaves(branch, (*tokens, str(index)), scope.below(str(index)))
    elif _is_texts(value):
        for text in value:
            yield (*tokens, text), scope.below(text).source
    else:
        yield tokens, scope.source


def _is_texts(value: Json) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(element, str) for element in value)


def dangling(documents: Mapping[str, Json]) -> Iterator[tuple[Tokens, str]]:
    """Yield each key of a `sources` that leads nowhere, with the tokens of the object that has the map."""
    yield from _dangling(documents, (), "documents")


def _dangling(value: Json, tokens: Tokens, kind: str) -> Iterator[tuple[Tokens, str]]:
    if isinstance(value, dict):
        if kind in _SOURCED and isinstance(value.get(SOURCES), dict):
            yield from ((tokens, key) for key in value[SOURCES] if not _leads_somewhere(value, _tokens(key)))
        for name, member in value.items():
            yield from _dangling(member, (*tokens, name), _inside(kind, name))
    elif isinstance(value, list) and kind == "members":
        for index, branch in enumerate(value):
            yield from _dangling(branch, (*tokens, str(index)), "schema")


def _leads_somewhere(value: Json, tokens: Tokens) -> bool:
    for token in tokens:
        value = _member(value, token)
    return value is not MISSING


_AS_MERGED: Final = ""
"""Stands for the source of what a patch only gives a source: merging has set it already."""


def merge(documents: Mapping[str, Json], patch: Mapping[str, Json], origin: str) -> tuple[dict[str, Json], list[str]]:
    """Apply a merge patch (RFC 7396) so that each fact keeps its source; return the documents, and what got `origin`.

    What the patch writes gets the source that the patch gives it, else `origin`; everything else keeps its own, even
    where the patch gives the object around it another one. An object of the patch that has only a `source` gives it to
    all facts there. What got `origin` are pointers, deleted members included.
    """
    merged: dict[str, Json] = pointer.merge_patch(documents, dict(patch))
    touched = {document: merged[document] for document in patch if document in merged}
    for tokens, name in list(dangling(touched)):
        if pointer.get(patch, (*tokens, SOURCES, name)) is MISSING:
            _name(merged, tokens, {name: None})
    written = dict(_written(patch, documents, (), "documents", None))
    before = dict(_leaves({document: documents.get(document) for document in touched}, (), Scope()))
    others: dict[Tokens, str] = {}
    for tokens, source in _leaves(touched, (), Scope()):
        around = next((tokens[:end] for end in range(len(tokens), -1, -1) if tokens[:end] in written), None)
        said = before.get(tokens, source) if around is None else written[around]
        said = origin if said is None else said or source
        holder = _holder(merged, tokens)
        outer = (tokens[:end] for end in range(len(tokens) - 1, len(holder or ()), -1))
        if said != next((others[above] for above in outer if above in others), source):
            others[tokens] = said
    for tokens, said in _whole_lists(merged, others):
        holder = _holder(merged, tokens)
        if holder is not None:
            _name(merged, holder, {key(tokens[len(holder) :]): said})
    return merged, [pointer.build(tokens) for tokens, said in written.items() if said is None]


def _written(
    patch: Json, before: Json, tokens: Tokens, kind: str, said: str | None, named: frozenset[Tokens] = frozenset()
) -> Iterator[tuple[Tokens, str | None]]:
    """Yield what a patch writes, with the source that it gives it, if any; of a list of texts the new elements.

    `named` is what the patch itself names a source for in `sources`, by tokens relative to here.
    """
    if () in named:
        said = _AS_MERGED
    if isinstance(patch, dict) and (patch or isinstance(before, dict)):
        old = before if isinstance(before, dict) else {}
        names = list(patch)
        if kind in _SOURCED:
            names = [name for name in patch if name not in (SOURCE, SOURCES)]
            own = patch.get(SOURCE)
            said = own if isinstance(own, str) else None if isinstance(old.get(SOURCE), str) else said
            if isinstance(own, str) and not names:
                yield tokens, _AS_MERGED
            own_names = frozenset(map(_tokens, patch[SOURCES] if isinstance(patch.get(SOURCES), dict) else ()))
            yield from (((*tokens, *name), _AS_MERGED) for name in own_names)
            named = own_names if isinstance(own, str) else named | own_names
        for name in names:
            inside = frozenset(place[1:] for place in named if place[:1] == (name,))
            yield from _written(patch[name], old.get(name), (*tokens, name), _inside(kind, name), said, inside)
    elif _is_texts(patch) and _is_texts(before):
        new = [text for text in patch if text not in before]
        yield from (((*tokens, text), _AS_MERGED if (text,) in named else said) for text in new)
    else:
        yield tokens, said


def _whole_lists(documents: Mapping[str, Json], said: Mapping[Tokens, str]) -> Iterator[tuple[Tokens, str]]:
    """Yield what is said, a list whose elements all have one source as a whole."""
    whole: set[Tokens] = set()
    for tokens, source in said.items():
        around = tokens[:-1]
        elements = pointer.get(documents, around)
        texts = elements if isinstance(elements, list) and _is_texts(elements) else [""]
        if any(said.get((*around, text)) != source for text in texts):
            yield tokens, source
        elif around not in whole:
            whole.add(around)
            yield around, source


def _holder(documents: Mapping[str, Json], tokens: Tokens) -> Tokens | None:
    """Return the tokens of the innermost object around a fact that has a `source`, else of the outermost that may."""
    scope, value, holder = Scope(), documents, None
    outermost = None
    for end, token in enumerate(tokens[:-1], 1):
        scope, value = scope.below(token), _member(value, token)
        if scope.kind in _SOURCED and isinstance(value, dict):
            outermost = outermost or tokens[:end]
            holder = tokens[:end] if isinstance(value.get(SOURCE), str) else holder
    return holder or outermost


def _name(documents: dict[str, Json], tokens: Tokens, sources: Mapping[str, Json]) -> None:
    """Add to the `sources` of an object, or take from them where the value is None; what is around it is copied."""
    level: Json = documents
    for token in tokens:
        place = int(token) if isinstance(level, list) else token
        level[place] = list(level[place]) if isinstance(level[place], list) else dict(level[place])
        level = level[place]
    named = pointer.merge_patch(level.get(SOURCES, {}), dict(sources))
    level[SOURCES] = named
    if not named:
        del level[SOURCES]
