"""How two recordings differ in what the client sends and what it gets: semantic drift, without ids and times."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from mockserver.contract.library import Library
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.drift.differences import Difference, Differences, Where
from mockserver.recording.drift.differences import Key as Place
from mockserver.recording.drift.document_pairs import Document, compare
from mockserver.recording.drift.event_order import order_differences
from mockserver.recording.drift.item_pairs import Key, Pairs, items_of, pair_items
from mockserver.recording.drift.logical_requests import (
    Contracts,
    Item,
    LogicalRequest,
    logical_requests,
    normal_headers,
)
from mockserver.recording.normalisation.contract_places import ANY
from mockserver.recording.recordings import Recording

At: TypeAlias = "tuple[str, str, None]"
"""Protocol and operation of what is about requests, not about events of a type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """The differences between two recordings, the most important first.

    `notes` say what is not a difference of the client: other contracts, servers or versions of this program. `requests`
    and `events` are how many pairs were compared.
    """

    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    requests: int
    events: int


def drift(old: Recording, new: Recording, library: Library) -> Drift:
    """Compare two recordings."""
    contracts = Contracts(library)
    run = _Run(contracts, logical_requests(old, contracts), logical_requests(new, contracts))
    requests, events = run.compare()
    notes = (*contracts.notes, *_notes(old, new))
    return Drift(differences=tuple(run.found.found()), notes=notes, requests=requests, events=events)


def without(drift: Drift, kinds: Collection[str]) -> Drift:
    """Return a drift without the differences of some kinds."""
    return replace(drift, differences=tuple(known for known in drift.differences if known.kind not in kinds))


class _Run:
    """The comparison of two recordings, as lists of requests."""

    def __init__(self, contracts: Contracts, old: list[LogicalRequest], new: list[LogicalRequest]) -> None:
        self._contracts = contracts
        self._old, self._new = old, new
        self.found = Differences()

    def compare(self) -> tuple[int, int]:
        """Compare everything; return how many pairs of requests and of events there were."""
        pairs = pair_items(self._old, self._new)
        self._missing(pairs)
        for key, new_key in pairs.renamed.items():
            self._renamed(pairs, key, new_key)
        requests: dict[int, tuple[LogicalRequest, LogicalRequest]] = {}
        taken: set[int] = set()
        events = 0
        for one, other in pairs.both:
            if one.request.has_events:
                events += 1
                self._items(one, other)
            if id(one.request) not in requests and id(other.request) not in taken:
                requests[id(one.request)] = (one.request, other.request)
                taken.add(id(other.request))
        both = [*requests.values(), *pairs.requests]
        for was, is_now in both:
            self._requests(was, is_now)
        for difference in order_differences(pairs, self._new, self._contracts):
            self.found.add_whole(difference)
        return len(both), events

    def _missing(self, pairs: Pairs) -> None:
        here = {(request.protocol, request.operation) for request in self._old}
        there = {(request.protocol, request.operation) for request in self._new}
        for kind, items, side, other, mine in (
            ("gone", pairs.gone, 0, there, self._old),
            ("new", pairs.new, 1, here, self._new),
        ):
            groups: dict[Key, list[Item]] = {}
            for item in items:
                whole = item.key[:2] not in other
                groups.setdefault((*item.key[:2], None if whole else item.type), []).append(item)
            for key, group in groups.items():
                self.found.add_whole(_absence(kind, side, key, group, mine, whole=key[:2] not in other))

    def _renamed(self, pairs: Pairs, key: Key, new_key: Key) -> None:
        paired = [(one, other) for one, other in pairs.both if one.key == key]
        difference = Difference(
            kind="event-type",
            protocol=key[0],
            operations=(key[1],),
            old=key[2],
            new=new_key[2],
            where=_where(paired[0][0].request, paired[0][1].request),
            count=len(paired),
            total=len(paired),
        )
        self.found.add_whole(difference)

    def _items(self, one: Item, other: Item) -> None:
        where = _where(one.request, other.request)
        protocol, operation, type = one.key
        self.found.add_pair(protocol, operation, type)
        documents = Document(one.sent, one.normal), Document(other.sent, other.normal)
        changed: list[Place] = []
        for compared in compare(documents, one.request.form):
            if one.type != other.type and (compared.old, compared.new) == (one.type, other.type):
                continue
            if compared.aspect == "equal":
                self.found.add_equal(("member-value", protocol, operation, type, compared.pointer))
                continue
            key = (compared.aspect, protocol, operation, type, compared.pointer)
            self.found.add(key, (compared.old, compared.new), where)
            changed.append(key)
        self._judgement(one, other, changed, where)

    def _judgement(self, one: Item, other: Item, changed: Sequence[Place], where: Where) -> None:
        protocol, operation, type = one.key
        before, after = _rules(one.findings), _rules(other.findings)
        come = [rule for rule in after if rule not in before]
        gone = [rule for rule in before if rule not in after]
        if one.verdict != other.verdict and None not in (one.verdict, other.verdict):
            rules = [rule for rule in come or gone if rule[0] == "error"]
            key = ("verdict", protocol, operation, type, "")
            self.found.add(key, (one.verdict, other.verdict), where, [rule for _, rule in rules])
            return
        for rule, places, is_new in (*((r, after[r], True) for r in come), *((r, before[r], False) for r in gone)):
            cause = next((key for key in changed if any(_is_about(place, key[4]) for place in places)), None)
            if cause is not None:
                self.found.explain(cause, rule[1])
            else:
                key = ("rule", protocol, operation, type, rule[1])
                self.found.add(key, (None, rule[0]) if is_new else (rule[0], None), where)

    def _requests(self, one: LogicalRequest, other: LogicalRequest) -> None:
        where, at = _where(one, other), (one.protocol, one.operation, None)
        self.found.add_pair(*at)
        self._maps("header", (one.headers, other.headers), at, where)
        self._targets(one, other, where)
        if one.body_kind != other.body_kind:
            self.found.add(("body", *at, ""), (one.body_kind, other.body_kind), where)
        changed: list[Place] = []
        if MISSING not in (one.around[0], other.around[0]):
            around = Document(*one.around), Document(*other.around)
            for compared in compare(around, one.form, only_shape=_counts(one) != _counts(other)):
                key = (compared.aspect, *at, compared.pointer)
                if compared.aspect == "equal":
                    self.found.add_equal(("member-value", *at, compared.pointer))
                else:
                    self.found.add(key, (compared.old, compared.new), where)
                    changed.append(key)
        self._statuses(one, other, where)
        self._findings(one, other, changed, where)
        self._replies(one, other, where)

    def _targets(self, one: LogicalRequest, other: LogicalRequest, where: Where) -> None:
        at = (one.protocol, one.operation, None)
        (path, query), (new_path, new_query) = (_parts(request) for request in (one, other))
        if path != new_path:
            self.found.add(("path", *at, ""), (path, new_path), where)
        self._maps("parameter", (query, new_query), at, where)

    def _maps(self, what: str, maps: tuple[Mapping[str, str], Mapping[str, str]], at: At, where: Where) -> None:
        old, new = maps
        for name in dict.fromkeys((*old, *new)):
            change = old.get(name), new.get(name)
            if change[0] != change[1]:
                how = "gone" if name not in new else "new" if name not in old else "value"
                self.found.add((f"{what}-{how}", *at, name), change, where)

    def _statuses(self, one: LogicalRequest, other: LogicalRequest, where: Where) -> None:
        at = (one.protocol, one.operation, None, "")
        before, after = one.statuses, other.statuses
        if len(before) != len(after):
            self.found.add(("attempts", *at), (len(before), len(after)), where)
            failed, failed_now = set(before[:-1]), set(after[:-1])
            if failed and failed_now and failed != failed_now:
                self.found.add(("status", *at), (_listed(before[:-1]), _listed(after[:-1])), where)
            before, after = before[-1:], after[-1:]
        if before != after:
            self.found.add(("status", *at), (_listed(before), _listed(after)), where)

    def _findings(
        self,
        one: LogicalRequest,
        other: LogicalRequest,
        changed: Sequence[Place],
        where: Where,
    ) -> None:
        before, after = _rules(one.last.row["findings"]), _rules(other.last.row["findings"])
        at = (one.protocol, one.operation, None)
        for rule in dict.fromkeys((*before, *after)):
            if rule in before and rule in after:
                continue
            places = (*before.get(rule, ()), *after.get(rule, ()))
            cause = next((key for key in changed if any(_is_about(place, key[4]) for place in places)), None)
            if cause is not None:
                self.found.explain(cause, rule[1])
            else:
                change = (None, rule[0]) if rule in after else (rule[0], None)
                self.found.add(("rule", *at, rule[1]), change, where)

    def _replies(self, one: LogicalRequest, other: LogicalRequest, where: Where) -> None:
        old, new = one.last.row["reply"], other.last.row["reply"]
        if old is None or new is None or old["status"] != new["status"]:
            return
        at = (one.protocol, one.operation, None)
        headers = normal_headers(one.form, old["headers"]), normal_headers(one.form, new["headers"])
        self._maps("reply-header", headers, at, where)
        kinds = _kind_of_body(old["body"]), _kind_of_body(new["body"])
        if kinds[0] != kinds[1]:
            self.found.add(("reply-body", *at, ""), kinds, where)
        elif kinds[0] == "text":
            texts = one.form.text(old["body"]["text"]), one.form.text(new["body"]["text"])
            if texts[0] != texts[1]:
                self.found.add(("reply-body", *at, ""), texts, where)
        elif kinds[0] == "JSON":
            values = old["body"]["json"], new["body"]["json"]
            documents = [Document(value, one.form.body(value, "reply")) for value in values]
            shape = _counts(one) != _counts(other)
            self._reply_members((documents[0], documents[1]), one, where, only_shape=shape)

    def _reply_members(
        self, documents: tuple[Document, Document], one: LogicalRequest, where: Where, *, only_shape: bool
    ) -> None:
        for compared in compare(documents, one.form, only_shape=only_shape):
            kind = "member-value" if compared.aspect == "equal" else compared.aspect
            key = (f"reply-{kind}", one.protocol, one.operation, None, compared.pointer)
            if compared.aspect == "equal":
                self.found.add_equal(key)
            else:
                self.found.add(key, (compared.old, compared.new), where)


def _absence(
    kind: str, side: int, key: Key, group: Sequence[Item], mine: Sequence[LogicalRequest], *, whole: bool
) -> Difference:
    protocol, operation, type = key
    requests = list(dict.fromkeys(item.request for item in group))
    of_events = group[0].request.has_events and not whole
    if of_events:
        total = sum(item.key == group[0].key for item in items_of(mine))
    else:
        total = sum((request.protocol, request.operation) == (protocol, operation) for request in mine)
    count = len(group) if of_events else len(requests)
    where = (requests[0].first.id, None) if side == 0 else (None, requests[0].first.id)
    return Difference(
        kind=f"{'events' if of_events else 'requests'}-{kind}",
        protocol=protocol,
        operations=(operation,),
        events=(type,) if of_events and type is not None else (),
        old=None if side else count,
        new=count if side else None,
        where=where,
        count=count,
        total=total,
    )


def _where(one: LogicalRequest, other: LogicalRequest) -> Where:
    return one.first.id, other.first.id


def _rules(findings: Iterable[Mapping[str, Json]]) -> dict[tuple[str, str], list[str]]:
    """Return the broken rules by severity and rule, each with its places."""
    found: dict[tuple[str, str], list[str]] = {}
    for finding in findings:
        found.setdefault((finding["severity"], finding["rule"]), []).append(finding["pointer"])
    return found


def _is_about(place: str, changed: str) -> bool:
    """Return whether a finding at a place is about a member that has changed: it, one in it, or what it is in."""
    tokens = tuple(ANY if token.isdigit() else token for token in pointer.parse(place))
    member = pointer.parse(changed)
    short = min(len(tokens), len(member))
    return tokens[:short] == member[:short] and (bool(tokens) or len(member) == 1)


def _parts(request: LogicalRequest) -> tuple[str, dict[str, str]]:
    path, _, query = request.form.target(request.first.request.target).partition("?")
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    return path, {name: value for name, _, value in pairs}


def _listed(statuses: Sequence[int | None]) -> Json:
    """Return the status of a request, of several attempts as a list; a reply that never came is `none`."""
    told: list[Json] = ["none" if status is None else status for status in dict.fromkeys(statuses)]
    return told[0] if len(told) == 1 else told


def _counts(request: LogicalRequest) -> int:
    """Return how many events a request has in its last attempt, which some replies count."""
    return len(request.last.row["events"])


def _kind_of_body(body: Mapping[str, Json]) -> str:
    if "left_out" in body:
        return f"left out: {body['left_out']}"
    return "JSON" if "json" in body else "text" if body.get("text", "x") else "none"


def _notes(old: Recording, new: Recording) -> Iterator[str]:
    """Yield what differs between the heads, for which the client is not the reason."""
    for protocol in sorted({*old.head.row["contracts"]} & {*new.head.row["contracts"]}):
        revisions = [recording.head.revision(protocol) for recording in (old, new)]
        if revisions[0] != revisions[1]:
            yield f"{protocol}: OLD was judged by {revisions[0]}, NEW by {revisions[1]}"
    for protocol in sorted({*old.head.upstreams, *new.head.upstreams}):
        urls = [recording.head.upstreams.get(protocol, "the contract") for recording in (old, new)]
        if ("the contract" in urls) and urls[0] != urls[1]:
            yield f"{protocol}: the replies in OLD are from {urls[0]}, those in NEW from {urls[1]}"
    for name, recording in (("OLD", old), ("NEW", new)):
        faulty = [exchange.id for exchange in recording.exchanges if exchange.fault is not None]
        if faulty:
            yield f"{name}: replies made by a fault step: {', '.join(faulty[:10])}"
