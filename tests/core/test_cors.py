"""Which origins may call, and the headers that say so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mockserver.contract.sections import CorsRules
from mockserver.core.answer import VARY, cors_reply_headers, preflight_headers
from mockserver.core.gates import origin_allowed, preflight_problem
from tests.judging import wire_request

ORIGIN = "https://shop.example"
OPEN = CorsRules(
    name="open",
    methods="POST, OPTIONS",
    headers="Content-Type",
    credentials=True,
    without_origin="nothing",
    preflight_status=204,
    allowed_origins=(),
)
CLOSED = replace(OPEN, allowed_origins=("https://a.example",))
ALLOW = ("Access-Control-Allow-Origin", ORIGIN)
CREDENTIALS = ("Access-Control-Allow-Credentials", "true")
METHODS = ("Access-Control-Allow-Methods", "POST, OPTIONS")
HEADERS = ("Access-Control-Allow-Headers", "Content-Type")
ANYBODY = ("Access-Control-Allow-Origin", "*")


@pytest.mark.parametrize("origin", [ORIGIN, "null", "file://", "app://-"])
def test_every_origin_is_allowed_when_none_is_listed(origin: str) -> None:
    assert origin_allowed(origin, ())


@pytest.mark.parametrize(
    ("origin", "entry", "allowed"),
    [
        ("https://a.example", "https://a.example", True),
        ("HTTPS://A.Example", "https://a.example", True),
        ("https://a.example", "a.example", True),
        ("http://[::1]", "[::1]", True),
        ("http://[::1]:5173", "[::1]", True),
        ("http://[::1]:5173", "http://[::1]:5173", True),
        ("http://[::2]", "[::1]", False),
        ("http://[fe80::AB]:80", "[FE80::ab]", True),
        ("http://localhost:5173", "localhost", True),
        ("https://a.example:8443", "a.example", True),
        ("https://a.example:8443", "https://a.example", False),
        ("https://a.example", "https://a.example:443", False),
        ("http://a.example", "https://a.example", False),
        ("https://www.a.example", "*.a.example", True),
        ("https://x.www.A.example:1", "*.a.EXAMPLE", True),
        ("https://a.example", "*.a.example", False),
        ("https://evil-a.example", "*.a.example", False),
        ("https://www.a.example", "a.example", False),
        ("https://a.example.evil.example", "a.example", False),
        ("null", "a.example", False),
        ("null", "null", True),
        ("null", "*.a.example", False),
        ("http://[::1]:3000", "http://[::1]:3000", True),
    ],
)
def test_origin_is_allowed_by_an_exact_entry_its_host_or_a_pattern(origin: str, entry: str, allowed: bool) -> None:
    assert origin_allowed(origin, ["https://other.example", entry]) is allowed


def test_reply_echoes_an_allowed_origin() -> None:
    assert cors_reply_headers(OPEN, ORIGIN) == (ALLOW, CREDENTIALS, VARY)
    assert cors_reply_headers(replace(OPEN, credentials=False), ORIGIN) == (ALLOW, VARY)
    exposing = replace(OPEN, expose="Retry-After")
    assert cors_reply_headers(exposing, ORIGIN) == (
        ALLOW,
        CREDENTIALS,
        VARY,
        ("Access-Control-Expose-Headers", "Retry-After"),
    )


@pytest.mark.parametrize("rules", [CLOSED, replace(CLOSED, expose="Retry-After", without_origin="*")])
def test_refused_origin_is_told_nothing(rules: CorsRules) -> None:
    assert cors_reply_headers(rules, ORIGIN) == (VARY,)
    assert preflight_headers(rules, ORIGIN) == (VARY,)


def test_wildcard_is_sent_only_without_an_origin() -> None:
    wildcard = replace(OPEN, without_origin="*")
    assert cors_reply_headers(wildcard, None) == (ANYBODY, VARY)
    assert cors_reply_headers(wildcard, ORIGIN) == (ALLOW, CREDENTIALS, VARY)
    assert cors_reply_headers(OPEN, None) == (VARY,)


def test_preflight_says_what_may_be_sent() -> None:
    assert preflight_headers(OPEN, ORIGIN) == (ALLOW, CREDENTIALS, VARY, METHODS, HEADERS)
    aged = replace(OPEN, max_age="86400", credentials=False)
    assert preflight_headers(aged, ORIGIN) == (ALLOW, VARY, METHODS, HEADERS, ("Access-Control-Max-Age", "86400"))


def test_preflight_without_an_origin_is_answered_all_the_same() -> None:
    assert preflight_headers(OPEN, None) == (VARY, METHODS, HEADERS)
    assert preflight_headers(replace(CLOSED, without_origin="*"), None) == (ANYBODY, VARY, METHODS, HEADERS)


def test_rules_are_kept_apart_when_they_are_equal_in_name() -> None:
    assert cors_reply_headers(OPEN, "https://b.example")[0] == ("Access-Control-Allow-Origin", "https://b.example")
    assert cors_reply_headers(replace(OPEN, allowed_origins=("x",)), "https://b.example") == (VARY,)


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({}, None),
        ({"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "CONTENT-type"}, None),
        ({"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": ""}, None),
        ({"Access-Control-Request-Method": "PUT"}, "the method PUT is not allowed"),
        (
            {"Access-Control-Request-Headers": "baggage,content-type,traceparent"},
            "the header baggage, traceparent is not allowed (allowed: Content-Type)",
        ),
        ({"Origin": "https://b.example"}, "the origin https://b.example is not allowed"),
    ],
)
def test_preflight_says_why_a_browser_sends_no_request(headers: dict[str, str], problem: str | None) -> None:
    assert preflight_problem(CLOSED, wire_request("/", b"", headers, method="OPTIONS")) == problem


def test_any_header_but_authorization_is_allowed_by_a_star_without_credentials() -> None:
    star = replace(OPEN, headers="*", credentials=False)
    asked = [
        wire_request("/", b"", {"Access-Control-Request-Headers": name}) for name in ("traceparent", "authorization")
    ]
    assert preflight_problem(star, asked[0]) is None
    assert preflight_problem(star, asked[1]) == "the header authorization is not allowed (allowed: *)"
    assert preflight_problem(replace(star, credentials=True), asked[0]) is not None
