"""Rates: what the headers of each reply tell, and, where asked for, what comes after the last allowed request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Expected, Request
from mockserver.verify.expectations import Wanted
from mockserver.verify.order_rules import spoiled, unknown_key
from mockserver.verify.rule import NUMBER, Check, Difference, Probe, Reply, Status, Step
from mockserver.verify.rule_set import RuleSet
from mockserver.verify.sample_rules import dependencies_of

TOO_MANY: Final = 429
HEADROOM: Final = 1.2
"""How much faster than a rate requests must be, to go over it for certain."""
FEW: Final = 2
NOT_ASKED: Final = "going over a rate may lock others out; --burst does it"
Now = Callable[[], int]


def declare(rule_set: RuleSet, now: Now) -> None:
    """Write down one rule for each rate; `now` tells the time while the probes are sent."""
    limits: Mapping[str, Json] = rule_set.contract.protocol["limits"]
    for one in rule_set.operations():
        name = one.operation.spec.get("rate")
        gated = any(_check(rule_set, gate.name) == "rate" for gate in one.operation.gates)
        if name is None or not gated:
            continue
        limit, rule = limits[name], f"/protocol/limits/{name}#{one.operation.name}"
        needed = limit["requests"] * 1000 / limit["window_ms"] * HEADROOM
        if not rule_set.setup.burst:
            rule_set.idle(rule, one.operation.name, Status.NOT_EXERCISED, NOT_ASKED)
        elif rule_set.setup.rate < needed:
            why = f"--rate {rule_set.setup.rate:g} is too slow: it takes {math.ceil(needed)} requests a second"
            rule_set.idle(rule, one.operation.name, Status.NOT_EXERCISED, why)
        else:
            dependencies = {
                *dependencies_of(rule_set, one.operation),
                f"/protocol/refusals/{one.operation.family}/rate_limited",
            }
            rule_set.add(rule, one.operation.name, Probe(tuple(_burst(rule_set, one, name, now))), dependencies)
            for probe in (*_refused_bursts(rule_set, one, limit), *_unknown_bursts(rule_set, one, name, now)):
                rule_set.add(rule, one.operation.name, probe, dependencies)


def _check(rule_set: RuleSet, gate: str) -> str:
    found: str = rule_set.contract.protocol["gates"][gate].get("check", gate)
    return found


def _burst(rule_set: RuleSet, one: OperationPlan, name: str, now: Now) -> Iterator[Step]:
    """Yield as many requests as a window takes, all to be taken, and one more, to be refused."""
    limit = rule_set.contract.protocol["limits"][name]
    form = next(iter(one.forms.values()), None)
    parts = one.parts(MISSING if form is None else form.smallest())
    good = one.good(parts, [] if form is None else form.events_in(parts.body))
    taken = rule_set.expectations.check(rule_set.expectations.of(good), good.request, f"/protocol/limits/{name}")
    window = _Window(limit, rule_set.setup.slack_ms, now, f"/protocol/limits/{name}")
    yield from (Step(request=before, check=lambda reply, earlier: ()) for before in good.before)
    for number in range(limit["requests"]):
        check = window.counted(taken, limit["requests"] - number - 1, opens=number == 0)
        pause = limit["window_ms"] if number == 0 else 0
        yield Step(request=good.request, check=check, limited=True, pause_ms=pause)
    family = one.operation.family
    reason = one.reason("rate", "rate_limited")
    expect: Expected = rule_set.plan.reading.refusal(family, reason)
    refused = rule_set.expectations.refusal(family, reason, expect, one.operation, good.request.path)
    over = rule_set.expectations.check(refused, good.request, f"/protocol/limits/{name}")
    yield Step(request=good.request, check=window.counted(over, 0), limited=True)
    for _, request, wanted in _spoiled(rule_set, one, after=True):
        late = replace(refused, fact=wanted.fact)
        check = rule_set.expectations.check(late, request, "/protocol/gates")
        yield Step(request=request, check=window.counted(check, 0), limited=True)


def _unknown_bursts(rule_set: RuleSet, one: OperationPlan, name: str, now: Now) -> Iterator[Probe]:
    """Yield more requests than a window takes with a refused key, where the rate comes first: it counts them."""
    order = [gate.name for gate in one.operation.gates]
    rate = next(index for index, gate in enumerate(order) if _check(rule_set, gate) == "rate")
    gate = next((gate for gate in order if _check(rule_set, gate) == "allowed_key"), None)
    if gate is None or order.index(gate) < rate:
        return
    limit, fact = rule_set.contract.protocol["limits"][name], f"/protocol/gates/{order[rate]}/order"
    for _, request, wanted in unknown_key(rule_set, one, gate):
        window = _Window(limit, rule_set.setup.slack_ms, now, fact)
        counted = rule_set.expectations.check(wanted, request, fact)
        steps = [
            Step(
                request=request,
                check=window.counted(counted, limit["requests"] - number - 1, opens=number == 0),
                limited=True,
                pause_ms=0 if number else limit["window_ms"],
            )
            for number in range(limit["requests"])
        ]
        reason = one.reason("rate", "rate_limited")
        expect: Expected = rule_set.plan.reading.refusal(one.operation.family, reason)
        refused = rule_set.expectations.refusal(one.operation.family, reason, expect, one.operation, request.path)
        over = window.counted(rule_set.expectations.check(refused, request, fact), 0)
        yield Probe((*steps, Step(request=request, check=over, limited=True)))


def _spoiled(rule_set: RuleSet, one: OperationPlan, *, after: bool) -> Iterator[tuple[str, Request, Wanted]]:
    """Yield a request for each gate after the rate's, or before it, that this gate alone refuses."""
    order = [gate.name for gate in one.operation.gates]
    rate = next(index for index, name in enumerate(order) if _check(rule_set, name) == "rate")
    seen: set[str] = set()
    for found in spoiled(one):
        keyed = found.sample.breach.keyword not in ("missing", "malformed") or not after
        if found.gate in order and found.gate not in seen and keyed and (order.index(found.gate) > rate) == after:
            seen.add(found.gate)
            yield found.gate, found.sample.request, rule_set.expectations.of(found.sample)
    key = next((name for name in order if _check(rule_set, name) == "allowed_key"), None)
    if key is not None and (order.index(key) > rate) == after and not after:
        yield from unknown_key(rule_set, one, key)


def _refused_bursts(rule_set: RuleSet, one: OperationPlan, limit: Mapping[str, Json]) -> Iterator[Probe]:
    """Yield more requests than a window takes that are refused before they count: none is over the rate."""
    order = [gate.name for gate in one.operation.gates]
    found = sorted(_spoiled(rule_set, one, after=False), key=lambda one: order.index(one[0]))
    for gate, request, wanted in found[-FEW:]:
        check = rule_set.expectations.check(wanted, request, f"/protocol/gates/{gate}/order")
        step = Step(request=request, check=check, limited=True)
        yield Probe((replace(step, pause_ms=limit["window_ms"]), *([step] * limit["requests"])))


class _Window:
    """One window of a rate, from the first request on."""

    def __init__(self, limit: Mapping[str, Json], slack_ms: int, now: Now, fact: str) -> None:
        self.limit = limit
        self.slack_ms = slack_ms
        self.now = now
        self.fact = fact
        self.start: int | None = None

    def counted(self, inner: Check, left: int, *, opens: bool = False) -> Check:
        """Return the check of one reply with so many places left after it; `opens` for the first one of a window."""

        def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
            if opens:
                self.start = self._begin()
            ends = (self.start or 0) + self.limit["window_ms"]
            if self.now() >= ends:
                return
            yield from inner(reply, earlier)
            yield from self._told(reply, left, ends)

        return check

    def _begin(self) -> int:
        now, window = self.now(), self.limit["window_ms"]
        return now - now % window if self.limit["starts"] == "aligned" else now

    def _told(self, reply: Reply, left: int, ends: int) -> Iterator[Difference]:
        """Hold the numbers in headers to the window, as exactly as the target's clock is known."""
        for name, template in self.limit.get("headers", {}).items():
            if template == "${rate_remaining}":
                yield from self._number(reply, name, left, 0)
            elif template == "${rate_reset_s}":
                yield from self._number(reply, name, -(-ends // 1000), self.slack_ms // 1000)
        if reply.status == TOO_MANY and "retry-after" in reply.headers:
            wait = max(1, -(-(ends - self.now()) // 1000))
            yield from self._number(reply, "Retry-After", wait, min(2, self.slack_ms // 1000))

    def _number(self, reply: Reply, name: str, wanted: int, off: int) -> Iterator[Difference]:
        got = reply.headers.get(name.lower(), "")
        if not NUMBER.fullmatch(got) or abs(int(got) - wanted) > off:
            yield Difference(self.fact, f"header {name}: expected {wanted}, got {got!r}")
