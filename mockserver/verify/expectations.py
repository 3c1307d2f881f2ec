"""The check of a reply: against the core's prediction of it, and against the schema that the contract gives it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.sections import CorsRules
from mockserver.core.answer import answering
from mockserver.core.body import RequestBody
from mockserver.core.gates import media_type
from mockserver.core.route import route
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.prediction import MATCH, Prediction
from mockserver.strategies.places import look, put
from mockserver.strategies.samples import Expected, Request, parsed
from mockserver.verify.rule import Check, Difference, Reply

CORS: Final = "access-control-"
"""What the names of all CORS headers begin with."""
MANY: Final = 3
"""How many differences of one body are reported."""


class Expectations:
    """Checks of replies under one contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.header_names = sorted({name.lower() for name in _header_names(contract)})

    def check(self, request: Request, prediction: Prediction, fact: str) -> Check:
        """Return the check of the reply to a request.

        A difference names the contract's entry for the reply, or the CORS rules. Where a request is accepted instead of
        refused, or refused instead of accepted, it names `fact`: what the request was made to try.
        """
        rules = _cors_rules(self.contract, request)
        cors_fact = "/protocol/cors" if rules is None else f"/protocol/cors/{rules.name}"

        def run(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
            same_kind = (reply.status >= 400) == (prediction.status >= 400)
            content_fact = prediction.fact or cors_fact
            for text in content_differences(prediction, reply)[:MANY]:
                yield Difference(content_fact if same_kind else fact, text)
            if reply.status == prediction.status:
                yield from _schema_differences(prediction, reply)
            if same_kind and prediction.fact:
                yield from (Difference(content_fact, text) for text in self._header_differences(prediction, reply))
            if same_kind:
                yield from (Difference(cors_fact, text) for text in _cors_differences(prediction, reply, rules))

        return run

    def _header_differences(self, prediction: Prediction, reply: Reply) -> Iterator[str]:
        expected, got = (media_type(headers.get("content-type")) for headers in (prediction.headers, reply.headers))
        if expected != got:
            yield f"header content-type: expected {expected!r}, got {got!r}"
        for name in self.header_names:
            yield from _header_difference(prediction, reply, name)


def content_differences(prediction: Prediction, reply: Reply) -> list[str]:
    """Return how status and body differ. The body of a preflight's reply, which has no entry, is free."""
    if not prediction.fact:
        text = f"status: expected {prediction.status}, got {reply.status} with {reply.body[:300]!r}"
        return [] if reply.status == prediction.status else [text]
    body = _body_with_history(prediction, reply.body)
    return Expected(status=prediction.status, body=body, text=prediction.text).differences(reply.status, reply.body)


def _schema_differences(prediction: Prediction, reply: Reply) -> Iterator[Difference]:
    schema = prediction.schema
    try:
        fits = schema is None or schema.is_valid(parsed(reply.body))
    except ValueError:  # not JSON, which is a difference of its own
        return
    if schema is not None and not fits:
        yield Difference(f"/replies/{schema.name}", f"body: does not fit the schema {schema.name} of replies")


def _cors_differences(prediction: Prediction, reply: Reply, rules: CorsRules | None) -> Iterator[str]:
    for name in sorted({name for name in (*prediction.headers, *reply.headers) if name.startswith(CORS)}):
        yield from _header_difference(prediction, reply, name)
    varies = {part.strip().lower() for part in reply.headers.get("vary", "").split(",")}
    if rules is not None and "origin" not in varies:
        yield "header vary: expected 'Origin' in it"


def _header_difference(prediction: Prediction, reply: Reply, name: str) -> Iterator[str]:
    expected, got = prediction.headers.get(name), reply.headers.get(name)
    if isinstance(expected, dict):
        if got is None or re.fullmatch(expected[MATCH], got) is None:
            yield f"header {name}: expected a text that matches {expected[MATCH]!r}, got {_shown(got)}"
    elif expected != got:
        yield f"header {name}: expected {_shown(expected)}, got {_shown(got)}"


def _shown(value: Json) -> str:
    return "none" if value is None else repr(value)


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


def _cors_rules(contract: Contract, request: Request) -> CorsRules | None:
    judged = route(RequestBody(request.wire()), contract)
    return judged.place.cors if judged.preflight else answering(judged).cors


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
