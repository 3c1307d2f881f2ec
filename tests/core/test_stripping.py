"""Which members of an event the vendor removes."""

from __future__ import annotations

import pytest

from mockserver.core.stripping import removed_names
from mockserver.jsonkit import Json
from tests.judging import contract_of

(RULE,) = contract_of("outlit").stored.strip.values()


@pytest.mark.parametrize("name", ["password", "Pass-Word", "user_token", "compass", "credit\tcard", "SSN"])
def test_member_is_removed_when_its_name_contains_an_entry(name: str) -> None:
    assert removed_names({"formFields": {"email": "a@b.example", name: "x"}}, RULE) == [name]


@pytest.mark.parametrize("event", [{}, {"formFields": None}, {"formFields": "password"}, {"password": "x"}, "password"])
def test_nothing_is_removed_where_there_are_no_such_members(event: Json) -> None:
    assert removed_names(event, RULE) == []
