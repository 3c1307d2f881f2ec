"""The strategies know every word of the contract language, and every check of the core."""

from __future__ import annotations

from collections.abc import Iterator

from mockserver.contract.extension import BUILT_IN, extension_of
from mockserver.contract.library import library
from mockserver.core.gates import checks_of
from mockserver.jsonkit.formats import FORMATS
from mockserver.strategies import gate_mutations, texts, varied
from mockserver.strategies.keywords import LEAVES, SAYINGS, STRUCTURE, TYPES
from mockserver.strategies.plans import NOW_MS, plan_of
from mockserver.strategies.schema_mutations import BREAKERS, WALKED
from tests.strategies.playing import contracts

SHADOWED = {
    "/events/calendar/properties/inviteeName/type": "no event of a browser may have it",
    "/events/calendar/properties/inviteeEmail/type": "no event of a browser may have it",
    "/events/calendar/properties/inviteeEmail/pattern": "no event of a browser may have it",
    "/requests/batch/required/events": "a body without it has the snippet format, and null may be no absence",
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
    assert set(texts.FORMATS) == set(varied.FORMATS) == named == set(FORMATS)


def test_every_type_has_values_when_the_language_is_asked() -> None:
    assert set(TYPES) == set(library().meta.schema("schema")["$defs"]["type"]["enum"])


def test_every_check_is_broken_somewhere_when_the_core_is_asked() -> None:
    adapters = [protocol.adapter for protocol in library().protocols.values()]
    declared = {*BUILT_IN}.union(*(extension_of(adapter).checks for adapter in adapters))
    assert {*gate_mutations.CHECKS, *gate_mutations.OTHER_CHECKS} == declared
    assert declared == set[str]().union(*map(checks_of, adapters))
    assert not set(gate_mutations.CHECKS) & set(gate_mutations.OTHER_CHECKS)


def _shadowed() -> Iterator[str]:
    for contract in contracts():
        for operation in plan_of(contract, NOW_MS, 0, ()).operations.values():
            for form in operation.forms.values():
                yield from (mutation.rule for mutation in form.shadowed)
                yield from (mutation.rule for kind in form.kinds.values() for mutation in kind.shadowed)


def test_every_rule_can_be_broken_alone_but_for_those_another_one_shadows() -> None:
    assert set(_shadowed()) == set(SHADOWED)
