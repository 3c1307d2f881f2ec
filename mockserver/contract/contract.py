"""A contract in force: the merged documents of one protocol as typed values. It is data; it holds no function."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mockserver.contract.operation import Operation, Place
from mockserver.contract.ownership import owner
from mockserver.contract.provenance import source_at
from mockserver.contract.schema import Schema
from mockserver.contract.sections import (
    ContentTypes,
    Credential,
    Dedup,
    DeliveryRules,
    EventMark,
    IdentityRule,
    MemberLimit,
    PersonalData,
    Prefix,
    Projects,
    RateLimit,
    RefusalFamily,
    ReplyTemplate,
    ReservedMembers,
    Shape,
    StoredRules,
    WarningRules,
    Window,
)
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import Tokens

DOCUMENTS: Final = ("protocol", "requests", "events", "replies", "warnings")
EVENT_TYPES: Final = "/events"
"""The rule of a value that is no event, or an event of an unknown type."""
KEPT_PLACES: Final = 128
LONGEST_KEPT_TARGET: Final = 256
"""Bounds on what a contract remembers of request targets, in number and characters."""

_AUTHORITY_END: Final = re.compile("[/?#]")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class Contract:
    """The compiled contract of one protocol.

    `adapter` is the name of the module with the protocol's own algorithms, empty without one. `newest` is the newest
    revision, whose violations are warnings here; None when this is it. `documents` are the merged YAML documents and
    `changed` the origin of each place that a patch without a source changed: only the fidelity list and `contracts
    print` read them.
    `parts` is how many schemas stand in each schema, by its pointer, with what it uses written out.
    With `extra_slashes` a path is also served with a slash at its end, and with several at its start. `folder` is where
    the base documents were read, with what stands beside them. `bytes` is about what a patched contract takes beside
    what it shares with its revision.
    """

    name: str
    title: str
    source: str
    host: str
    revision: str
    digest: str
    adapter: str
    newest: Contract | None
    documents: Mapping[str, Json]
    changed: Mapping[str, str]
    nulls_absent: bool
    max_body: int
    extra_slashes: bool
    prefixes: tuple[Prefix, ...]
    credentials: Mapping[str, Credential]
    operations: Mapping[str, Operation]
    shapes: Mapping[str, Shape]
    families: Mapping[str, RefusalFamily]
    replies: Mapping[str, ReplyTemplate]
    messages: Mapping[str, str]
    rate_limits: Mapping[str, RateLimit]
    member_limits: Mapping[str, MemberLimit]
    windows: tuple[Window, ...]
    content_types: ContentTypes | None
    dedup: Dedup | None
    entity: Tokens | None
    no_entity: EventMark | None
    identity: Mapping[str, IdentityRule]
    reserved: Mapping[str, ReservedMembers]
    projects: Projects | None
    id_prefixes: Mapping[str, str]
    stored: StoredRules
    personal: PersonalData
    delivery: DeliveryRules
    warnings: WarningRules
    event_schemas: Mapping[str, Schema]
    request_schemas: Mapping[str, Schema]
    reply_schemas: Mapping[str, Schema]
    parts: Mapping[str, int]
    folder: str = ""
    bytes: int = 0
    plans: dict[Hashable, object] = field(default_factory=dict, repr=False)
    """Plans of replies, see `keep_plan`."""
    _places: dict[str, Place] = field(default_factory=dict, repr=False)
    _sources: dict[str, str] = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        return f"Contract({self.name}, {self.revision}, {self.digest[:12]})"

    def schemas_in(self, document: str) -> Mapping[str, Schema]:
        """Return the schemas of a document of schemas by name; none for any other document."""
        documents = {"requests": self.request_schemas, "events": self.event_schemas, "replies": self.reply_schemas}
        return documents.get(document, {})

    def schemas(self) -> set[Schema]:
        """Return every schema, those of the warnings included."""
        rules = (*self.warnings.events, *self.warnings.requests)
        named = (self.event_schemas, self.request_schemas, self.reply_schemas)
        return {schema for schemas in named for schema in schemas.values()} | {
            rule.schema for rule in rules if rule.schema is not None
        }

    def message(self, keyword: str) -> str:
        """Return the text template for a broken keyword."""
        return self.messages.get(keyword, self.messages["default"])

    def keep_plan(self, key: Hashable, plan: object) -> None:
        """Keep how a reply is made as long as the contract is there; what it is only `core.reply_plans` knows."""
        if len(self.plans) >= KEPT_PLACES:
            self.plans.clear()
        self.plans[key] = plan

    def locate(self, target: str) -> Place:
        """Find the operations at a raw request target; the answer is kept, because clients repeat themselves."""
        place = self._places.get(target)
        if place is None:
            place = self._locate(target)
            if len(self._places) >= KEPT_PLACES:
                self._places.clear()
            if len(target) <= LONGEST_KEPT_TARGET:
                self._places[target] = place
        return place

    def _locate(self, target: str) -> Place:
        path, _ = split_target(target)
        bare = path.lstrip("/")
        leading, trailing = len(path) - len(bare) > 1, len(bare) > 1 and bare.endswith("/")
        segments = tuple(bare.rstrip("/").split("/"))
        operations: dict[str, Operation] = {}
        params: dict[str, str] = {}
        for operation in self.operations.values():
            match = operation.match(segments) if len(operation.segments) == len(segments) else None
            if match is not None and operation.method not in operations:
                operations[operation.method] = operation
                params.update(match)
        keys = filter(None, (operation.key_in(segments) for operation in self.operations.values()))
        refused = bool(operations) and (leading or trailing) and not self.extra_slashes
        return Place(
            operations={} if refused else operations,
            params={} if refused else params,
            key=next(keys, None),
            leading_slashes=leading,
            trailing_slash=trailing,
            refused_slashes=refused,
        )

    def prefix_of(self, target: str) -> Prefix:
        """Return the longest of this protocol's prefixes that a target is under, else the shortest one."""
        return owner(self.prefixes, split_target(target)[0]) or self.prefixes[-1]

    def source_of(self, place: str) -> str:
        """Return the source of the fact at a contract pointer, or of what is around it, or of the contract."""
        source = self._sources.get(place)
        if source is None:
            source = self._sources[place] = self._source_of(place)
        return source

    def _source_of(self, place: str) -> str:
        if place == EVENT_TYPES:
            place = next(self._discriminators(), place)
        source, written = source_at(self.documents, place, self.source)
        return source if written else self._source_in_schema(place) or source

    def _discriminators(self) -> Iterator[str]:
        """Yield the places of the members that select the schema of an event: who states them states the types."""
        for operation, spec in self.documents["protocol"]["operations"].items():
            for form, described in spec.get("forms", {}).items():
                if "discriminator" in described:
                    yield pointer.build(("protocol", "operations", operation, "forms", form, "discriminator"))

    def _source_in_schema(self, place: str) -> str | None:
        """Return the source of a keyword that a schema has from the shared one it uses, None if it has no such one."""
        document, name, *_ = (*pointer.parse(place), "", "")
        schema = self.schemas_in(document).get(name)
        return None if schema is None else next((source for at, _, source in schema.keywords() if at == place), None)


def split_target(target: str) -> tuple[str, str]:
    """Split a raw request target into path and query; an absolute-form target loses scheme and host."""
    if "://" in target[:9] and not target.startswith("/"):
        rest = target.split("://", 1)[1]
        target = rest.removeprefix(_AUTHORITY_END.split(rest, 1)[0])
        target = target if target.startswith("/") else f"/{target}"
    path, _, query = target.partition("?")
    return path.partition("#")[0], query
