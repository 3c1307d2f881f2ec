"""Free-form objects that are not free, and values that are read more kindly than the contract says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from mockserver.strategies.samples import Request
from mockserver.verify import Reply
from tests.verify.lies.lie import (
    Forward,
    Json,
    Lie,
    always,
    body_of,
    events_of,
    inside,
    reading,
    refusing,
    with_body,
    with_events,
)

FREE: Final = {
    "whisperr": ("properties", "/events/event/properties/properties"),
    "outlit": ("properties", "/events/custom/properties/properties"),
    "apex": ("data", "/events/snippet/properties/data"),
}
"""The free-form member of an event of each protocol, and its pointer."""


def members_of(request: Request, name: str) -> Iterator[tuple[str, Json, int]]:
    for event in events_of(request):
        if isinstance(event, dict) and isinstance(event.get(name), dict):
            yield from inside(event[name])


def _traits(request: Request) -> Iterator[dict[str, Json]]:
    found = (event.get("traits") for event in events_of(request) if isinstance(event, dict))
    return (traits for traits in found if isinstance(traits, dict))


def _refused(protocol: str, name: str, when: Callable[[str, Json, int], bool]) -> Lie:
    member, pointer = FREE[protocol]
    proxy = refusing(lambda request: any(when(*each) for each in members_of(request, member)))
    told = (pointer, pointer.replace("snippet", "batch_event"), pointer.replace("custom", "stage"))
    return Lie(kind="free-form", name=name, protocol=protocol, told=told, proxy=proxy)


def _crash(forward: Forward, request: Request) -> Reply:
    """Fail on text beyond the basic plane, as a table of three-byte characters does."""
    astral = any(
        ord(char) > 0xFFFF for name, value, _ in members_of(request, "properties") for char in f"{name}{value}"
    )
    return Reply(status=500, headers={"content-type": "application/json"}, body=b"{}") if astral else forward(request)


def _wide() -> Iterator[Lie]:
    yield _refused("whisperr", "names that are not ASCII are refused", lambda name, value, depth: not name.isascii())
    yield _refused("whisperr", "names with a dot are refused", lambda name, value, depth: "." in name)
    yield _refused("whisperr", "names with a dollar are refused", lambda name, value, depth: "$" in name)
    yield _refused(
        "outlit",
        "negative numbers are refused",
        lambda name, value, depth: isinstance(value, int | float) and value < 0,
    )
    yield _refused(
        "outlit", "numbers over 2^53 are refused", lambda name, value, depth: isinstance(value, int) and value > 2**53
    )
    yield _refused(
        "outlit",
        "texts over 1,000 characters are refused",
        lambda name, value, depth: isinstance(value, str) and len(value) > 1000,
    )
    yield _refused("apex", "nested objects are refused below the second level", lambda name, value, depth: depth > 1)
    yield _refused("apex", "__proto__ is refused", lambda name, value, depth: name == "__proto__")
    yield _refused("apex", "a NUL in a text is refused", lambda name, value, depth: "\0" in f"{name}{value}")
    yield Lie(
        kind="free-form",
        name="an astral character is an error",
        protocol="whisperr",
        told=("/events/event/properties/properties", "/events/event"),
        proxy=always(_crash),
    )
    many = refusing(lambda request: any(len(traits) > 50 for traits in _traits(request)))
    told = ("/events/identify/properties/traits",)
    yield Lie(kind="free-form", name="over 50 traits are refused", protocol="whisperr", told=told, proxy=many)


def _mended(protocol: str, name: str, told: str, member: str, change: Callable[[Json], Json]) -> Lie:
    """Read one member of events otherwise than it was sent."""

    def mend(event: Json) -> Json:
        if not isinstance(event, dict) or member not in event:
            return event
        return {**event, member: change(event[member])}

    def read(request: Request) -> Request:
        changed = any(isinstance(event, dict) and event != mend(event) for event in events_of(request))
        return with_events(request, mend) if changed else request

    return Lie(kind="value", name=name, protocol=protocol, told=(told,), proxy=reading(read))


def _enveloped(request: Request) -> Request:
    """Take a list of events without the object around it."""
    body = body_of(request)
    return with_body(request, {"events": body}) if isinstance(body, list) and body else request


def _decoded(request: Request) -> Request:
    """Take events that were encoded as JSON twice."""
    body = body_of(request)
    if isinstance(body, dict) and isinstance(body.get("events"), str):
        inner = body_of(replace(request, headers=(), body=body["events"].encode()))
        return with_body(request, {**body, "events": inner}) if isinstance(inner, list) else request
    return request


def _kind() -> Iterator[Lie]:
    common = "/events/shared/common/properties"
    yield _mended(
        "outlit",
        "numeric text is a number",
        f"{common}/timestamp/type",
        "timestamp",
        lambda value: int(value) if isinstance(value, str) and value.isdigit() else value,
    )
    yield _mended(
        "outlit",
        "the case of a stage does not count",
        "/events/stage/properties/stage/enum",
        "stage",
        lambda value: value.lower() if isinstance(value, str) else value,
    )
    yield _mended(
        "outlit",
        '"true" is true',
        "/events/calendar/properties/isRecurring/type",
        "isRecurring",
        lambda value: True if value == "true" else value,
    )
    yield _mended(
        "whisperr",
        "[] is an empty object",
        "/events/event/properties/properties/type",
        "properties",
        lambda value: {} if value == [] else value,
    )
    yield _mended(
        "apex",
        "an object in JSON text is an object",
        "/events/snippet/properties/data/type",
        "data",
        lambda value: {} if isinstance(value, str) and value.startswith("{") else value,
    )
    yield Lie(
        kind="value",
        name="a list of events needs no object around it",
        protocol="whisperr",
        told=("/protocol/gates/object",),
        proxy=reading(_enveloped),
    )
    yield Lie(
        kind="value",
        name="events encoded twice are decoded twice",
        protocol="whisperr",
        told=("/requests/batch/properties/events/type",),
        proxy=reading(_decoded),
    )


LIES: Final = [*_wide(), *_kind()]
