"""Rates: the numbers in the headers of each reply, and, where asked for, the reply after the last allowed request."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from http import HTTPStatus
from typing import Final, TypeAlias

from mockserver.contract.operation import RateClaim
from mockserver.contract.sections import RateLimit
from mockserver.jsonkit import pointer
from mockserver.lint.prediction import Prediction
from mockserver.strategies.corpus import numbered
from mockserver.strategies.plans import OperationPlan
from mockserver.strategies.samples import Request
from mockserver.verify.families.order_rules import Spoiled, revoked_request, spoiled_requests
from mockserver.verify.families.sample_rules import plainest
from mockserver.verify.replies.reply_headers import quoted
from mockserver.verify.rule import NUMBER, Check, Difference, Draft, Probe, Reply, Status, Step
from mockserver.verify.rule_set import RuleSet

HEADROOM: Final = 1.2
"""How much faster than a rate requests must be, to exceed it for certain."""
FEW: Final = 2
MANY: Final = 40
"""The events of a batch that counts as one request."""
TRIED: Final = 3
"""Requests in a row whose headers are compared."""
NOT_ASKED: Final = "exceeding a rate may lock others out; --burst does it"
Now: TypeAlias = Callable[[], int]


def declare(rule_set: RuleSet, now: Now) -> None:
    """Add one rule for each rate of an operation; `now` tells the time while the probes are sent."""
    for plan in rule_set.operations():
        operation, claim = plan.operation, plan.operation.rate_claim
        if claim is None:
            continue
        _headers(rule_set, plan, claim.limit, now)
        rule = f"/protocol/limits/{claim.limit.name}#{operation.name}"
        needed = claim.limit.requests * 1000 / claim.limit.window_ms * HEADROOM
        if not rule_set.setup.burst:
            rule_set.idle(rule, operation.name, Status.NOT_EXERCISED, NOT_ASKED)
        elif rule_set.setup.rate < needed:
            why = f"--rate {rule_set.setup.rate:g} is too slow: it takes {math.ceil(needed)} requests a second"
            rule_set.idle(rule, operation.name, Status.NOT_EXERCISED, why)
        else:
            bursts = _Bursts(rule_set, plan, claim, now)
            refused_first = (partial(bursts.refused_first, number) for number in range(FEW))
            drafts: list[Draft] = [bursts.over, *refused_first, bursts.unknown]
            facts = {f"/protocol/refusals/{operation.family.name}/{claim.reason}", operation.replies.success.pointer}
            facts |= {f"{gate.pointer}/order" for gate in operation.gates}
            for draft in drafts:
                rule_set.add(rule, operation.name, draft, facts)


def _headers(rule_set: RuleSet, plan: OperationPlan, limit: RateLimit, now: Now) -> None:
    """Add a rule for each header of a limit that has a number: it is one, and one that can be right."""
    for name, template in limit.headers.items():
        if template in ("${rate_limit}", "${rate_remaining}", "${rate_reset_s}"):
            rule = f"/protocol/limits/{limit.name}/headers/{pointer.escape(name)}"
            draft = partial(_counting, rule_set, plan, limit, now, name, rule)
            rule_set.add(f"{rule}#number", plan.operation.name, draft)
        if template == "${rate_remaining}":
            fact = f"/protocol/limits/{limit.name}/requests"
            rule_set.add(f"{fact}#batch", plan.operation.name, partial(_batch, rule_set, plan, limit, name, fact))


def _batch(rule_set: RuleSet, plan: OperationPlan, limit: RateLimit, name: str, fact: str) -> Probe | None:
    """Return the probe of a request with one event and of one with many, which count alike; None without batches."""
    form = next((form for form in plan.forms.values() if form.form.events and not form.form.single), None)
    resets = [each for each in limit.headers if limit.headers[each] == "${rate_reset_s}"]
    if form is None:
        return None

    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        before, now = (_number_in(each, name, 0) for each in (earlier[-1], reply))
        if _same(earlier[-1], reply, resets) and before - now >= MANY:
            yield Difference(fact, f"header {name}: expected a batch to count as one request, got {now} after {before}")

    bodies = [form.body(numbered(form, size)) for size in (1, MANY)]
    one, many = (plan.assembly.request(plan.parts(body)) for body in bodies)
    return None if any(map(form.diagnosis.of, bodies)) else Probe((Step(request=one), Step(request=many, check=check)))


def _counting(rule_set: RuleSet, plan: OperationPlan, limit: RateLimit, now: Now, name: str, fact: str) -> Probe:
    """Return the probe of a few requests in a row, whose replies count them."""
    request, tolerance = plan.good(*plainest(plan)).request, -(-rule_set.setup.slack_ms // 1000) + 1
    template, resets = limit.headers[name], [each for each in limit.headers if limit.headers[each] == "${rate_reset_s}"]

    def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        text = reply.headers.get(name.lower(), "")
        if not NUMBER.fullmatch(text):
            yield Difference(fact, f"header {name}: expected a number, got {quoted(text)}")
        elif template == "${rate_limit}" and int(text) != limit.requests:
            yield Difference(fact, f"header {name}: expected {limit.requests}, got {text}")
        elif template == "${rate_remaining}":
            before = earlier[-1] if earlier and _same(earlier[-1], reply, resets) else None
            most = limit.requests if before is None else _number_in(before, name, limit.requests)
            if int(text) > max(0, most - 1):
                yield Difference(fact, f"header {name}: expected less than {most} after another request, got {text}")
        elif template == "${rate_reset_s}":
            first, last = now() // 1000 - tolerance, (now() + limit.window_ms) // 1000 + tolerance
            if not first <= int(text) <= last:
                yield Difference(fact, f"header {name}: expected a time from {first} to {last}, got {text}")

    return Probe((Step(request=request, check=check),) * TRIED)


def _same(one: Reply, other: Reply, names: Sequence[str]) -> bool:
    """Tell whether two replies are of one window, which the time of its end tells, where a header has it."""
    return bool(names) and all(one.headers.get(name.lower()) == other.headers.get(name.lower()) for name in names)


def _number_in(reply: Reply, name: str, default: int) -> int:
    text = reply.headers.get(name.lower(), "")
    return int(text) if NUMBER.fullmatch(text) else default


class _Bursts:
    """The probes of one operation's rate."""

    def __init__(self, rule_set: RuleSet, plan: OperationPlan, claim: RateClaim, now: Now) -> None:
        self.rule_set = rule_set
        self.plan = plan
        self.limit = claim.limit
        self.gates = plan.operation.gates
        self.gate = next(gate for gate in self.gates if gate.check == "rate")
        self.now = now

    def over(self) -> Probe:
        """Send as many requests as a window takes, which are accepted, and more, which are refused."""
        good = self.plan.good(*plainest(self.plan))
        fact = f"/protocol/limits/{self.limit.name}"
        window = self._window(fact)
        steps = [Step(request=request) for request in good.before]
        steps += self._filled(window, good.request, good.prediction, fact)
        steps.append(self._counted(window, good.request, self.rule_set.predict_over_rate(good.request), fact))
        for spoiled in self._spoiled(after=True):
            request = spoiled.sample.request
            prediction = replace(self.rule_set.predict_over_rate(request), fact=spoiled.sample.prediction.fact)
            steps.append(self._counted(window, request, prediction, "/protocol/gates"))
        return Probe(tuple(steps))

    def unknown(self) -> Probe | None:
        """Send more requests than a window takes with a refused key, where the rate comes first: it counts them."""
        gate, request = self.plan.operation.gate("allowed_key"), revoked_request(self.rule_set, self.plan)
        if gate is None or request is None or self._is_before(gate.name):
            return None
        fact = f"{self.gate.pointer}/order"
        window = self._window(fact)
        steps = self._filled(window, request, self.rule_set.predict(request, all_keys=False), fact)
        return Probe((*steps, self._counted(window, request, self.rule_set.predict_over_rate(request), fact)))

    def refused_first(self, number: int) -> Probe | None:
        """Send more requests than a window takes that an earlier gate refuses: none of them exceeds the rate."""
        refused = [(each.gate, each.sample.request, each.sample.prediction) for each in self._spoiled(after=False)]
        gate, request = self.plan.operation.gate("allowed_key"), revoked_request(self.rule_set, self.plan)
        if gate is not None and request is not None and self._is_before(gate.name):
            refused.append((gate, request, self.rule_set.predict(request, all_keys=False)))
        refused.sort(key=lambda each: self.gates.index(each[0]))
        if number >= len(refused):
            return None
        gate, request, prediction = refused[-1 - number]
        step = replace(self.rule_set.step(request, f"{gate.pointer}/order", prediction), limited=True)
        return Probe((replace(step, pause_ms=self.limit.window_ms), *([step] * self.limit.requests)))

    def _is_before(self, gate: str) -> bool:
        names = [each.name for each in self.gates]
        return names.index(gate) < names.index(self.gate.name)

    def _spoiled(self, *, after: bool) -> Iterator[Spoiled]:
        """Yield a request for each gate after the rate's, or before it, that this gate alone refuses."""
        seen: set[str] = set()
        for spoiled in spoiled_requests(self.plan):
            gate = spoiled.gate
            keyed = gate.check != "key" or not after  # the rate is counted by key
            if gate.name not in seen and keyed and self._is_before(gate.name) != after:
                seen.add(gate.name)
                yield spoiled

    def _window(self, fact: str) -> _Window:
        return _Window(self.limit, self.rule_set.setup.slack_ms, self.now, fact)

    def _filled(self, window: _Window, request: Request, prediction: Prediction, fact: str) -> list[Step]:
        """Return as many steps as a window takes; the first waits for a new one."""
        check, most = self.rule_set.expectations.check(request, prediction, fact), self.limit.requests
        checks = [window.counted(check, most - number, opens=number == 1) for number in range(1, most + 1)]
        steps = [Step(request=request, check=check, limited=True) for check in checks]
        return [replace(steps[0], pause_ms=self.limit.window_ms), *steps[1:]]

    def _counted(self, window: _Window, request: Request, prediction: Prediction, fact: str) -> Step:
        """Return a step in a window that is full."""
        check = window.counted(self.rule_set.expectations.check(request, prediction, fact), 0)
        return Step(request=request, check=check, limited=True)


class _Window:
    """One window of a rate, from its first request on."""

    def __init__(self, limit: RateLimit, slack_ms: int, now: Now, fact: str) -> None:
        self.limit = limit
        self.slack_ms = slack_ms
        self.now = now
        self.fact = fact
        self.start: int | None = None

    def counted(self, inner: Check, left: int, *, opens: bool = False) -> Check:
        """Return the check of a reply with so many places left after it; `opens` for the first one of a window."""

        def check(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
            now, window_ms = self.now(), self.limit.window_ms
            if opens:
                self.start = now - now % window_ms if self.limit.starts == "aligned" else now
            ends = (self.start or 0) + window_ms
            if now < ends:
                yield from inner(reply, earlier)
                yield from self._numbers(reply, left, ends)

        return check

    def _numbers(self, reply: Reply, left: int, ends: int) -> Iterator[Difference]:
        """Compare the numbers in headers with the window, as exactly as the target's clock is known."""
        for name, template in self.limit.headers.items():
            if template == "${rate_remaining}":
                yield from self._number(reply, name, left, 0)
            elif template == "${rate_reset_s}":
                yield from self._number(reply, name, -(-ends // 1000), self.slack_ms // 1000)
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS and "retry-after" in reply.headers:
            wait = max(1, -(-(ends - self.now()) // 1000))
            yield from self._number(reply, "Retry-After", wait, min(2, self.slack_ms // 1000))

    def _number(self, reply: Reply, name: str, expected: int, tolerance: int) -> Iterator[Difference]:
        got = reply.headers.get(name.lower(), "")
        if not NUMBER.fullmatch(got) or abs(int(got) - expected) > tolerance:
            yield Difference(self.fact, f"header {name}: expected {expected}, got {quoted(got)}")
