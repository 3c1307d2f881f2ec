"""What a scrubber makes of texts, headers, targets and documents."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.recording.redaction.pseudonyms import Kind, Pseudonyms
from mockserver.recording.redaction.redact import Redactor
from mockserver.recording.redaction.redaction_rules import Personal, Rules
from mockserver.recording.redaction.scrubber import Scrubber

KEY = "pk_AbC123def"
EVERYWHERE: dict[str, Kind] = {KEY: "credential", "user_17": "id", "bob": "id", "Ada Lovelace": "text"}


def scrubber(*rules: str, **options: Any) -> Scrubber:
    known = Redactor([value for value, kind in EVERYWHERE.items() if kind == "credential"], ["pk_"])
    return Scrubber(Pseudonyms(["pk_"]), known, EVERYWHERE, rules=Rules.of(rules), **options)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing of interest", "nothing of interest"),
        (KEY, "pk_xxxxxxxx1"),
        (f"use {KEY}!", "use pk_xxxxxxxx1!"),
        ("user_17", "<id:1>"),
        ("for user_17 and user_177", "for <id:1> and user_177"),
        ("bob", "<id:1>"),
        ("bobsled", "bobsled"),
        ("by Ada Lovelace, 1843", "by <text:1>, 1843"),
        ("to ada@b.example", "to user-1@example.test"),
        ("to=ada%40b.example&v=1%2C2", "to=user-1@example.test&v=1%2C2"),
        ("pk_Unknown99", "pk_xxxxxxxx1"),
        ("token=hunter2", "token=xxxxxx1"),
        ("\ue000\ue010\ue001", "�\ue010\ue001"),
        ("half \ud800 a pair of user_17", "half \ud800 a pair of <id:1>"),
    ],
)
def test_text(text: str, shown: str) -> None:
    assert scrubber().text(text) == shown


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/v1/events/batch", "/v1/events/batch"),
        (f"/api/i/v1/{KEY}/events?v=1", "/api/i/v1/pk_xxxxxxxx1/events?v=1"),
        (f"/api/i/v1/{KEY.replace('A', '%41')}/events", "/api/i/v1/pk_xxxxxxxx1/events"),
        ("/v1/users/user_17?x=a+b%2C", "/v1/users/%3Cid%3A1%3E?x=a+b%2C"),
        ("/x?api_key=short&q", "/x?api_key=xxxx1&q"),
        ("/x?ref=acme", "/x?ref=%3Cvalue%3A1%3E"),
    ],
)
def test_target(target: str, shown: str) -> None:
    assert scrubber("regex:^acme$").target(target) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", f"Bearer {KEY}", "Bearer pk_xxxxxxxx1"),
        ("authorization", "justakey", "xxxxxxx1"),
        ("X-API-Key", KEY, "pk_xxxxxxxx1"),
        ("Cookie", "a=one; b=two;c", "a=xx1; b=xx2;3"),
        ("Set-Cookie", "sid=one; Path=/; Max-Age=5", "sid=xx1; Path=/; Max-Age=5"),
        ("Content-Type", "application/json", "application/json"),
        ("User-Agent", f"app/1.2.3.4 {KEY}", "app/1.2.3.4 pk_xxxxxxxx1"),
        ("Access-Control-Allow-Credentials", "true", "true"),
        ("X-Project", "shop", "shop"),
        ("X-Anything", "shop", "<value:1>"),
        ("Accept", "a/b", "<value:1>"),
    ],
)
def test_header(name: str, value: str, shown: str) -> None:
    assert scrubber("header:accept", kept_headers=["x-project"]).header(name, value) == shown


def test_document_is_hidden_by_places_and_names_and_what_became_of_it_is_known() -> None:
    known = scrubber("/events/*/plan")
    personal = [Personal(place=("events", "*", "traits"), kind="text")]
    value = {
        "events": [{"traits": {"n": "Bo", "age": 30, "ok": True, "none": None}, "plan": ["pro"], "secret": [1, "x1"]}],
        "by": "user_17",
        "pair": ["X-Api-Key", "Zx9Secret1"],
    }
    shown, done = known.document(value, personal)
    assert shown == {
        "events": [
            {
                "traits": {"n": "<text:1>", "age": 1, "ok": True, "none": None},
                "plan": ["<value:1>"],
                "secret": [1, "x1"],
            }
        ],
        "by": "<id:1>",
        "pair": ["X-Api-Key", "xxxxxxxxx2"],
    }
    assert (done[(str, "Bo")], done[(int, 30)], done[(str, "pro")]) == ("<text:1>", 1, "<value:1>")
    assert known.hidden == 6
    assert known.knows("Bo")
    assert not known.knows("by")


def test_text_that_takes_long_to_search_is_hidden_as_a_whole() -> None:
    known = scrubber()
    assert known.text("x" * 65_536) == "x" * 65_536
    assert known.text("x" * 65_537) == "<text:1>"


def test_value_that_is_kept_in_one_place_and_hidden_in_another_is_hidden_in_the_text() -> None:
    shown, done = scrubber().document({"a": "pro", "b": "pro"}, [Personal(place=("b",), kind="text")])
    assert shown == {"a": "pro", "b": "<text:1>"}
    assert done[(str, "pro")] == "<text:1>"


def test_header_of_cors_that_speaks_of_credentials_is_none() -> None:
    assert scrubber().header("Access-Control-Allow-Credentials", "true") == "true"
    assert scrubber().header("X-Credentials", "true") != "true"
