"""Nothing of the protocol pages' tables was left behind: each row has its place in a contract, or a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.library import library
from mockserver.jsonkit import pointer, yamltext
from mockserver.jsonkit.pointer import MISSING
from tests.docs.citations import sections

HERE = Path(__file__).parent
MAP: dict[str, Any] = yamltext.load(HERE / "dossier_map.yaml")
ELSEWHERE = "elsewhere"
MAPPED = [(protocol, anchor) for protocol, placed in MAP.items() for anchor in placed if anchor != ELSEWHERE]
ROWS = [
    (protocol, anchor, label, place)
    for protocol, anchor in MAPPED
    for label, places in MAP[protocol][anchor].items()
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


@pytest.mark.parametrize(("protocol", "anchor"), MAPPED)
def test_every_row_below_a_heading_is_placed(protocol: str, anchor: str) -> None:
    assert list(MAP[protocol][anchor]) == sections(protocol)[anchor].rows


@pytest.mark.parametrize("protocol", MAP)
def test_every_heading_with_a_table_is_placed_or_about_something_else(protocol: str) -> None:
    with_tables = [anchor for anchor, section in sections(protocol).items() if section.rows]
    placed = [anchor for anchor in MAP[protocol] if anchor != ELSEWHERE]
    assert sorted([*placed, *MAP[protocol][ELSEWHERE]]) == sorted(with_tables)
    print(f"{protocol}: {sum(len(MAP[protocol][anchor]) for anchor in placed)} rows below {len(placed)} headings")
    assert len(placed) > len(MAP[protocol][ELSEWHERE])


@pytest.mark.parametrize("protocol", MAP)
def test_every_place_is_there(protocol: str) -> None:
    found = {
        f"{anchor} {label}: {place}": wrong
        for name, anchor, label, place in ROWS
        if name == protocol and (wrong := problem(protocol, place))
    }
    assert not found


def test_what_is_not_emulated_is_the_exception() -> None:
    left_out = [row for row in ROWS if row[3].startswith("not emulated, ")]
    assert all(len(row[3].split()) > 4 for row in left_out), "a reason is a sentence"
    assert len(left_out) < len(ROWS) / 20


@pytest.mark.parametrize("protocol", MAP)
def test_every_part_of_the_contract_is_reached_from_the_pages(protocol: str) -> None:
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
