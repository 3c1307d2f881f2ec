"""Faults that only batches between the edges show, and those of one type of events only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from mockserver.strategies.samples import Request
from mockserver.verify import Reply
from tests.verify.lies.lie import (
    Forward,
    Json,
    Lie,
    always,
    body_of,
    edited,
    events_of,
    reading,
    refusing,
    replying,
    with_body,
    with_events,
)


def _size(protocol: str, name: str, refused: Callable[[int], bool], told: str) -> Lie:
    proxy = refusing(lambda request: refused(len(events_of(request))))
    return Lie(kind="between", name=name, protocol=protocol, told=(told,), proxy=proxy)


def _counted_to(most: int) -> Callable[[Request, Reply], Reply]:
    def change(request: Request, reply: Reply) -> Reply:
        return edited(
            reply, lambda body: {**body, "processed": min(most, body["processed"])} if "processed" in body else body
        )

    return change


def _errors(change: Callable[[list[Json]], list[Json]]) -> Callable[[Request, Reply], Reply]:
    def edit(request: Request, reply: Reply) -> Reply:
        return edited(reply, lambda body: {**body, "errors": change(body["errors"])} if body.get("errors") else body)

    return edit


def _blind_after(count: int) -> Callable[[Forward, Request], Reply]:
    """Look at the first events of a batch only: later ones are taken as the first one is."""

    def send(forward: Forward, request: Request) -> Reply:
        body = body_of(request)
        if (
            not isinstance(body, dict)
            or not isinstance(body.get("events"), list)
            or not 100 >= len(body["events"]) > count
        ):
            return forward(request)
        seen = body["events"][:count]
        return forward(with_body(request, {**body, "events": [*seen, *[seen[0]] * (len(body["events"]) - count)]}))

    return send


def _filled(kind: str, member: str, value: Json) -> Callable[[Request], Request]:
    """Take events of one type without a member that they need."""

    def mend(event: Json) -> Json:
        lacks = isinstance(event, dict) and event.get("type") == kind and event.get(member) is None
        return {**event, member: value} if lacks else event

    def read(request: Request) -> Request:
        lacks = any(isinstance(event, dict) and event != mend(event) for event in events_of(request))
        return with_events(request, mend) if lacks else request

    return read


def _mended(kind: str, member: str, value: Json, good: type) -> Callable[[Request], Request]:
    """Take any value of a member in events of one type."""

    def mend(event: Json) -> Json:
        wrong = isinstance(event, dict) and event.get("type") == kind and not isinstance(event.get(member, value), good)
        return {**event, member: value} if wrong else event

    def read(request: Request) -> Request:
        wrong = any(isinstance(event, dict) and event != mend(event) for event in events_of(request))
        return with_events(request, mend) if wrong else request

    return read


POLICY: Final = "/protocol/operations/events/forms/batch/policy"
PARTLY: Final = "/protocol/replies/partly_processed"
MOST: Final = "/requests/envelope/properties/events/maxItems"


def _between() -> Iterator[Lie]:
    yield _size("outlit", "50 to 99 events are refused", lambda count: 50 <= count < 100, MOST)
    yield _size(
        "whisperr",
        "101 to 499 events are refused",
        lambda count: 100 < count < 500,
        "/requests/batch/properties/events/maxItems",
    )
    yield _size(
        "apex", "odd numbers of events over ten are refused", lambda count: count > 10 and count % 2 == 1, "/requests/"
    )
    for name, change, told in (
        ("at most 60 events are counted", _counted_to(60), (MOST, "/protocol/replies/processed")),
        (
            "an index is told modulo ten",
            _errors(
                lambda errors: [
                    {**error, "index": error["index"] % 10 if error["index"] > 0 else error["index"]}
                    for error in errors
                ]
            ),
            (POLICY, PARTLY),
        ),
        (
            "at most 5 errors are told",
            _errors(lambda errors: errors[:5]),
            (POLICY, PARTLY, "/protocol/replies/none_processed"),
        ),
        (
            "at most 10 errors are told",
            _errors(lambda errors: errors[:10]),
            (POLICY, PARTLY, "/protocol/replies/none_processed"),
        ),
        (
            "over 3 errors are in reverse order",
            _errors(lambda errors: errors[::-1] if len(errors) > 3 else errors),
            (POLICY, PARTLY, "/protocol/replies/none_processed"),
        ),
    ):
        yield Lie(kind="between", name=name, protocol="outlit", told=told, tried=(POLICY, MOST), proxy=replying(change))
    for protocol, policy in (("outlit", POLICY), ("whisperr", "/protocol/operations/batch/forms/batch/policy")):
        name, proxy = "nothing is looked at after ten events", always(_blind_after(10))
        told = (policy, PARTLY)
        yield Lie(kind="between", name=name, protocol=protocol, told=told, tried=(policy,), proxy=proxy)


def _of_one_type() -> Iterator[Lie]:
    shared = "/events/shared/common/properties"
    for name, change, told in (
        ("forms need no url", _filled("form", "url", "https://a.example/"), "/events/form/required/url"),
        ("stages need no path", _filled("stage", "path", "/"), "/events/stage/required/path"),
        ("a calendar event has any timestamp", _mended("calendar", "timestamp", 1, int), f"{shared}/timestamp/type"),
        ("an engagement has any utm", _mended("engagement", "utm", {}, dict), f"{shared}/utm/type"),
    ):
        yield Lie(kind="one type", name=name, protocol="outlit", told=(told,), proxy=reading(change))


LIES: Final = [*_between(), *_of_one_type()]
