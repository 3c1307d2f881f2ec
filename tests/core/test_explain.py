"""Which of several broken keywords counts."""

from __future__ import annotations

import pytest

from mockserver.contract.library import library
from mockserver.contract.schema import Schema, annotate
from mockserver.core.explain import judge_spots, reference_spots, violations

ENGINES = {"judging": judge_spots, "reference": reference_spots}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("keywords", [("minLength", "format"), ("format", "minLength"), ("pattern", "minLength")])
def test_first_keyword_listed_counts_when_one_value_breaks_two(engine: str, keywords: tuple[str, ...]) -> None:
    said = {"minLength": 1, "format": "uuid", "pattern": "^x"}
    member = {"type": "string", **{keyword: said[keyword] for keyword in keywords}}
    schema = Schema("events", "own", annotate({"type": "object", "properties": {"id": member}}, "/events/own", ""))
    found = violations(schema, {"id": ""}, ENGINES[engine])
    assert [one.keyword for one in found] == list(keywords)


def test_empty_visitor_is_a_missing_one_when_it_must_be_a_uuid_too() -> None:
    form = library().protocol("outlit").contract("r3-2026-05").operations["events"].forms["batch"]
    assert form.request is not None
    found = violations(form.request, {"visitorId": "", "events": [{}]})
    assert [one.refusal for one in found] == ["missing_visitor", "invalid_request"]
