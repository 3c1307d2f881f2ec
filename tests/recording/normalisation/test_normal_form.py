"""What of a message differs each time it is sent: by the contract, by forms, by names of members."""

from __future__ import annotations

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit import Json
from mockserver.recording.normalisation.normal_form import Mark, NormalForm, Side, normal_form

UUID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def form(protocol: str) -> NormalForm:
    return normal_form(library().protocol(protocol).contract())


def test_contract_says_where_the_ids_times_and_keys_of_a_request_are() -> None:
    event = {
        "external_user_id": "ada",
        "event_type": "paid",
        "occurred_at": "2026-06-14T12:00:00Z",
        "context": {"$message_id": "m", "sdk_version": "0.2.1"},
        "properties": {"plan": "pro", "amount": 49, "annual": True},
    }
    assert form("whisperr").body({"events": [event, "no event"]}) == {
        "events": [
            {
                "external_user_id": "<id>",
                "event_type": "paid",
                "occurred_at": "<time>",
                "context": {"$message_id": "<id>", "sdk_version": "0.2.1"},
                "properties": {"plan": "pro", "amount": 49, "annual": True},
            },
            "no event",
        ]
    }
    snippet = {"type": "x", "projectKey": "pk", "visitorId": "v", "timestamp": "2026-06-14", "url": "/a"}
    assert form("apex").body(snippet) == {**snippet, "projectKey": "<credential>"} | {
        "visitorId": "<id>",
        "timestamp": "<time>",
    }
    traits = {"userIdentity": {"email": "e", "traits": {"plan": "pro", "vip": True, "seats": [3, ""]}}}
    assert form("outlit").body(traits) == {
        "userIdentity": {"email": "<id>", "traits": {"plan": "<id>", "vip": True, "seats": ["<id>", ""]}}
    }


def test_contract_says_which_members_and_headers_of_a_reply_are_made_up() -> None:
    reply = {"event": {"id": "e", "mapping_status": "unmapped"}, "user": {"id": "u", "external_id": "x"}}
    assert form("whisperr").body(reply, "reply") == {
        "event": {"id": "<id>", "mapping_status": "unmapped"},
        "user": {"id": "<id>", "external_id": "<id>"},
    }
    outlit = form("outlit")
    headers = {"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "99", "X-RateLimit-Reset": "17", "Date": "now"}
    assert [outlit.header(name, value) for name, value in headers.items()] == ["100", "<count>", "<time>", None]


def test_marks_say_whether_the_contract_or_the_form_tells() -> None:
    body: Json = {"events": [{"context": {"$message_id": "m"}, "properties": {"run": UUID, "n": 1}}]}
    assert list(form("whisperr").marks(body)) == [
        Mark(place=("events", 0, "context", "$message_id"), kind="id", value="m", known=True),
        Mark(place=("events", 0, "properties", "run"), kind="id", value=UUID, known=False),
    ]


@pytest.mark.parametrize(
    ("protocol", "target", "normal"),
    [
        ("outlit", "/api/i/v1/pk_abc/events", "/api/i/v1/<credential>/events"),
        ("outlit", "/api/i/v1/abc/other", "/api/i/v1/abc/other"),
        ("whisperr", "/v1/users/ada/messages?n=5&at=2026-06-14T12:00Z", "/v1/users/<id>/messages?n=5&at=<time>"),
        ("whisperr", "//v1/users/ada/state/", "//v1/users/<id>/state/"),
        ("whisperr", "/v1/events/batch", "/v1/events/batch"),
        ("apex", "/api/in-app-messages?key=pk&visitorId=v", "/api/in-app-messages?key=<credential>&visitorId=<id>"),
        ("apex", f"/api/unknown/{UUID}?flag&x=", "/api/unknown/<id>?flag&x="),
    ],
)  # fmt: skip
def test_target_keeps_what_the_client_chose(protocol: str, target: str, normal: str) -> None:
    assert form(protocol).target(target) == normal


def test_what_varies_inside_of_texts_is_replaced() -> None:
    text = f"at http://127.0.0.1:41234/a by user-1@example.test, {UUID}, wrk_abc123, 2026-06-14T12:00:00Z"
    normal = "at http://127.0.0.1<port>/a by <id>, <id>, <credential>, <time>"
    assert form("whisperr").text(text) == normal
    assert form("whisperr").header("Origin", "http://localhost:8080") == "http://localhost<port>"
    assert form("whisperr").header("X-API-Key", "k") == form("outlit").header("Authorization", "k") == "<credential>"
    assert form("apex").header("Idempotency-Key", "k") == "<id>"
    assert form("apex").header("User-Agent", "python/3.11") == "python/3.11"


@pytest.mark.parametrize("side", ["request", "reply"])
def test_unknown_protocol_is_read_by_forms_alone(side: Side) -> None:
    unknown = normal_form(None)
    assert unknown.body([{"id": "a1", "at": UUID, "plan": "pro"}], side) == [
        {"id": "<id>", "at": "<id>", "plan": "pro"}
    ]
    assert unknown.target(f"/a/{UUID}/b?q=1") == "/a/<id>/b?q=1"


def test_nothing_that_varies_is_left_twice() -> None:
    body = {"events": [{"external_user_id": "ada", "context": {"$message_id": "m"}, "properties": {"u": f"a {UUID}"}}]}
    once = form("whisperr").body(body)
    assert form("whisperr").body(once) == once
