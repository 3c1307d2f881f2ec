"""Times as offsets, and back."""

from __future__ import annotations

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.recording.normalisation.moments import STEP_MS, Moments, has_token, shifted, with_times
from mockserver.recording.normalisation.normal_form import normal_form

CREATED = epoch_ms("2026-06-14T12:00:00.250Z") or 0
WHISPERR = normal_form(library().protocol("whisperr").contract())
OUTLIT = normal_form(library().protocol("outlit").contract())


def row(body: Json, headers: Json = ()) -> dict[str, Json]:
    return {"request": {"body": {"json": body}, "headers": []}, "reply": {"headers": [*headers], "body": {"text": ""}}}


def written(value: Json, *, step_ms: int = 1) -> Json:
    """Return how the time of an event is written."""
    body = {"json": {"events": [{"occurred_at": value}]}}
    event = Moments(CREATED, CREATED, step_ms).body(body, WHISPERR, "request")["json"]["events"][0]
    return event["occurred_at"]


@pytest.mark.parametrize(
    ("time", "token"),
    [
        ("2026-06-14T12:00:00.550Z", "<time+0.300s>"),
        ("2026-06-14T12:00:00.250Z", "<time+0.000s>"),
        ("2026-06-14T12:00:00.249Z", "<time-0.001s>"),
        ("2026-06-14T11:59:58.000Z", "<time-2.250s>"),
        ("2026-06-14T12:00:00Z", "<time+0s>"),
        ("2026-06-14T11:59:59Z", "<time-1s>"),
        ("2026-06-14T14:00:00.550+02:00", "<time+0.300s+02:00>"),
        ("2026-06-14T08:30:00.550-03:30", "<time+0.300s-03:30>"),
        ("2026-06-14T12:00:00.550000Z", "<time+0.300000s>"),
        ("2020-01-01T00:00:00.000Z", "<time-203601600.250s>"),
        (1_781_438_400_550, "<epoch_ms+0.300s>"),
        (1_781_438_401, "<epoch_s+1s>"),
    ],
)
def test_time_is_put_back_as_it_was(time: Json, token: str) -> None:
    assert written(time) == token
    assert with_times(row(token), CREATED) == row(time)


@pytest.mark.parametrize(
    "time", ["2026-06-14", "2026-06-14T12:00:00.5Z", "2026-06-14t12:00:00z", "20260614T120000Z", 1]
)
def test_other_ways_to_write_a_time_stay_as_they_are(time: Json) -> None:
    assert written(time) == time


@pytest.mark.parametrize(("ms", "token"), [(249, "<time+0.200s>"), (251, "<time+0.300s>"), (-3, "<time+0.000s>")])
def test_times_are_rounded(ms: int, token: str) -> None:
    time = f"2026-06-14T12:00:00.{250 + ms:03d}Z"
    assert written(time, step_ms=STEP_MS) == token


def test_time_that_the_contract_does_not_know_is_an_offset_only_near_its_exchange() -> None:
    times = {"now": "2026-06-14T12:00:01.250Z", "trial_ends": "2026-07-14T12:00:01.250Z"}
    body = {"json": {"events": [{"properties": times}]}}
    event = Moments(CREATED, CREATED, STEP_MS).body(body, WHISPERR, "request")["json"]["events"][0]
    assert event["properties"] == {**times, "now": "<time+1.000s>"}


def test_texts_that_are_no_json_stay_and_what_tells_of_a_time_has_its_token() -> None:
    moments = Moments(CREATED, CREATED, STEP_MS)
    text = {"text": '{"events": [{"occurred_at": "2026-06-14T12:00:00.550Z"}]}'}
    assert moments.body(text, WHISPERR, "request") == text
    moments.body({"json": {"events": [{"timestamp": 1_781_438_400_550}]}}, OUTLIT, "request")
    told = [{"message": "got 1781438400550, too old", "got": 1_781_438_400_550}, None]
    assert moments.told(told) == [{"message": "got <epoch_ms+0.300s>, too old", "got": "<epoch_ms+0.300s>"}, None]


def test_time_in_a_header_is_a_text() -> None:
    headers: list[Json] = [["X-RateLimit-Reset", "1781438401"], ["X-RateLimit-Limit", "1781438401"]]
    normal = Moments(CREATED, CREATED, STEP_MS).headers(headers, OUTLIT)
    assert normal == [["X-RateLimit-Reset", "<epoch_s+1s>"], headers[1]]
    assert with_times(row({}, normal), CREATED) == row({}, headers)


def test_exchange_without_a_reply_is_read() -> None:
    whole = {**row({"at": "a <time+0.300s> b"}), "reply": None}
    assert with_times(whole, CREATED)["request"]["body"] == {"json": {"at": "a 2026-06-14T12:00:00.550Z b"}}


def test_text_that_reads_like_a_token_is_found() -> None:
    assert has_token({"a": ["x <time+1s>"]})
    assert has_token({"<epoch_ms+0.300s>": 1})
    assert not has_token({"a": ["<time>", "<id:3>", 3, None, "<time+s>"]})


@pytest.mark.parametrize(
    ("time", "moved"),
    [
        ("2026-06-14T12:00:00.000Z", "2026-06-14T13:00:00.001Z"),
        ("2026-06-14T12:00:00Z", "2026-06-14T13:00:00Z"),
        ("2026-06-14T23:30:00.5+02:00", "2026-06-15T00:30:00.5+02:00"),
        ("2026-06-14T12:00:00.123456789-03:30", "2026-06-14T13:00:00.124456789-03:30"),
        ("2026-06-14T12:00:00", "2026-06-14T13:00:00"),
        ("2026-06-14", "2026-06-14"),
        (1_781_438_400_000, 1_781_442_000_001),
        (1_781_438_400, 1_781_442_000),
        (1_781_438_400_000.5, 1_781_442_000_001.5),
        (12, 12),
        (True, True),
        (None, None),
        ("soon", "soon"),
        ("2026-02-30T00:00:00Z", "2026-02-30T00:00:00Z"),
    ],
)
def test_time_is_moved_and_written_as_it_was(time: Json, moved: Json) -> None:
    assert shifted(time, 3_600_001) == moved
