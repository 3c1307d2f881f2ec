"""Patches made of changes: each fact that they write has a source, each deleted one has none."""

from __future__ import annotations

from typing import Any

from mockserver.contract.library import Patch, library
from mockserver.recording.learning.changes import Change, Learnt, patch_of

ORIGIN = "from http://upstream.test on 2026-06-09"


def learnt(*changes: Change) -> list[Learnt]:
    return [Learnt(change=change, seen=(f"x{number}",)) for number, change in enumerate(changes, 1)]


def patch(*changes: Change) -> dict[str, Any]:
    documents = library().protocol("whisperr").contract().documents
    made = patch_of(learnt(*changes), documents, ORIGIN)
    library().protocol("whisperr").contract(None, [Patch(name="made", patch=made)])
    return made


def test_fact_of_a_recording_is_documented_and_one_that_was_chosen_is_inferred() -> None:
    place = ("requests", "batch", "properties", "events", "maxItems")
    stated, chosen = learnt(Change.of(place, 7), Change.of(place, 7, "7 chosen"))
    assert stated.source(ORIGIN) == f"docs: recorded {ORIGIN}, exchange x1"
    assert chosen.source(ORIGIN) == f"inferred: 7 chosen; recorded {ORIGIN}, exchange x2"


def test_one_source_stands_beside_what_it_is_of() -> None:
    place = ("protocol", "refusals", "default", "invalid_request")
    made = patch(Change.of((*place, "status"), 422))
    assert made["protocol"]["refusals"]["default"]["invalid_request"] == {
        "status": 422,
        "source": f"docs: recorded {ORIGIN}, exchange x1",
    }


def test_two_facts_of_an_object_have_sources_of_their_own() -> None:
    place = ("protocol", "refusals", "default", "invalid_request")
    made = patch(Change.of((*place, "status"), 422), Change.of((*place, "headers", "Retry-After"), "5"))
    entry = made["protocol"]["refusals"]["default"]["invalid_request"]
    assert "source" not in entry
    assert entry["sources"] == {
        "status": f"docs: recorded {ORIGIN}, exchange x1",
        "headers/Retry-After": f"docs: recorded {ORIGIN}, exchange x2",
    }


def test_deleted_fact_stays_a_null_without_a_source() -> None:
    assert patch(Change.of(("protocol", "dedup"), None)) == {"protocol": {"dedup": None}}


def test_new_entry_has_the_source_that_the_language_demands() -> None:
    made = patch(Change.of(("protocol", "messages", "required", "value"), "${path} is missing"))
    assert made["protocol"]["messages"]["required"]["source"] == f"docs: recorded {ORIGIN}, exchange x1"


def test_many_exchanges_are_counted() -> None:
    one = Learnt(change=Change.of(("protocol", "dedup"), None), seen=tuple(f"x{n}" for n in range(1, 9)))
    assert one.source(ORIGIN).endswith("exchanges x1, x2, x3, x4, x5 and 3 others")
