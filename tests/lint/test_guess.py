"""What a payload without a request is taken for: never silently for something of another operation."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.case_reader import case_of_corpus_line
from mockserver.lint.guess import DoubtError, Guesser
from tests import cases

GUESSER = Guesser({protocol.name: protocol.contract() for protocol in library().protocols.values()})
VISITOR = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
PAGE = {"type": "pageview", "url": "https://a.example/", "path": "/"}
CUSTOM = {"type": "custom", "url": "https://a.example/", "path": "/", "eventName": "a"}
SNIPPET = {
    "type": "signup",
    "visitorId": "v",
    "projectKey": "pk_1",
    "url": "https://a.example/",
    "data": {"plan": "pro"},
}
TRACK = {"external_user_id": "u", "event_type": "signed_up", "context": {"$message_id": "m"}, "properties": {"a": 1}}
IDENTIFY = {"external_user_id": "u", "traits": {"plan": "pro"}, "channels": [{"channel": "email", "address": "a@b"}]}


def taken_for(payload: object, protocol: str | None = None, operation: str | None = None) -> str:
    try:
        return GUESSER.read(payload, protocol, operation).name
    except DoubtError as doubt:
        return str(doubt)


def without(value: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: member for name, member in value.items() if name not in names}


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (CUSTOM, "outlit/events"),
        (PAGE, "outlit/events"),
        ({"visitorId": VISITOR, "source": "client", "events": [{"type": "page"}]}, "outlit/events"),
        ({"type": "page", "visitorId": VISITOR, "source": "client"}, "outlit/events"),
        ({"visitorId": VISITOR, "events": [{**CUSTOM, "type": "custm"}]}, "outlit/events"),
        ({"visitor_id": VISITOR, "events": [CUSTOM]}, "outlit/events"),
        ({"visitorID": VISITOR, "event": [PAGE]}, "outlit/events"),
        ({"visitorId": VISITOR, "events": [{**without(CUSTOM, "eventName"), "event_name": "a"}]}, "outlit/events"),
        ({**PAGE, "type": "pageView"}, "outlit/events"),
        ({**PAGE, "timestamp": "2026-06-14T12:00:00Z"}, "outlit/events"),
        ({"source": "server", "events": [{"type": "identify", "email": "a@b.example"}]}, "outlit/events"),
        ({"type": "stage", "stage": "payed", "url": "/", "path": "/"}, "outlit/events"),
        ({"type": "engagement", "activeTime": 5, "totalTimeMs": 9, "sessionId": "s"}, "outlit/events"),
        (SNIPPET, "apex/events"),
        (without(SNIPPET, "type"), "apex/events"),
        ({**without(SNIPPET, "projectKey"), "project_key": "pk_1"}, "apex/events"),
        ({**without(SNIPPET, "url"), "URL": "https://a.example/"}, "apex/events"),
        ({"projectKey": "pk_1", "events": [{"type": "signup", "url": "u"}]}, "apex/events"),
        ({"projectKey": "pk_1", "event": [{"type": "signup", "url": "u"}]}, "apex/events"),
        ({"projectkey": "pk_1", "events": [{"typ": "signup", "url": "u"}]}, "apex/events"),
        ({"events": [{"type": "signup"}]}, "apex/server_events"),
        ({"events": [{"type": "signup", "visitorId": "v", "data": {}}]}, "apex/server_events"),
        ({"visitorId": "v", "email": "a@b.example", "projectKey": "pk_1"}, "apex/identity_stitch"),
        ({"visitorId": "v", "leadId": "l"}, "apex/identity_link"),
        ({"token": "t", "action": "opened"}, "apex/push_event"),
        (TRACK, "whisperr/track"),
        ({**without(TRACK, "event_type"), "event_typ": "signed_up"}, "whisperr/track"),
        ({**without(TRACK, "event_type"), "type": "signed_up"}, "whisperr/track"),
        ({"externalUserId": "u", "eventType": "signed_up", "context": {"messageId": "m"}}, "whisperr/track"),
        ({"external_user_id": "u", "event": "signed_up", "context": {"$message_id": "m"}}, "whisperr/track"),
        ({"events": [TRACK]}, "whisperr/batch"),
        ({"event": [TRACK]}, "whisperr/batch"),
        ({"events": [{**without(TRACK, "external_user_id"), "user_id": "u"}]}, "whisperr/batch"),
        ({"batch": [TRACK]}, "whisperr/batch"),
        (IDENTIFY, "whisperr/identify"),
        ({"external_user_id": "u"}, "whisperr/identify"),
        ({**without(IDENTIFY, "traits"), "trait": {"plan": "pro"}}, "whisperr/identify"),
        ({"externalUserId": "u", "traits": {}}, "whisperr/identify"),
    ],
)
def test_payload_is_what_its_names_say_when_it_has_mistakes(payload: object, name: str) -> None:
    assert taken_for(payload) == name


def test_payload_is_an_event_when_it_could_be_a_body_without_events_as_well() -> None:
    assert GUESSER.read({"type": "page", "visitorId": VISITOR, "source": "client"}).wrapped
    assert not GUESSER.read({"visitorId": VISITOR, "source": "client", "events": [{"type": "page"}]}).wrapped
    assert GUESSER.read(TRACK).operation.name == "track"


@pytest.mark.parametrize(
    ("payload", "names"),
    [
        ({"type": "pageview", "url": "https://a.example/"}, {"outlit/events", "apex/events"}),
        ({"events": [{"type": "page"}]}, {"outlit/events", "apex/server_events"}),
        ({"events": [{"type": "signup", "url": "https://a.example/"}]}, {"apex/events", "apex/server_events"}),
    ],
)
def test_near_tie_is_refused_when_several_operations_could_be_meant(payload: object, names: set[str]) -> None:
    told = taken_for(payload)
    assert all(name in told for name in names), told
    first = told.removeprefix("could be ").partition(" or ")[0]
    protocol, operation = first.split("/")
    assert told.endswith(f": say which one, for example with --protocol {protocol} --operation {operation}")
    assert taken_for(payload, protocol, operation) == first


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"hello": "world"},
        {"type": "track", "event": "Signed Up", "userId": "u", "anonymousId": "a"},
        {"email": "a@b.example"},
        {"visitorId": "v"},
        {"projectKey": "pk_1", "token": "t"},
        5,
        "text",
        None,
        True,
    ],
)
def test_payload_is_not_recognized_when_nothing_speaks_for_an_operation(payload: object) -> None:
    assert taken_for(payload) == "not recognized as a request or an event; set --protocol and --operation"


@pytest.mark.parametrize("payload", [{}, 5, {"hello": "world"}, PAGE, TRACK])
def test_payload_is_what_the_flags_say_when_they_leave_one_operation(payload: object) -> None:
    assert taken_for(payload, "outlit") == "outlit/events"
    assert taken_for(payload, "whisperr", "identify") == "whisperr/identify"


def test_operation_is_missing_when_a_protocol_has_none_of_that_name() -> None:
    assert taken_for({}, "outlit", "track") == "no operation track to check this against"


def valid_bodies() -> Iterator[tuple[str, Any]]:
    """Yield the operation and the body of each valid request of the corpus under the base contracts."""
    bases = {protocol.name: protocol.base for protocol in library().protocols.values()}
    for path in sorted((cases.FIXTURES / "corpus").glob("*.ndjson")):
        for text in path.read_text().split("\n")[:-1]:
            line = json.loads(text)
            if line["valid"] and line["operation"] is not None and line["revision"] == bases[line["protocol"]]:
                body = case_of_corpus_line(line, path.name, "").exchanges[-1].json
                if body is not MISSING:
                    yield f"{line['protocol']}/{line['operation']}", body


def test_valid_body_is_never_taken_for_one_of_another_operation() -> None:
    wrong, outcomes = [], Counter[str]()
    for name, body in valid_bodies():
        told = taken_for(body)
        outcomes["right" if told == name else "doubt"] += 1
        if told != name and "/" in told and " " not in told:
            wrong.append((name, told, json.dumps(body)[:200]))
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"
    assert outcomes["right"] > 20 * outcomes["doubt"], outcomes


def typing_errors(name: str) -> set[str]:
    camel = re.sub("_([a-z])", lambda found: found[1].upper(), name)
    snake = re.sub("([A-Z])", lambda found: f"_{found[1].lower()}", name)
    swapped, shortened = name[1:2] + name[:1] + name[2:], name[:1] + name[2:]
    return {name[:-1], shortened, swapped, camel, snake, name.capitalize(), name.upper(), f"{name}s"} - {name}


def renamed(members: Any, name: str, other: str) -> Any:
    return (
        {other if own == name else own: member for own, member in members.items()}
        if isinstance(members, dict)
        else members
    )


def mistaken(body: dict[str, Any]) -> Iterator[Any]:
    """Yield a body with a typing error in a name or in the type of its events, or with a member left out."""
    events = body.get("events")
    first = events[0] if isinstance(events, list) and events and isinstance(events[0], dict) else {}
    for name in body:
        yield from (renamed(body, name, other) for other in typing_errors(name))
        yield without(body, name)
    for name in first if len(events or ()) < 4 else ():
        yield from (
            {**body, "events": [renamed(e, name, other) for e in events or ()]} for other in typing_errors(name)
        )
    for holder in (first, body):
        if isinstance(holder.get("type"), str):
            types = ({**holder, "type": other} for other in typing_errors(holder["type"]))
            yield from types if holder is body else ({**body, "events": [event]} for event in types)


def test_body_with_a_typing_error_is_never_taken_for_one_of_another_operation() -> None:
    wrong, outcomes, seen = [], Counter[str](), set[str]()
    for name, body in list(valid_bodies())[::3]:
        for value in mistaken(body) if isinstance(body, dict) else ():
            text = json.dumps(value)
            if text in seen or len(text) > 3000:
                continue
            seen.add(text)
            told = taken_for(value)
            outcomes["right" if told == name else "doubt"] += 1
            if told != name and " " not in told:
                wrong.append((name, told, text))
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"
    assert outcomes["right"] > 20 * outcomes["doubt"], outcomes


def test_events_of_valid_bodies_are_never_taken_for_those_of_another_protocol() -> None:
    wrong, outcomes = [], Counter[str]()
    for name, body in valid_bodies():
        for event in (body.get("events") or ())[:3] if isinstance(body, dict) else ():
            told = taken_for(event)
            is_doubt = " " in told
            outcomes["doubt" if is_doubt else "right"] += 1
            if not is_doubt and told.partition("/")[0] != name.partition("/")[0]:
                wrong.append((name, told, json.dumps(event)[:200]))
    assert not wrong, f"{len(wrong)}: {wrong[:10]}"
    assert outcomes["right"] > outcomes["doubt"], outcomes
