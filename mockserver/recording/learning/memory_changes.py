"""Changes of what a server remembers: ids of events, idempotency keys, the requests of a window of time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from mockserver.contract.operation import Operation
from mockserver.core.adapter import adapter_of
from mockserver.jsonkit import Json, pointer
from mockserver.recording.learning.bounds import bounds
from mockserver.recording.learning.changes import Change
from mockserver.recording.learning.play_again import Played

Tokens = tuple[str, ...]
USUAL_WINDOWS: Final = (1000, 10_000, 60_000, 3_600_000, 86_400_000)
"""Lengths of the windows of rate limits, in ms: a second, ten, a minute, an hour, a day."""
MOST_EARLIER: Final = 2000
IDEMPOTENCY: Final = "idempot"


def memory_changes(played: Played, earlier: Sequence[Played]) -> Iterator[Change]:
    """Yield what may make a request a repeat, or none; `earlier` are the requests of its recording before it."""
    contract, operation = played.judged.contract, played.judged.operation
    if operation is None:
        return
    if contract.dedup is not None:
        yield Change.of(("protocol", "dedup"), None)
        for place in _repeated_members(played, earlier):
            yield Change.of(("protocol", "dedup", "pointer"), place)
    else:
        for place in _repeated_members(played, earlier):
            by = place.rpartition("/")[2]
            yield Change.of(("protocol", "dedup"), {"pointer": place, "by": by})
    yield from _idempotency(played, earlier)
    yield from _rates(played, earlier)


def _new_rates(played: Played, operation: Operation, earlier: Sequence[Played]) -> Iterator[Change]:
    """Yield limits for an operation that has none: in windows of usual lengths, as many requests as were taken."""
    gate, now = operation.gate("rate"), played.judged.terms.now_ms
    refused = None if gate is None else operation.family.template(gate.reason("rate_limited")).status
    if refused != played.answer.reply.status:
        return
    for window_ms in USUAL_WINDOWS:
        taken = [
            one
            for one in earlier
            if one.judged.operation is not None
            and one.judged.operation.name == operation.name
            and one.judged.credential == played.judged.credential
            and now - one.judged.terms.now_ms < window_ms
            and one.answer.reply.status != refused
        ]
        if taken:
            name = f"rate_{operation.name}"
            limit = {"requests": len(taken), "window_ms": window_ms, "starts": "first_request"}
            edits = ((("protocol", "limits", name), limit), (("protocol", "operations", operation.name, "rate"), name))
            yield Change(edits=edits, note=f"a window of {window_ms} ms chosen, which starts with the first request")


def _repeated_members(played: Played, earlier: Sequence[Played]) -> list[str]:
    """Return the places of texts in the events of a request that an earlier event has there too."""
    before: set[tuple[Tokens, str]] = set()
    for one in earlier[-MOST_EARLIER:]:
        before |= {leaf for event in one.judged.events for leaf in _texts(event, ())}
    again = dict.fromkeys(
        tokens for event in played.judged.events for tokens, text in _texts(event, ()) if (tokens, text) in before
    )
    return sorted(map(pointer.build, again), key=lambda place: ("id" not in place.lower(), place.count("/"), place))


def _texts(value: Json, tokens: Tokens) -> Iterator[tuple[Tokens, str]]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _texts(member, (*tokens, name))
    elif isinstance(value, str) and tokens:
        yield tokens, value


def _idempotency(played: Played, earlier: Sequence[Played]) -> Iterator[Change]:
    operation = played.judged.operation
    assert operation is not None
    rule = operation.idempotency
    if rule is None:
        operations = played.judged.contract.operations.values()
        for name in dict.fromkeys(other.idempotency.name for other in operations if other.idempotency is not None):
            yield Change.of(("protocol", "operations", operation.name, "idempotency"), name)
        return
    place = ("protocol", "idempotency", rule.name)
    if played.judged.idempotency is not None:
        yield Change.of(("protocol", "operations", operation.name, "idempotency"), None)
    for header, _ in played.judged.request.headers:
        name = header.decode("latin-1").lower()
        if IDEMPOTENCY in name and name != rule.header.lower():
            yield Change.of((*place, "header"), name)
    ages = [
        played.judged.terms.now_ms - one.judged.terms.now_ms
        for one in earlier
        if one.judged.idempotency is not None
        and played.judged.idempotency is not None
        and one.judged.idempotency.value == played.judged.idempotency.value
        and adapter_of(played.judged.contract.adapter).scope(one.judged)
        == adapter_of(played.judged.contract.adapter).scope(played.judged)
    ]
    if played.receipt.replayed and ages:
        shorter = [age for age in ages if age > 0]
        for bound, note in bounds(1, min(shorter), "") if shorter else ():
            yield Change.of((*place, "window_ms"), bound, note)
    elif ages:
        yield Change.of((*place, "window_ms"), max(ages) + 1, f"held for {max(ages)} ms at least")


def _rates(played: Played, earlier: Sequence[Played]) -> Iterator[Change]:
    """Yield lower limits of the rate: as many requests as the server took in the window before it refused one."""
    operation = played.judged.operation
    limit = None if operation is None else operation.rate
    if operation is None or not played.answer.is_refusal:
        return
    if limit is None:
        yield from _new_rates(played, operation, earlier)
        return
    now, start = played.judged.terms.now_ms, played.receipt.rate_reset_ms - limit.window_ms
    taken = [
        one
        for one in earlier
        if one.judged.operation is not None
        and one.judged.operation.rate is limit
        and one.judged.credential == played.judged.credential
        and start <= one.judged.terms.now_ms <= now
    ]
    count = sum(one.answer.reply.status != played.answer.reply.status for one in taken)
    if 0 < count < limit.requests:
        yield Change.of(("protocol", "limits", limit.name, "requests"), count)
