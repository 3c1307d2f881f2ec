"""What is remembered of evicted sessions: by name, bounded, the known ones apart from strays."""

from __future__ import annotations

import pytest

from mockserver.sessions.tombstones import KEPT, Limit, Tombstone, Tombstones

EVICTED_MS = 1_781_438_400_250


def tombstone(limit: Limit = "max_sessions", lost: tuple[str, ...] = ()) -> Tombstone:
    return Tombstone(
        limit=limit,
        at_ms=EVICTED_MS,
        lost=lost,
        credentials=(),
        counts=(2, 1, 0, 1),
        refused=1,
        newest=2,
        next_event=3,
    )


@pytest.mark.parametrize(
    ("limit", "lost", "text"),
    [
        ("max_sessions", (), "because of --max-sessions; lost: 2 requests"),
        ("memory_limit", ("faults", "clock"), "because of --memory-limit; lost: 2 requests, faults, clock"),
    ],
)
def test_person_reads_when_why_and_what_was_lost(limit: Limit, lost: tuple[str, ...], text: str) -> None:
    assert tombstone(limit, lost).text() == f"the session was evicted at 2026-06-14T12:00:00.250Z {text}"


def test_program_reads_the_same() -> None:
    assert tombstone(lost=("settings",)).as_json() == {
        "limit": "max_sessions",
        "at": "2026-06-14T12:00:00.250Z",
        "requests": 2,
        "refused": 1,
        "lost": ["settings"],
    }


@pytest.mark.parametrize("known", [True, False])
def test_tombstone_is_found_by_name_until_it_is_taken(known: bool) -> None:
    tombstones = Tombstones()
    tombstones.add("a", tombstone(), known=known)
    assert tombstones.get("a") == tombstone()
    assert [name for name, _ in tombstones.known()] == ["a"] * known
    assert tombstones.pop("a") == tombstone()
    assert tombstones.get("a") is tombstones.pop("a") is None


@pytest.mark.parametrize("known", [True, False])
def test_oldest_go_when_there_are_too_many(known: bool) -> None:
    tombstones = Tombstones()
    tombstones.add("other", tombstone(), known=not known)
    forgotten = [tombstones.add(f"s{number}", tombstone(), known=known) for number in range(KEPT[known] + 1)]
    assert forgotten == [None] * KEPT[known] + [("s0", tombstone())]
    assert tombstones.get("s0") is None
    assert tombstones.get("s1") is not None
    assert tombstones.get("other") is not None
