"""Which exchange answers a request: each once, in order, and the nearest where none does."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.route import route
from mockserver.recording.replay import playing
from mockserver.recording.replay.matching import NormalRequest, normal_request
from mockserver.recording.replay.playing import Playback
from mockserver.recording.replay.tape import Tape, read_tape
from mockserver.settings import RecordMode
from tests.judging import wire_request
from tests.recording.made import event, exchange, lines
from tests.recording.replay.test_tape import SERVED, WHISPERR


def tape_of(*exchanges: Any) -> Tape:
    return read_tape(lines(*(dict(row, id=f"x{number}") for number, row in enumerate(exchanges, 1))), "f", SERVED)


def live(kind: str = "paid", message: str = "k-1", user: str = "ada", **members: Any) -> NormalRequest:
    body = {"events": [event(kind, message, user, **members)]}
    headers = {"x-api-key": "wrk_1", "content-type": "application/json"}
    return normal_request(route(RequestBody(wire_request("/v1/events/batch", body, headers)), WHISPERR))


def take(playback: Playback, request: NormalRequest) -> str | None:
    taken = playback.take(playback.tape.index(WHISPERR), request)
    return None if taken is None else playback.tape.exchange(taken.number).id


def test_equal_requests_are_answered_in_order_and_each_exchange_once() -> None:
    playback = Playback(tape_of(exchange(), exchange(event("other", "m-2")), exchange()))
    assert [take(playback, live()) for _ in range(3)] == ["x1", "x3", None]
    assert playback.played == 2
    nearest = playback.nearest(live(), WHISPERR)
    assert (nearest.reason, nearest.id) == ("played", "x3")
    assert nearest.text() == "the recording has this request (x3), but it was sent more often than it was recorded"


def test_last_of_equal_exchanges_is_repeated_also_for_other_ids() -> None:
    playback = Playback(tape_of(exchange(), exchange()), repeats=True)
    assert [take(playback, live()) for _ in range(4)] == ["x1", "x2", "x2", "x2"]
    assert take(playback, live(message="k-2", user="bob")) == "x2"
    assert playback.played == 2


def test_exchange_that_did_not_reach_the_client_is_played_again() -> None:
    playback = Playback(tape_of(exchange(), exchange()))
    assert take(playback, live()) == "x1"
    playback.give_back(0, WHISPERR)
    assert [take(playback, live()), take(playback, live())] == ["x1", "x2"]
    playback.give_back(0, WHISPERR)
    assert [take(playback, live()), take(playback, live())] == ["x1", None]
    playback.give_back(1, WHISPERR)
    playback.give_back(1, WHISPERR)
    assert [take(playback, live()), take(playback, live())] == ["x2", None]


def test_exchange_in_which_a_rule_hid_something_is_found_and_given_back() -> None:
    playback = Playback(tape_of(exchange(event(properties={"plan": "<value:1>"})), exchange(event("other", "m-2"))))
    assert take(playback, live(properties={"plan": "pro"})) == "x1"
    assert take(playback, live(properties={"plan": "team"})) is None
    playback.give_back(0, WHISPERR)
    assert take(playback, live(properties={"plan": "team"})) == "x1"


def test_ids_choose_among_equal_exchanges() -> None:
    first, second = exchange(event(user="<id:1>", message="m-1")), exchange(event(user="<id:2>", message="m-2"))
    playback = Playback(tape_of(exchange(event("start", "m-0", "<id:2>")), first, second))
    assert take(playback, live("start", "k-0", "bob")) == "x1"
    assert take(playback, live(message="k-9", user="bob")) == "x3"
    assert take(playback, live(message="k-8", user="ada")) == "x2"


def test_ids_that_do_not_fit_are_named() -> None:
    playback = Playback(
        tape_of(exchange(event("start", "m-0", "<id:1>")), exchange(event(user="<id:1>", message="m-1")))
    )
    take(playback, live("start", "k-0", "ada"))
    nearest = playback.nearest(live(message="k-1", user="bob"), WHISPERR)
    assert (nearest.reason, nearest.id) == ("ids", "x2")
    assert [found.pointer for found in nearest.differences] == ["/body/events/0/external_user_id"]
    assert "ada" not in nearest.text()


def test_ids_that_do_not_fit_are_told_from_requests_that_were_played(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "MOST_COMPARED", 1)
    rows = [exchange(event(user=f"<id:{number}>", message=f"m-{number}")) for number in range(3)]
    playback = Playback(tape_of(*rows, exchange(event("paid", "m-9", "<id:0>"))))
    assert [take(playback, live(message=f"k-{name}", user=name)) for name in ("ada", "bob")] == ["x1", "x2"]
    assert take(playback, live(message="k-9", user="ada")) == "x4"
    assert playback.nearest(live(message="k-10", user="bob"), WHISPERR).reason == "ids"


def test_nearest_has_the_fewest_differences_and_those_not_played_come_first() -> None:
    playback = Playback(
        tape_of(
            exchange(event(properties={"a": 1, "b": 2, "c": 3})),
            exchange(event(properties={"a": 9, "b": 2, "c": 3})),
            exchange(event(properties={"a": 1, "b": 2, "c": 9})),
        )
    )
    take(playback, live(properties={"a": 9, "b": 2, "c": 3}))
    nearest = playback.nearest(live(properties={"a": 9, "b": 2, "c": 4}), WHISPERR)
    assert (nearest.reason, nearest.id) == ("different", "x2")
    assert nearest.as_json()["differences"] == [{"pointer": "/body/events/0/properties/c", "expected": 3, "got": 4}]
    assert nearest.text() == (
        "the recording has no such request; the nearest is x2: /body/events/0/properties/c expected 3, got 4"
    )


def test_nothing_is_near_in_an_empty_recording() -> None:
    nearest = Playback(tape_of()).nearest(live(), WHISPERR)
    assert nearest.as_json() == {"reason": "unknown", "nearest": None, "differences": []}
    assert nearest.text() == "the recording has no request of this protocol"


def test_search_for_the_nearest_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    plain = Tape.form

    def form(tape: Tape, number: int, contract: Contract) -> NormalRequest:
        compared.append(number)
        return plain(tape, number, contract)

    monkeypatch.setattr(Tape, "form", form)
    playback = Playback(tape_of(*(exchange(event(f"kind_{number}")) for number in range(200))))
    compared.clear()
    assert playback.nearest(live("other"), WHISPERR).reason == "different"
    assert len(compared) <= playing.MOST_COMPARED
    compared.clear()
    monkeypatch.setattr(playing, "MOST_BYTES", 100)
    assert playback.nearest(live("other"), WHISPERR).id == "x1"
    assert len(compared) == 1


@pytest.mark.parametrize(
    ("record", "exchanges", "plays", "records"),
    [
        ("none", 1, True, False),
        ("new_episodes", 1, True, True),
        ("all", 1, False, True),
        ("once", 1, True, False),
        ("once", 0, False, True),
    ],
)
def test_mode_says_what_is_played_and_recorded(record: RecordMode, exchanges: int, plays: bool, records: bool) -> None:
    tape = tape_of(exchange()) if exchanges else Tape((), ())
    playback = Playback(tape, record)
    assert (playback.plays, playback.records) == (plays, records)
