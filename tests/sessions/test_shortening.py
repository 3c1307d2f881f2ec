"""Keys as logs show them."""

from __future__ import annotations

import pytest

from mockserver.sessions.session import shorten, shorten_path


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("", ""),
        ("pk_test", "pk_test"),
        ("123456789012", "123456789012"),
        ("1234567890123", "123456…90123"),
        ("ci-2026-11-29-worker-1", "ci-202…ker-1"),
        ("ci-2026-11-29-worker-2", "ci-202…ker-2"),
        ("é" * 13, "é" * 6 + "…" + "é" * 5),
    ],
)
def test_long_name_is_cut_so_that_it_cannot_be_used(name: str, shown: str) -> None:
    assert shorten(name) == shown
    assert len(shorten(name)) <= 12


def test_limit_is_the_callers() -> None:
    assert shorten("abcdef", 4) == "ab…f"


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/v1/identify", "/v1/identify"),
        ("/api/i/v1/pk_0123456789abcdef/events", "/api/i/v1/pk_01234…9abcdef/events"),
        ("/v1/users/u?key=secret", "/v1/users/u"),
        ("//a/", "//a/"),
        ("*", "*"),
    ],
)
def test_long_segments_of_a_path_are_cut_and_the_query_left_out(target: str, shown: str) -> None:
    assert shorten_path(target) == shown
