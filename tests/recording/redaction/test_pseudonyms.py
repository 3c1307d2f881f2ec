"""Pseudonyms: equal for equal values, different for different ones, and of the form of what they replace."""

from __future__ import annotations

import re

import pytest

from mockserver.recording.redaction.pseudonyms import Kind, Pseudonyms, found_in


def test_equal_values_get_equal_pseudonyms_and_different_values_different_ones() -> None:
    known = Pseudonyms(["pk_"])
    values = [f"user_{number}" for number in range(50)] + [f"pk_{number:03}" for number in range(50)]
    first = [known.replace(value, "credential" if value.startswith("pk_") else "id") for value in values]
    assert [known.replace(value, "text") for value in values] == first
    assert len(set(first)) == len(values)
    assert len(known) == len(values)
    assert known.get("user_1") == first[1]
    assert known.get("nobody") is None


@pytest.mark.parametrize(
    ("value", "kind", "pattern"),
    [
        ("ada@example.com", "id", r"user-1@example\.test"),
        ("first.last+tag@mail.co.uk", "text", r"user-1@example\.test"),
        ("a1b2c3d4-e5f6-7890-abcd-ef1234567890", "id", "00000000-0000-7000-8000-000000000001"),
        ("10.1.2.3", "text", r"192\.0\.2\.1"),
        ("fe80::12:34", "text", "2001:db8::1"),
        ("+4915112345678", "text", r"\+1555[0-9]{9}"),
        ("user_17", "id", "<id:1>"),
        ("Ada Lovelace", "text", "<text:1>"),
        ("pk_live_AbCdEf123", "credential", "pk_live_x{8}1"),
        ("wrk_0123456789abcdef", "credential", "wrk_0{15}1"),
        ("hunter2", "credential", "x{6}1"),
    ],
)
def test_pseudonym_has_the_form_of_its_value(value: str, kind: Kind, pattern: str) -> None:
    given = Pseudonyms(["pk_", "wrk_"]).replace(value, kind)
    assert re.fullmatch(pattern, given), given


def test_shaped_pseudonym_keeps_length_and_kinds_of_characters() -> None:
    known = Pseudonyms(shaped=True)
    values = ["Customer-42", "café au lait 7", "ABC"]
    given = [known.replace(value, "id") for value in values]
    assert given == ["Xxxxxxxx-01", "xxxx xx xxxx 2", "XXD"]


def test_number_stays_whole_or_broken() -> None:
    known = Pseudonyms()
    assert [known.replace_number(value) for value in (34, 1.75, 34, 2**70)] == [1, 2.5, 1, 3]


def test_nothing_is_made_of_blanks() -> None:
    assert [Pseudonyms().replace(value, "text") for value in ("", "  ")] == ["", "  "]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("mail ada@example.com, or bob@b.example!", ["ada@example.com", "bob@b.example"]),
        ("https://a.example/?next=x&to=ada@example.com#y", ["ada@example.com"]),
        ("from 203.0.113.9 and http://10.0.0.7/x", ["203.0.113.9", "10.0.0.7"]),
        ("via 2a00:1450:4001::65 today", ["2a00:1450:4001::65"]),
        ("Chrome/120.0.0.0 Mozilla/5.0 v1.2.3.4 127.0.0.1 ::1 12:30:45 1.2.3.4.5", []),
        ("a@b", []),
        ("@" * 50_000, []),
    ],
)
def test_addresses_are_found_in_a_text(text: str, found: list[str]) -> None:
    assert [text[start:end] for start, end in found_in(text)] == found


@pytest.mark.parametrize(
    "own",
    [
        "<id:7>",
        "<value:12>",
        "user-3@example.test",
        "wrk_xxxxxxxx1",
        "pk_live_xxxxxx12",
        "000000001f",
        "xxxxxxxx2",
        "00000000-0000-4000-8000-000000000001",
        "+1555001",
        "2001:db8::7",
        "192.0.2.4",
    ],
)
def test_pseudonym_of_a_recording_stays_and_is_given_to_no_other_value(own: str) -> None:
    kept = Pseudonyms(["wrk_", "pk_"], kept=True)
    assert kept.replace(own, "id") == own
    others = [kept.replace(f"other-{number}@corp.example", "id") for number in range(5)]
    others += [kept.replace(f"other{number}", "id") for number in range(10)]
    assert len({own, *others}) == 16
    assert Pseudonyms(["wrk_", "pk_"]).replace("<id:7>", "id") == "<id:1>"


def test_value_whose_pseudonym_was_given_to_another_one_gets_its_own() -> None:
    kept = Pseudonyms(kept=True)
    assert kept.replace("ada@corp.example", "id") == "user-1@example.test"
    assert kept.replace("user-1@example.test", "id") == "user-2@example.test"
    assert kept.replace("hunter2", "credential") == "xxxxxx1"
