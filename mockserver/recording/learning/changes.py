"""Changes of a contract, each with the exchanges that it was learnt from, and the merge patch that they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.contract.provenance import SOURCE, SOURCED, SOURCES, key, kind_below
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING

Tokens = tuple[str, ...]
Edit = tuple[Tokens, Json]
"""A fact by its tokens, and its new value; None deletes it."""
SECTIONS_OF_ONE: Final = frozenset({"dedup", "content_types", "nulls", "paths", "projects", "entities"})
"""Sections of protocol.yaml that are one object, with a source."""
SECTIONS_BY_NAME: Final = frozenset(
    {"cors", "credentials", "gates", "idempotency", "identity", "limits", "messages", "operations", "replies", "shapes"}
    | {"prefixes", "reserved", "windows"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing learnt: facts to write, and what it rests on.

    `note` says what of it was not seen; without one, the recording states the fact itself. What `is_whole` is of use
    only if it answers an exchange completely.
    """

    edits: tuple[Edit, ...]
    note: str = ""
    is_whole: bool = False

    @classmethod
    def of(cls, tokens: Sequence[str], value: Json, note: str = "") -> Change:
        """Return the change of one fact."""
        return cls(edits=((tuple(tokens), value),), note=note)

    @property
    def places(self) -> frozenset[Tokens]:
        """The places of its facts."""
        return frozenset(tokens for tokens, _ in self.edits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """A change with the names of the exchanges that it answers."""

    change: Change
    seen: tuple[str, ...]

    def source(self, origin: str) -> str:
        """Return the source of its facts; `origin` says where and when was recorded."""
        exchanges = ("exchange " if len(self.seen) == 1 else "exchanges ") + ", ".join(self.seen[:5])
        more = f" and {len(self.seen) - 5} others" if len(self.seen) > 5 else ""
        where = f"recorded {origin}, {exchanges}{more}"
        return f"inferred: {self.change.note}; {where}" if self.change.note else f"docs: {where}"


def patch_of(learnt: Iterable[Learnt], documents: Mapping[str, Json], origin: str) -> dict[str, Json]:
    """Return the merge patch over documents that makes changes; each fact that it writes has a source."""
    patch: dict[str, Json] = {}
    named: dict[Tokens, dict[str, str]] = {}
    for one in learnt:
        for tokens, value in one.change.edits:
            _put(patch, tokens, value)
            if value is not None:
                holder = _holder(tokens, documents)
                named.setdefault(holder, {})[key(tokens[len(holder) :])] = one.source(origin)
    for holder, sources in named.items():
        texts = list(sources.values())
        is_new = pointer.get(documents, holder) is MISSING
        said: dict[str, Json] = {SOURCE: texts[0]} if len(set(texts)) == 1 or is_new else {}
        others = {name: text for name, text in sources.items() if name and text != said.get(SOURCE)}
        _put(patch, holder, said | ({SOURCES: others} if others else {}))
    return patch


def _put(patch: dict[str, Json], tokens: Tokens, value: Json) -> None:
    """Write a value into a patch; objects are merged, and a null stays."""
    holder = patch
    for token in tokens[:-1]:
        inner = holder.get(token)
        holder[token] = dict(inner) if isinstance(inner, dict) else {}
        holder = holder[token]
    before = holder.get(tokens[-1])
    holder[tokens[-1]] = {**before, **value} if isinstance(before, dict) and isinstance(value, dict) else value


def _holder(tokens: Tokens, documents: Mapping[str, Json]) -> Tokens:
    """Return the tokens of the object whose source is that of a fact: one with a source, or a new one that needs it."""
    kinds = ["documents"]
    for token in tokens:
        kinds.append(kind_below(kinds[-1], token))
    for end in range(len(tokens), 0, -1):
        around, value = tokens[:end], pointer.get(documents, tokens[:end])
        if kinds[end] not in SOURCED or not _is_entity(around, kinds[end]):
            continue
        if isinstance(value, dict) or value is MISSING:
            return around
    return tokens[:1]


def _is_entity(tokens: Tokens, kind: str) -> bool:
    """Tell whether what stands at some tokens is an object with a `source` in the contract language."""
    if kind == "schema":
        return True
    match tokens:
        case ("protocol", section):
            return section in SECTIONS_OF_ONE
        case ("protocol", section, _):
            return section in SECTIONS_BY_NAME
        case ("protocol", "refusals", _, _) | ("protocol", "operations", _, "forms", _):
            return True
    return False
