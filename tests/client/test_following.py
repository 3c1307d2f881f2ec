"""The stream of a session in Python: what it has, where it goes on, and when it ends."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import pytest

from mockserver import ControlError, MockServer, UnreachableError
from mockserver.client import following
from mockserver.client.calls import Target
from mockserver.client.following import SessionStream
from mockserver.client.stream import Stream, StreamedEvent
from tests.sending import send_whisperr, whisperr_event


@pytest.fixture
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


def types(events: list[StreamedEvent]) -> list[str | None]:
    return [row.type for event in events for row in event.events]


def test_stream_begins_with_what_is_there_and_goes_on_with_what_comes(server: MockServer) -> None:
    session = server.session("wrk_stream")
    send_whisperr(session, whisperr_event("first"))
    send_whisperr(server.session("wrk_other"), whisperr_event("elsewhere"))
    with session.stream() as stream:
        begun, first = next(stream), next(stream)
        assert (begun.kind, begun.request, begun.events) == ("session", None, [])
        assert first.request is not None
        assert (first.kind, first.request.status, types([first])) == ("request", 202, ["first"])
        sender = threading.Timer(0.05, send_whisperr, (session, whisperr_event("second")))
        sender.start()
        assert types([next(stream)]) == ["second"]
        sender.join()
        assert next(session.stream(after=first.cursor)).cursor == stream.cursor
    assert list(stream) == []


def test_stream_ends_after_silence(server: MockServer) -> None:
    session = server.session("wrk_stream")
    send_whisperr(session, whisperr_event("a"), whisperr_event("b"))
    assert types(list(session.stream(quiet=1))) == ["a", "b"]
    assert list(server.session("wrk_nothing").stream(quiet=0.05)) == []


def test_stream_is_awaited_on_the_loop_of_the_test(server: MockServer) -> None:
    session = server.session("wrk_stream")

    async def seen() -> list[StreamedEvent]:
        send_whisperr(session, whisperr_event("a"))
        return [event async for event in session.aio.stream(quiet=1)]

    assert types(asyncio.run(seen())) == ["a"]


def test_stream_goes_on_after_a_lost_connection_without_gap_or_repeat(
    server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "RETRY_S", 0.01)
    session, relay = server.session("wrk_stream"), Relay(server.target.port)
    stream = Stream(Target(f"http://127.0.0.1:{relay.port}"), session.name, "0")
    with relay, SessionStream(stream, quiet=20) as events:
        seen = list[StreamedEvent]()
        for number in range(20):
            send_whisperr(session, whisperr_event(f"event_{number}"))
            if number % 5 == 0:
                seen += [next(events), next(events)]
                relay.cut()
        for event in events:
            seen.append(event)
            if types([event]) == ["event_19"]:
                break
    assert types(seen) == [f"event_{number}" for number in range(20)]
    assert relay.connections > 3


class Relay:
    """A way to a server whose connections can be cut."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0

    def __enter__(self) -> None:
        threading.Thread(target=self._accept, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            for near, _ in iter(self._listener.accept, None):
                far = socket.create_connection(("127.0.0.1", self._to))
                self.connections += 1
                self._open += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(source, target), daemon=True).start()

    def cut(self) -> None:
        """End all connections, wherever the bytes are."""
        cut, self._open = self._open, []
        for connection in cut:
            with suppress(OSError), connection:
                connection.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        for piece in iter(partial(source.recv, 777), b""):
            target.sendall(piece)


def test_restart_of_the_server_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RETRY_S", 0.01)
    with MockServer() as first:
        port = int(first.url.rpartition(":")[2])
        session = first.session("wrk_stream")
        send_whisperr(session, whisperr_event("before"))
        stream = session.stream()
        assert types([next(stream), next(stream)]) == ["before"]
        first.close()
        with MockServer(port=port) as second:
            send_whisperr(second.session("wrk_stream"), whisperr_event("after"))
            told, _, after = next(stream), next(stream), next(stream)
            assert (told.kind, told.data["reason"], types([after])) == ("evicted", "restart", ["after"])
            stream.close()


def test_stream_of_no_server_is_told_at_once_and_of_one_that_stays_away_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PATIENCE_S", 0.05)
    monkeypatch.setattr(following, "RETRY_S", 0.01)
    with MockServer() as server:
        session = server.session("wrk_stream")
        send_whisperr(session, whisperr_event("a"))
        stream = session.stream()
        next(stream)
    with pytest.raises(UnreachableError):
        list(stream)
    with pytest.raises(UnreachableError):
        next(session.stream())


def test_arguments_are_checked(server: MockServer) -> None:
    with pytest.raises(ControlError, match="after: expected 0 or the id"):
        next(server.stream(after="nonsense"))
    with pytest.raises(TypeError, match="after must be a string"):
        server.stream(after=0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="quiet must not be negative"):
        next(server.stream(quiet=-1))


def test_stream_that_is_left_ends_its_thread(server: MockServer) -> None:
    session = server.session("wrk_stream")
    send_whisperr(session, whisperr_event("a"))
    next(session.stream())
    gc.collect()
    waiting = session.stream()
    next(waiting), next(waiting)
    closer = threading.Timer(0.05, waiting.close)
    closer.start()
    assert list(waiting) == []
    for thread in threading.enumerate():
        if thread.name == "mockserver stream":
            thread.join(10)
    assert [thread.name for thread in threading.enumerate() if thread.name == "mockserver stream"] == []
