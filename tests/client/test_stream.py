"""Server-sent events become values, however the bytes come; and each way a stream can fail is told."""

from __future__ import annotations

import pytest

from mockserver import MockServer
from mockserver.client.calls import Target
from mockserver.client.stream import Decoder, Stream, StreamedEvent
from mockserver.errors import ControlError, UnreachableError
from tests.sending import post, send_whisperr, whisperr_event

TEXT = (
    b': hello\nretry: 1000\nid: r.0\n\nid: r.1\nevent: session\ndata: {"session":"a"}\n\n'
    b'id: r.2\r\nevent: deleted\r\ndata: {"session":\r\ndata: "\xc3\xa9"}\r\n\r\n: quiet\nid: r.9\n\n'
)
EVENTS = [
    StreamedEvent(kind="session", cursor="r.1", data={"session": "a"}),
    StreamedEvent(kind="deleted", cursor="r.2", data={"session": "é"}),
]


@pytest.mark.parametrize("size", [1, 2, 7, 50, 1000])
def test_events_are_the_same_however_they_are_cut(size: int) -> None:
    decoder, events = Decoder(), list[StreamedEvent]()
    for start in range(0, len(TEXT), size):
        events += decoder.take(TEXT[start : start + size])
    assert (events, decoder.cursor) == (EVENTS, "r.9")


def test_stream_that_ends_within_an_event_goes_on_before_it() -> None:
    decoder, cut = Decoder(), TEXT.index(b"id: r.2") + len("id: r.2\r\nevent: del")
    assert [event.cursor for event in decoder.take(TEXT[:cut])] == ["r.1"]
    assert decoder.cursor == "r.1"


def test_event_as_json_has_its_kind_and_cursor_beside_its_data() -> None:
    assert EVENTS[0].as_json() == {"event": "session", "cursor": "r.1", "session": "a"}


async def first(stream: Stream, count: int) -> list[StreamedEvent]:
    events, opened = list[StreamedEvent](), list[str]()
    async for event in stream.events(lambda: opened.append("opened")):
        events.append(event)
        if len(events) == count:
            break
    assert opened == ["opened"]
    return events


async def test_stream_goes_on_where_it_stopped() -> None:
    with MockServer() as server:
        for number in range(3):
            send_whisperr(server, whisperr_event(f"paid_{number}"))
        stream = Stream(server.target, None, "0")
        begun, one = await first(stream, 2)
        assert (begun.kind, one.data["session"], stream.cursor) == ("session", server.key, one.cursor)
        more = await first(stream, 2)
        assert [event.data["request"]["seq"] for event in more] == [2, 3]
        own = Stream(server.target, server.key, "0", hidden=True)
        assert (await first(own, 1))[0].data["session"] != server.key
        assert server.session("pk_other").requests() == []


async def ended(stream: Stream) -> list[StreamedEvent]:
    return [event async for event in stream.events()]


async def test_end_of_the_server_is_told() -> None:
    with MockServer() as server:
        stream = Stream(server.target, None, "0")
        events = stream.events(server.close)
        with pytest.raises(UnreachableError, match="has ended the stream"):
            await anext(events)
    with pytest.raises(UnreachableError, match="Connection refused"):
        await ended(stream)


@pytest.mark.parametrize(("cursor", "problem"), [("x", "after: expected 0"), ("0", "")])
async def test_refused_call_is_told(cursor: str, problem: str) -> None:
    with MockServer(admin_token=None if problem else "secret") as server:
        target = server.target if problem else Target(server.url)
        with pytest.raises(ControlError, match=problem or "bearer token"):
            await ended(Stream(target, None, cursor))


async def test_another_server_is_told() -> None:
    with MockServer() as server:
        assert post(server.url, "/nothing", {}) == 404
        elsewhere = Target(f"{server.url}/elsewhere")
        with pytest.raises((UnreachableError, ControlError)):
            await ended(Stream(elsewhere, None, None))
