"""The check of a reply: against the core's prediction of it, and against the schema that the contract gives it.

A reply is looked at in parts, each with the fact that decides it. First: was the request accepted, or refused? Only if
that is as it must be, status, body and headers are compared, and what differs there is aside of what the request tries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from http import HTTPStatus

from mockserver.contract.contract import Contract
from mockserver.contract.sections import RefusalTemplate
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint import comparison
from mockserver.lint.prediction import Prediction
from mockserver.strategies.samples import Request
from mockserver.verify.attempt import Attempt, Context
from mockserver.verify.evidence import IDS, Evidence
from mockserver.verify.replies.acceptance import misjudged
from mockserver.verify.replies.reply_bodies import MANY, body_differences, body_of, content_differences
from mockserver.verify.replies.reply_facts import Fact, ReplyFacts, places_in
from mockserver.verify.replies.reply_headers import CORS, cors_differences, header_differences, header_names
from mockserver.verify.rule import Check, Difference, Reply, basis_of
from mockserver.verify.used_facts import AcceptedFacts


class Expectations:
    """Checks of replies under one contract, of which only facts of the `bases` count.

    What they find out about facts is kept as evidence.
    """

    def __init__(self, contract: Contract, now_ms: int, evidence: Evidence | None, bases: frozenset[str]) -> None:
        evidence = Evidence() if evidence is None else evidence
        facts = ReplyFacts(contract)
        self._context = Context(
            contract=contract,
            now_ms=now_ms,
            evidence=evidence,
            facts=facts,
            bases=bases,
            taken=AcceptedFacts(contract, facts, now_ms, evidence, bases),
            header_names=sorted({name.lower() for name in header_names(contract)}),
        )

    def check(self, request: Request, prediction: Prediction, fact: str) -> Check:
        """Return the check of the reply to a request, which was made to try a fact."""
        return partial(_differences, Attempt(self._context, request, prediction, fact))


def _differences(attempt: Attempt, reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
    """Yield how the reply deviates."""
    if not attempt.prediction.fact:
        yield from _preflight(attempt, reply)
        return
    body = body_of(attempt, reply)
    wrong = misjudged(attempt, reply, body)
    if wrong is not None:
        yield wrong
        return
    if attempt.is_refused:
        attempt.context.evidence.refused.add(attempt.fact)
    if attempt.fact.endswith("/order"):
        yield from _order(attempt, reply, body)
        return
    _examine(attempt)
    if reply.status != attempt.prediction.status:
        text = f"status: expected {attempt.prediction.status}, got {reply.status} with {reply.shown()}"
        yield attempt.status.broken(text)
    differences = list(body_differences(attempt, reply, body))
    counted = any(basis_of(difference.source) in attempt.context.bases for difference in differences)
    doubt = attempt.context.taken.uncounted(attempt.request) if counted else None
    for difference in differences:
        yield difference if doubt is None else doubt.broken(difference.text)
    if reply.status < HTTPStatus.BAD_REQUEST and not attempt.is_refused and doubt is None:
        attempt.context.taken.accepted(attempt.request)
    yield from header_differences(attempt, reply)
    yield from cors_differences(attempt, reply)


def _order(attempt: Attempt, reply: Reply, body: list[comparison.Difference] | None) -> Iterator[Difference]:
    """Yield a difference where another refusal is answered than the one that comes first."""
    known = attempt.context.evidence.refusals.get(attempt.prediction.fact, set())
    if (reply.status, IDS.sub(b"", reply.body)) in known:
        return
    if reply.status != attempt.prediction.status or body is None or body:
        text = "; ".join(content_differences(attempt.prediction, reply)[:MANY])
        yield attempt.facts.fact(attempt.fact).broken(text, aside=False)


def _preflight(attempt: Attempt, reply: Reply) -> Iterator[Difference]:
    """Yield how the reply to a preflight differs; its body is free."""
    rules = attempt.rules
    assert rules is not None
    fact = f"/protocol/cors/{rules.name}"
    text = f"status: expected {attempt.prediction.status}, got {reply.status} with {reply.shown()}"
    if reply.status >= HTTPStatus.MULTIPLE_CHOICES:
        yield attempt.facts.fact(fact).broken(text, aside=False)
        return
    _examine(attempt)
    if reply.status != attempt.prediction.status:
        yield attempt.facts.fact(f"{fact}/preflight_status").broken(text)
    yield from cors_differences(attempt, reply)


def _examine(attempt: Attempt) -> None:
    """Count the facts that the reply is compared with."""
    evidence = attempt.context.evidence
    for fact in _examined(attempt):
        evidence.examined[fact.name] += 1
        evidence.sources.setdefault(fact.name, fact.source)


def _examined(attempt: Attempt) -> list[Fact]:
    prediction, facts, found = attempt.prediction, attempt.facts, list[Fact]()
    if prediction.fact:
        template, operation, judged = attempt.template, attempt.operation, attempt.judged
        found += [attempt.status, facts.content_type(template, operation)]
        if prediction.body is not MISSING:
            places = places_in(template.shape.body if isinstance(template, RefusalTemplate) else template.body)
            found += [facts.body(template, operation, place, judged) for place in places]
        names = [name for name in attempt.context.header_names if name in prediction.headers]
        found += [facts.header(template, operation, name) for name in names]
    elif attempt.rules is not None:
        found.append(facts.fact(f"/protocol/cors/{attempt.rules.name}/preflight_status"))
    if attempt.rules is not None:
        names = [name for name in prediction.headers if name.startswith(CORS)]
        found += [attempt.cors_fact(name) for name in (*names, "vary")]
    return list({fact.name: fact for fact in found}.values())
