"""The core's CORS headers against a second reading of the rules: those of all contracts, and every kind of rules."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Literal

import pytest

from mockserver.contract.library import Patch, library
from mockserver.contract.sections import CorsRules
from mockserver.core.answer import Headers, cors_reply_headers, preflight_headers
from tests.verify.naive_cors import cors_headers
from tests.verify.settings import SETTINGS

ORIGINS = (
    None,
    "null",
    "https://app.example.com",
    "HTTPS://APP.Example.com:8443",
    "https://example.com",
    "https://a.b.example.com",
    "https://badexample.com",
    "http://app.example.com",
    "https://elsewhere.invalid",
    "*",
)
ALLOWED: tuple[tuple[str, ...], ...] = (
    (),
    ("*.example.com",),
    ("https://app.example.com",),
    ("app.example.com", "other.example.com"),
)


def rules_of_contracts() -> Iterator[CorsRules]:
    for name, protocol in library().protocols.items():
        for revision in protocol.revision_names():
            yield from _rules(name, revision, [])
        for settings, _ in SETTINGS.get(name, {}).values():
            yield from _rules(name, None, [Patch(name="settings", patch={"protocol": settings})])


def _rules(name: str, revision: str | None, patches: list[Patch]) -> Iterator[CorsRules]:
    contract = library().protocol(name).contract(revision, patches)
    operations = [operation.cors for operation in contract.operations.values()]
    prefixes = [prefix.cors for prefix in contract.prefixes]
    yield from dict.fromkeys(rules for rules in (*operations, *prefixes) if rules is not None)


def made_up_rules() -> Iterator[CorsRules]:
    without_origin: tuple[Literal["*", "nothing"], ...] = ("*", "nothing")
    kinds = product(ALLOWED, (True, False), without_origin, (None, "600"))
    for number, (allowed, credentials, without, more) in enumerate(kinds):
        yield CorsRules(
            name=f"made_up_{number}",
            methods="GET, POST",
            headers="content-type",
            credentials=credentials,
            without_origin=without,
            preflight_status=204,
            allowed_origins=allowed,
            max_age=more,
            expose=more,
        )


def by_name(pairs: Headers) -> dict[str, str]:
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.lower(): value for name, value in pairs}


@pytest.mark.parametrize("rules", [*rules_of_contracts(), *made_up_rules()], ids=lambda rules: rules.name)
def test_headers_are_those_of_the_second_reading_when_pages_ask(rules: CorsRules) -> None:
    replies = {origin: by_name(cors_reply_headers(rules, origin)) for origin in ORIGINS}
    preflights = {origin: by_name(preflight_headers(rules, origin)) for origin in ORIGINS}
    assert replies == {origin: cors_headers(rules, origin) for origin in ORIGINS}
    assert preflights == {origin: cors_headers(rules, origin, preflight=True) for origin in ORIGINS}
