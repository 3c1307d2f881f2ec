"""Where a credential is looked for, and when what stands there is none."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.model import Judged
from mockserver.core.route import bearer, credentials
from mockserver.core.wire import WireRequest
from tests.judging import COLLECT, TERMS, contract_of, wire_request

TALLY = contract_of("tally")
WHISPERR = contract_of("whisperr")
APEX = contract_of("apex")


def carried(contract: Contract, request: WireRequest, operation: str | None) -> list[tuple[str, str]]:
    """Return the names and values of a request's credentials where an operation looks for them."""
    judged = Judged(
        request_body=RequestBody(request), contract=contract, terms=TERMS, place=contract.locate(request.target)
    )
    reached = None if operation is None else contract.operations[operation]
    return [(credential.name, value) for credential, value in credentials(judged, reached)]


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER  abc ", "abc"),
        ("Bearer a b", "a b"),
        ("Bearer", None),
        ("Bearer ", None),
        ("Basic abc", None),
        ("Bearerabc", None),
        ("", None),
        (None, None),
    ],
)
def test_bearer_token_is_what_follows_the_scheme(header: str | None, token: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    assert bearer(wire_request("/", b"", headers)) == token


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"token": "tk_a"}, [("token", "tk_a")]),
        ({"token": " tk_a\n"}, [("token", "tk_a")]),
        ({"token": ""}, []),
        ({"token": " "}, []),
        ({"token": 7}, []),
        ({"token": None}, []),
        ({"token": ["tk_a"]}, []),
        ([{"token": "tk_a"}], []),
        (b"{", []),
        (b'{"token": "tk_a"}' + b" " * 4096, []),
    ],
)
def test_key_in_the_body_is_a_text_in_a_readable_object(body: Any, expected: Any) -> None:
    assert carried(TALLY, wire_request(COLLECT, body), "collect") == expected


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?key=pk_a", [("query_key", "pk_a")]),
        ("?key=pk%20a&x=1", [("query_key", "pk a")]),
        ("?key=pk_a&key=pk_b", [("query_key", "pk_a")]),
        ("?key=+", []),
        ("?key=", []),
        ("?Key=pk_a", []),
        ("", []),
    ],
)
def test_key_in_the_query_is_the_first_of_its_name(query: str, expected: Any) -> None:
    request = wire_request(f"/api/experiments/active{query}", method="GET")
    assert carried(APEX, request, "experiments_active") == expected


def test_header_is_found_whatever_its_case_and_the_first_one_counts() -> None:
    pairs = ((b"x-api-KEY", b" wrk_a "), (b"X-API-Key", b"wrk_b"))
    fields = {name.lower(): value for name, value in reversed(pairs)}
    request = WireRequest(method="POST", target="/v1/identify", headers=pairs, fields=fields, body=b"")
    assert carried(WHISPERR, request, "identify") == [("api_key", "wrk_a")]


def test_credentials_come_in_the_order_of_the_operation() -> None:
    request = wire_request("/v1/identify", b"", {"Authorization": "Bearer b", "X-API-Key": "a"})
    assert carried(WHISPERR, request, "identify") == [("api_key", "a"), ("bearer", "b")]
    body = {"projectKey": "pk_a"}
    target = "/api/experiments/e/assign?key=pk_b"
    assert carried(APEX, wire_request(target, body), "experiment_assign") == [
        ("project_key", "pk_a"),
        ("query_key", "pk_b"),
    ]


def test_operation_without_credentials_looks_nowhere() -> None:
    assert carried(WHISPERR, wire_request("/health", b"", {"X-API-Key": "a"}, method="GET"), "health") == []


def test_headers_and_query_are_looked_at_when_no_operation_is_reached() -> None:
    headers = {"X-API-Key": "apex_sk_a", "Authorization": "Bearer b"}
    body = {"projectKey": "pk_a"}
    assert carried(APEX, wire_request("/api/nowhere?key=pk_c", body, headers), None) == [
        ("server_key", "apex_sk_a"),
        ("server_bearer", "b"),
        ("api_key", "apex_sk_a"),
        ("api_bearer", "b"),
        ("query_key", "pk_c"),
    ]
