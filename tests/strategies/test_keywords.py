"""The strategies know every word of the contract language, and every check of the core."""

from __future__ import annotations

from collections.abc import Iterator

from mockserver.contract.library import library
from mockserver.core.events import EVENTS_GATE
from mockserver.core.gates import GATES
from mockserver.jsonkit.formats import FORMATS
from mockserver.strategies import drawing
from mockserver.strategies import format_texts as formats
from mockserver.strategies import gate_mutations as gatefaults
from mockserver.strategies.keywords import LEAVES, SAYINGS, STRUCTURE, TYPES
from mockserver.strategies.plans import NOW_MS, plan_of
from mockserver.strategies.schema_mutations import BREAKERS, WALKED
from tests.strategies.playing import contracts

HIDDEN = {
    "/requests/envelope/properties/visitorId/minLength": "its format or pattern refuses the empty text as well",
    "/events/shared/common/properties/url/minLength": "its format refuses the empty text as well",
    "/requests/batch/required/projectKey": "the key gate has asked for it before",
    "/requests/batch/properties/projectKey/type": "the key gate has asked for it before",
    "/requests/batch/properties/projectKey/pattern": "the key gate has asked for it before",
    "/requests/stitch/required/projectKey": "the key gate has asked for it before",
    "/requests/stitch/properties/projectKey/type": "the key gate has asked for it before",
    "/requests/stitch/properties/projectKey/pattern": "the key gate has asked for it before",
    "/events/snippet/required/projectKey": "the key gate has asked for it before",
    "/events/snippet/properties/projectKey/type": "the key gate has asked for it before",
    "/events/snippet/properties/projectKey/pattern": "the key gate has asked for it before",
}
"""Rules that no request can break alone, and why."""


def _language() -> tuple[set[str], set[str]]:
    schema = library().meta.schema("schema")["$defs"]["schema"]["properties"]
    return set(schema), set(schema["format"]["enum"])


def test_every_keyword_has_one_builder_when_the_language_is_asked() -> None:
    words, _ = _language()
    known = [*LEAVES, *STRUCTURE, *SAYINGS]
    assert sorted(known) == sorted(words)
    assert sorted([*BREAKERS, *WALKED]) == sorted(STRUCTURE)


def test_every_format_has_texts_and_a_strategy_when_the_language_is_asked() -> None:
    _, named = _language()
    assert set(formats.FORMATS) == set(drawing.FORMATS) == named == set(FORMATS)


def test_every_type_has_values_when_the_language_is_asked() -> None:
    assert set(TYPES) == set(library().meta.schema("schema")["$defs"]["type"]["enum"])


def test_every_check_is_broken_somewhere_when_the_core_is_asked() -> None:
    checks = {*GATES, EVENTS_GATE.name}.union(*(protocol.adapter.gates for protocol in library().protocols.values()))
    assert {*gatefaults.CHECKS, *gatefaults.OTHER_CHECKS} == checks
    assert not set(gatefaults.CHECKS) & set(gatefaults.OTHER_CHECKS)


def _hidden() -> Iterator[str]:
    for contract in contracts():
        for one in plan_of(contract, NOW_MS, 0, ()).operations.values():
            for form in one.forms.values():
                yield from (fault.rule for fault in form.hidden)
                yield from (fault.rule for kind in form.kinds.values() for fault in kind.hidden)


def test_every_rule_can_be_broken_alone_but_for_those_another_one_covers() -> None:
    assert set(_hidden()) == set(HIDDEN)
