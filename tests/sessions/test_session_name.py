"""Which texts name a session, and in which form."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mockserver.sessions.session_name import (
    MAX_NAME_BYTES,
    LongNameError,
    SessionNameError,
    session_name,
    shorten,
    tagged,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pk_a", "pk_a"),
        (" \tpk_a\u00a0", "pk_a"),
        ("e\u0301", "\u00e9"),
        ("a/b", "a/b"),
        ("...", "..."),
        ("a" * MAX_NAME_BYTES, "a" * MAX_NAME_BYTES),
        (" " * 1000 + "a", "a"),
        ("e\u0301" * 100, "\u00e9" * 100),
    ],
)
def test_name_is_trimmed_and_composed_and_stays_itself(text: str, name: str) -> None:
    assert session_name(text) == name
    assert session_name(name) == name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \u2003", "empty"),
        (".", r'"\."'),
        (" .. ", r'"\.\."'),
        ("a\x00b", r"a control character \(U\+0000\)"),
        ("a\x1b[31m", r"U\+001B"),
        ("a\x7f", r"U\+007F"),
        ("a\u0085b", r"U\+0085"),
        ("a\u202eb", "invisible format character"),
        ("a\u200b", "invisible format character"),
        ("a\ud800", "a lone surrogate"),
        ("a\ufffd", "replacement character"),
        ("a\u2028b", "line separator"),
    ],
)
def test_text_that_names_no_session_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(SessionNameError, match=reason):
        session_name(text)


@pytest.mark.parametrize("text", ["a" * 201, "\u00e9" * 101, "e\u0301" * 1_000_000, "\ud800" * 201])
def test_name_is_refused_when_it_has_more_than_200_bytes(text: str) -> None:
    with pytest.raises(LongNameError, match="200 bytes"):
        session_name(text)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", ""),
        ("default", "default"),
        ("abcde", "…"),
        ("abcdefgh", "a…h"),
        ("pk_test", "pk_…"),
        ("pk_live_S3CRET", "pk_l…T"),
        ("wrk_0123456789abcdef0123456789abcdef", "wrk_0123…cdef"),
        ("ci-2026-11-29-worker-1", "ci-…-1"),
        ("ci-2026-11-29-worker-2", "ci-…-2"),
        ("é" * 40, "éééé…éééé"),
    ],
)
def test_name_is_cut_so_that_it_cannot_be_used_as_a_key(name: str, shown: str) -> None:
    assert shorten(name) == shown


@pytest.mark.parametrize(
    "names",
    [
        ("pk_test", "pk_demo", "pk_1"),
        ("a", "b"),
        ("ci-2026-11-28-worker-1", "ci-2026-11-29-worker-1"),
        ("pk_live_a4f1c8d20b", "pk_live_a9e3b7f51b"),
    ],
)
def test_names_that_are_cut_to_the_same_are_told_apart_in_the_log(names: tuple[str, ...]) -> None:
    assert len({shorten(name) for name in names}) == 1
    shown = [tagged(name) for name in names]
    assert len(set(shown)) == len(names)
    assert [tagged(name) for name in names] == shown
    assert all(text.startswith(shorten(name) + "#") for name, text in zip(names, shown, strict=True))


def test_name_that_is_shown_whole_has_no_tag() -> None:
    assert (tagged("default"), tagged("")) == ("default", "")


def test_tag_tells_nothing_outside_the_process() -> None:
    """Else whoever reads a log could try short keys until the tag is right."""
    code = "from mockserver.sessions.session_name import tagged; print(tagged('pk_test'))"
    shown = {subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout for _ in range(4)}
    assert len(shown) > 1
