"""Large JSON texts, parsed in pieces: with the same result as at once, and without a long call."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.jsonkit import pieces
from mockserver.jsonkit.pieces import PIECE, loads

MB = 1 << 20
NASTY = ("},{", "],[", '"', "\\", "a,b", "]", "[", "é", "\U0001f600")
scalars = st.none() | st.booleans() | st.integers(-9, 10**20) | st.text(max_size=4) | st.sampled_from(NASTY)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.sampled_from(["a", "b", "]", "[", ","]), inner),
)
bodies = st.lists(values, min_size=3, max_size=40) | st.builds(
    lambda before, events, after: {**before, "events": events, **after},
    st.dictionaries(st.sampled_from(["a", "[", "c"]), values, max_size=2),
    st.lists(values, min_size=3, max_size=40),
    st.dictionaries(st.sampled_from(["x", "]", "z"]), values, max_size=2),
)


def outcome(parse: Any, text: bytes) -> tuple[str, Any]:
    try:
        return "value", parse(text)
    except orjson.JSONDecodeError:
        return "invalid", None


def in_small_pieces(text: bytes) -> tuple[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", 12)
        return outcome(loads, text)


@given(bodies, st.sampled_from([None, 1]), st.booleans())
def test_value_is_that_of_the_whole(body: Any, indent: int | None, ascii: bool) -> None:
    text = json.dumps(body, indent=indent, ensure_ascii=ascii).encode()
    assert in_small_pieces(text) == outcome(orjson.loads, text)


@given(bodies, st.data())
def test_text_with_an_error_is_refused_if_and_only_if_it_is_at_once(body: Any, data: Any) -> None:
    text = json.dumps(body).encode()
    place = data.draw(st.integers(0, len(text) - 1))
    junk = data.draw(st.sampled_from([b"", b",", b"]", b"[", b"{", b"}", b'"', b",,", b"\xff", b"1"]))
    broken = text[:place] + junk + text[place + data.draw(st.integers(0, 1)) :]
    assert in_small_pieces(broken) == outcome(orjson.loads, broken)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that orjson is given."""
    lengths: list[int] = []

    def noted(text: bytes) -> Any:
        lengths.append(len(text))
        return orjson.loads(text)

    monkeypatch.setattr(pieces, "orjson", SimpleNamespace(loads=noted, JSONDecodeError=orjson.JSONDecodeError))
    return lengths


EVENT = {"user": 5, "items": [{"n": n, "text": "},{"} for n in range(9)], "properties": {"a": ["x"] * 2_000}}
LARGE = {
    "numbers": b'{"events":[' + b"0," * (2 * MB) + b"0]}",
    "no object": b"[" + b"{}," * MB + b"{}]",
    "texts": json.dumps({"source": "client", "events": ["a, b", "c"] * 300_000}).encode(),
    "events": json.dumps({"tags": ["a", {"b": [1]}], "events": [EVENT] * 500, "sent": [1, 2]}).encode(),
    "indented": json.dumps({"events": [EVENT] * 500}, indent=2).encode(),
}


@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
def test_large_array_is_never_parsed_in_one_call(text: bytes, parsed: list[int]) -> None:
    assert loads(text) == orjson.loads(text)
    assert len(text) > 4 * PIECE
    assert max(parsed) < 2 * PIECE + 100


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"a": {"b": ["x"] * MB}}).encode(),
        b'{"a":[' + b"," * (3 * PIECE) + b"1]}",
        b'{"a":[' + b"1," * (3 * PIECE) + b"]}",
        b"[" * (3 * PIECE),
        b'{"events":[' + b"1," * (3 * PIECE) + b'1],"events":2}',
        b'{"a":[' + b'"[,{},[", ' * PIECE + b"}",
    ],
    ids=["array below a member", "commas", "comma at the end", "brackets", "name that comes twice", "no end"],
)
def test_other_text_is_parsed_at_once_after_some_tries(text: bytes, parsed: list[int]) -> None:
    assert outcome(loads, text) == outcome(orjson.loads, text)
    assert parsed[-1] == len(text)
    assert sum(parsed) < len(text) + 50 * (2 * PIECE)


def test_text_that_is_not_large_is_parsed_at_once(parsed: list[int]) -> None:
    text = b"[" + b"1," * (PIECE - 10) + b"1]"
    assert loads(text) == orjson.loads(text)
    assert parsed == [len(text)]
