"""What a client meant to send: the exchanges of a recording in which attempts are one, and events are single."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Library
from mockserver.contract.operation import Form
from mockserver.core.adapter import adapter_of
from mockserver.core.events import events_of
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly, render
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.normalisation.normal_form import NormalForm, normal_form
from mockserver.recording.recordings import RecordedExchange, Recording

PREFLIGHT: Final = "preflight"
FAILED: Final = 400
"""From this status on, a client may send the same again."""


@dataclass(eq=False, slots=True)
class Item:
    """One event, or one request without events. `key` is what it is: protocol, operation, type.

    `sent` is the value as it was sent and `normal` the same without what varies; both are MISSING for a body that is
    not valid JSON.
    """

    request: LogicalRequest
    type: str | None
    sent: Json
    normal: Json
    verdict: str | None = None
    findings: Sequence[Mapping[str, Json]] = ()

    @property
    def key(self) -> tuple[str, str, str | None]:
        """The protocol, the operation and the type."""
        return self.request.protocol, self.request.operation, self.type


@dataclass(eq=False)
class LogicalRequest:
    """A request with its attempts, the first one first. The last one's reply counts.

    `operation` is the name in the contract, or the method and path for none. `around` is the body without its events,
    as it was sent and normalised; MISSING for no JSON. `items` are empty for an attempt that had no event of its own.
    """

    protocol: str
    operation: str
    form: NormalForm
    attempts: list[RecordedExchange]
    around: tuple[Json, Json] = (MISSING, MISSING)
    items: list[Item] = field(default_factory=list)
    has_events: bool = False

    @property
    def first(self) -> RecordedExchange:
        """The first attempt."""
        return self.attempts[0]

    @property
    def last(self) -> RecordedExchange:
        """The last attempt."""
        return self.attempts[-1]

    @property
    def statuses(self) -> list[int | None]:
        """The status of each attempt; None for one without a reply."""
        return [None if exchange.reply is None else exchange.reply.status for exchange in self.attempts]

    @cached_property
    def headers(self) -> dict[str, str]:
        """The normalised headers of the first attempt by lower-case name, several values on lines."""
        request = self.first.row["request"]
        return normal_headers(self.form, request["headers"])

    @cached_property
    def body_kind(self) -> str:
        """What kind of body the request has: `none`, `JSON`, or why it is not here."""
        body = self.first.row["request"]["body"]
        if "left_out" in body:
            return f"left out: {body['left_out']}"
        return "JSON" if self.around[0] is not MISSING else "none" if not body.get("text", "x") else "text"


def normal_headers(form: NormalForm, headers: Sequence[Sequence[str]]) -> dict[str, str]:
    """Return headers without what varies, by lower-case name; several values of one name on lines."""
    found: dict[str, str] = {}
    for name, value in headers:
        normal, lower = form.header(name, value), name.lower()
        if normal is not None:
            found[lower] = f"{found[lower]}\n{normal}" if lower in found else normal
    return found


class Contracts:
    """The contracts that judged a recording. `notes` say which could not be found."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._found: dict[tuple[str, str | None], Contract | None] = {}
        self.notes: list[str] = []

    def of(self, exchange: RecordedExchange) -> Contract | None:
        """Return the contract of an exchange: its revision, else the base of its protocol, else None."""
        key = exchange.protocol, exchange.head.revision(exchange.protocol)
        if key not in self._found:
            self._found[key] = self._contract(*key)
        return self._found[key]

    def _contract(self, name: str, revision: str | None) -> Contract | None:
        try:
            protocol = self._library.protocol(name)
        except ContractError:
            self.notes.append(f"unknown protocol {name}: values are told by their form alone")
            return None
        if revision is not None and revision not in protocol.revision_names():
            self.notes.append(f"unknown revision {revision} of {name}: read by its base contract")
            revision = None
        return protocol.contract(revision)


def logical_requests(recording: Recording, contracts: Contracts) -> list[LogicalRequest]:
    """Return the requests of a recording in order, attempts of one request together.

    Preflights that ask the same are one: how often a browser sends them depends on its cache and on timing.
    """
    found: list[LogicalRequest] = []
    preflights: set[object] = set()
    open_by_key: dict[object, LogicalRequest] = {}
    failed_ids: dict[tuple[str, str], dict[Json, Item]] = {}
    for exchange in recording.exchanges:
        contract = contracts.of(exchange)
        form = normal_form(contract)
        operation = exchange.operation or f"{exchange.request.method} {form.target(exchange.request.target)}"
        request = LogicalRequest(exchange.protocol, operation, form, [exchange])
        ids = _read(request, contract)
        if operation == PREFLIGHT:
            asked = (form.target(exchange.request.target), *request.headers.items())
            if asked in preflights:
                continue
            preflights.add(asked)
        key = (exchange.protocol, operation, _identity(exchange, ids))
        known = open_by_key.get(key)
        if known is not None and _failed(known.last):
            known.attempts.append(exchange)
            _settle(known.items, exchange)
            continue
        seen = failed_ids.setdefault(key[:2], {})
        request.items = list(_new_items(request, ids, seen))
        open_by_key[key] = request
        if request.items or not request.has_events:
            found.append(request)
    return found


def _failed(exchange: RecordedExchange) -> bool:
    return exchange.reply is None or exchange.reply.status >= FAILED


def _identity(exchange: RecordedExchange, ids: Sequence[Json]) -> object:
    """Return what is equal for attempts: the ids of all events, or else the whole body."""
    if ids and all(isinstance(id, str) and id for id in ids):
        return tuple(ids)
    return exchange.request.target, render(exchange.row["request"]["body"])


def _read(request: LogicalRequest, contract: Contract | None) -> list[Json]:
    """Fill in what is around the events, and the events; return their deduplication ids."""
    exchange = request.first
    body = _json_of(exchange)
    if body is MISSING:
        request.items = [Item(request, None, MISSING, MISSING)]
        return []
    normal = request.form.body(body)
    form = _form_of(contract, exchange.operation, body)
    if form is None or form.events is None:
        request.around = body, normal
        request.items = [Item(request, None, MISSING, MISSING)]
        return []
    request.has_events = True
    sent, masked = (events_of(form, value) for value in (body, normal))
    request.around = ({}, {}) if form.single else (_without(body, form.events), _without(normal, form.events))
    request.items = [
        Item(request, form.type_of(event), event, plain) for event, plain in zip(sent, masked, strict=True)
    ]
    if not request.items:
        request.has_events = False
        request.items = [Item(request, None, MISSING, MISSING)]
    elif len(request.items) == len(exchange.row["events"]):
        _settle(request.items, exchange)
    if contract is None or contract.dedup is None:
        return []
    return [pointer.get(event, contract.dedup.tokens) for event in sent]


def _settle(items: Sequence[Item], exchange: RecordedExchange) -> None:
    """Take over the verdicts of an attempt; an event that was accepted once remains so."""
    rows = exchange.row["events"]
    if len(rows) != len(items):
        return
    for item, row in zip(items, rows, strict=True):
        if item.verdict != "accepted":
            item.verdict, item.findings = row["verdict"], row["findings"]


def _new_items(request: LogicalRequest, ids: Sequence[Json], seen: dict[Json, Item]) -> Iterator[Item]:
    """Yield the items of a request that no failed request had; its events may come again in another batch."""
    failed = _failed(request.last)
    for index, item in enumerate(request.items):
        id = ids[index] if index < len(ids) else None
        if not isinstance(id, str):
            yield item
        elif id in seen:
            earlier = seen[id]
            if earlier.verdict != "accepted":
                earlier.verdict, earlier.findings = item.verdict, item.findings
        else:
            if failed:
                seen[id] = item
            yield item


def _json_of(exchange: RecordedExchange) -> Json:
    body = exchange.row["request"]["body"]
    if "json" in body:
        return body["json"]
    if not body.get("text"):
        return MISSING
    try:
        return parse_exactly(body["text"].encode("utf-8", "surrogatepass"))
    except NotJSONError:
        return MISSING


def _form_of(contract: Contract | None, name: str | None, body: Json) -> Form | None:
    operation = None if contract is None or name is None else contract.operations.get(name)
    if contract is None or operation is None:
        return None
    try:
        return adapter_of(contract.adapter).choose_form(operation, body)
    except (AttributeError, KeyError, TypeError):  # the body is not an object
        return None


def _without(body: Json, tokens: Sequence[str]) -> Json:
    """Return a body without what is at some tokens."""
    if not tokens or not isinstance(body, dict):
        return body
    return {
        name: _without(member, tokens[1:]) if name == tokens[0] else member
        for name, member in body.items()
        if name != tokens[0] or len(tokens) > 1
    }
