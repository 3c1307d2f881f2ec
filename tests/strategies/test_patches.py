"""Contracts as users patch them: the strategies follow, and the core answers as they say."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.errors import ContractError
from mockserver.jsonkit import pointer
from tests.strategies.playing import collect, hold

EVENTS = 36
OF_WHAT_IS_PATCHED = 12
PATCHES: dict[str, tuple[str, Any]] = {
    "pattern of its own": (
        "outlit",
        {"events": {"custom": {"properties": {"eventName": {"pattern": "^ORD-[0-9]{6}$"}}}}},
    ),
    "pattern and length": (
        "apex",
        {"events": {"batch_event": {"properties": {"type": {"pattern": "^[A-Z]+$", "minLength": 3, "maxLength": 5}}}}},
    ),
    "numbers with both bounds": (
        "outlit",
        {"events": {"engagement": {"properties": {"activeTimeMs": {"minimum": 10, "maximum": 10.5}}}}},
    ),
    "whole numbers": (
        "outlit",
        {"events": {"calendar": {"properties": {"duration": {"type": "integer", "minimum": 1, "maximum": 3}}}}},
    ),
    "one constant": ("outlit", {"events": {"pageview": {"properties": {"title": {"const": "Home"}}}}}),
    "limits that limit nothing": (
        "outlit",
        {"events": {"pageview": {"properties": {"title": {"minLength": 0, "maxLength": 0}}}}},
    ),
    "short batches": ("outlit", {"requests": {"envelope": {"properties": {"events": {"minItems": 2, "maxItems": 2}}}}}),
    "one event at a time": (
        "whisperr",
        {"requests": {"batch": {"properties": {"events": {"minItems": 1, "maxItems": 1}}}}},
    ),
    "whole batches refused": (
        "outlit",
        {"protocol": {"operations": {"events": {"forms": {"batch": {"policy": "atomic"}}}}}},
    ),
    "another shape of refusals": (
        "outlit",
        {"protocol": {"refusals": {"ingest": {"default": {"shape": "overview"}, "invalid_key": {"status": 403}}}}},
    ),
    "nulls refused": ("whisperr", {"protocol": {"nulls": {"members": "refused"}}}),
    "a narrow window": ("whisperr", {"protocol": {"windows": {"occurred_at": {"past_ms": 0, "future_ms": 0}}}}),
    "listed origins": (
        "outlit",
        {"protocol": {"cors": {"ingest": {"allowed_origins": ["https://app.example.com"]}}}},
    ),
    "listed projects": (
        "apex",
        {"protocol": {"projects": {"known": ["prj_a", "prj_b"], "default": "prj_a"}}},
    ),
    "one project, not the default": ("apex", {"protocol": {"projects": {"known": ["prj_a"]}}}),
    "several projects, none the default": ("apex", {"protocol": {"projects": {"known": ["prj_a", "prj_b"]}}}),
    "other texts": (
        "apex",
        {"protocol": {"messages": {"required": {"value": "give me ${path} (${field}), [please]"}}}},
    ),
    "objects with members": (
        "whisperr",
        {
            "events": {
                "event": {
                    "properties": {
                        "properties": {"minProperties": 1},
                        "context": {"minProperties": 3, "properties": {"page": {"type": "string"}}},
                    }
                },
                "identify": {"properties": {"traits": {"minProperties": 5}}},
            }
        },
    ),
    "no path with extra slashes": (
        "outlit",
        {"protocol": {"paths": {"extra_slashes": "unknown_path", "source": "assumed: made up for a test"}}},
    ),
    "arrays of texts": (
        "whisperr",
        {
            "events": {
                "event": {
                    "properties": {
                        "properties": {
                            "properties": {
                                "tags": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}}
                            }
                        }
                    }
                }
            }
        },
    ),
}


def _rules_patched(contract: Contract, name: str) -> list[str]:
    """Return the rules that can be broken at the places of a patch."""
    places = [pointer.build(tokens) for tokens, _ in pointer.leaves(PATCHES[name][1])]
    return [rule for rule in strategies.breaches(contract.name, contract=contract) if rule.startswith(tuple(places))]


def _contract(name: str) -> Contract:
    protocol, patch = PATCHES[name]
    return library().protocol(protocol).contract(None, [Patch(name=name, patch=patch)])


@pytest.mark.parametrize("name", PATCHES)
def test_core_answers_as_predicted_when_a_contract_is_patched(name: str) -> None:
    contract = _contract(name)
    good = collect(strategies.requests(contract.name, contract=contract), EVENTS)
    bad = collect(strategies.invalid(contract.name, contract=contract), EVENTS)
    mixed = collect(strategies.batches(contract.name, contract=contract), EVENTS // 4)
    rules = _rules_patched(contract, name)
    if rules:
        bad += collect(strategies.invalid(contract.name, contract=contract, rules=rules), OF_WHAT_IS_PATCHED)
    for sample in [*good, *bad, *mixed]:
        hold(contract, sample)
    assert good
    assert bad


def test_contract_that_nothing_fits_is_named_when_it_is_compiled() -> None:
    patch = {"events": {"pageview": {"properties": {"url": {"maxLength": 3, "minLength": 5}}}}}
    contract = library().protocol("outlit").contract(None, [Patch(name="impossible", patch=patch)])
    with pytest.raises(ContractError, match=r"^impossible#/events/pageview/properties/url: no value is known"):
        strategies.events("outlit", contract=contract)
