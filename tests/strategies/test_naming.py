"""Batches that must name somebody do, whatever they are made of."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.strategies import NOW_MS, CertificateError, invalid_requests
from mockserver.strategies.forms import FormPlan
from mockserver.strategies.named import name_all
from mockserver.strategies.plans import plan_of
from tests.strategies.playing import collect, contracts

PAGEVIEW = {"type": "pageview", "url": "https://example.com/", "path": "/"}
SERVER = {"source": "server"}
ASKING = [contract for contract in contracts() if "batch" in contract.identity]


def _form(contract: Contract) -> FormPlan:
    return plan_of(contract, NOW_MS, 0, ()).operations["events"].forms["batch"]


@pytest.mark.parametrize("contract", ASKING, ids=repr)
@pytest.mark.parametrize("size", [1, 2, 99, 100])
def test_batch_names_somebody_and_stays_within_its_limit_when_its_events_cannot(contract: Contract, size: int) -> None:
    form = _form(contract)
    body = name_all(form, {**SERVER, "events": [PAGEVIEW] * size})
    assert form.diagnosis.of(body) == []
    assert size <= len(body["events"]) <= min(size + 1, 100)


def test_events_broken_on_purpose_stay_when_a_full_batch_needs_a_name() -> None:
    form = _form(library().protocol("outlit").contract("r1-2026-01"))
    broken: dict[str, Any] = {"type": "pageview", "url": 5, "path": "/"}
    events = [PAGEVIEW] * 98 + [broken] * 2
    body = name_all(form, {**SERVER, "events": events}, avoid={98: ("url",), 99: ("url",)})
    assert body["events"][98:] == [broken] * 2
    assert len(body["events"]) == 100
    assert not form.naming.nobody(body)


def test_naming_gives_up_loudly_when_there_is_no_room_for_it() -> None:
    form = _form(library().protocol("outlit").contract("r1-2026-01"))
    with pytest.raises(CertificateError, match="can name somebody"):
        name_all(form, {**SERVER, "events": [PAGEVIEW] * 100}, avoid=dict.fromkeys(range(100), ("url",)))


def test_each_event_that_must_names_somebody_itself_when_the_revision_asks() -> None:
    form = _form(library().protocol("outlit").contract("r4-2026-08"))
    custom = {"type": "custom", "timestamp": 1, "url": "https://example.com/", "path": "/", "eventName": "a"}
    body = name_all(form, {**SERVER, "events": [custom, {**custom, "userId": "u"}]})
    assert form.diagnosis.of(body) == []
    assert body["events"][1] == {**custom, "userId": "u"}


def test_body_broken_outside_its_events_has_no_member_that_its_sender_cannot_send() -> None:
    contract = library().protocol("outlit").contract("documented")
    rules = ["/requests/envelope/properties/source/enum", "/requests/envelope/properties/visitorId/format"]
    bad = invalid_requests("outlit", contract=contract, rules=rules)
    assert {sample.breach.rule for sample in collect(bad, 150)} == set(rules)
