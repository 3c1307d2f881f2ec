"""Nothing of the protocol notes' tables was left behind: each row has its place in a contract, or a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit import pointer, yamltext
from mockserver.jsonkit.pointer import MISSING

HERE = Path(__file__).parent
MAP: dict[str, Any] = yamltext.load(HERE / "dossier_map.yaml")
SECTIONS = [(protocol, section) for protocol, sections in MAP.items() for section in sections]
ROWS = [
    (protocol, section, label, place)
    for protocol, section in SECTIONS
    for label, places in MAP[protocol][section].items()
    if label != "rows"
    for place in (places if isinstance(places, list) else [places])
]


def standing(protocol: str, place: str) -> Any:
    """Return what stands at `REVISION:/pointer` or `/pointer`, or MISSING."""
    revision, _, where = place.rpartition(":")
    contract = library().protocol(protocol).contract(revision or None)
    return pointer.get(contract.documents, pointer.parse(where))


def problem(protocol: str, place: str) -> str | None:
    """Return what is wrong with a place, or None."""
    kind, _, rest = place.partition(" ")
    if kind == "case":
        found = (HERE.parent / "fixtures" / protocol / "cases" / f"{rest}.yaml").is_file()
        return None if found else f"no golden exchange {rest}"
    if kind == "code":
        return None if (HERE.parent / rest).is_file() else f"no file {rest}"
    if place.startswith("not emulated, "):
        return None
    if place.startswith("-"):
        return None if standing(protocol, place[1:]) is MISSING else "still stands there"
    return "nothing stands there" if standing(protocol, place) is MISSING else None


@pytest.mark.parametrize(("protocol", "section"), SECTIONS)
def test_every_row_of_a_section_is_listed(protocol: str, section: str) -> None:
    listed = MAP[protocol][section]
    assert len(listed) - 1 == listed["rows"]


@pytest.mark.parametrize(
    ("protocol", "sections", "rows"), [("outlit", 22, 195), ("apex", 14, 121), ("whisperr", 13, 125)]
)
def test_every_section_with_facts_is_listed(protocol: str, sections: int, rows: int) -> None:
    assert len(MAP[protocol]) == sections
    assert sum(section["rows"] for section in MAP[protocol].values()) == rows


@pytest.mark.parametrize("protocol", MAP)
def test_every_place_is_there(protocol: str) -> None:
    found = {
        f"{section} {label}: {place}": wrong
        for name, section, label, place in ROWS
        if name == protocol and (wrong := problem(protocol, place))
    }
    assert not found


def test_what_is_not_emulated_is_the_exception() -> None:
    left_out = [row for row in ROWS if row[3].startswith("not emulated, ")]
    assert all(len(row[3].split()) > 4 for row in left_out), "a reason is a sentence"
    assert len(left_out) < len(ROWS) / 20


@pytest.mark.parametrize("protocol", MAP)
def test_every_part_of_the_contract_is_reached_from_the_notes(protocol: str) -> None:
    """The other way round: no operation, schema, limit or refusal stands in a contract without a row behind it."""
    reached = tuple(f"{row[3].rpartition(':')[2]}/" for row in ROWS if row[0] == protocol and "/" in row[3])
    contract = library().protocol(protocol).contract()
    parts = [
        f"/protocol/{part}/{name}"
        for part in ("operations", "windows", "idempotency")
        for name in contract.documents["protocol"].get(part, {})
    ]
    parts += [f"/{document}/{name}" for document in ("requests", "events") for name in contract.documents[document]]
    parts += [f"/protocol/limits/{name}" for name in contract.documents["protocol"]["limits"]]
    assert [part for part in parts if not any(place.startswith(f"{part}/") for place in reached)] == []
