"""One decided answer for every text: what is JSON, what it means, and that it can always be written again."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mockserver.jsonkit import jsontext
from mockserver.jsonkit.jsontext import MAX_DEPTH, NotJSONError, render_stable

steady = settings(derandomize=True, deadline=None, max_examples=300)

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
numbers = st.integers(-(10**40), 10**40) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | any_text,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(any_text, inner, max_size=5),
    max_leaves=20,
)


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]", middle: bytes = b"1") -> bytes:
    return opening * depth + middle + closing * depth


def reason(text: bytes) -> str:
    with pytest.raises(NotJSONError) as caught:
        jsontext.parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" \r\n\t",
        b"NaN",
        b'{"n": NaN}',
        b"[Infinity, -Infinity]",
        b"\xef\xbb\xbf{}",
        b'{"text": "\xff\xfe"}',
        b'{"text": "\xed\xa0\x80"}',
        b'{"text": "line\nbreak"}',
        b'{"text": "\x00"}',
        b"{'text': 1}",
        b'{"a": 1,}',
        b'{"a": 1} {"b": 2}',
        b"01",
        b"+1",
        b"1.",
        b"0x10",
        b"// a remark\n{}",
        b'{"a"}',
        b"nul",
        b"1e400",
        b"-1e400",
        b'{"text": "\\ud800", "n": NaN}',
        b'{"text": "\\ud800", "n": 1e400}',
        b'{"text": "\\ud800\xff"}',
        b'{"text": "\\ud80"}',
    ],
    ids=repr,
)
def test_text_is_refused_when_it_is_not_json(text: bytes) -> None:
    assert reason(text)


@pytest.mark.parametrize("rest", [b"{}", b'{"a": "\\ud800"}'])
def test_reason_names_the_encoding_when_that_is_wrong(rest: bytes) -> None:
    """In the same words for every way of reading, and not in those of a library."""
    for text, problem in {
        b"\xef\xbb\xbf" + rest: "it begins with a byte order mark; send it without",
        b"\xff\xfe" + rest: "not UTF-8: invalid start byte at byte 0",
        b"\x1f\x8b" + rest: "not UTF-8: invalid start byte at byte 1",
    }.items():
        for read in (jsontext.parse, jsontext.parse_exactly):
            with pytest.raises(jsontext.NotJSONError, match=f"^{problem}$"):
                read(text)


@pytest.mark.parametrize("middle", [b"1", b'"\\ud800"', b"1" * 40])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_is_bounded_the_same_for_every_kind_of_text(brackets: tuple[bytes, bytes], middle: bytes) -> None:
    levels = 2 if brackets[0].startswith(b"[{") else 1
    fits = nested(MAX_DEPTH // levels, *brackets, middle)
    value, _ = jsontext.parse(fits)
    assert json.loads(jsontext.render(jsontext.view(fits))) == json.loads(fits)
    assert type(jsontext.without_surrogates(value)) is type(value)
    assert reason(nested(MAX_DEPTH // levels + 1, *brackets, middle))


@pytest.mark.parametrize("depth", [1000, 1024, 1025, 10_000, 400_000])
@pytest.mark.parametrize("middle", [b"1", b'"\\ud800"'])
def test_deep_nesting_is_refused_and_breaks_nothing(depth: int, middle: bytes) -> None:
    assert "depth" in reason(nested(depth, middle=middle)) or "deep" in reason(nested(depth, middle=middle))
    assert reason(nested(depth, b'{"a":', b"}", middle))


@pytest.mark.parametrize("digits", [5_000, 900_000, 10_000_000])
def test_endless_digits_are_refused_and_cost_nothing(digits: int) -> None:
    assert "infinity" in reason(b"9" * digits)
    assert reason(b'{"text": "\\ud800", "n": ' + b"9" * digits + b"}")


def test_endless_fraction_is_a_number() -> None:
    assert jsontext.parse(b"0." + b"3" * 900_000) == (1 / 3, False)


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 2**64 - 1, 2**64, 2**70, -(2**70), 10**300])
def test_integer_of_any_length_is_shown_as_it_was_sent(number: int) -> None:
    text = f'{{"n": {number}}}'.encode()
    assert jsontext.view(text) == {"n": number}
    assert json.loads(jsontext.render(jsontext.view(text))) == {"n": number}
    judged, _ = jsontext.parse(text)
    assert judged["n"] == pytest.approx(number)


@pytest.mark.parametrize(("text", "number"), [(b"1e-400", 0.0), (b"-0", 0), (b"1E3", 1000.0), (b"1.5e+2", 150.0)])
def test_odd_number_is_read_when_a_double_can_hold_it(text: bytes, number: float) -> None:
    assert jsontext.parse(text) == (number, False)


@pytest.mark.parametrize("escape", ["\\ud800", "\\uDC00", "\\udfff\\ud800", "a\\uD83Db"])
def test_lone_surrogate_is_accepted_and_shown(escape: str) -> None:
    text = f'{{"text": "{escape}"}}'.encode()
    value, may_be_lone = jsontext.parse(text)
    assert may_be_lone
    assert json.loads(jsontext.render(jsontext.view(text))) == value == json.loads(text)
    assert "\N{REPLACEMENT CHARACTER}" in jsontext.without_surrogates(value)["text"]


def test_surrogate_pair_and_nul_are_ordinary_characters() -> None:
    assert jsontext.parse(b'"\\ud83d\\ude00"') == ("\N{GRINNING FACE}", False)
    assert jsontext.parse(b'"a\\u0000b"') == ("a\x00b", False)
    assert jsontext.render("a\x00b") == b'"a\\u0000b"'


def test_last_of_two_equal_names_wins_in_every_reading() -> None:
    text = b'{"a": 1, "b": {"c": 1, "c": 2}, "a": 3}'
    twice: list[str] = []
    assert jsontext.parse_exactly(text, twice) == jsontext.parse(text)[0] == {"a": 3, "b": {"c": 2}}
    assert sorted(twice) == ["a", "c"]


@steady
@given(values)
def test_every_value_survives_reading_and_writing(value: Any) -> None:
    text = json.dumps(value).encode()
    assert jsontext.view(text) == value
    assert json.loads(jsontext.render(value)) == value
    jsontext.render(jsontext.without_surrogates(value)).decode("utf-8", "strict")


@steady
@given(values, st.data())
def test_broken_text_is_read_alike_or_refused(value: Any, data: st.DataObject) -> None:
    text = bytearray(json.dumps(value).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        jsontext.parse(bytes(text))
    except NotJSONError:
        return
    assert jsontext.view(bytes(text)) == json.loads(text.decode())
    assert json.loads(jsontext.render(jsontext.view(bytes(text)))) == json.loads(text.decode())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, "ü"]}, '{"a":[1,"ü"]}'),
        ([1e300, -1e-9, 2.5], "[1e+300,-1e-09,2.5]"),
        (["\ud800", "ü"], '["\\ud800","\\u00fc"]'),
        (10**40, str(10**40)),
    ],
)
def test_stable_text_is_spelled_in_one_way(value: Any, text: str) -> None:
    assert render_stable(value) == text.encode()


@pytest.mark.parametrize("count", [1, jsontext.PIECE, 3 * jsontext.PIECE + 5])
def test_blanks_around_a_value_are_passed_over_however_many_they_are(count: int) -> None:
    blanks = b" " * count
    assert jsontext.parse_exactly(blanks + b"[1]" + blanks) == [1]
    with pytest.raises(NotJSONError, match=rf"^Expecting value: line 1 column {count + 1} \(char {count}\)$"):
        jsontext.parse_exactly(blanks)
    with pytest.raises(NotJSONError, match=rf"^Extra data: .*\(char {2 * count + 1}\)$"):
        jsontext.parse_exactly(blanks + b"1" + blanks + b"2")


def test_byte_order_mark_is_named_where_it_is_not_allowed() -> None:
    with pytest.raises(NotJSONError, match="byte order mark"):
        jsontext.parse_exactly("\ufeff{}".encode())
