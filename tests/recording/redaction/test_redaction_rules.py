"""A user's rules for what a recording hides."""

from __future__ import annotations

import pytest

from mockserver.recording.redaction.redaction_rules import Personal, Rules


def test_rules_of_each_form_are_read() -> None:
    rules = Rules.of(["header: X-Tenant ", "query:ref", "/events/*/properties/plan", "regex:^acme-[0-9]+$"])
    assert (sorted(rules.headers), sorted(rules.parameters)) == (["x-tenant"], ["ref"])
    assert rules.places == (Personal(place=("events", "*", "properties", "plan"), kind="value"),)
    assert [rules.hide_text(text) for text in ("acme-7", "acme-x")] == [True, False]
    assert len(rules.texts) == 4


@pytest.mark.parametrize("text", ["", "header:", "query:", "regex:", "regex:(", "/a~b", "cookie:x", "X-Tenant"])
def test_rule_that_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a valid rule: "):
        Rules.of([text])


def test_text_that_takes_too_long_to_search_is_hidden() -> None:
    rules = Rules.of(["regex:(a|b|ab)*c(?=d)(?!e)f{1,50}$"])
    assert rules.hide_text("ab" * 3_000_000)
