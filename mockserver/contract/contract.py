"""A contract in force: the merged documents of one protocol, compiled once and then only read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import unquote

from mockserver.contract.schema import Schema
from mockserver.core import cors
from mockserver.core.model import Rate
from mockserver.jsonkit import Json, pointer

if TYPE_CHECKING:
    from mockserver.adapters import Adapter
    from mockserver.core.gates import BoundGate

DOCUMENTS: Final = ("protocol", "requests", "events", "replies", "warnings")
Policy = Literal["partial", "atomic"]
KEPT_PLACES: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """One way a body may look. `events` are the tokens of the array; with `single` the body itself is the event.

    `schema` judges every event; without it the text at `discriminator` picks one of `schemas`, whose engines are in
    `quick`.
    """

    name: str
    request: Schema | None
    events: tuple[str, ...] | None
    single: bool
    discriminator: tuple[str, ...]
    type: str | None
    schema: Schema | None
    schemas: Mapping[str, Schema]
    policy: Policy
    types: tuple[str, ...]
    quick: Mapping[str, Callable[[Json], bool]]

    def type_of(self, event: Json) -> str | None:
        """Return the event's type for the journal, or None where it has none."""
        if self.type is not None:
            return self.type
        value = pointer.get(event, self.discriminator)
        return value if isinstance(value, str) else None

    def schema_for(self, event: Json) -> Schema | None:
        """Return the schema that judges the event; None for an unknown type or a value that is no object."""
        if not isinstance(event, dict):
            return None
        if self.schema is not None:
            return self.schema
        kind = self.type_of(event)
        return None if kind is None else self.schemas.get(kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation: where it is served, what it takes, which gates stand before it in order, how it answers."""

    name: str
    method: str
    path: str
    segments: tuple[str, ...]
    family: str
    credentials: tuple[str, ...]
    gates: tuple[BoundGate, ...]
    forms: Mapping[str, Form]
    rate: Rate | None
    spec: Mapping[str, Json]

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Return the decoded path parameters when the raw segments fit, else None."""
        params: dict[str, str] = {}
        for mine, raw in zip(self.segments, segments, strict=True):
            if mine.startswith("{"):
                if not raw:
                    return None
                params[mine[1:-1]] = unquote(raw, errors="replace")
            elif mine != raw:
                return None
        return params


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """How far the time at `tokens` may be from now, both ends included."""

    tokens: tuple[str, ...]
    past_ms: int
    future_ms: int
    refusal: str
    message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request target leads: the operations there by method, and what the path told."""

    operations: Mapping[str, Operation]
    params: Mapping[str, str]
    leading_slashes: bool
    trailing_slash: bool


def split_target(target: str) -> tuple[str, str]:
    """Split a raw request target into path and query; an absolute-form target loses scheme and host."""
    if "://" in target[:9] and not target.startswith("/"):
        rest = target.split("://", 1)[1]
        slash = rest.find("/")
        target = rest[slash:] if slash >= 0 else "/"
    path, _, query = target.partition("?")
    return path.partition("#")[0], query


class Contract:
    """The compiled contract. Equal documents give equal contracts, so they are shared and cached by content."""

    def __init__(
        self,
        *,
        documents: Mapping[str, Json],
        revision: str,
        digest: str,
        adapter: Adapter,
        newest: Callable[[], Contract | None],
        events: Mapping[str, Schema],
        requests: Mapping[str, Schema],
        replies: Mapping[str, Schema],
        warnings: Mapping[str, Schema],
        operations: Mapping[str, Operation],
        patched: Mapping[str, str],
    ) -> None:
        self.documents = documents
        self.protocol: Mapping[str, Json] = documents["protocol"]
        self.name: str = self.protocol["name"]
        self.revision = revision
        self.digest = digest
        self.adapter = adapter
        self._newest = newest
        self.events = events
        self.requests = requests
        self.replies = replies
        self.warnings = warnings
        self.operations = operations
        self.patched = patched
        self.nulls_absent: bool = self.protocol["nulls"]["members"] == "absent"
        self.max_body: int = self.protocol["limits"]["body"]["max_bytes"]
        self.windows = tuple((name, _window(rule)) for name, rule in self.protocol.get("windows", {}).items())
        self.dedup = _tokens(self.protocol.get("dedup"))
        self.entity = _tokens(self.protocol.get("entities"))
        self.event_rule = adapter.event_rules(self)
        self._places: dict[str, Place] = {}
        self._cors: dict[tuple[str, str | None], list[tuple[str, str]]] = {}
        self._sources: dict[str, str] = {}
        self._by_length: dict[int, list[Operation]] = {}
        for operation in operations.values():
            self._by_length.setdefault(len(operation.segments), []).append(operation)

    def __repr__(self) -> str:
        return f"Contract({self.name}, {self.revision}, {self.digest[:12]})"

    @cached_property
    def newest(self) -> Contract | None:
        """The newest revision, whose violations are warnings here; None when this is it."""
        return self._newest()

    def locate(self, target: str) -> Place:
        """Find the operations at a raw request target; the answer is kept, as clients repeat themselves."""
        found = self._places.get(target)
        if found is None:
            if len(self._places) >= KEPT_PLACES:
                self._places.clear()
            found = self._places[target] = self._locate(target)
        return found

    def _locate(self, target: str) -> Place:
        path, _ = split_target(target)
        bare = path.lstrip("/")
        leading = len(path) - len(bare) > 1
        trailing = len(bare) > 1 and bare.endswith("/")
        segments = tuple(bare.rstrip("/").split("/"))
        found: dict[str, Operation] = {}
        params: dict[str, str] = {}
        for operation in self._by_length.get(len(segments), ()):
            match = operation.match(segments)
            if match is not None and operation.method not in found:
                found[operation.method] = operation
                params.update(match)
        return Place(operations=found, params=params, leading_slashes=leading, trailing_slash=trailing)

    def prefix_of(self, target: str) -> Mapping[str, Json]:
        """Return the longest of this protocol's prefixes that the target is under, else its first one."""
        path = "/" + split_target(target)[0].lstrip("/")
        prefixes: list[Mapping[str, Json]] = sorted(self.protocol["prefixes"].values(), key=lambda p: -len(p["path"]))
        return next((prefix for prefix in prefixes if path.startswith(prefix["path"])), prefixes[-1])

    def cors_headers(self, name: str, origin: str | None) -> list[tuple[str, str]]:
        """Return the CORS headers of a reply to an origin; kept, as pages repeat themselves."""
        found = self._cors.get((name, origin))
        if found is None:
            if len(self._cors) >= KEPT_PLACES:
                self._cors.clear()
            found = self._cors[name, origin] = cors.headers(self.protocol["cors"][name], origin)
        return found

    def source_of(self, place: str) -> str:
        """Return who states the fact at a contract pointer: the nearest `source` at or above it."""
        found = self._sources.get(place)
        if found is None:
            found = self._sources[place] = self._source_of(place)
        return found

    def _source_of(self, place: str) -> str:
        if place in self.patched:
            return self.patched[place]
        level: Json = self.documents
        source = ""
        for token in ("", *pointer.parse(place)):
            if token:
                level = pointer.get(level, (token,))
            if not isinstance(level, dict):
                break
            found = level.get("source")
            if isinstance(found, str):
                source = found
        return source


def _window(rule: Mapping[str, Json]) -> Window:
    return Window(
        tokens=pointer.parse(rule["pointer"]),
        past_ms=rule["past_ms"],
        future_ms=rule["future_ms"],
        refusal=rule["refusal"],
        message=rule.get("message"),
    )


def _tokens(rule: Mapping[str, Json] | None) -> tuple[str, ...] | None:
    return None if rule is None else pointer.parse(rule["pointer"])
