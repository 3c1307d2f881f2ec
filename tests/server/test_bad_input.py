"""Every bad input of a client gets the vendor's own refusal, and is journalled with the reason, whatever the vendor."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Any, Final

import pytest
from msgspec import structs

from mockserver.contract.library import library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import jsontext
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.golden_cases import ExchangeStep
from mockserver.recording.exporting import export_line
from mockserver.recording.redaction.find_secrets import secrets_of
from mockserver.recording.redaction.redact import Redactor
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.sessions.views import View
from tests import cases
from tests.server.conftest import AppServer
from tests.server.mutators import ODD_BODIES, apex, apex_server, bomb, headed, outlit, spoil, whisperr
from tests.server.raw import Answer, Plain, once, whole

Change = Callable[[Plain], Plain]

FAMILIES: Final[Mapping[str, Callable[[str, str], Plain]]] = {
    "outlit": outlit,
    "apex": apex,
    "apex_server": apex_server,
    "whisperr": whisperr,
}
WITHOUT_CORS: Final = ("apex_server",)
ORIGIN: Final = "https://app.example"
SESSION: Final = "bad"


def body(data: bytes) -> Change:
    return lambda request: replace(request, body=data)


def encoded(name: str, pack: Callable[[bytes], bytes]) -> Change:
    return lambda request: headed(replace(request, body=pack(request.body)), ("Content-Encoding", name))


CAME_BROKEN: Final[Mapping[str, tuple[int, Change]]] = {
    **{name: (400, body(data)) for name, data in ODD_BODIES.items() if name not in ("no_events", "too_many_events")},
    "unknown_path": (404, lambda request: replace(request, path=request.path + "/nope")),
    "wrong_method": (405, lambda request: replace(request, method="PUT")),
    "oversized": (413, lambda request: replace(request, body=request.body + b" " * 10_485_761)),
    "broken_gzip": (400, encoded("gzip", lambda data: gzip.compress(data)[:-4])),
    "no_gzip": (400, encoded("gzip", bytes)),
    "broken_deflate": (400, encoded("deflate", lambda data: zlib.compress(data)[:-4])),
    "gzip_bomb": (413, encoded("gzip", lambda data: bomb())),
    "brotli": (400, encoded("br", bytes)),
    "encoded_twice": (400, encoded("gzip, gzip", gzip.compress)),
}
CLOSED: Final[Mapping[str, Mapping[str, tuple[int, Change]]]] = {
    "outlit": {
        "empty_batch": (400, body(b'{"source": "server", "events": []}')),
        "long_batch": (400, body(b'{"source": "server", "events": [' + b"{}," * 100 + b"{}]}")),
        "unknown_key": (400, lambda request: replace(request, path="/api/i/v1/nokey/events")),
    },
    "apex": {"batch_without_key": (400, body(b'{"events": []}'))},
    "apex_server": {
        "empty_batch": (400, body(b'{"events": []}')),
        "long_batch": (400, body(b'{"events": [' + b"{}," * 100 + b"{}]}")),
        "unknown_key": (401, lambda request: headed(request, ("Authorization", "Bearer nokey"))),
        "no_key": (401, lambda request: replace(request, headers=request.headers[:1])),
    },
    "whisperr": {
        "empty_batch": (400, body(b'{"events": []}')),
        "long_batch": (400, body(b'{"events": [' + b"{}," * 500 + b"{}]}")),
        "no_key": (401, lambda request: replace(request, headers=request.headers[:1])),
        "wrong_content_type": (400, lambda request: headed(request, ("Content-Type", "text/plain"))),
    },
}
BAD: Final = [
    pytest.param(family, status, change, id=f"{family}-{name}")
    for family in FAMILIES
    for name, (status, change) in {**CAME_BROKEN, **CLOSED[family]}.items()
]


def refusal_text(family: str, answer: Answer) -> str:
    """Return the message of a refusal in a vendor's own shape; fail when it is no such thing."""
    told = answer.json
    match family:
        case "outlit":
            message = told["errors"][0].pop("message")
            assert told == {"success": False, "processed": 0, "errors": [{"index": -1}]}
        case "apex":
            message = told.pop("error")
            assert told.pop("code").isupper()
            assert told == {"status": answer.status}
        case "apex_server":
            message, code = told["error"].pop("message"), told["error"].pop("code")
            assert code.islower()
            assert told == {"data": None, "error": {}, "metadata": {}}
        case _:
            message, code = told["error"].pop("message"), told["error"].pop("code")
            assert code.islower()
            assert set(told) == {"error"}
            assert set(told["error"]) <= {"request_id"}
    assert isinstance(message, str)
    return message


async def journalled(port: int, session: str = SESSION) -> list[Any]:
    listed = await once(port, Plain(method="GET", path=f"/_mock/sessions/{session}/requests"))
    return [
        (await once(port, Plain(method="GET", path=f"/_mock/sessions/{session}/requests/{row['id']}"))).json
        for row in listed.json["requests"]
    ]


@pytest.mark.parametrize(("family", "status", "change"), BAD)
async def test_bad_input_is_refused_in_the_vendors_shape_and_journalled(
    app_server: AppServer, family: str, status: int, change: Change
) -> None:
    request = headed(change(FAMILIES[family]("pk_a", "click")), ("Origin", ORIGIN), ("X-Mock-Session", SESSION))
    answer = await once(app_server.port, request)
    assert whole([answer]) == []
    assert answer.status == status
    assert refusal_text(family, answer)
    assert answer.headers.get("access-control-allow-origin") == (None if family in WITHOUT_CORS else ORIGIN)
    [row] = await journalled(app_server.port)
    assert row["status"] == status
    assert [finding["message"] for finding in row["findings"] if finding["severity"] == "error"]
    assert row["reply"]["body"] == {"text": answer.body.decode()}


@pytest.mark.parametrize("family", FAMILIES)
async def test_unusual_input_is_taken_when_it_means_what_it_should(app_server: AppServer, family: str) -> None:
    request = FAMILIES[family]("pk_a", "click")
    changes: list[Change] = [
        encoded("gzip", gzip.compress),
        encoded("deflate", zlib.compress),
        lambda request: replace(request, path=request.path + "/"),
        lambda request: replace(request, path="/" + request.path),
        lambda request: replace(request, path=request.path + "?a=%ff&&b"),
        lambda request: replace(request, body=b" \n" + request.body + b"\r\n"),
    ]
    for change in changes:
        answer = await once(app_server.port, headed(change(request), ("X-Mock-Session", SESSION)))
        assert whole([answer]) == []
        assert 200 <= answer.status < 300, answer
    warned = [finding["rule"] for row in await journalled(app_server.port) for finding in row["findings"]]
    assert "/warnings/transport/trailing_slash" in warned
    assert "/warnings/transport/leading_slashes" in warned


async def rows_of(port: int, request: Plain) -> list[Any]:
    answer = await once(port, headed(request, ("X-Mock-Session", SESSION)))
    assert 200 <= answer.status < 300, answer
    rows: list[Any] = (await once(port, Plain(method="GET", path=f"/_mock/sessions/{SESSION}/events"))).json["events"]
    return rows


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud800"', "\ud800"),
        ('"a\\u0000b"', "a\x00b"),
        (str(2**70), 2**70),
        (str(-(10**200)), -(10**200)),
        ("1e300", 1e300),
        ('{"":{"":[[]]}}', {"": {"": [[]]}}),
        ('"' + "x" * 100_000 + '"', "x" * 100_000),
    ],
    ids=lambda value: str(value)[:12].encode("unicode_escape").decode(),
)
async def test_odd_value_is_shown_exactly_when_it_is_accepted(
    app_server: AppServer, family: str, text: str, value: Any
) -> None:
    member = {"outlit": "properties", "apex": "data", "apex_server": "data", "whisperr": "properties"}[family]
    request = FAMILIES[family]("pk_a", "click")
    sent = json.loads(request.body)
    (sent["events"][0] if "events" in sent else sent)[member] = {"odd": "HERE"}
    changed = replace(request, body=json.dumps(sent).replace('"HERE"', text).encode())
    [row] = await rows_of(app_server.port, changed)
    assert row["verdict"] == "accepted"
    assert row["event"][member] == row["stored"][member] == {"odd": value}


@pytest.mark.parametrize("family", FAMILIES)
async def test_name_that_stands_twice_gets_a_warning(app_server: AppServer, family: str) -> None:
    request = FAMILIES[family]("pk_a", "click")
    body = request.body.replace(b'"url":', b'"url": 1, "url":').replace(b'"context":', b'"context": 1, "context":')
    twice = replace(request, body=body)
    assert twice.body != request.body
    assert [row["verdict"] for row in await rows_of(app_server.port, twice)] == ["accepted"]
    [row] = await journalled(app_server.port)
    assert "/warnings/transport/duplicate_members" in [finding["rule"] for finding in row["findings"]]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("junk", [b"0", b"{}", b"[]", b'{"type":"x"}'])
async def test_body_full_of_junk_is_refused_and_told_quickly(app_server: AppServer, family: str, junk: bytes) -> None:
    """Each of these once took the server tens of seconds; the client gives up after `raw.SEARCH`."""
    request = FAMILIES[family]("pk_a", "click")
    events = b",".join([junk] * (1_000_000 // (len(junk) + 1)))
    full = replace(request, body=b'{"source": "server", "projectKey": "pk_a", "events": [' + events + b"]}")
    answer = await once(app_server.port, headed(full, ("X-Mock-Session", SESSION)))
    assert answer.status == 400
    assert refusal_text(family, answer)
    [row] = await journalled(app_server.port)
    assert row["findings"]


@pytest.mark.parametrize("requests", [600, pytest.param(3000, marks=pytest.mark.full)])
async def test_every_spoiled_golden_request_is_answered_and_explained(requests: int) -> None:
    """The golden requests of all protocols and revisions, with up to three members spoiled, without sockets."""
    rng, found = Random("20260614"), cases.load_all()
    store = MemoryStore(SessionSettings(journal_limit=10), max_bytes=1 << 24, max_sessions=100)
    for number in range(requests):
        case = rng.choice(found)
        request = _spoiled(rng, rng.choice(case.exchanges))
        revision = rng.choice([None, case.revision, *library().protocol(case.protocol).revision_names()])
        contract = library().protocol(case.protocol).contract(revision, [])
        session = store.session(f"{case.protocol}/{revision}")
        keys = rng.choice([None, None, frozenset[str]()])
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=case.clock_ms, keys=keys))
        exchange, reply = await store.commit(session, judged, received_ms=case.clock_ms)
        told = f"request {number} of {case}: {request}"
        assert reply.status < 500, told
        view = View(exchange)
        assert view.reply() == reply, told
        rows, detail = list(view.event_rows()), view.request_detail()
        json.loads(jsontext.render(export_line(View(exchange), Redactor(secrets_of(request, contract)))))
        refused = [finding for finding in detail["findings"] if finding["severity"] == "error"]
        assert reply.status < 400 or refused or any(row["verdict"] == "rejected" for row in rows), told
        for row in rows:
            reasons = [finding for finding in row["findings"] if finding["severity"] == "error"]
            assert bool(reasons) == (row["verdict"] == "rejected"), told


def _spoiled(rng: Random, step: ExchangeStep) -> WireRequest:
    request = step.request
    data = request.body
    if step.json is not MISSING:
        value = json.loads(data)
        for _ in range(rng.randrange(4)):
            value = spoil(rng, value)
        data = json.dumps(value).encode()
    return structs.replace(request, method=rng.choice([request.method] * 9 + ["HEAD"]), body=data)
