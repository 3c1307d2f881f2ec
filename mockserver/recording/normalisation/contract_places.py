"""Where a contract says that something varies: places in bodies, and headers, each with the kind of its value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, TypeAlias

from mockserver.contract.contract import Contract
from mockserver.contract.schema import Schema, every_schema
from mockserver.contract.sections import PersonalPlaces, RefusalTemplate, ReplyTemplate
from mockserver.jsonkit import Json, pointer
from mockserver.recording.normalisation.value_kinds import Kind
from mockserver.recording.redaction.redaction_rules import Place

ANY: Final = "*"
"""The token of a place that is any element of an array, or any member."""
_KINDS_OF_FORMATS: Final[Mapping[str, Kind]] = {"date-time": "time", "iso-8601": "time", "uuid": "id", "email": "id"}
_KINDS_OF_NAMES: Final[Mapping[str, Kind]] = {
    "now": "time",
    "rate_reset_s": "time",
    "rate_remaining": "count",
    "retry_after_s": "count",
    "idempotency_key": "id",
}
"""What the names in reply templates are; those that end in `_id` are ids."""
_NAME: Final = re.compile(r"\$\{([a-z0-9_]+)\}")


class PlaceTree:
    """Places that end in a kind; `below` says that it is the kind of all that is inside, too."""

    __slots__ = ("below", "inner", "kind")

    def __init__(self) -> None:
        self.inner: dict[str, PlaceTree] = {}
        self.kind: Kind | None = None
        self.below = False

    def add(self, place: Place, kind: Kind, *, below: bool = False) -> None:
        """Add a place; the kind that was added first remains."""
        tree = self
        for token in place:
            tree = tree.inner.setdefault(token, PlaceTree())
        tree.kind = tree.kind or kind
        tree.below = tree.below or below


At: TypeAlias = "list[tuple[PlaceTree | None, Kind | None]]"
"""Where a walk is in a tree: by the names that it came along, and by `*`; each with the kind of all that is inside."""


def enter(at: At, token: str) -> At:
    """Return where a walk is one name further."""
    found: At = []
    for tree, inherited in at:
        if tree is None:
            found.append((None, inherited))
            continue
        inherited = inherited or (tree.kind if tree.below else None)
        inner = [tree.inner[key] for key in dict.fromkeys((token, ANY)) if key in tree.inner]
        found += [(known, inherited) for known in inner]
        if not inner and inherited is not None:
            found.append((None, inherited))
    return found


def _event_roots(contract: Contract) -> list[Place]:
    forms = [form for operation in contract.operations.values() for form in operation.forms.values()]
    roots = {() if form.single or form.events is None else (*form.events, ANY) for form in forms}
    return sorted(roots)


def request_places(contract: Contract) -> Iterator[tuple[Place, Kind, bool]]:
    """Yield the places in requests that vary, those that say most first."""
    roots = _event_roots(contract)
    for credential in contract.credentials.values():
        if credential.place == "body":
            yield credential.tokens, "credential", False
    for root in roots:
        yield from (((*root, *place), kind, below) for place, kind, below in _event_places(contract))
    yield from _personal(contract.personal.bodies)
    yield from ((place, "id", False) for place in contract.delivery.request_identity)
    for schema in contract.request_schemas.values():
        yield from ((place, kind, False) for place, kind in _places_of_formats(schema))
    for rule in contract.warnings.requests:
        if rule.schema is not None:
            yield from ((place, kind, False) for place, kind in _places_of_formats(rule.schema))


def _event_places(contract: Contract) -> Iterator[tuple[Place, Kind, bool]]:
    if contract.dedup is not None:
        yield contract.dedup.tokens, "id", False
    yield from ((window.tokens, "time", False) for window in contract.windows)
    for fill in contract.stored.fill.values():
        if fill.value in ("epoch_ms", "rfc3339_ms"):
            yield fill.tokens, "time", False
    yield from ((rule.tokens, "time", False) for rule in contract.stored.normalise.values())
    yield from _personal(contract.personal.events)
    if contract.entity is not None:
        yield contract.entity, "id", False
    yield from ((place, "id", False) for place in contract.delivery.event_identity)
    for identity in contract.identity.values():
        yield from ((pointer.parse(place), "id", False) for place in identity.pointers)
    schemas = [rule.schema for rule in contract.warnings.events if rule.schema is not None]
    for schema in (*contract.event_schemas.values(), *schemas):
        yield from ((place, kind, False) for place, kind in _places_of_formats(schema))


def _personal(places: PersonalPlaces) -> Iterator[tuple[Place, Kind, bool]]:
    yield from ((place, "id", True) for place in (*places.ids, *places.texts))


def _places_of_formats(schema: Schema) -> Iterator[tuple[Place, Kind]]:
    for tokens, inner in every_schema(schema.body):
        kind = _KINDS_OF_FORMATS.get(inner.get("format", ""))
        if kind is not None:
            yield _place(tokens), kind


def _place(tokens: tuple[str, ...]) -> Place:
    """Return the place in a value that a place in its schema is about."""
    found: list[str] = []
    words = iter(tokens)
    for word in words:
        if word == "properties":
            found.append(next(words))
        elif word == "anyOf":
            next(words)
        else:
            found.append(ANY)
    return tuple(found)


def reply_places(contract: Contract) -> Iterator[tuple[Place, Kind]]:
    """Yield the places in replies that vary."""
    for reply in contract.replies.values():
        yield from _places_of_names(reply.body, reply.item)
    for shape in contract.shapes.values():
        yield from _places_of_names(shape.body, None)
    for schema in contract.reply_schemas.values():
        yield from _places_of_formats(schema)


def _places_of_names(template: Json, item: Json, place: Place = ()) -> Iterator[tuple[Place, Kind]]:
    if isinstance(template, Mapping):
        for name, member in template.items():
            yield from _places_of_names(member, item, (*place, name))
    elif isinstance(template, list | tuple):
        for member in template:
            yield from _places_of_names(member, item, (*place, ANY))
    elif template == "${errors}":
        yield from _places_of_names(item, None, (*place, ANY))
    elif isinstance(template, str) and (kind := _kind_of_name(template)) is not None:
        yield place, kind


def _kind_of_name(template: str) -> Kind | None:
    """Return what a text of a template becomes, if it is only a name."""
    name = _NAME.fullmatch(template)
    if name is None:
        return None
    return _KINDS_OF_NAMES.get(name[1]) or ("id" if name[1].endswith("_id") else None)


def header_kinds(contract: Contract) -> dict[str, Kind]:
    """Return the kinds of the values of headers, by their names in lower case."""
    kinds: dict[str, Kind] = {}
    for credential in contract.credentials.values():
        if credential.place == "header":
            kinds[credential.parameter.lower()] = "credential"
    for operation in contract.operations.values():
        if operation.idempotency is not None:
            kinds[operation.idempotency.header.lower()] = "id"
    for headers in templates_of_headers(contract):
        kinds |= {name.lower(): kind for name, text in headers.items() if (kind := _kind_of_name(text)) is not None}
    return kinds


def templates_of_headers(contract: Contract) -> Iterable[Mapping[str, str]]:
    """Return the headers that replies have, as templates."""
    refusals = [refusal for family in contract.families.values() for refusal in family.reasons.values()]
    templates: list[ReplyTemplate | RefusalTemplate] = [*contract.replies.values(), *refusals]
    yield from (template.headers for template in templates)
    yield from (limit.headers for limit in contract.rate_limits.values())
