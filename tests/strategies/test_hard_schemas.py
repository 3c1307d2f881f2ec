"""Patches whose schemas are hard or impossible to meet: valid samples, or an error that names the place."""

from __future__ import annotations

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.errors import ContractError, SettingsError
from mockserver.jsonkit import Json
from mockserver.strategies.sampling import draw
from tests.strategies.playing import hold

SAMPLES = 15
HARD: dict[str, Json] = {
    "format and pattern": {"type": "string", "format": "email", "pattern": "@acme[.]com$"},
    "format and longer pattern": {"type": "string", "format": "uri", "pattern": "^https://acme[.]com/[a-z]+$"},
    "one version of a uuid": {"type": "string", "format": "uuid", "pattern": "^[0-9a-f]{8}-[0-9a-f]{4}-4"},
    "leap seconds only": {"type": "string", "format": "date-time", "pattern": ":60"},
    "texts far apart in length": {"anyOf": [{"type": "string", "maxLength": 0}, {"type": "string", "minLength": 300}]},
    "two patterns": {
        "anyOf": [{"type": "string", "pattern": "^A-[0-9]{6}$"}, {"type": "string", "pattern": "^B-[a-f]+$"}]
    },
    "long text": {"type": "string", "minLength": 20_000},
    "long text of a pattern": {"type": "string", "pattern": "^[0-9]+$", "minLength": 50, "maxLength": 52},
    "hardly a limit": {"type": "string", "maxLength": 10_000_000_000},
    "hardly a limit of items": {
        "type": "array",
        "maxItems": 10_000_000_000,
        "items": {"maxLength": 1, "type": "string"},
    },
}
IMPOSSIBLE: dict[str, Json] = {
    "pattern and length": {"type": "string", "pattern": "^a$", "minLength": 2},
    "empty range": {"type": "integer", "minimum": 1.2, "maximum": 1.8},
    "enum and pattern": {"enum": ["a", "b"], "pattern": "^c$"},
    "every alternative": {"anyOf": [{"type": "string", "pattern": "^a$", "minLength": 3}, {"enum": [1], "minimum": 2}]},
    "items": {"type": "array", "minItems": 1, "items": {"type": "string", "maxLength": 1, "minLength": 2}},
    "endless text": {"type": "string", "minLength": 1_000_000_000},
    "endless array": {"type": "array", "minItems": 1_000_000_000, "items": {"type": "string"}},
}


def _custom(schema: Json) -> Contract:
    """Return the contract of Outlit with a member of a custom event that must be there."""
    patch = {"events": {"custom": {"properties": {"n": schema}, "required": ["type", "eventName", "n"]}}}
    return library().protocol("outlit").contract(None, [Patch(name="hard", patch=patch)])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.full] * (name == "hardly a limit of items")) for name in HARD]
)
def test_samples_are_as_they_should_be_when_a_schema_is_hard(name: str) -> None:
    contract = _custom(HARD[name])
    good = draw(strategies.requests("outlit", operation="events", type="custom", contract=contract), SAMPLES)
    bad = draw(strategies.invalid_events("outlit", operation="events", type="custom", contract=contract), SAMPLES)
    assert good
    assert bad
    for sample in [*good, *bad]:
        hold(contract, sample)


def test_times_are_canonical_when_a_pattern_asks_for_it_within_a_window() -> None:
    pattern = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"
    patch = {"events": {"event": {"properties": {"occurred_at": {"pattern": pattern}}}}}
    contract = library().protocol("whisperr").contract(None, [Patch(name="canonical", patch=patch)])
    samples = draw(strategies.requests("whisperr", operation="batch", contract=contract), SAMPLES)
    assert any("occurred_at" in event for sample in samples for event in sample.events)
    for sample in samples:
        hold(contract, sample)


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_place_is_named_when_nothing_fits_a_schema(name: str) -> None:
    place = "hard#/events/custom/properties/n" + ("/items" if name == "items" else "")
    with pytest.raises(ContractError, match=f"^{place}: no value is known that fits .*; give one under examples$"):
        strategies.requests("outlit", operation="events", type="custom", contract=_custom(IMPOSSIBLE[name]))


def test_place_is_named_when_nothing_fits_a_pattern_within_a_window() -> None:
    patch = {"events": {"event": {"properties": {"occurred_at": {"pattern": "^1999"}}}}}
    contract = library().protocol("whisperr").contract(None, [Patch(name="old", patch=patch)])
    with pytest.raises(ContractError, match=r"occurred_at: no value is known that fits .* in the time window"):
        draw(strategies.requests("whisperr", contract=contract), SAMPLES)


@pytest.mark.full
def test_size_is_named_when_no_request_is_small_enough() -> None:
    contract = _custom({"type": "string", "minLength": 2_000_000})
    with pytest.raises((ContractError, SettingsError), match="the texts and arrays that the schemas demand"):
        draw(strategies.requests("outlit", operation="events", type="custom", contract=contract), 1)
