"""Requests of recordings as they are sent again."""

from __future__ import annotations

import copy
import gzip
import json
from typing import Any

import pytest

from mockserver.client.replayed_requests import Sender, refused_keys, why_not
from mockserver.contract.library import library
from mockserver.recording.recordings import RecordedExchange, recording_of
from tests.recording.test_recordings import EXCHANGE, HEAD, lines

CONTRACTS = {name: protocol.contract() for name, protocol in library().protocols.items()}


def exchange(**members: Any) -> RecordedExchange:
    """Return an exchange with other members of its request."""
    row = copy.deepcopy(EXCHANGE)
    row["protocol"] = members.pop("protocol", "whisperr")
    row["reply"]["status"] = members.pop("status", 202)
    row["request"] |= {"headers": [], "body": {"json": {}}} | members
    return recording_of(lines(HEAD, row), "f").exchanges[0]


def sender(*keys: str, kept: set[str] | None = None, protocol: str = "whisperr") -> Sender:
    return Sender(CONTRACTS, {protocol: keys}, kept or set())


def test_key_is_put_into_headers_of_any_case() -> None:
    sent = exchange(headers=[["x-API-key", "wrk_xxx1"], ["AUTHORIZATION", "bearer wrk_xxx1"], ["X-Other", "wrk_xxx1"]])
    assert sender("wrk_new").request(sent, None).headers == (
        (b"x-API-key", b"wrk_new"),
        (b"AUTHORIZATION", b"bearer wrk_new"),
        (b"X-Other", b"wrk_xxx1"),
    )


@pytest.mark.parametrize(
    ("protocol", "path", "key", "target"),
    [
        ("outlit", "/api/i/v1/pk_xxx1/events", "pk_n w", "/api/i/v1/pk_n%20w/events"),
        ("outlit", "/api/i/v1/pk_xxx1/bootstrap?a=pk_xxx1x", "pk_new", "/api/i/v1/pk_new/bootstrap?a=pk_xxx1x"),
        ("apex", "/api/experiments/active?a=1&key=pk%5Fxxx1", "pk_new", "/api/experiments/active?a=1&key=pk_new"),
    ],
)
def test_key_is_put_into_the_target(protocol: str, path: str, key: str, target: str) -> None:
    sent = exchange(protocol=protocol, method="GET" if "events" not in path else "POST", path=path)
    assert sender(key, protocol=protocol).request(sent, None).target == target


def test_key_is_put_into_a_compressed_body() -> None:
    body = {"json": {"projectKey": "pk_xxx1", "type": "x", "visitorId": "v", "url": "/a", "data": {"note": "pk_xxx1"}}}
    sent = exchange(protocol="apex", path="/api/events", headers=[["Content-Encoding", "gzip"]], body=body)
    again = sender("pk_new", protocol="apex").request(sent, None)
    assert json.loads(gzip.decompress(again.body))["projectKey"] == "pk_new"


def test_credential_without_a_key_that_fits_keeps_its_pseudonym() -> None:
    sent = exchange(protocol="apex", path="/api/v1/events", headers=[["x-api-key", "apex_sk_xxx1"]])
    one = sender("pk_new", protocol="apex")
    assert one.request(sent, None).headers == ((b"x-api-key", b"apex_sk_xxx1"),)
    assert one.missing == {"apex/server_key"}


def test_keys_that_were_only_refused_are_kept() -> None:
    rows = []
    for number, (key, status) in enumerate([("a", 202), ("b", 401), ("a", 401), ("c", 403)], 1):
        row = copy.deepcopy(EXCHANGE) | {"id": f"x{number}"}
        row["request"]["headers"] = [["X-API-Key", key]]
        row["reply"]["status"] = status
        rows.append(row)
    assert refused_keys(recording_of(lines(HEAD, *rows), "f"), CONTRACTS) == {"b", "c"}
    sent = exchange(headers=[["X-API-Key", "b"]])
    assert sender("wrk_new", kept={"b"}).request(sent, None).headers == ((b"X-API-Key", b"b"),)


def test_times_that_the_contract_knows_are_moved() -> None:
    event = {"occurred_at": "2026-06-14T12:00:00.000Z", "properties": {"due": "2026-06-14T12:00:00.000Z"}}
    sent = exchange(body={"json": {"events": [event, {"occurred_at": "soon"}]}}, headers=[["Content-Encoding", "gzip"]])
    again = sender().request(sent, 3_600_000)
    first, second = json.loads(gzip.decompress(again.body))["events"]
    assert first == {**event, "occurred_at": "2026-06-14T13:00:00.000Z"}
    assert second == {"occurred_at": "soon"}


def test_headers_are_sendable() -> None:
    headers = [["Accept", "a"], ["accept", "b"], ["Accept-Encoding", "br, gzip;q=0.5, zstd"]]
    sent = sender().request(exchange(headers=headers), None)
    assert sent.headers == ((b"Accept", b"a"), (b"Accept", b"b"), (b"Accept-Encoding", b"gzip;q=0.5"))
    assert sender().request(exchange(headers=[["Accept-Encoding", "br"]]), None).headers[0][1] == b"identity"


def test_request_of_an_unknown_protocol_is_sent_as_it_is() -> None:
    sent = exchange(protocol="strange", headers=[["X-API-Key", "k"]])
    assert sender("new").request(sent, 5) == sent.request


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, None),
        ({"body": {"left_out": "not UTF-8", "bytes": 3}}, "its body is not in the recording: not UTF-8"),
        ({"incomplete": "late"}, "its body is incomplete: late"),
    ],
)
def test_reason_why_a_request_is_not_sent(members: dict[str, Any], reason: str | None) -> None:
    assert why_not(exchange(**members)) == reason
