"""From merged documents to typed, frozen values that hold no function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.schema import Schema
from mockserver.contract.sections import ContentTypes, Dedup
from mockserver.jsonkit.pointer import Tokens
from tests.judging import MADE_UP, TALLY, contract_of

BASE = contract_of("tally")
ALL = [
    owner.contract(revision) for owner in (*library().protocols.values(), TALLY) for revision in owner.revision_names()
]


def walk(value: Any, place: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield a value and everything inside it, each dataclass once; of schemas only what they were compiled from."""
    if id(value) in seen:
        return
    yield place, value
    if isinstance(value, Schema):
        yield from walk(value.body, f"{place}.body", seen)
    elif is_dataclass(value):
        seen.add(id(value))
        for member in fields(value):
            if member.repr:  # the others hold what was found out while the contract was in use
                yield from walk(getattr(value, member.name), f"{place}.{member.name}", seen)
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from walk(member, f"{place}[{name}]", seen)
    elif isinstance(value, tuple | list | frozenset):
        for index, member in enumerate(value):
            yield from walk(member, f"{place}[{index}]", seen)


def inside(contract: Contract) -> list[tuple[str, Any]]:
    return list(walk(contract, contract.name, set()))


@pytest.mark.parametrize("contract", ALL, ids=repr)
def test_contract_holds_no_function(contract: Contract) -> None:
    assert [place for place, value in inside(contract) if callable(value)] == []


@pytest.mark.parametrize("contract", ALL, ids=repr)
def test_contract_is_frozen_all_through(contract: Contract) -> None:
    values = [value for _, value in inside(contract) if is_dataclass(value)]
    assert len(values) > 40
    for value in values:
        with pytest.raises(FrozenInstanceError):
            setattr(value, fields(value)[0].name, None)


@pytest.mark.parametrize("contract", ALL, ids=repr)
def test_contract_is_made_of_plain_values_and_those_of_the_sections(contract: Contract) -> None:
    kinds = {type(value) for _, value in inside(contract) if not is_dataclass(value)}
    assert kinds <= {str, int, float, bool, type(None), tuple, Tokens, list, dict, frozenset, Schema}


def test_head_of_the_contract_is_read() -> None:
    assert (BASE.name, BASE.title, BASE.host) == ("tally", "Tally collector", "https://collect.tally.example")
    assert (BASE.source, BASE.revision, BASE.adapter) == (MADE_UP, "base", TALLY.adapter)
    assert (BASE.nulls_absent, BASE.max_body) == (False, 4096)
    assert BASE.newest is not None
    assert (BASE.newest.revision, BASE.newest.newest) == ("strict", None)
    assert TALLY.contract("strict").newest is None


def test_operation_has_what_it_refers_to_by_name() -> None:
    (operation,) = BASE.operations.values()
    assert (operation.name, operation.method, operation.path) == ("collect", "POST", "/tally/v2/{stream}/collect")
    assert operation.segments == ("tally", "v2", "{stream}", "collect")
    assert operation.family is BASE.families["plain"]
    assert operation.credentials == (BASE.credentials["token"],)
    assert operation.rate is BASE.rate_limits["per_minute"]
    assert operation.idempotency is not None
    assert (operation.idempotency.header, operation.idempotency.window_ms) == ("Tally-Once", 600_000)
    assert (operation.cors, operation.query, operation.lookup) == (None, (), None)
    replies = operation.replies
    assert [reply.name for reply in (replies.success, replies.partial, replies.failed, replies.replayed)] == [
        "taken",
        "taken_in_part",
        "taken_in_part",
        "seen",
    ]
    assert [reply.status for reply in replies.distinct()] == [201, 202, 208]


def test_gates_stand_in_their_order_with_their_reasons() -> None:
    gates = BASE.operations["collect"].gates
    assert [(gate.check, gate.order) for gate in gates] == [
        ("size", 10),
        ("json", 20),
        ("object", 21),
        ("key", 30),
        ("allowed_key", 31),
        ("rate", 40),
        ("envelope", 50),
        ("total", 60),
        ("idempotency", 70),
        ("events", 80),
    ]
    assert gates[3].reason("malformed") == "bad_token"
    assert gates[0].reason("body_too_large") == "body_too_large"
    claim = BASE.operations["collect"].rate_claim
    assert claim is not None
    assert (claim.limit, claim.order, claim.reason) == (BASE.rate_limits["per_minute"], 40, "rate_limited")


def test_gate_may_carry_out_a_check_under_another_name() -> None:
    gate = contract_of("apex").operations["server_events"].gate("key")
    assert gate is not None
    assert (gate.name, gate.pointer, gate.reason("missing")) == (
        "server_key",
        "/protocol/gates/server_key",
        "unauthorized",
    )


def test_form_has_its_schemas() -> None:
    form = BASE.operations["collect"].forms["items"]
    assert form.request is BASE.request_schemas["collection"]
    assert (form.events, form.single, form.discriminator) == (("items",), False, ("kind",))
    assert (form.schema, form.types, form.policy, form.atomic) == (None, ("sale", "view"), "partial", False)
    assert form.schema_for(sale := {"kind": "sale"}) is BASE.event_schemas["sale"]
    assert form.type_of(sale) == "sale"
    assert BASE.event_schemas["sale"].body["required"] == ["kind", "ref", "cents"]


def test_sections_are_typed() -> None:
    (window,) = BASE.windows
    assert (window.tokens, window.past_ms, window.future_ms, window.refusal) == (("at",), 3_600_000, 0, "stale")
    rate = BASE.rate_limits["per_minute"]
    assert (rate.requests, rate.window_ms, rate.starts) == (3, 60_000, "first_request")
    assert dict(rate.headers) == {"Tally-Left": "${rate_remaining}"}
    assert isinstance(BASE.dedup, Dedup)
    assert (BASE.dedup.tokens, BASE.dedup.by) == (("ref",), "ref")
    token = BASE.credentials["token"]
    assert (token.place, token.tokens, token.pattern) == ("body", ("token",), "^tk_[a-z]+$")
    (warning,) = BASE.warnings.events
    assert (warning.pointer, warning.types) == ("/warnings/events/dear", frozenset({"sale"}))


def test_sections_that_are_absent_are_none_or_empty() -> None:
    assert (BASE.entity, BASE.content_types, BASE.projects) == (None, None, None)
    assert (dict(BASE.identity), dict(BASE.member_limits), dict(BASE.id_prefixes)) == ({}, {}, {})
    assert (BASE.stored.fill, BASE.stored.normalise, BASE.stored.strip) == ({}, {}, {})
    assert (BASE.delivery.retried, BASE.delivery.acknowledged_by_json) == (frozenset(), False)
    outlit = contract_of("outlit")
    assert isinstance(outlit.content_types, ContentTypes)
    assert (outlit.content_types.accepted, outlit.content_types.anything) == (("application/json",), True)


def test_default_of_a_family_fills_in_what_a_reason_leaves_out() -> None:
    family = BASE.families["plain"]
    too_large = family.template("body_too_large")
    assert (too_large.status, too_large.code, too_large.message) == (413, "${phrase_lower}", "${phrase}")
    assert too_large.shape is BASE.shapes["plain"]
    assert family.template("no such reason") is family.default
    assert (family.default.status, family.default.pointer) == (500, "/protocol/refusals/plain/default")


def test_digest_tells_documents_apart_and_not_revisions() -> None:
    assert BASE.digest == contract_of("tally", {"protocol": {"title": "Tally collector"}}).digest
    assert BASE.digest != contract_of("tally", {"protocol": {"title": "Another"}}).digest
    assert len(BASE.digest) == 32
