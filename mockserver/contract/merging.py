"""A merge patch over the documents of a contract, after which each fact still has its own source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from mockserver.contract.provenance import (
    SOURCE,
    SOURCED,
    SOURCES,
    Scope,
    Tokens,
    dangling,
    key,
    kind_below,
    member_of,
    tokens_of,
)
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING

_AS_MERGED: Final = ""
"""Stands for the source of what a patch only gives a source: merging has set it already."""


def merge(documents: Mapping[str, Json], patch: Mapping[str, Json], origin: str) -> tuple[dict[str, Json], list[str]]:
    """Apply a merge patch (RFC 7396) so that each fact keeps its source; return the documents, and what got `origin`.

    What the patch writes gets the source that the patch gives it, else `origin`; everything else keeps its own, even
    where the patch gives the object around it another one. An object of the patch that has only a `source` gives it to
    all facts there. What got `origin` are pointers, deleted members included.
    """
    merged = merged_plainly(documents, patch)
    touched = {document: merged[document] for document in patch if document in merged}
    written = dict(_written(patch, documents, (), "documents", None))
    untouched = {document: documents.get(document) for document in touched}
    before = dict(_leaves(untouched, (), Scope(), touched, Scope()))
    others: dict[Tokens, str] = {}
    for tokens, source in _leaves(touched, (), Scope(), untouched, Scope()):
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


def merged_plainly(documents: Mapping[str, Json], patch: Mapping[str, Json]) -> dict[str, Json]:
    """Return documents with a merge patch applied, without the sources of what it deletes; no fact gets one by it."""
    merged: dict[str, Json] = pointer.merge_patch(documents, dict(patch))
    touched = {document: merged[document] for document in patch if document in merged}
    for tokens, name in list(dangling(touched, documents)):
        if pointer.get(patch, (*tokens, SOURCES, name)) is MISSING:
            _name(merged, tokens, {name: None})
    return merged


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
        if kind in SOURCED:
            names = [name for name in patch if name not in (SOURCE, SOURCES)]
            own = patch.get(SOURCE)
            said = own if isinstance(own, str) else None if isinstance(old.get(SOURCE), str) else said
            if isinstance(own, str) and not names:
                yield tokens, _AS_MERGED
            own_names = frozenset(map(tokens_of, patch[SOURCES] if isinstance(patch.get(SOURCES), dict) else ()))
            yield from (((*tokens, *name), _AS_MERGED) for name in own_names)
            named = own_names if isinstance(own, str) else named | own_names
        for name in names:
            inside = frozenset(place[1:] for place in named if place[:1] == (name,))
            yield from _written(patch[name], old.get(name), (*tokens, name), kind_below(kind, name), said, inside)
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
        scope, value = scope.below(token), member_of(value, token)
        if scope.kind in SOURCED and isinstance(value, dict):
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


def _leaves(
    value: Json, tokens: Tokens, scope: Scope, other: Json = MISSING, other_scope: Scope | None = None
) -> Iterator[tuple[Tokens, str]]:
    """Yield everything that can have a source: values that are no objects, and the elements of lists of texts.

    Objects that an `other` value has too, with the same sources from above, are passed over: of a contract with
    thousands of facts, a patch changes a few, and merging makes a new object of each that it changes.
    """
    if isinstance(value, dict) and value is other and scope == other_scope:
        return
    scope = scope.at(value)
    if isinstance(value, dict) and value:
        others = other if isinstance(other, dict) else {}
        around = None if other_scope is None else other_scope.at(other)
        for name, member in value.items():
            if not (scope.kind in SOURCED and name in (SOURCE, SOURCES)):
                beside, there = others.get(name, MISSING), None if around is None else around.below(name)
                yield from _leaves(member, (*tokens, name), scope.below(name), beside, there)
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
