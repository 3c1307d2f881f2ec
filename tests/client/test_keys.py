"""Keys made out of what contracts say of credentials."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.client import keys
from mockserver.client.keys import Credentials
from mockserver.contract import fidelity as facts
from mockserver.contract.library import library

KNOWN = keys.credentials([fact for p in library().protocols.values() for fact in facts.facts(p.contract())])


@pytest.mark.parametrize(
    ("protocol", "operation"),
    [(protocol, operation) for protocol, of in KNOWN.items() for operation in of.operations],
)
def test_key_is_well_formed_when_made_for_any_operation(protocol: str, operation: str) -> None:
    specs = KNOWN[protocol].of(operation)
    key = keys.well_formed("my_slug", specs)
    assert keys.fits(key, specs)
    assert "my_slug" in key


def test_general_key_is_taken_by_every_protocol_when_they_are_the_shipped_ones() -> None:
    key = keys.general("my_slug", KNOWN)
    assert key == "pk_my_slug"
    assert all(keys.fits(key, of.of(None)) for of in KNOWN.values())


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        ({}, "slug"),
        ({"example": "wrk_your_key"}, "wrk_slug"),
        ({"example": "plain"}, "slug"),
        ({"pattern": "^pk_", "example": "other_key"}, "pk_slug"),
        ({"pattern": r"^a\.b\-c_[a-z]+$"}, "a.b-c_slug"),
        ({"pattern": "^live_?", "example": "live_x"}, "liveslug"),
        ({"pattern": "^(sk|pk)_", "example": "sk_test"}, "sk_slug"),
        ({"pattern": "_sk_test_", "example": "x_sk_test"}, "x_sk_test_slug"),
    ],
)
def test_key_begins_as_pattern_or_example_say(spec: dict[str, Any], key: str) -> None:
    assert keys.well_formed("slug", [spec]) == key


def test_key_is_refused_when_no_guess_fits() -> None:
    with pytest.raises(ValueError, match="credentials"):
        keys.well_formed("slug", [{"pattern": "^[0-9]{4}$", "example": "1234"}])


def test_names_stay_apart_when_made_into_slugs() -> None:
    assert keys.slug_of("plain_name1") == "plain_name1"
    slugs = {keys.slug_of(name) for name in ("a b", "a/b", "a_b", "ü", "é", "x" * 300, "x" * 301)}
    assert len(slugs) == 7
    assert all(len(slug) <= 140 for slug in slugs)


def test_operation_is_named_when_it_takes_no_key() -> None:
    with pytest.raises(ValueError, match=r"'nope'; available: track"):
        Credentials(operations={"track": ["key"]}).of("nope")
