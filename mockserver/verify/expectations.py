"""The check of a reply: against the core's prediction of it, and against the schema that the contract gives it.

A reply is looked at in parts, each with the fact that decides it. First: was the request accepted, or refused? Only if
that is as it must be, status, body and headers are compared, and what differs there is aside of what the request tries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from http import HTTPStatus
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import OPERATIONS
from mockserver.contract.operation import Operation
from mockserver.contract.sections import CorsRules, RefusalTemplate, ReplyTemplate
from mockserver.core.answer import answering
from mockserver.core.body import RequestBody
from mockserver.core.explain import Violation, describe, judge_spots, violations
from mockserver.core.gates import media_type
from mockserver.core.model import Judged
from mockserver.core.route import route
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint import comparison
from mockserver.lint.prediction import MATCH, Prediction
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.samples import Expected, Request, parsed
from mockserver.verify.evidence import IDS, Evidence
from mockserver.verify.reply_facts import (
    IDENTITY,
    MEDIA_TYPES,
    OTHER_MEDIA_TYPES,
    Fact,
    ReplyFacts,
    places_in,
    source_of_rule,
    weakest,
)
from mockserver.verify.rule import Check, Difference, Reply
from mockserver.verify.used_facts import AcceptedFacts, judged_by

ENTITIES: Final = "/protocol/entities"
CORS: Final = "access-control-"
"""What the names of all CORS headers begin with."""
LISTS: Final = tuple(f"{CORS}{name}" for name in ("allow-methods", "allow-headers", "expose-headers"))
"""CORS headers with lists: more than the contract says does no harm."""
ORIGIN: Final = f"{CORS}allow-origin"
TAKEN: Final = ("${processed}", "${accepted}")
COUNTS: Final = (*TAKEN, "${rejected}")
MANY: Final = 8
"""How many differences of one body are reported."""
SHOWN: Final = 300


class Expectations:
    """Checks of replies under one contract. What they find out about facts is kept as evidence."""

    def __init__(self, contract: Contract, now_ms: int = 0, evidence: Evidence | None = None) -> None:
        self.contract = contract
        self.now_ms = now_ms
        self.evidence = Evidence() if evidence is None else evidence
        self.facts = ReplyFacts(contract)
        self.taken = AcceptedFacts(contract, self.facts, now_ms, self.evidence)
        self.header_names = sorted({name.lower() for name in _header_names(contract)})

    def check(self, request: Request, prediction: Prediction, fact: str) -> Check:
        """Return the check of the reply to a request, which was made to try a fact."""
        return _Expectation(self, request, prediction, fact).differences


@dataclass(frozen=True)
class _Expectation:
    """What the reply to one request must be."""

    shared: Expectations
    request: Request
    prediction: Prediction
    fact: str

    def differences(self, reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
        """Yield how the reply deviates."""
        if not self.prediction.fact:
            yield from self._preflight(reply)
            return
        body = self._body(reply)
        misjudged = self._misjudged(reply, body)
        if misjudged is not None:
            yield misjudged
            return
        if self.prediction.status >= HTTPStatus.BAD_REQUEST or self._is_partial:
            self.shared.evidence.refused.add(self.fact)
        elif reply.status < HTTPStatus.BAD_REQUEST:
            self.shared.taken.accepted(self.request)
        if self.fact.endswith("/order"):
            yield from self._order(reply, body)
            return
        self._examine()
        if reply.status != self.prediction.status:
            text = f"status: expected {self.prediction.status}, got {reply.status} with {reply.body[:SHOWN]!r}"
            yield self._status.broken(text)
        yield from self._body_differences(reply, body)
        yield from self._header_differences(reply)
        yield from self._cors_differences(reply)

    # was the request accepted or refused?

    def _misjudged(self, reply: Reply, body: list[comparison.Difference] | None) -> Difference | None:
        """Return the difference where a request is accepted instead of refused, or refused instead of accepted."""
        expected, got = self.prediction.status, reply.status
        shown = f"with {reply.body[:SHOWN]!r}"
        due = expected >= HTTPStatus.BAD_REQUEST or self._is_partial
        if got >= HTTPStatus.BAD_REQUEST and expected < HTTPStatus.BAD_REQUEST:
            operation = self.operation
            if operation is not None and operation.lookup and got == operation.family.template(UNKNOWN_ENTITY).status:
                return self.facts.fact(ENTITIES).broken(f"status: expected {expected}, got {got} {shown}", aside=False)
            return self._reason.broken(f"status: expected {expected}, got {got} {shown}", aside=False)
        if got >= HTTPStatus.BAD_REQUEST or (body is not None and not body):
            return None
        refused = self._tells_refusal(reply, all_bad=due)
        if body is not None and self._is_other_reply(reply):
            return self._tried.broken(f"body: not the reply of {self._template.pointer}, {shown}", aside=False)
        if due and not refused:
            text = f"status: expected {expected}, got {got} {shown}" if got != expected else f"accepted, {shown}"
            return self._tried.broken(text, aside=False)
        if refused and not due:
            return self._reason.broken(f"refused in part, {shown}", aside=False)
        return None

    @cached_property
    def _is_partial(self) -> bool:
        """Whether the contract takes only some of the events, and says so in a reply that is no refusal."""
        return self.prediction.status < HTTPStatus.BAD_REQUEST and self._shows_refused(
            self.prediction.body, all_bad=False
        )

    def _tells_refusal(self, reply: Reply, *, all_bad: bool) -> bool:
        try:
            return self._shows_refused(parsed(reply.body), all_bad=all_bad)
        except ValueError:
            return False

    def _shows_refused(self, body: Json, *, all_bad: bool) -> bool:
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

    def _is_other_reply(self, reply: Reply) -> bool:
        """Tell whether a body has all members of another reply of the operation, and not those of the expected one."""
        template, operation = self._template, self.operation
        if operation is None or not isinstance(template, ReplyTemplate) or template.text is not None:
            return False
        if reply.status != self.prediction.status:
            return False
        body = parsed(reply.body)
        others = [each for each in operation.replies.distinct() if each is not template and each.text is None]
        return not _has_places(body, template.body) and any(_has_places(body, other.body) for other in others)

    @cached_property
    def _tried(self) -> Fact:
        """The fact for which the request must be refused."""
        operation = self.operation
        if operation is not None and self.fact == operation.pointer and self.judged.form is not None:
            return self.facts.fact(f"{operation.pointer}/forms/{self.judged.form.name}/policy")
        if self.fact == OPERATIONS:
            return self.facts.fact(self.prediction.fact)
        if self.fact == MEDIA_TYPES:
            return self.facts.fact(OTHER_MEDIA_TYPES)
        name = None if operation is None else operation.name
        tried = Fact(self.fact, source_of_rule(self.shared.contract, self.fact, name))
        return weakest(tried, *self.facts.of_sender(self.judged)) if self.fact.startswith(IDENTITY) else tried

    @property
    def _reason(self) -> Fact:
        """The fact for which the request must be accepted."""
        tried = self.facts.fact(self.fact)
        if self._is_partial and self.operation is not None:
            tried = self.facts.fact(self.operation.pointer)
        return self.shared.taken.reason(self.request, tried)

    def _order(self, reply: Reply, body: list[comparison.Difference] | None) -> Iterator[Difference]:
        """Yield a difference where another refusal is answered than the one that comes first."""
        known = self.shared.evidence.refusals.get(self.prediction.fact, set())
        if (reply.status, IDS.sub(b"", reply.body)) in known:
            return
        if reply.status != self.prediction.status or body is None or body:
            text = "; ".join(content_differences(self.prediction, reply)[:MANY])
            yield self.facts.fact(self.fact).broken(text, aside=False)

    # the parts of a reply

    def _body(self, reply: Reply) -> list[comparison.Difference] | None:
        """Return how the body differs; None where it is not the kind of text that it should be."""
        prediction = self.prediction
        if prediction.text is not None:
            expected: Json = prediction.text
            return list(comparison.differences(expected, reply.body.decode("utf-8", "replace")))
        try:
            return list(comparison.differences(_body_with_history(prediction, reply.body), parsed(reply.body)))
        except ValueError:
            return None

    def _body_differences(self, reply: Reply, body: list[comparison.Difference] | None) -> Iterator[Difference]:
        if self.prediction.status >= HTTPStatus.BAD_REQUEST and not self.fact.endswith("/order"):
            refusals = self.shared.evidence.refusals.setdefault(self.prediction.fact, set())
            refusals.add((reply.status, IDS.sub(b"", reply.body)))
        template, operation = self._template, self.operation
        if self.prediction.text is not None:
            if body:
                text = f"body: expected {self.prediction.text[:SHOWN]!r}, got {reply.body[:SHOWN]!r}"
                yield self.facts.body(template, operation, (), self.judged).broken(text)
            return
        whole = "" if body is not None else "JSON"
        if body is not None and self._is_another_shape(reply):
            whole = json.dumps(self.prediction.body, ensure_ascii=False)[:SHOWN]
        if body is None or whole:
            text = f"body: expected {whole}, got {reply.body[:SHOWN].decode('utf-8', 'replace')!r}"
            yield self.facts.body(template, operation, (), self.judged).broken(text)
            return
        told: set[Tokens] = set()
        listed = self._listed_otherwise(reply)
        if listed is not None:
            yield listed
            body = [each for each in body if not self._depends_on_events(each)]
        surplus = [each for each in body if self._is_surplus(each)]
        judged = self.judged if len(body) > len(surplus) else None
        for difference in body[:MANY]:
            if judged is not None and difference not in surplus:
                place = _tokens(difference.pointer)
                told.add(place)
                yield self.facts.body(template, operation, place, judged).broken(f"body{difference}")
        for violation in self._schema_violations(reply):
            place = tuple(violation.tokens)
            if place not in told:
                told.add(place)
                yield Difference(violation.rule, f"body: {describe(violation)}", violation.source, aside=True)
        for difference in surplus[:MANY]:
            if _tokens(difference.pointer) not in told:
                yield self.facts.surplus(template, operation).broken(f"body{difference}")

    def _listed_otherwise(self, reply: Reply) -> Difference | None:
        """Return the difference where another event is refused, or one less: that is not a matter of the reply.

        It is one only if a request with nothing but such an event was refused.
        """
        expected, got = (self._indices(body) for body in (self.prediction.body, parsed(reply.body)))
        if expected is None or got is None:
            return None
        if sorted(expected) == sorted(got):
            order = self.facts.behavior("error_order")
            if expected == got or order is None:
                return None
            return order.broken(f"errors: expected those of events {expected}, got {got}")
        missing, judged = sorted(set(expected) - set(got)), self.judged
        shown = f"errors: expected those of events {expected}, got {got}"
        if not missing:
            return self._reason.broken(shown)
        rules = [self.facts.rule_of_event(judged, index) for index in missing]
        unknown = [rule for rule in rules if rule not in self.shared.evidence.refused]
        if not unknown:
            return None
        operation = None if self.operation is None else self.operation.name
        return Fact(unknown[0], source_of_rule(self.shared.contract, unknown[0], operation)).broken(shown)

    def _indices(self, body: Json) -> list[int] | None:
        """Return which events a reply lists as refused; None where it has no list that could be one."""
        place = self._place_of_errors
        listed = MISSING if place is None else look(body, place)
        if not isinstance(listed, list):
            return None
        indices = (error.get("index") for error in listed if isinstance(error, dict))
        return [index for index in indices if isinstance(index, int) and index >= 0]

    @cached_property
    def _place_of_errors(self) -> Tokens | None:
        template = self._template
        if not isinstance(template, ReplyTemplate):
            return None
        return next((place for place in places_in(template.body) if look(template.body, place) == "${errors}"), None)

    def _depends_on_events(self, difference: comparison.Difference) -> bool:
        """Tell whether a difference is in the list of errors, or in a count."""
        template, place = self._template, _tokens(difference.pointer)
        errors = self._place_of_errors
        if errors is not None and place[: len(errors)] == errors:
            return True
        return isinstance(template, ReplyTemplate) and look(template.body, place) in COUNTS

    def _is_another_shape(self, reply: Reply) -> bool:
        """Tell whether a body has nothing in common with the expected one: that is one difference, not many."""
        expected = self.prediction.body
        if not isinstance(expected, dict) or not expected:
            return False
        got = parsed(reply.body)
        return not isinstance(got, dict) or not expected.keys() & got.keys()

    def _is_surplus(self, difference: comparison.Difference) -> bool:
        """Tell whether a difference is a member that the expected body does not have."""
        expected = self.prediction.body
        return difference.expected is None and look(expected, _tokens(difference.pointer)) is MISSING

    def _schema_violations(self, reply: Reply) -> list[Violation]:
        schema = self.prediction.schema
        if schema is None or reply.status != self.prediction.status:
            return []
        value = without_surrogates(parsed(reply.body))
        return [] if schema.is_valid(value) else violations(schema, value, judge_spots)[:MANY]

    def _header_differences(self, reply: Reply) -> Iterator[Difference]:
        headers, template, operation = self.prediction.headers, self._template, self.operation
        expected, got = (media_type(each.get("content-type")) for each in (headers, reply.headers))
        if expected != got:
            text = f"header content-type: expected {expected!r}, got {got!r}"
            yield self.facts.content_type(template, operation).broken(text)
        for name in self.shared.header_names:
            for text in _header_difference(headers.get(name), reply.headers.get(name), name):
                yield self.facts.header(template, operation, name).broken(text)

    def _cors_differences(self, reply: Reply) -> Iterator[Difference]:
        """Yield how the CORS headers differ, and whether caches are told that replies depend on the origin."""
        rules, headers = self._rules, self.prediction.headers
        names = sorted({name for name in (*headers, *reply.headers) if name.startswith(CORS)})
        for name in names:
            for text in _cors_difference(rules, headers.get(name), reply.headers.get(name), name, self._origin):
                yield self._cors_fact(name).broken(text)
        varies = {part.strip().lower() for part in reply.headers.get("vary", "").split(",")}
        if rules is not None and not varies & {"origin", "*"} and reply.headers.get(ORIGIN) != "*":
            yield self._cors_fact("vary").broken("header vary: expected 'Origin' in it")

    def _preflight(self, reply: Reply) -> Iterator[Difference]:
        """Yield how the reply to a preflight differs; its body is free."""
        rules = self._rules
        assert rules is not None
        fact = f"/protocol/cors/{rules.name}"
        text = f"status: expected {self.prediction.status}, got {reply.status} with {reply.body[:SHOWN]!r}"
        if reply.status >= HTTPStatus.MULTIPLE_CHOICES:
            yield self.facts.fact(fact).broken(text, aside=False)
            return
        self._examine()
        if reply.status != self.prediction.status:
            yield self.facts.fact(f"{fact}/preflight_status").broken(text)
        yield from self._cors_differences(reply)

    # what the parts rest on

    @property
    def facts(self) -> ReplyFacts:
        return self.shared.facts

    @property
    def judged(self) -> Judged:
        """How the contract judges the request; not kept, as bodies are large."""
        return judged_by(self.shared.contract, self.request, self.shared.now_ms)

    @cached_property
    def _led_to(self) -> tuple[Operation | None, CorsRules | None]:
        """The operation that the request leads to, and the CORS rules of its reply."""
        routed = route(RequestBody(self.request.wire()), self.shared.contract)
        return routed.operation, routed.place.cors if routed.preflight else answering(routed).cors

    @property
    def operation(self) -> Operation | None:
        """The operation that the request leads to."""
        return self._led_to[0]

    @property
    def _rules(self) -> CorsRules | None:
        return self._led_to[1]

    @cached_property
    def _origin(self) -> str | None:
        return next((value for name, value in self.request.headers if name.lower() == "origin"), None)

    @cached_property
    def _template(self) -> ReplyTemplate | RefusalTemplate:
        return self.facts.template(self.prediction.fact)

    @cached_property
    def _status(self) -> Fact:
        return self.facts.status(self._template, self.operation)

    def _cors_fact(self, name: str) -> Fact:
        rules = self._rules
        if rules is None:
            owner = OPERATIONS if self.operation is None else self.operation.pointer
            return Fact(f"{owner}#no-{name}", f"inferred: nothing says that these replies have {name}")
        return self.facts.cors(rules, name, self._origin)

    def _examine(self) -> None:
        """Count the facts that the reply is compared with."""
        evidence = self.shared.evidence
        for fact in self._examined:
            evidence.examined[fact.name] += 1
            evidence.sources.setdefault(fact.name, fact.source)

    @cached_property
    def _examined(self) -> list[Fact]:
        prediction, facts, found = self.prediction, self.facts, list[Fact]()
        if prediction.fact:
            template, operation, judged = self._template, self.operation, self.judged
            found += [self._status, facts.content_type(template, operation)]
            if prediction.body is not MISSING:
                places = places_in(template.shape.body if isinstance(template, RefusalTemplate) else template.body)
                found += [facts.body(template, operation, place, judged) for place in places]
            names = [name for name in self.shared.header_names if name in prediction.headers]
            found += [facts.header(template, operation, name) for name in names]
        elif self._rules is not None:
            found.append(facts.fact(f"/protocol/cors/{self._rules.name}/preflight_status"))
        if self._rules is not None:
            names = [name for name in prediction.headers if name.startswith(CORS)]
            found += [self._cors_fact(name) for name in (*names, "vary")]
        return list({fact.name: fact for fact in found}.values())


def content_differences(prediction: Prediction, reply: Reply) -> list[str]:
    """Return how status and body differ. The body of a preflight's reply, which has no entry, is free."""
    if not prediction.fact:
        text = f"status: expected {prediction.status}, got {reply.status} with {reply.body[:SHOWN]!r}"
        return [] if reply.status == prediction.status else [text]
    body = _body_with_history(prediction, reply.body)
    return Expected(status=prediction.status, body=body, text=prediction.text).differences(reply.status, reply.body)


def _has_places(body: Json, template: Json) -> bool:
    """Tell whether a body has every member that a template has."""
    return all(
        look(body, place) is not MISSING for place in places_in(template) if look(template, place) != "${errors}"
    )


def _header_difference(expected: Json, got: str | None, name: str) -> Iterator[str]:
    if isinstance(expected, dict):
        if got is None or re.fullmatch(expected[MATCH], got) is None:
            yield f"header {name}: expected a text that matches {expected[MATCH]!r}, got {_shown(got)}"
    elif expected != got:
        yield f"header {name}: expected {_shown(expected)}, got {_shown(got)}"


def _cors_difference(
    rules: CorsRules | None, expected: Json, got: str | None, name: str, origin: str | None
) -> Iterator[str]:
    """Yield how a CORS header differs.

    Lists are sets, and may have more; `*` is any origin where no cookies are sent.
    """
    free = rules is not None and not rules.credentials
    if got is not None and isinstance(expected, str) and name in LISTS:
        listed = _listed(got)
        missing = _listed(expected) - listed
        if missing and not (free and "*" in listed):
            yield f"header {name}: expected {expected!r}, got {got!r}, without {', '.join(sorted(missing))}"
    elif name == ORIGIN and got == "*" and expected == origin and free and not (rules and rules.allowed_origins):
        return
    else:
        yield from _header_difference(expected, got, name)


def _listed(header: str) -> set[str]:
    return {part.strip().lower() for part in header.split(",") if part.strip()}


def _shown(value: Json) -> str:
    return "none" if value is None else repr(value)


def _tokens(place: str) -> Tokens:
    """Return the tokens of a JSON Pointer into a value, numbers as those of items."""
    return tuple(int(token) if token.isdecimal() else token for token in pointer.parse(place))


def _body_with_history(prediction: Prediction, body: bytes) -> Json:
    """Take over from the reply what depends on earlier requests, where it has the right type."""
    expected = prediction.body
    try:
        got = parsed(body) if prediction.history else None
    except ValueError:
        return expected
    for place in prediction.history:
        tokens = pointer.parse(place)
        value = look(got, tokens)
        if value is not MISSING and type(value) is type(look(expected, tokens)):
            expected = put(expected, tokens, value)
    return expected


def _header_names(contract: Contract) -> Iterator[str]:
    """Yield the names of all headers that a limit, a reply or a refusal has."""
    for limit in contract.rate_limits.values():
        yield from limit.headers
    for template in contract.replies.values():
        yield from template.headers
    for family in contract.families.values():
        for refusal in (family.default, *family.reasons.values()):
            yield from refusal.headers


def with_header(request: Request, name: str, value: str) -> Request:
    """Return the request with one header set; `name` is lower case."""
    kept = tuple(pair for pair in request.headers if pair[0].lower() != name)
    return replace(request, headers=(*kept, (name, value)))
