"""The ends of time windows, as closely as the target's clock is known."""

from __future__ import annotations

from functools import partial
from typing import Final

from mockserver.contract.sections import Window
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.prediction import predict
from mockserver.strategies.forms import FormPlan, Kind
from mockserver.strategies.places import look, put
from mockserver.strategies.plans import OperationPlan
from mockserver.verify.rule import Probe, Transport
from mockserver.verify.rule_set import RuleSet

MARGIN_MS: Final = 2_000
"""How long a request may be on its way, and how coarsely a target may reckon."""
UNKNOWN: Final = "the clock of the target is not known closely enough: its replies have no Date header"


def declare(rule_set: RuleSet, transport: Transport) -> None:
    """Add a rule for each end of each window: just inside is accepted, just outside refused."""
    for plan in rule_set.operations():
        for form in plan.forms.values():
            for kind in list(form.kinds.values())[:1]:
                for window in rule_set.contract.windows:
                    if look(kind.values.root, ("properties", window.tokens[0])) is not MISSING:
                        _declare(rule_set, transport, plan, form, kind, window)


def _declare(
    rule_set: RuleSet, transport: Transport, plan: OperationPlan, form: FormPlan, kind: Kind, window: Window
) -> None:
    for side in ("past_ms", "future_ms"):
        rule = f"/protocol/windows/{window.name}/{side}#close"
        for inside in (True, False):
            draft = partial(_at_end, rule_set, transport, plan, form, kind, window, side, inside=inside)
            rule_set.add(rule, plan.operation.name, draft)
        rule_set.rule(rule, plan.operation.name).why = UNKNOWN


def _at_end(
    rule_set: RuleSet,
    transport: Transport,
    plan: OperationPlan,
    form: FormPlan,
    kind: Kind,
    window: Window,
    side: str,
    *,
    inside: bool,
) -> Probe | None:
    """Return the probe of an event whose time is close to an end; None where the target's clock is not known."""
    error, slack = transport.clock_error_ms(), rule_set.setup.slack_ms
    if error is None and slack > MARGIN_MS:
        return None
    margin = min(slack, MARGIN_MS + (error or 0))
    end = -window.past_ms if side == "past_ms" else window.future_ms
    inward = 1 if side == "past_ms" else -1
    now_ms = transport.now_ms()
    time = rfc3339_ms(now_ms + end + inward * (margin if inside else -1 - margin))
    body = form.body([put(kind.values.host(window.tokens), window.tokens, time)])
    request = plan.assembly.request(plan.parts(body))
    _, prediction = predict(rule_set.contract, [request.wire()], now_ms)
    return rule_set.probe(request, f"/protocol/windows/{window.name}/{side}", prediction)
