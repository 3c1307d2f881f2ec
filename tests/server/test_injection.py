"""What a fault step does to a connection, on a connection that only writes down what is done to it."""

from __future__ import annotations

import socket
import struct
from typing import Any
from unittest import mock

import pytest

from mockserver.core.wire import WireReply
from mockserver.server.connection import Connection
from mockserver.server.injection import DRIBBLE_PIECES, MALFORMED, closed, cut, given_up, gone, pause
from mockserver.sessions.steps import Step

REPLY = WireReply(status=207, headers=(("Content-Type", "application/json"), ("Vary", "Origin")), body=b'{"a": 1}')
HEAD = b"HTTP/1.1 207 Multi-Status\r\nContent-Type: application/json\r\nVary: Origin\r\nContent-Length: 8\r\n"


class Wire:
    """The transport of a connection, and its socket."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.ended = ""
        self.options: list[tuple[int, int, bytes]] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def is_closing(self) -> bool:
        return bool(self.ended)

    def get_extra_info(self, name: str) -> Any:
        return self if name == "socket" else None

    def setsockopt(self, level: int, name: int, value: bytes) -> None:
        self.options.append((level, name, value))


def request_on(wire: Wire | None, method: str = "POST", *, half_closed: bool | None = None) -> Any:
    """Return a request on a connection; with `half_closed` its protocol is one of ours."""
    protocol = mock.Mock() if half_closed is None else mock.Mock(spec=Connection, half_closed=half_closed)
    return mock.Mock(transport=wire, method=method, protocol=protocol)


@pytest.mark.parametrize(
    ("connection", "written", "ended"),
    [
        ("reset", [], "aborted"),
        ("drop", [], "closed"),
        ("truncate", [HEAD + b'\r\n{"a"'], "closed"),
        ("malformed", [MALFORMED], "closed"),
    ],
)
async def test_connection_is_cut_as_the_step_says(connection: str, written: list[bytes], ended: str) -> None:
    wire = Wire()
    assert await cut(request_on(wire), Step({"connection": connection}), REPLY) is False
    assert (wire.written, wire.ended) == (written, ended)


async def test_reset_makes_the_close_send_a_reset() -> None:
    wire = Wire()
    await cut(request_on(wire), Step({"connection": "reset"}), REPLY)
    assert wire.options == [(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))]


async def test_answer_to_head_has_no_body_to_cut() -> None:
    wire = Wire()
    await cut(request_on(wire, "HEAD"), Step({"connection": "truncate"}), REPLY)
    assert wire.written[0].endswith(b"Content-Length: 0\r\n\r\n")


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, in seconds; none of them takes time."""
    seconds_paused: list[float] = []

    async def note(seconds: float) -> None:
        seconds_paused.append(seconds)

    monkeypatch.setattr("mockserver.server.injection.sleep", note)
    return seconds_paused


@pytest.mark.parametrize(("delay", "each"), [(None, 0.05), (1000, 0.1)])
async def test_dribbled_reply_arrives_whole_in_pieces(pauses: list[float], delay: int | None, each: float) -> None:
    wire = Wire()
    step = Step({"connection": "dribble", **({} if delay is None else {"delay_ms": delay})})
    assert await cut(request_on(wire), step, REPLY) is True
    assert b"".join(wire.written) == HEAD + b'Connection: close\r\n\r\n{"a": 1}'
    assert len(wire.written) == DRIBBLE_PIECES
    assert pauses == pytest.approx([each] * DRIBBLE_PIECES)
    assert wire.ended == "closed"


@pytest.mark.usefixtures("pauses")
async def test_dribbling_ends_when_the_client_has_gone() -> None:
    wire = Wire()
    wire.ended = "by the client"
    assert await cut(request_on(wire), Step({"connection": "dribble"}), REPLY) is False
    assert wire.written == []


@pytest.mark.parametrize(
    ("step", "seconds", "waited"),
    [
        ({"delay_ms": 250}, [0.25], True),
        ({"delay_ms": 0}, [0.0], False),
        ({"reply": {"status": 500}}, [], False),
        ({"connection": "dribble", "delay_ms": 250}, [], False),
    ],
)
async def test_pause_is_as_long_as_the_step_says(
    pauses: list[float], step: dict[str, Any], seconds: list[float], waited: bool
) -> None:
    assert await pause(Step(step), request_on(Wire())) is waited
    assert pauses == seconds


@pytest.mark.parametrize(
    ("transport", "half_closed", "is_gone", "has_given_up"),
    [
        ("open", None, False, False),
        ("open", False, False, False),
        ("open", True, False, True),
        ("closing", False, True, True),
        ("none", False, True, True),
    ],
)
def test_client_is_gone_or_does_not_read_any_more(
    transport: str, half_closed: bool | None, is_gone: bool, has_given_up: bool
) -> None:
    wire = None if transport == "none" else Wire()
    if wire is not None and transport == "closing":
        wire.ended = "closing"
    request = request_on(wire, half_closed=half_closed)
    assert (gone(request), given_up(request)) == (is_gone, has_given_up)


def test_response_for_a_closed_connection_keeps_nothing_alive() -> None:
    assert closed().keep_alive is False
