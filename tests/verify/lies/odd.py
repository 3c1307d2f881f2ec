"""Odd values that are refused, though they mean nothing else than others: words, names, times, sizes that are round."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from mockserver.strategies.samples import Request
from tests.verify.lies.lie import Json, Lie, body_of, events_of, reading, refusing, with_body, with_events

FORMS: Final = "/protocol/operations/events/forms"


def _any_event(test: Callable[[dict[str, Json]], bool]) -> Callable[[Request], bool]:
    return lambda request: any(isinstance(event, dict) and test(event) for event in events_of(request))


def _words() -> Iterator[Lie]:
    for protocol, kind, name, test in (
        ("whisperr", "event", "an id with an @", lambda event: "@" in str(event.get("external_user_id"))),
        ("whisperr", "event", "an id that is 0", lambda event: event.get("external_user_id") == "0"),
        ("outlit", "pageview", "a url with a plus sign", lambda event: "+" in str(event.get("url"))),
        ("outlit", "pageview", "a title that is null in words", lambda event: event.get("title") == "null"),
        ("apex", "snippet", "a quote in a type", lambda event: '"' in str(event.get("type"))),
    ):
        told = (f"/events/{kind}", "/events/shared", "/events/batch_event", "/protocol/operations")
        tried = ("/events/*#words",)
        yield Lie(
            kind="odd words",
            name=f"{name} is refused",
            protocol=protocol,
            told=told,
            tried=tried,
            proxy=refusing(_any_event(test)),
        )


def _members() -> Iterator[Lie]:
    yield Lie(
        kind="odd members",
        name="an unknown member of utm is refused",
        protocol="outlit",
        told=("/protocol/behavior/unknown_members", "/events/"),
        tried=("/events/pageview#unknown-members", "/events/shared"),
        proxy=refusing(_any_event(lambda event: isinstance(event.get("utm"), dict) and "verify_note" in event["utm"])),
    )
    yield Lie(
        kind="odd members",
        name="a password in a form is refused",
        protocol="outlit",
        told=("/protocol/stored/strip", "/events/form"),
        tried=("/protocol/stored/strip/*",),
        proxy=refusing(_any_event(lambda event: "password" in (event.get("formFields") or {}))),
    )
    yield Lie(
        kind="odd members",
        name="a snippet with the member of a batch is refused",
        protocol="apex",
        told=(FORMS, "/protocol/behavior", "/protocol/operations/events", "/events/snippet"),
        tried=(f"{FORMS}/snippet#members-of-batch",),
        proxy=refusing(_any_event(lambda event: "userId" in event and "visitorId" in event)),
    )
    yield Lie(
        kind="odd members",
        name="a batch with the members of a snippet is refused",
        protocol="apex",
        told=(FORMS, "/protocol/behavior", "/protocol/operations/events", "/requests/batch"),
        tried=(f"{FORMS}/batch#members-of-snippet",),
        proxy=refusing(_is_both),
    )


def _is_both(request: Request) -> bool:
    body = body_of(request)
    return isinstance(body, dict) and {"events", "type"} <= set(body)


def _times() -> Iterator[Lie]:
    for name, test in (
        ("a time to come", lambda time: time[:4].isdigit() and time > "2040"),
        ("a time of the last century", lambda time: time.startswith("19")),
    ):
        yield Lie(
            kind="odd times",
            name=f"{name} is refused",
            protocol="apex",
            told=("/events/snippet/properties/timestamp", "/events/batch_event/properties/timestamp"),
            proxy=refusing(_any_event(partial(_has_time, test))),
        )
    midnight = reading(lambda request: with_events(request, _no_hour_24) if b"T24:" in request.body else request)
    yield Lie(
        kind="odd times",
        name="hour 24 is a time",
        protocol="whisperr",
        told=("/events/event/properties/occurred_at/format", "/protocol/refusals/default/invalid_request"),
        tried=("/events/event/properties/occurred_at/format",),
        proxy=midnight,
    )


def _has_time(test: Callable[[str], bool], event: dict[str, Json]) -> bool:
    return test(str(event.get("timestamp", "")))


def _has_size(size: int, request: Request) -> bool:
    return len(events_of(request)) == size


def _no_hour_24(event: Json) -> Json:
    time = event.get("occurred_at") if isinstance(event, dict) else None
    return {**event, "occurred_at": time.replace("T24:", "T00:")} if isinstance(time, str) else event


def _sizes() -> Iterator[Lie]:
    for size in (20, 100, 256):
        yield Lie(
            kind="round sizes",
            name=f"a batch of {size} is refused",
            protocol="whisperr",
            told=("/requests/batch/properties/events", "/events/event"),
            tried=("/requests/batch/properties/events/maxItems#sizes",),
            proxy=refusing(partial(_has_size, size)),
        )

    def cut(request: Request) -> Request:
        body = body_of(request)
        events = body.get("events") if isinstance(body, dict) else None
        if not isinstance(events, list) or not 256 < len(events) <= 500:
            return request
        return with_body(request, {**body, "events": events[:256]})

    yield Lie(
        kind="round sizes",
        name="events after the 256th are not looked at",
        protocol="whisperr",
        told=("/protocol/operations/batch/forms/batch/policy", "/protocol/replies/counted"),
        tried=("/protocol/operations/batch/forms/batch/policy#late",),
        proxy=reading(cut),
    )


def _identity() -> Iterator[Lie]:
    def forget(request: Request) -> Request:
        body = body_of(request)
        if not isinstance(body, dict) or body.get("source") != "server" or len(events_of(request)) < 2:
            return request
        return with_body(request, {**body, "events": [body["events"][0], *map(_nameless, body["events"][1:])]})

    yield Lie(
        kind="odd members",
        name="only the first event of a batch names somebody",
        protocol="outlit",
        told=("/protocol/identity",),
        tried=("/protocol/identity/properties/*",),
        proxy=reading(forget),
    )


def _nameless(event: Json) -> Json:
    if not isinstance(event, dict) or not isinstance(event.get("properties"), dict):
        return event
    kept = {name: value for name, value in event["properties"].items() if not name.startswith("__")}
    return {**event, "properties": kept}


LIES: Final = [*_identity(), *_words(), *_members(), *_times(), *_sizes()]
