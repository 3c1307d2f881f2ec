"""The contract language: documents are held to it, with the place and the problem of what does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.language import Meta
from mockserver.contract.library import library
from mockserver.errors import ContractError
from mockserver.jsonkit.violations import LONGEST_TEXT
from tests.judging import TALLY

META = library().meta
NAMES = {
    "protocol": "protocol",
    "requests": "schemas",
    "events": "schemas",
    "replies": "schemas",
    "warnings": "warnings",
}


def refused(name: str, document: Any, root: str = "") -> ContractError:
    with pytest.raises(ContractError) as caught:
        META.check(name, document, "x.yaml", root)
    assert caught.value.file == "x.yaml"
    return caught.value


@pytest.mark.parametrize("document", NAMES)
@pytest.mark.parametrize("protocol", [*library().protocols.values(), TALLY], ids=lambda protocol: protocol.name)
def test_shipped_documents_fit(protocol: Any, document: str) -> None:
    try:
        META.check(NAMES[document], protocol.documents[document], "x.yaml")
    except ContractError as error:
        pytest.fail(str(error))


@pytest.mark.parametrize(
    ("name", "document", "place"),
    [
        ("schemas", {"event": {"type": "object", "source": "assumed: x", "colour": 1}}, "/event/colour"),
        ("schemas", {"event": {"type": "thing", "source": "assumed: x"}}, "/event/type"),
        ("schemas", {"event": {"source": 7}}, "/event/source"),
        (
            "schemas",
            {"event": {"source": "assumed: x", "properties": {"a": {"minLength": "1"}}}},
            "/event/properties/a",
        ),
        ("warnings", {"transport": {"loud": {"message": "m", "source": "assumed: x"}}}, "/transport"),
        ("revision", {"protocol": "tally"}, ""),
    ],
)
def test_document_is_refused_at_the_place_that_does_not_fit(name: str, document: Any, place: str) -> None:
    error = refused(name, document)
    assert error.pointer.startswith(place)
    assert error.problem


def test_place_is_told_below_the_root_it_is_given() -> None:
    document = {"event": {"source": "assumed: x", "colour": 1}}
    assert refused("schemas", document, "/events").pointer == "/events/event/colour"
    assert "colour" in refused("schemas", document).problem


def test_long_problem_is_cut() -> None:
    document = {"event": {"source": "assumed: x", "type": "x" * 1000}}
    assert len(refused("schemas", document).problem) <= LONGEST_TEXT + 1


def test_what_json_cannot_hold_is_refused() -> None:
    error = refused("schemas", {"event": {"source": "\ud800"}}, "/events")
    assert error.pointer == "/events"
    assert error.problem.startswith("not representable as JSON: ")


def test_language_is_read_out_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(
        "type: object\nproperties: {a: {type: integer}}\nadditionalProperties: false\n"
    )
    meta = Meta(tmp_path)
    assert meta.schema("small")["properties"] == {"a": {"type": "integer"}}
    meta.check("small", {"a": 1}, "x.yaml")
    with pytest.raises(ContractError) as caught:
        meta.check("small", {"a": "1"}, "x.yaml")
    assert (caught.value.pointer, caught.value.problem) == ("/a", '"1" is not of type "integer"')
