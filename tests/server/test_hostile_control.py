"""Nobody can make the control surface fail: spoiled calls of every route, each answered as control.yaml says."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from collections import Counter
from random import Random
from typing import Any, Final

import pytest

from mockserver.jsonkit import jsontext
from mockserver.server.control import LONGEST_DETAIL
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import GOOD, headed
from tests.server.raw import Connection, Plain, once, whole
from tests.server.spoiled_calls import spoiled_call

SHORT: Final = 900
LONG: Final = 3000


@pytest.mark.parametrize("calls", [SHORT, pytest.param(LONG, marks=pytest.mark.full)])
async def test_control_surface_keeps_to_its_document_when_calls_are_spoiled(
    app_server: AppServer, control: ControlClient, caplog: pytest.LogCaptureFixture, calls: int
) -> None:
    rng, statuses = Random("20260614"), Counter[int]()
    for _ in range(calls):
        if rng.random() < 0.05:
            await control.delete("/_mock/sessions/pk_a")
            for make in GOOD.values():
                sent = await once(app_server.port, headed(make("pk_a", "click"), ("X-Mock-Session", "pk_a")))
                assert whole([sent]) == []
        status, _ = await control.call(*spoiled_call(rng))
        assert status < 500
        statuses[status] += 1
    assert min(statuses[200], statuses[400], statuses[404]) > calls // 60
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, ("Origin: http://[",)),
        (403, ("Origin: null",)),
        (403, ("Origin: \xff",)),
        (403, ("Origin: http://localhost:1",)),
        (200, ("Origin: http://localhost",)),
        (403, ("Sec-Fetch-Site: cross-site",)),
        (200, ("Authorization: Bearer \xff",)),
        (200, ("Content-Type: \xff",)),
    ],
)
async def test_odd_header_is_answered_when_a_guard_looks_at_it(
    app_server: AppServer, status: int, headers: tuple[str, ...]
) -> None:
    answer = await once(app_server.port, Plain(method="GET", path="/_mock/sessions"), *headers)
    assert (answer.status, whole([answer])) == (status, [])


@pytest.mark.parametrize("host", ["[::1", "a.b", "localhost:99999999", "x" * 300 + ".y", "a@localhost", "\xff.a"])
async def test_odd_host_is_misdirected(app_server: AppServer, host: str) -> None:
    connection = await Connection.open(app_server.port)
    answer = await connection.ask(Plain(method="GET", path="/_mock/sessions").wire(host=host))
    await connection.close()
    assert (answer.status, whole([answer])) == (421, [])


def steps(count: int, **members: Any) -> list[Any]:
    return [{"delay_ms": 1, **members}] * count


@pytest.mark.parametrize(
    ("call", "body", "pointer", "detail"),
    [
        ("PUT /faults", [0] * 1000, "/0", '0 is not of type "object"'),
        ("PUT /faults", b"[" + b"0," * 500_000 + b"0]", "", "the body has more than 50000 values"),
        ("PUT /faults", b"[" * 1_000_000, "", "the body has more than 50000 values"),
        ("PUT /faults", b"[" * 10_000, "", "nested deeper than 254 levels"),
        ("PUT /faults", steps(1001), "", "1001 elements, but at most 1000 are allowed"),
        ("PUT /faults", [{f"k{number}": 1 for number in range(20_000)}], "/0/k0", 'unknown key "k0"'),
        ("PUT /faults", [{"x" * 10**6: 1}], None, 'unknown key "xxx'),
        ("PUT /faults", steps(1, match={"protocol": "o" * 10**6}), "/0/match/protocol", 'unknown protocol "ooo'),
        (
            "PUT /faults",
            steps(1, match={"where": {f"/{number}": 1 for number in range(101)}}),
            "/0/match/where",
            "101 members",
        ),
        ("PUT /faults", steps(1, match={"where": {"/a": {"in": [1] * 1001}}}), "/0/match/where/~1a/in", "at most 1000"),
        ("PUT /faults", steps(1, match={"where": {"/a" * 1001: 1}}), "/0/match/where", "does not match|at most 2000"),
        ("PUT /faults", [{"reject": {"message": "x" * 10_001}}], "/0/reject/message", "at most 10000 are allowed"),
        ("PUT /faults", b" " * 300_000, "", "the body is empty; this call needs JSON"),
        ("POST /clock/advance", b"", "", "the body is empty; this call needs JSON"),
        ("POST /wait", b"\xef\xbb\xbf{}", "", "it begins with a byte order mark"),
        ("POST /wait", {"match": {"where": {"/" + "a" * 2000: 1}}}, "/match/where", "a name has 2001 characters"),
        ("PATCH ", {"credentials": ["c"] * 1001}, "/credentials", "1001 elements, but at most 1000 are allowed"),
        ("PATCH ", {"keys": ["c"] * 10_001}, "/keys", "10001 elements, but at most 10000 are allowed"),
        ("PATCH ", {"keys": ["c" * 8193]}, "/keys/0", "8193 characters, but at most 8192 are allowed"),
        ("PATCH ", {"protocols": {"o" * 10**6: {}}}, None, 'unknown protocol "ooo'),
        ("PATCH ", {"protocols": {"outlit": {"revision": "r" * 10**6}}}, "/protocols/outlit/revision", "unknown revi"),
        ("PATCH ", b"{" + b",".join([b'"a":1'] * 20_000) + b"}", "/a", 'duplicate key "a"'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_large_body_is_refused_for_its_first_error(
    control: ControlClient, session: str, call: str, body: Any, pointer: str | None, detail: str
) -> None:
    method, path = call.split(" ")
    async with asyncio.timeout(30):
        status, problem = await control.call(method, session + path, body)
    assert status in (400, 413)
    assert re.search(detail, problem["detail"])
    assert len(problem["detail"]) <= LONGEST_DETAIL + 1
    assert pointer is None or problem["pointer"] == pointer


async def test_large_text_is_not_taken_for_many_values(control: ControlClient, session: str) -> None:
    body = ',[{"\\' * 250_000
    status, answer = await control.put(f"{session}/faults", [{"reply": {"status": 200, "body": body}}])
    assert (status, answer["steps"][0]["reply"]["body"]) == (200, body)


@pytest.mark.parametrize(
    ("body", "status", "in_a_thread"),
    [
        ([{"reply": {"status": 200, "body": "x" * 300_000}}], 200, True),
        (b" " * 300_000, 400, True),
        ([{"delay_ms": 1}], 200, False),
    ],
    ids=["text", "blanks", "small"],
)
async def test_large_body_is_read_in_a_thread(
    control: ControlClient, session: str, monkeypatch: pytest.MonkeyPatch, body: Any, status: int, in_a_thread: bool
) -> None:
    parse, in_threads = jsontext.parse_exactly, list[bool]()

    def noted(*arguments: Any) -> Any:
        in_threads.append(threading.current_thread() is not threading.main_thread())
        return parse(*arguments)

    monkeypatch.setattr(jsontext, "parse_exactly", noted)
    assert (await control.put(f"{session}/faults", body))[0] == status
    assert in_threads == [in_a_thread]


async def test_steps_of_a_session_are_limited_when_they_come_one_by_one(control: ControlClient, session: str) -> None:
    await control.put(f"{session}/faults", steps(1000))
    status, problem = await control.post(f"{session}/faults", {"delay_ms": 2})
    assert (status, problem["detail"]) == (
        400,
        "a session has at most 1000 fault steps, and this would make 1001 steps; delete some",
    )
    _, answer = await control.get(f"{session}/faults")
    assert len(answer["steps"]) == 1000
    large = {"reply": {"status": 200, "body": "x" * 1_500_000}}
    await control.put(f"{session}/faults", [large])
    status, problem = await control.post(f"{session}/faults", large)
    assert (status, problem["pointer"]) == (400, "")
    assert "at most 2097152 bytes of fault steps" in problem["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [
        ("GET", "/wait", 405, "GET is not allowed for this path; allowed: POST"),
        ("PUT", "/faults/", 400, "the body is empty; this call needs JSON"),
        ("DELETE", "/events", 405, "DELETE is not allowed for this path; allowed: GET"),
        ("GET", "/events?limit", 400, "malformed query string: expected name=value, joined by &"),
        ("GET", "/_mock/fidelity?revision=r9", 404, 'apex: unknown revision "r9"; available: base, documented'),
    ],
)
async def test_refused_call_is_told_what_to_do(
    control: ControlClient, session: str, method: str, path: str, status: int, detail: str
) -> None:
    answered, problem = await control.call(method, path if path.startswith("/_mock") else session + path, None)
    assert (answered, problem["detail"]) == (status, detail)
