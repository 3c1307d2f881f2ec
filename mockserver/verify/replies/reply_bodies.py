"""The check of a reply's body: its members, counts and lists of errors, texts, and the schema that it must have."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from mockserver.contract.sections import ReplyTemplate
from mockserver.core.explain import Violation, describe, judge_spots, violations
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.pointer import MISSING
from mockserver.jsonkit.printable import printable_body
from mockserver.lint import comparison
from mockserver.lint.prediction import Prediction
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.samples import Expected, parsed
from mockserver.verify.attempt import COUNTS, Attempt
from mockserver.verify.evidence import IDS
from mockserver.verify.replies.reply_facts import Fact, places_in, source_of_rule
from mockserver.verify.rule import SHOWN, Difference, Reply

MANY: Final = 8
"""How many differences of one body are reported."""


def body_of(attempt: Attempt, reply: Reply) -> list[comparison.Difference] | None:
    """Return how the body differs; None where it is not the kind of text that it should be."""
    prediction = attempt.prediction
    if prediction.text is not None:
        expected: Json = prediction.text
        return list(comparison.differences(expected, reply.body.decode("utf-8", "replace")))
    try:
        return list(comparison.differences(_body_with_history(prediction, reply.body), parsed(reply.body)))
    except ValueError:
        return None


def body_differences(attempt: Attempt, reply: Reply, body: list[comparison.Difference] | None) -> Iterator[Difference]:
    """Yield how the body differs; `body` is what `body_of` returned."""
    if attempt.prediction.status >= HTTPStatus.BAD_REQUEST and not attempt.fact.endswith("/order"):
        refusals = attempt.context.evidence.refusals.setdefault(attempt.prediction.fact, set())
        refusals.add((reply.status, IDS.sub(b"", reply.body)))
    template, operation = attempt.template, attempt.operation
    if attempt.prediction.text is not None:
        if body:
            due = printable_body(attempt.prediction.text.encode(), SHOWN)
            text = f"body: expected {due}, got {reply.shown()}"
            yield attempt.facts.body(template, operation, (), attempt.judged).broken(text)
        return
    whole = "" if body is not None else "JSON"
    if body is not None and _is_another_shape(attempt, reply):
        whole = json.dumps(attempt.prediction.body, ensure_ascii=False)[:SHOWN]
    if body is None or whole:
        text = f"body: expected {whole}, got {reply.shown()}"
        yield attempt.facts.body(template, operation, (), attempt.judged).broken(text)
        return
    told: set[Tokens] = set()
    listed = _listed_otherwise(attempt, reply)
    if listed is not None:
        yield listed
        body = [each for each in body if not _depends_on_events(attempt, each)]
    surplus = [each for each in body if _is_surplus(attempt, each)]
    judged = attempt.judged if len(body) > len(surplus) else None
    for difference in body[:MANY]:
        if judged is not None and difference not in surplus:
            place = _tokens(difference.pointer)
            told.add(place)
            yield attempt.facts.body(template, operation, place, judged).broken(f"body{difference}")
    for violation in _schema_violations(attempt, reply):
        place = tuple(violation.tokens)
        if place not in told:
            told.add(place)
            yield Difference(violation.rule, f"body: {describe(violation)}", violation.source, aside=True)
    for difference in surplus[:MANY]:
        if _tokens(difference.pointer) not in told:
            yield attempt.facts.surplus(template, operation).broken(f"body{difference}")


def _listed_otherwise(attempt: Attempt, reply: Reply) -> Difference | None:
    """Return the difference where another event is refused, or one less: that is not a matter of the reply.

    It is one only if a request with nothing but such an event was refused.
    """
    expected, got = (_indices(attempt, body) for body in (attempt.prediction.body, parsed(reply.body)))
    if expected is None or got is None:
        return None
    if sorted(expected) == sorted(got):
        order = attempt.facts.behavior("error_order")
        if expected == got or order is None:
            return None
        return order.broken(f"errors: expected those of events {expected}, got {got}")
    missing, judged = sorted(set(expected) - set(got)), attempt.judged
    shown = f"errors: expected those of events {expected}, got {got}"
    if not missing:
        return attempt.reason.broken(shown)
    operation = None if attempt.operation is None else attempt.operation.name
    rules = [attempt.facts.rule_of_event(judged, index) for index in missing]
    facts = [Fact(rule, source_of_rule(attempt.context.contract, rule, operation)) for rule in rules]
    unknown = [fact for fact in facts if fact.name not in attempt.context.evidence.refused]
    uncounted = [fact for fact in facts if fact.basis not in attempt.context.bases]
    told = next(iter(uncounted or unknown), None)
    return None if told is None else told.broken(shown)


def _indices(attempt: Attempt, body: Json) -> list[int] | None:
    """Return which events a reply lists as refused; None where it has no list that could be one."""
    place = _place_of_errors(attempt)
    listed = MISSING if place is None else look(body, place)
    if not isinstance(listed, list):
        return None
    indices = (error.get("index") for error in listed if isinstance(error, dict))
    return [index for index in indices if isinstance(index, int) and index >= 0]


def _place_of_errors(attempt: Attempt) -> Tokens | None:
    template = attempt.template
    if not isinstance(template, ReplyTemplate):
        return None
    return next((place for place in places_in(template.body) if look(template.body, place) == "${errors}"), None)


def _depends_on_events(attempt: Attempt, difference: comparison.Difference) -> bool:
    """Tell whether a difference is in the list of errors, or in a count."""
    template, place = attempt.template, _tokens(difference.pointer)
    errors = _place_of_errors(attempt)
    if errors is not None and place[: len(errors)] == errors:
        return True
    return isinstance(template, ReplyTemplate) and look(template.body, place) in COUNTS


def _is_another_shape(attempt: Attempt, reply: Reply) -> bool:
    """Tell whether a body has nothing in common with the expected one: that is one difference, not many."""
    expected = attempt.prediction.body
    if not isinstance(expected, dict) or not expected:
        return False
    got = parsed(reply.body)
    return not isinstance(got, dict) or not expected.keys() & got.keys()


def _is_surplus(attempt: Attempt, difference: comparison.Difference) -> bool:
    """Tell whether a difference is a member that the expected body does not have."""
    expected = attempt.prediction.body
    return difference.expected is None and look(expected, _tokens(difference.pointer)) is MISSING


def _schema_violations(attempt: Attempt, reply: Reply) -> list[Violation]:
    schema = attempt.prediction.schema
    if schema is None or reply.status != attempt.prediction.status:
        return []
    value = without_surrogates(parsed(reply.body))
    return [] if schema.is_valid(value) else violations(schema, value, judge_spots)[:MANY]


def content_differences(prediction: Prediction, reply: Reply) -> list[str]:
    """Return how status and body differ. The body of a preflight's reply, which has no entry, is free."""
    if not prediction.fact:
        text = f"status: expected {prediction.status}, got {reply.status} with {reply.shown()}"
        return [] if reply.status == prediction.status else [text]
    body = _body_with_history(prediction, reply.body)
    return Expected(status=prediction.status, body=body, text=prediction.text).differences(reply.status, reply.body)


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
