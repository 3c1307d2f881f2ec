"""Templates may ask only for names that something can fill."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mockserver.contract.extension import extension_of
from mockserver.contract.library import library
from mockserver.contract.written import (
    ITEM,
    MESSAGE,
    RATE,
    REFUSAL,
    REPLY,
    TEXT,
    refusals,
    unavailable,
    unknown_names,
)
from mockserver.errors import ContractError
from mockserver.jsonkit.template import Template
from tests.judging import TALLY, contract_of

BASE = contract_of("tally")
EXTENSION = extension_of(TALLY.adapter)


def test_known_names_are_taken_and_unknown_ones_told_in_order() -> None:
    template: Template = {"a": "${x} and ${z}", "b": ["${y}", {"c": "plain"}], "d": 7}
    assert list(unavailable(template, {"x", "y", "z"}, "/p")) == []
    assert list(unavailable(template, {"y"}, "/p")) == [
        ("/p", "${x} is not available here; available: y"),
        ("/p", "${z} is not available here; available: y"),
    ]
    assert list(unavailable(None, (), "/p")) == []


@pytest.mark.parametrize(
    ("headers", "place", "problem"),
    [
        ({"content-LENGTH": "5"}, "/content-LENGTH", "the server sets this header"),
        ({"Transfer-Encoding": "chunked"}, "/Transfer-Encoding", "the server sets this header"),
        ({"Connection": "upgrade"}, "/Connection", "must be close or keep-alive, got 'upgrade'"),
    ],
)
def test_header_is_refused_when_it_says_where_a_reply_ends(headers: dict[str, str], place: str, problem: str) -> None:
    replies = {"taken": {"headers": headers}}
    with pytest.raises(ContractError, match=problem) as error:
        contract_of("tally", {"protocol": {"replies": replies}})
    assert error.value.pointer == f"/protocol/replies/taken/headers{place}"
    contract_of("tally", {"protocol": {"replies": {"taken": {"headers": {"Connection": "close"}}}}})


@pytest.mark.parametrize("text", ["${X}", "${}", "${a b}", "${x", "${x} ${x"])
def test_name_is_unknown_when_it_is_not_written_as_one(text: str) -> None:
    ((place, problem),) = unavailable(text, {"x"}, "/p")
    written = "${x" if text.endswith("${x") else text
    assert (place, problem) == ("/p", f"{written} is not available here; available: x")


@pytest.mark.parametrize(
    "contract", [BASE, *(protocol.contract() for protocol in library().protocols.values())], ids=repr
)
def test_shipped_templates_ask_for_nothing_unknown(contract: Any) -> None:
    assert list(unknown_names(contract, extension_of(contract.adapter))) == []


@pytest.mark.parametrize(
    ("patch", "place", "known"),
    [
        ({"replies": {"taken": {"body": "${what}"}}}, "/protocol/replies/taken/body", REPLY | {"worth"}),
        ({"replies": {"taken_in_part": {"item": {"at": "${what}"}}}}, "/protocol/replies/taken_in_part/item", ITEM),
        (
            {"replies": {"seen": {"headers": {"X": "${what}"}}}},
            "/protocol/replies/seen/headers",
            REPLY | RATE | {"worth"},
        ),
        ({"shapes": {"plain": {"body": {"a": "${what}"}}}}, "/protocol/shapes/plain/body", REFUSAL),
        ({"limits": {"per_minute": {"headers": {"X": "${what}"}}}}, "/protocol/limits/per_minute/headers", RATE),
        ({"windows": {"at": {"message": "${what}"}}}, "/protocol/windows/at/message", MESSAGE),
        ({"messages": {"default": {"value": "${what}"}}}, "/protocol/messages/default/value", MESSAGE),
        ({"refusals": {"plain": {"stale": {"message": "${what}"}}}}, "/protocol/refusals/plain/stale/message", TEXT),
        (
            {"refusals": {"plain": {"default": {"code": "${what}"}}}},
            "/protocol/refusals/plain/default/code",
            TEXT | {"message"},
        ),
        (
            {"refusals": {"plain": {"stale": {"headers": {"X": "${what}"}}}}},
            "/protocol/refusals/plain/stale/headers",
            REFUSAL | RATE,
        ),
    ],
)
def test_template_is_refused_with_its_place_when_it_asks_for_more(
    patch: Any, place: str, known: frozenset[str]
) -> None:
    with pytest.raises(ContractError) as caught:
        contract_of("tally", {"protocol": patch})
    assert caught.value.pointer == place
    assert caught.value.problem == f"${{what}} is not available here; available: {', '.join(sorted(known))}"


def test_name_of_the_adapter_is_taken_only_where_every_user_of_the_reply_has_it() -> None:
    nobody = replace(EXTENSION, reply_names=lambda operation, projects: ())
    assert [place for place, _ in unknown_names(BASE, nobody)] == [
        "/protocol/replies/taken/body",
        "/protocol/replies/taken_in_part/body",
    ]


def test_rate_names_are_for_headers_only() -> None:
    with pytest.raises(ContractError, match="rate_limit} is not available here"):
        contract_of("tally", {"protocol": {"replies": {"taken": {"body": "${rate_limit}"}}}})
    contract_of("tally", {"protocol": {"replies": {"taken": {"headers": {"X-Limit": "${rate_limit}"}}}}})


def test_refusals_are_those_of_every_family_with_the_default_first() -> None:
    listed = [refusal.reason for refusal in refusals(BASE)]
    assert listed[0] == "default"
    assert set(listed[1:]) == set(BASE.families["plain"].reasons)
    assert {refusal.family for refusal in refusals(contract_of("apex"))} == {"flat", "v1"}
