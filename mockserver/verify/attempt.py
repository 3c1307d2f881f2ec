"""One request that tries a fact: the operation and the templates of its reply, and who states which part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import OPERATIONS
from mockserver.contract.operation import Operation
from mockserver.contract.sections import CorsRules, RefusalTemplate, ReplyTemplate
from mockserver.core.answer import answering
from mockserver.core.body import RequestBody
from mockserver.core.model import Judged
from mockserver.core.route import route
from mockserver.jsonkit import Json
from mockserver.lint.prediction import Prediction
from mockserver.strategies.places import look
from mockserver.strategies.samples import Request, parsed
from mockserver.verify.evidence import Evidence
from mockserver.verify.replies.reply_facts import (
    IDENTITY,
    MEDIA_TYPES,
    OTHER_MEDIA_TYPES,
    Fact,
    ReplyFacts,
    places_in,
    source_of_rule,
    weakest,
)
from mockserver.verify.rule import Reply
from mockserver.verify.used_facts import AcceptedFacts, judged_by

TAKEN: Final = ("${processed}", "${accepted}")
COUNTS: Final = (*TAKEN, "${rejected}")
CREDENTIALS: Final = "/protocol/credentials/"
BLANK: Final = "inferred: nothing says that a blank key counts as a missing one"
FEWEST: Final = 2
"""How many events a batch has of which only some may be taken."""


@dataclass(frozen=True, slots=True)
class Context:
    """What the checks of all replies under one contract share; what they find out about facts is in the evidence.

    Only facts of the `bases` count. `header_names` are the lower-case names of all headers that
    replies may have, beside those of CORS.
    """

    contract: Contract
    now_ms: int
    evidence: Evidence
    facts: ReplyFacts
    bases: frozenset[str]
    taken: AcceptedFacts
    header_names: Sequence[str]


@dataclass(frozen=True)
class Attempt:
    """A request that was made to try a fact, and the reply that the contract predicts."""

    context: Context
    request: Request
    prediction: Prediction
    fact: str

    @property
    def facts(self) -> ReplyFacts:
        """Who states what of a reply."""
        return self.context.facts

    @property
    def judged(self) -> Judged:
        """How the contract judges the request; not kept, as bodies are large."""
        return judged_by(self.context.contract, self.request, self.context.now_ms)

    @cached_property
    def _led_to(self) -> tuple[Operation | None, CorsRules | None]:
        """The operation that the request leads to, and the CORS rules of its reply."""
        routed = route(RequestBody(self.request.wire()), self.context.contract)
        return routed.operation, routed.place.cors if routed.preflight else answering(routed).cors

    @property
    def operation(self) -> Operation | None:
        """The operation that the request leads to."""
        return self._led_to[0]

    @property
    def rules(self) -> CorsRules | None:
        """The CORS rules of the reply."""
        return self._led_to[1]

    @cached_property
    def origin(self) -> str | None:
        """The origin of the page that sends the request."""
        return next((value for name, value in self.request.headers if name.lower() == "origin"), None)

    @cached_property
    def template(self) -> ReplyTemplate | RefusalTemplate:
        """What the contract gives the reply by."""
        return self.facts.template(self.prediction.fact)

    @cached_property
    def status(self) -> Fact:
        """The fact of the reply's status."""
        return self.facts.status(self.template, self.operation)

    def cors_fact(self, name: str) -> Fact:
        """Return the fact of a CORS header; `name` is lower case."""
        rules = self.rules
        if rules is None:
            owner = OPERATIONS if self.operation is None else self.operation.pointer
            return Fact(f"{owner}#no-{name}", f"inferred: nothing says that these replies have {name}")
        return self.facts.cors(rules, name, self.origin)

    @cached_property
    def tried(self) -> Fact:
        """The fact for which the request must be refused."""
        operation = self.operation
        if operation is not None and self.fact == operation.pointer and self.judged.form is not None:
            return self.facts.fact(f"{operation.pointer}/forms/{self.judged.form.name}/policy")
        if self.fact == OPERATIONS:
            return self.facts.fact(self.prediction.fact)
        if self.fact == MEDIA_TYPES:
            return self.facts.fact(OTHER_MEDIA_TYPES)
        name = None if operation is None else operation.name
        tried = Fact(self.fact, source_of_rule(self.context.contract, self.fact, name))
        if self.fact.startswith(CREDENTIALS) and self._has_blank_key():
            return weakest(tried, Fact(f"{self.fact}#blank", BLANK))
        return weakest(tried, *self.facts.of_sender(self.judged)) if self.fact.startswith(IDENTITY) else tried

    def _has_blank_key(self) -> bool:
        """Tell whether a key is there, and blank, as a missing one need not be."""
        credentials = self.context.contract.credentials.values()
        keys = [look(self.request.json, each.tokens) for each in credentials if each.place == "body"]
        headers = {each.parameter.lower() for each in credentials if each.place == "header"}
        keys += [value for name, value in self.request.headers if name.lower() in headers]
        return any(isinstance(key, str) and not key.strip() for key in keys)

    def refused_for(self, reply: Reply) -> Fact:
        """Return the fact for which a request must be refused that this reply accepts.

        A bad event among good ones refuses them all because of the form's policy too, unless the reply counts it.
        """
        operation, form, events = self.operation, self.judged.form, len(self.judged.events)
        if operation is None or form is None or not form.atomic or events < FEWEST or events in _numbers(reply):
            return self.tried
        return weakest(self.tried, self.facts.fact(f"{operation.pointer}/forms/{form.name}/policy"))

    @property
    def reason(self) -> Fact:
        """The fact for which the request must be accepted."""
        tried = self.facts.fact(self.fact)
        if self.is_partial and self.operation is not None:
            tried = self.facts.fact(self.operation.pointer)
        return self.context.taken.reason(self.request, tried)

    @cached_property
    def is_partial(self) -> bool:
        """Whether the contract takes only some of the events, and says so in a reply that is no refusal."""
        return self.prediction.status < HTTPStatus.BAD_REQUEST and self.shows_refused(
            self.prediction.body, all_bad=False
        )

    @property
    def is_refused(self) -> bool:
        """Whether the contract refuses the request, or some of its events."""
        return self.prediction.status >= HTTPStatus.BAD_REQUEST or self.is_partial

    def shows_refused(self, body: Json, *, all_bad: bool) -> bool:
        """Tell whether a reply that is no refusal lists errors, or counts events that were not taken."""
        rejected, taken = False, list[tuple[int, Json]]()
        for template in () if self.operation is None else self.operation.replies.distinct():
            for place in places_in(template.body):
                name, value = look(template.body, place), look(body, place)
                if name == "${errors}" and isinstance(value, list) and value:
                    return True
                if isinstance(value, int) and not isinstance(value, bool):
                    rejected = rejected or (name == "${rejected}" and value > 0)
                    taken += [(value, look(self.prediction.body, place))] if name in TAKEN else []
        if all_bad:
            return rejected or any(value == 0 for value, _ in taken)
        fewer = [isinstance(expected, int) and value < expected for value, expected in taken]
        return rejected and (not fewer or any(fewer) or body is self.prediction.body)


def _numbers(reply: Reply) -> set[int]:
    """Return the numbers that are members of a reply."""
    try:
        body = parsed(reply.body)
    except ValueError:
        return set()
    values = body.values() if isinstance(body, dict) else ()
    return {value for value in values if isinstance(value, int) and not isinstance(value, bool)}
