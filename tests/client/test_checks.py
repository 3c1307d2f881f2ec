"""Arguments are refused before the call, with the nearest name."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import pytest

from mockserver import Client, MockServer, Session
from mockserver.client.calls import Target
from mockserver.client.checks import check_arguments
from mockserver.client.connections import Connections

URL = "http://127.0.0.1:1"  # nothing is sent
CLIENT: Any = Client
SERVER: Any = MockServer
SESSION: Any = Session("pk_a", Connections(Target(URL)))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda s: s.wait_for(event_name="x"),
            TypeError,
            'wait_for: unknown option "event_name"; available: protocol, ',
        ),
        (lambda s: s.wait_for(whre={}), TypeError, 'unknown option "whre", did you mean "where"'),
        (lambda s: s.wait_for(timeout_ms=5), TypeError, 'unknown option "timeout_ms", did you mean "timeout"'),
        (lambda s: s.wait_for(exacty=1), TypeError, 'did you mean "exactly"'),
        (lambda s: s.wait_for_request(mehod="GET"), TypeError, 'did you mean "method"'),
        (lambda s: s.events(whre={}), TypeError, 'events: unknown option "whre", did you mean "where"'),
        (lambda s: s.requests(statu=1), TypeError, 'did you mean "status"'),
        (lambda s: s.deliveries(finl=True), TypeError, 'did you mean "final"'),
        (lambda s: s.wait_until_quiet(quite=1), TypeError, 'did you mean "quiet"'),
        (lambda s: s.key_for("outlit", operatoin="x"), TypeError, 'did you mean "operation"'),
        (lambda s: s.clock.set(now="x", frozn=True), TypeError, 'did you mean "frozen"'),
        (lambda s: s.wait_for(timeout="5"), TypeError, "timeout must be a number, got '5'"),
        (lambda s: s.wait_for(timeout=True), TypeError, "timeout must be a number, got True"),
        (lambda s: s.wait_for(timeout=math.nan), ValueError, "timeout must be a finite number, got nan"),
        (lambda s: s.wait_for(timeout=math.inf), ValueError, "timeout must be a finite number, got inf"),
        (lambda s: s.wait_for(timeout=601), ValueError, "timeout must be at most 600, got 601"),
        (lambda s: s.wait_for(count=-1), ValueError, "count must not be negative, got -1"),
        (lambda s: s.wait_for(count=True), TypeError, "count must be an integer, got True"),
        (lambda s: s.wait_for(count=1.0), TypeError, "count must be an integer"),
        (lambda s: s.wait_for(quiet=-1), ValueError, "quiet must not be negative"),
        (lambda s: s.wait_for(exactly="2"), TypeError, "exactly must be an integer, got '2'"),
        (
            lambda s: s.wait_for(verdict="acepted"),
            ValueError,
            'rejected, any; got "acepted", did you mean "accepted"',
        ),
        (lambda s: s.wait_for(type=5), TypeError, "type must be a string"),
        (lambda s: s.wait_for(where=[]), TypeError, "where must be a mapping"),
        (lambda s: s.wait_for_request(status="200"), TypeError, "status must be an integer or a mapping"),
        (lambda s: s.wait_until_quiet("1"), TypeError, "quiet must be a number"),
        (lambda s: s.events(type=5), TypeError, "type must be a string"),
        (lambda s: s.requests(status="200"), TypeError, "status must be an integer, got '200'"),
        (lambda s: s.request(5), TypeError, "id must be a string"),
        (lambda s: s.patch("outlit", "x"), TypeError, "patch must be a mapping"),
        (lambda s: s.faults.replace({"delay_ms": 1}), TypeError, "steps must be a list"),
        (lambda s: s.clock.advance("5"), TypeError, "by must be a timedelta or a number, got '5'"),
        (lambda s: s.clock.advance(True), TypeError, "by must be a timedelta or a number"),
        (lambda s: s.clock.set(5), TypeError, "now must be a datetime or a string"),
        (lambda s: s.session(5), TypeError, "must be a string"),
        (lambda s: s.session(""), ValueError, "must not be empty"),
        (lambda s: s.session(".."), ValueError, 'must not be ".."'),
        (lambda s: s.session("a\ud800"), ValueError, "must not contain a lone surrogate"),
        (lambda s: CLIENT(URL, sesion="x"), TypeError, 'did you mean "session"'),
        (lambda s: SERVER.connect(URL, sesion="x"), TypeError, 'did you mean "session"'),
        (lambda s: CLIENT(URL, session=5), TypeError, "the name of a session must be a string, got 5"),
        (lambda s: SERVER.connect(URL, session=".."), ValueError, 'must not be ".."'),
        (lambda s: SERVER(session="a\x00"), ValueError, "a control character"),
        (lambda s: SERVER(port="8207"), TypeError, "port must be an integer, got '8207'"),
        (lambda s: SERVER(contract_patches="a.yaml"), TypeError, "contract_patches must be a list, got 'a.yaml'"),
        (lambda s: SERVER(allowed_hosts="mock.example"), TypeError, "allowed_hosts must be a list"),
        (lambda s: SERVER(revisions=["outlit=r4-2026-08"]), TypeError, "revisions must be a mapping"),
        (lambda s: SERVER(tls=True), TypeError, "tls must be one of self-signed"),
        (lambda s: SERVER(revison={}), TypeError, 'MockServer: unknown option "revison", did you mean "revisions"'),
    ],
)
def test_argument_is_refused_before_the_call(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as refused:
        call(SESSION)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.wait_for(whre={}),
        lambda s: s.wait_for(count=True),
        lambda s: s.wait_for_request(mehod="GET"),
        lambda s: s.events(whre={}),
        lambda s: s.wait_until_quiet("1"),
        lambda s: s.clock.advance("5"),
        lambda s: s.session(""),
    ],
)
async def test_argument_of_a_coroutine_is_refused_too(call: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        await call(SESSION.aio)


PARTS: list[Any] = [SESSION, SESSION.clock, SESSION.faults, SESSION.aio, SESSION.aio.clock, SESSION.aio.faults]
LEFT_TO_THE_SERVER = {"add", "settings"}


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
async def test_every_method_refuses_an_unknown_keyword(part: Any) -> None:
    """A method that is added without the check is found here."""
    for name, method in vars(type(part)).items():
        if not name.startswith("_") and callable(method) and name not in {*LEFT_TO_THE_SERVER, "session"}:
            with pytest.raises(TypeError, match='unknown option "no_such_name"'):
                await method(part, no_such_name=1)


def test_none_is_an_argument_that_is_not_given() -> None:
    def method(session: str, when: datetime | None = None, *, count: int = 1) -> None:
        """Do nothing."""

    check_arguments(method, (None,), {"count": None})
    with pytest.raises(TypeError, match="when must be a datetime"):
        check_arguments(method, ("noon",), {})
