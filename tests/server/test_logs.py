"""What the server writes to its log of each request: refusals with their reasons, keys shortened."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mockserver.recording import exporting
from mockserver.server import logs
from mockserver.server.logs import SHOWN_EVENTS, exchange_done, new_session
from mockserver.sessions.session_name import tagged
from mockserver.sessions.steps import Step, reject
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request
from tests.sessions.keeping import new_store

NAME = "tk_a-long-session-name"
SHORT = tagged(NAME)
PATH = "/tally/v2/main/collect"
TARGET = f"{COLLECT}?secret=1"


async def logged(
    caplog: pytest.LogCaptureFixture,
    body: Any,
    *,
    level: int = logging.INFO,
    step: Step | None = None,
    target: str = TARGET,
) -> list[logging.LogRecord]:
    """Return the records of one request."""
    store = new_store()
    session = store.session(NAME)
    result = judged(contract_of("tally"), wire_request(target, body))
    if step is not None:
        session.faults += [Step({"connection": "drop", "times": 1}), step]
        if step.reject is not None:
            reject(result, step)
    exchange, _ = await store.commit(session, result, received_ms=NOW, step=step)
    with caplog.at_level(level, "mockserver.requests"):
        exchange_done(session, exchange, step)
    return caplog.records


def test_new_session_is_named_shortened(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mockserver.requests"):
        new_session(new_store().session(NAME))
    assert caplog.messages == [f"new session {SHORT}"]
    assert caplog.records[0].__dict__["fields"] == {"session": SHORT}


async def test_accepted_request_is_not_written_at_info(caplog: pytest.LogCaptureFixture) -> None:
    assert await logged(caplog, collection(sale())) == []


async def test_every_request_is_written_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await logged(caplog, collection(sale()), level=logging.DEBUG)
    assert line.getMessage() == f"POST {PATH} -> 201 in session {SHORT}"
    assert line.__dict__["fields"] == {"session": SHORT, "method": "POST", "path": PATH, "status": 201}


async def test_refused_events_have_a_line_each_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    lines = await logged(caplog, collection(sale("a"), sale("b", -1), {"kind": "gift"}))
    assert [line.getMessage() for line in lines] == [
        f"refused event 1 of POST {PATH} (202) in session {SHORT}: cents must have minimum 0, got -1"
        " at /cents [/events/sale/properties/cents/minimum]",
        f'refused event 2 of POST {PATH} (202) in session {SHORT}: kind must be one of "sale", "view", got "gift"'
        " at /kind [/events]",
    ]
    assert lines[0].__dict__["fields"] == {
        "session": SHORT,
        "method": "POST",
        "path": PATH,
        "status": 202,
        "index": 1,
        "rule": "/events/sale/properties/cents/minimum",
        "pointer": "/cents",
    }


async def test_refused_request_without_events_has_one_line(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await logged(caplog, b"[]")
    assert line.getMessage() == (
        f"refused POST {PATH} (400) in session {SHORT}: the body must be a JSON object [/protocol/gates/object]"
    )
    assert line.__dict__["fields"]["rule"] == "/protocol/gates/object"


async def test_events_of_a_refused_request_are_told_why(caplog: pytest.LogCaptureFixture) -> None:
    (line,) = await logged(caplog, collection(sale(), total=6))
    assert line.getMessage() == (
        f"refused event 0 of POST {PATH} (409) in session {SHORT}: "
        "the whole request was refused: the items add up to 5 at / [/protocol/gates/total]"
    )


@pytest.mark.parametrize(("count", "more"), [(SHOWN_EVENTS, False), (SHOWN_EVENTS + 1, True), (SHOWN_EVENTS + 5, True)])
async def test_number_of_lines_for_one_request_is_bounded(
    count: int, more: bool, caplog: pytest.LogCaptureFixture
) -> None:
    lines = [line.getMessage() for line in await logged(caplog, collection(*({"kind": "gift"} for _ in range(count))))]
    assert len(lines) == SHOWN_EVENTS + more
    assert (lines[-1] == "more events of this request were refused; the control surface lists all of them") is more


async def test_nothing_is_explained_when_nobody_reads_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explained(*args: object, **options: object) -> None:
        raise AssertionError("explaining costs time")

    monkeypatch.setattr(logs, "View", explained)
    assert await logged(caplog, b"[]", level=logging.WARNING) == []


async def test_injected_fault_is_not_told_as_a_refusal(caplog: pytest.LogCaptureFixture) -> None:
    step = Step({"reply": {"status": 503}, "times": 1})
    (line,) = await logged(caplog, collection(sale(), sale("b")), step=step)
    assert line.getMessage() == (
        f'injected fault step 2 of 2 into POST {PATH} (503) in session {SHORT}: {{"reply":{{"status":503}},"times":1}}'
    )
    assert line.__dict__["fields"] == {
        "session": SHORT,
        "method": "POST",
        "path": PATH,
        "status": 503,
        "step": 2,
        "fault": '{"reply":{"status":503},"times":1}',
    }


async def test_event_that_the_contract_refuses_is_told_beside_the_one_that_a_step_rejects(
    caplog: pytest.LogCaptureFixture,
) -> None:
    step = Step({"match": {"where": {"/cents": 7}}, "reject": {"message": "no"}})
    lines = [line.getMessage() for line in await logged(caplog, collection(sale("a", 7), sale("b", -1)), step=step)]
    assert [line.partition(" of ")[0] for line in lines] == ["injected fault step 2", "refused event 1"]


async def test_lost_reply_and_long_step_are_told_in_one_short_line(caplog: pytest.LogCaptureFixture) -> None:
    step = Step({"connection": "reset", "match": {"where": {"/cents": {"in": list(range(1000))}}}})
    step.match = {}
    (line,) = await logged(caplog, collection(sale()), step=step)
    assert "(no reply)" in line.getMessage()
    assert len(line.getMessage()) < 300


def secret_in(place: str) -> tuple[str, Any]:
    """Return a target and a body with a key of eight characters in one place."""
    key = "a1b2c3d4"
    return {
        "body": (COLLECT, collection({"kind": key}, token=key)),
        "path": (f"{COLLECT}/{key}", collection(sale())),
        "query": (f"{COLLECT}?apiKey={key}", collection({"kind": "gift"})),
        "value": (COLLECT, collection({"kind": "sale", "ref": [key], "cents": 1}, token=key)),
    }[place]


@pytest.mark.parametrize("place", ["body", "path", "query", "value"])
@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG])
async def test_short_key_is_in_no_line(place: str, level: int, caplog: pytest.LogCaptureFixture) -> None:
    target, body = secret_in(place)
    lines = await logged(caplog, body, level=level, target=target)
    assert lines
    assert not [line for line in lines if "a1b2c3d4" in f"{line.getMessage()} {line.__dict__['fields']}"]


ADDRESS = {"kind": "view", "ref": ["ann@example.com"]}
NAMED_ADDRESS = {"kind": "view", "ref": "r", "Ann <ann@example.com>": 1}


async def test_data_of_events_is_not_written_at_info(caplog: pytest.LogCaptureFixture) -> None:
    lines = await logged(caplog, collection(ADDRESS, NAMED_ADDRESS))
    texts = [f"{line.getMessage()} {line.__dict__['fields']}" for line in lines]
    assert len(texts) == 2
    assert "must be string, got an array at /ref" in texts[0]
    assert "example.com" not in "".join(texts)


async def test_data_of_events_is_written_at_debug(caplog: pytest.LogCaptureFixture) -> None:
    lines = await logged(caplog, collection(ADDRESS), level=logging.DEBUG)
    assert any('got ["ann@example.com"]' in line.getMessage() for line in lines)


async def test_fault_step_is_written_without_keys_and_addresses(caplog: pytest.LogCaptureFixture) -> None:
    step = Step({"reply": {"status": 503}, "match": {"where": {"/ref": {"in": ["tk_other", "ann@example.com"]}}}})
    step.match = {}
    (line,) = await logged(caplog, collection(sale()), step=step)
    assert '"in":["<credential>","<e-mail>"]' in line.getMessage()


async def test_value_in_a_body_that_takes_long_to_search_is_not_written(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "QUICKLY_SEARCHED", 10)
    lines = await logged(caplog, collection({"kind": "view", "ref": ["secret"]}), level=logging.DEBUG)
    assert any("must be string, got an array at /ref" in line.getMessage() for line in lines)


async def test_very_many_keys_are_not_searched_for_each_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MANY_SECRETS", -1)
    lines = await logged(caplog, collection(ADDRESS), level=logging.DEBUG)
    assert any("must be string, got an array at /ref" in line.getMessage() for line in lines)
