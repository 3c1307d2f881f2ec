"""What came from elsewhere is shown to people and runners, and does nothing there."""

from __future__ import annotations

import json

import pytest

from mockserver.jsonkit.printable import printable, printable_body, printable_json, printable_lines

ORDINARY = [
    "",
    "refused event 1 of POST /v1/identify: cents must be a number",
    "Grüße, Ελλάδα, 日本, עברית, العربية, नमस्ते",
    "👩‍👩‍👧 ❤️ 👍🏽 🏳️‍🌈 é e\u0301",
    "a: b :: c, # 5, ## heading, #[a], ##",
    r"C:\new \u202e",
]
HOSTILE = [
    ("a\n::error::b", r"a\n::error::b"),
    ("a\r\nb\tc", r"a\r\nb\tc"),
    ("\x1b]0;title\x07\x1b[31mred", r"\x1b]0;title\x07\x1b[31mred"),
    ("\x00\x7f\x80\x9b31m\x85", r"\x00\x7f\x80\x9b31m\x85"),
    ("a\u2028b\u2029c", r"a\u2028b\u2029c"),
    ("\u202a\u202b\u202c\u202d\u202e", r"\u202a\u202b\u202c\u202d\u202e"),
    ("\u2066\u2067\u2068\u2069\u200e\u200f\u061c", r"\u2066\u2067\u2068\u2069\u200e\u200f\u061c"),
    ("a\u200bb\u200cc\u200dd\u2060\ufeff\xad", r"a\u200bb\u200cc\u200dd\u2060\ufeff\xad"),
    ("\u3164\u115f\u2800\u034f\ufe00", r"\u3164\u115f\u2800\u034f\ufe00"),
    ("\U000e0041\U000e0101\U0001d173", r"\U000e0041\U000e0101\U0001d173"),
    ("a\xa0b", r"a\xa0b"),
    ("\ud800x\udfff", r"\ud800x\udfff"),
    ("\ufffe\uffff\ue000\U0010ffff", r"\ufffe\uffff\ue000\U0010ffff"),
    ("::error::x", r"\x3a:error::x"),
    ("  ::set-output name=a::b", r"  \x3a:set-output name=a::b"),
    ("a ##[error]x", r"a \x23#[error]x"),
    ("##vso[task.setvariable]x", r"\x23#vso[task.setvariable]x"),
    ("x##teamcity[testFailed]", r"x\x23#teamcity[testFailed]"),
    ("###[error]", r"#\x23#[error]"),
]


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(("text", "shown"), HOSTILE)
def test_what_could_act_or_hide_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert printable(shown) == shown


def test_lines_stay_apart_and_none_is_a_command() -> None:
    assert printable_lines("a\n::error::\x1b\nb") == "a\n\\x3a:error::\\x1b\nb"


@pytest.mark.parametrize("text", [*ORDINARY, *(text for text, _ in HOSTILE)])
@pytest.mark.parametrize("indent", [None, 2])
def test_json_keeps_its_value_and_cannot_act(text: str, indent: int | None) -> None:
    value = {text: [text, 1]}
    shown = printable_json(json.dumps(value, ensure_ascii=False, indent=indent))
    assert json.loads(shown) == value
    assert printable_lines(shown) == shown
    if text in ORDINARY:
        assert shown == json.dumps(value, ensure_ascii=False, indent=indent)


BODIES = [
    (b"", "an empty body"),
    (b'{"success": true, "processed":1}', '{"success": true, "processed":1}'),
    (b'{\n  "a": [\n    1\n  ],\r\n  "b": "x\\ny"\n}\n', '{ "a": [ 1 ], "b": "x\\ny" } '),
    (b"Not Found\n", "Not Found\\n"),
    ("größe".encode("latin-1"), "gr\ufffd\ufffde"),
    ("größe".encode(), "größe"),
    (b"\x1b[31m::error::x", "\\x1b[31m::error::x"),
    (b"0123456789" * 5, "0123456789" * 4 + "…"),
    (b"[" * 100_000 + b"\n", "[" * 40 + "…"),
]


@pytest.mark.parametrize(("body", "shown"), BODIES, ids=range(len(BODIES)))
def test_body_is_one_line_of_text(body: bytes, shown: str) -> None:
    assert printable_body(body, 40) == shown
