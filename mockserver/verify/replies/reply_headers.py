"""The check of a reply's headers: content type, those of limits and templates, CORS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.sections import CorsRules
from mockserver.core.gates import media_type
from mockserver.jsonkit import Json
from mockserver.lint.prediction import MATCH
from mockserver.verify.attempt import Attempt
from mockserver.verify.rule import Difference, Reply

CORS: Final = "access-control-"
"""What the names of all CORS headers begin with."""
LISTS: Final = tuple(f"{CORS}{name}" for name in ("allow-methods", "allow-headers", "expose-headers"))
"""CORS headers with lists: more than the contract says does no harm."""
ORIGIN: Final = f"{CORS}allow-origin"


def header_differences(attempt: Attempt, reply: Reply) -> Iterator[Difference]:
    """Yield how the headers differ that are not about CORS."""
    headers, template, operation = attempt.prediction.headers, attempt.template, attempt.operation
    expected, got = (media_type(each.get("content-type")) for each in (headers, reply.headers))
    if expected != got:
        text = f"header content-type: expected {quoted(expected)}, got {quoted(got)}"
        yield attempt.facts.content_type(template, operation).broken(text)
    for name in attempt.context.header_names:
        for text in _header_difference(headers.get(name), reply.headers.get(name), name):
            yield attempt.facts.header(template, operation, name).broken(text)


def cors_differences(attempt: Attempt, reply: Reply) -> Iterator[Difference]:
    """Yield how the CORS headers differ, and whether caches are told that replies depend on the origin."""
    rules, headers = attempt.rules, attempt.prediction.headers
    names = sorted({name for name in (*headers, *reply.headers) if name.startswith(CORS)})
    for name in names:
        for text in _cors_difference(rules, headers.get(name), reply.headers.get(name), name, attempt.origin):
            yield attempt.cors_fact(name).broken(text)
    varies = {part.strip().lower() for part in reply.headers.get("vary", "").split(",")}
    if rules is not None and not varies & {"origin", "*"} and reply.headers.get(ORIGIN) != "*":
        yield attempt.cors_fact("vary").broken("header vary: expected Origin in it")


def _header_difference(expected: Json, got: str | None, name: str) -> Iterator[str]:
    if isinstance(expected, dict):
        if got is None or re.fullmatch(expected[MATCH], got) is None:
            yield f"header {name}: expected a text that matches {expected[MATCH]}, got {quoted(got)}"
    elif expected != got:
        yield f"header {name}: expected {quoted(expected)}, got {quoted(got)}"


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
            yield f"header {name}: expected {quoted(expected)}, got {quoted(got)}, without {', '.join(sorted(missing))}"
    elif name == ORIGIN and got == "*" and expected == origin and free and not (rules and rules.allowed_origins):
        return
    else:
        yield from _header_difference(expected, got, name)


def _listed(header: str) -> set[str]:
    return {part.strip().lower() for part in header.split(",") if part.strip()}


def quoted(value: Json) -> str:
    """Return the value of a header as it is shown."""
    return "none" if value is None else f'"{value}"'


def header_names(contract: Contract) -> Iterator[str]:
    """Yield the names of all headers that a limit, a reply or a refusal has."""
    for limit in contract.rate_limits.values():
        yield from limit.headers
    for template in contract.replies.values():
        yield from template.headers
    for family in contract.families.values():
        for refusal in (family.default, *family.reasons.values()):
            yield from refusal.headers
