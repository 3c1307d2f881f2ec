"""Comparing two JSON documents of the same kind, whose ids and times do not count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.normalisation.contract_places import ANY
from mockserver.recording.normalisation.normal_form import NormalForm

Aspect: TypeAlias = Literal["member-gone", "member-new", "member-type", "member-value", "array-length", "equal"]
_PSEUDONYM: Final = re.compile("<(?:id|text|value|credential):[0-9]+>")
MOST_NAMES: Final = 64
"""Characters of the name of a member that may be an id itself."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found at one place; `equal` for a scalar that is the same."""

    aspect: Aspect
    place: tuple[str, ...]
    old: Json = None
    new: Json = None

    @property
    def pointer(self) -> str:
        """The place as a pointer, in which `*` is any element."""
        return pointer.build(self.place)


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was sent, and the same without what varies."""

    sent: Json
    normal: Json


def compare(pair: tuple[Document, Document], form: NormalForm, *, only_shape: bool = False) -> Iterator[Compared]:
    """Yield what differs, each place once, and the scalars that are equal.

    With `only_shape`, numbers and the length of arrays do not count: those of a reply that counts events.
    """
    seen: set[tuple[Aspect, tuple[str, ...], str]] = set()
    old, new = pair
    for found in _compare(old.sent, old.normal, new.sent, new.normal, (), form, only_shape):
        key = (found.aspect, found.place, f"{found.old!r} {found.new!r}")
        if found.aspect == "equal" or key not in seen:
            seen.add(key)
            yield found


def _compare(
    old: Json,
    old_normal: Json,
    new: Json,
    new_normal: Json,
    place: tuple[str, ...],
    form: NormalForm,
    only_shape: bool,
) -> Iterator[Compared]:
    kinds = kind_of(old), kind_of(new)
    if kinds[0] != kinds[1]:
        yield Compared("member-type", place, *kinds)
    elif isinstance(old, dict):
        yield from _members(old, old_normal, new, new_normal, place, form, only_shape)
    elif isinstance(old, list):
        if len(old) == len(new):
            pairs = zip(old, old_normal, new, new_normal, strict=True)
            for one in pairs:
                yield from _compare(*one, (*place, ANY), form, only_shape)
        elif not only_shape:
            yield Compared("array-length", place, len(old), len(new))
    elif old_normal == new_normal or is_pseudonym(old) or is_pseudonym(new):
        yield Compared("equal", place)
    elif not (only_shape and kinds[0] == "number"):
        yield Compared("member-value", place, old_normal, new_normal)


def _members(
    old: dict[str, Json],
    old_normal: dict[str, Json],
    new: dict[str, Json],
    new_normal: dict[str, Json],
    place: tuple[str, ...],
    form: NormalForm,
    only_shape: bool,
) -> Iterator[Compared]:
    olds, news = _names(old, form), _names(new, form)
    for name in dict.fromkeys((*olds, *news)):
        was, is_now = olds.get(name), news.get(name)
        inner = (*place, name)
        if was is not None and is_now is None:
            yield Compared("member-gone", inner, kind_of(old[was]), None)
        elif is_now is not None and was is None:
            yield Compared("member-new", inner, None, kind_of(new[is_now]))
        elif was is not None and is_now is not None:
            values = old[was], old_normal[was], new[is_now], new_normal[is_now]
            yield from _compare(*values, inner, form, only_shape)


def _names(value: dict[str, Json], form: NormalForm) -> dict[str, str]:
    """Return the names of members by themselves; those that are ids are one."""
    if all(name.isidentifier() and len(name) < 16 for name in value):
        return {name: name for name in value}
    found: dict[str, str] = {}
    for name in value:
        found.setdefault(form.text(name) if len(name) <= 4 * MOST_NAMES else name, name)
    return found


def is_pseudonym(value: Json) -> bool:
    """Return whether a value was hidden, so that nothing is known of what it was."""
    return isinstance(value, str) and value.startswith("<") and _PSEUDONYM.fullmatch(value) is not None


def kind_of(value: Json) -> str | None:
    """Return the JSON type of a value; None for a missing one."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if value is MISSING:
        return None
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"
