"""Patterns broken in one way only: one more class of characters, one less, an anchor, a separator."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mockserver.strategies.samples import Request
from tests.verify.lies.lie import Json, Lie, events_of, reading, refusing, with_events

NAME: Final = "/events/event/properties/event_type"
NAMES: Final = {
    "an upper-case letter is taken": "^[a-zA-Z0-9]+(?:_[a-zA-Z0-9]+)*$",
    "a hyphen separates": "^[a-z0-9]+(?:[_-][a-z0-9]+)*$",
    "a dot separates": "^[a-z0-9]+(?:[_.][a-z0-9]+)*$",
    "a space separates": "^[a-z0-9]+(?:[_ ][a-z0-9]+)*$",
    "two underscores in a row are taken": "^[a-z0-9]+(?:_+[a-z0-9]+)*$",
    "an underscore at the end is taken": "^[a-z0-9]+(?:_[a-z0-9]+)*_?$",
    "an underscore at the start is taken": "^_?[a-z0-9]+(?:_[a-z0-9]+)*$",
    "a dollar at the start is taken": "^\\$?[a-z0-9]+(?:_[a-z0-9]+)*$",
    "a final newline is taken": "^[a-z0-9]+(?:_[a-z0-9]+)*\\n?$",
    "letters with accents are taken": "^[a-zà-ÿ0-9]+(?:_[a-zà-ÿ0-9]+)*$",
    "the start is not held to": "(?:^|[^a-z0-9])[a-z0-9]+(?:_[a-z0-9]+)*$",
    "the end is not held to": "^[a-z0-9]+(?:_[a-z0-9]+)*",
    "a digit at the start is refused": "^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$",
    "a part of digits alone is refused": "^[a-z0-9]*[a-z][a-z0-9]*(?:_[a-z0-9]*[a-z][a-z0-9]*)*$",
}


def _padded(name: str) -> Lie:
    def trimmed(event: Json) -> Json:
        value = event.get(name) if isinstance(event, dict) else None
        return {**event, name: value.strip(" ")} if isinstance(value, str) else event

    proxy = reading(
        lambda request: with_events(request, trimmed) if b'" ' in request.body or b' "' in request.body else request
    )
    told = (f"{NAME}/pattern",)
    return Lie(kind="pattern", name="blanks around a name are taken", protocol="whisperr", told=told, proxy=proxy)


def _key(name: str, change: Json) -> Lie:
    patch = {"protocol": {"credentials": {"public_key": {"pattern": change}}}}
    told = ("/protocol/credentials/public_key/pattern",)
    return Lie(kind="pattern", name=name, protocol="outlit", told=told, patch=patch)


def _server_key(name: str, change: Json) -> Lie:
    credentials = {name: {"pattern": change} for name in ("server_key", "server_bearer")}
    told = ("/protocol/credentials/server_",)
    return Lie(kind="pattern", name=name, protocol="apex", told=told, patch={"protocol": {"credentials": credentials}})


def _long(request: Request) -> bool:
    return any(isinstance(event, dict) and len(str(event.get("event_type", ""))) > 64 for event in events_of(request))


def _times(what: str, wrong: str, right: str) -> Lie:
    """Take times in one more form, by reading them in a right one."""

    def mended(event: Json) -> Json:
        value = event.get("occurred_at") if isinstance(event, dict) else None
        return {**event, "occurred_at": re.sub(wrong, right, value)} if isinstance(value, str) else event

    def read(request: Request) -> Request:
        moments = [event.get("occurred_at") for event in events_of(request) if isinstance(event, dict)]
        some = any(isinstance(moment, str) and re.search(wrong, moment) for moment in moments)
        return with_events(request, mended) if some else request

    told = ("/events/event/properties/occurred_at",)
    return Lie(kind="pattern", name=what, protocol="whisperr", told=told, proxy=reading(read))


def _lies() -> Iterator[Lie]:
    for name, pattern in NAMES.items():
        told = (f"{NAME}/pattern",) if "refused" not in name else (NAME,)
        patch = {"events": {"event": {"properties": {"event_type": {"pattern": pattern}}}}}
        yield Lie(kind="pattern", name=name, protocol="whisperr", told=told, patch=patch)
    yield _padded("event_type")
    told = (NAME,)
    yield Lie(
        kind="pattern",
        name="a name of over 64 characters is refused",
        protocol="whisperr",
        told=told,
        proxy=refusing(_long),
    )
    yield _key("the case of a key does not count", "^[pP][kK]_")
    yield _key("the underscore of a key is not looked at", "^pk")
    yield _server_key("any secret key of the vendor is taken", "^apex_")
    yield _server_key("a server key may begin with something else", "apex_sk_")
    yield _times("a time with a blank in place of T is taken", r"(?<=\d) (?=\d)", "T")
    yield _times("a time without seconds is taken", r"(T\d\d:\d\d)(Z|\+)", r"\1:00\2")
    yield _times("a time without a zone is taken", r"(T\d\d:\d\d:\d\d\.\d+)$", r"\1Z")


LIES: Final = list(_lies())
