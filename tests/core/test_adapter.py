"""Adapters: what a protocol without one gets, and how the core finds one by name."""

from __future__ import annotations

import pytest

from mockserver.core.adapter import DEFAULT, Adapter, adapter_of
from mockserver.core.model import Receipt
from tests.judging import COLLECT, TALLY, collection, contract_of, judged, sale, wire_request

CONTRACT = contract_of("tally")


def test_protocol_without_an_adapter_has_the_defaults() -> None:
    assert adapter_of("") is DEFAULT
    request = judged(CONTRACT, wire_request(COLLECT, collection(sale())))
    assert DEFAULT.variables(request, Receipt(session="s", seq=1, first_event=1)) == {}
    assert DEFAULT.scope(request) == ""
    assert DEFAULT.event_rules(CONTRACT) is None
    assert (dict(DEFAULT.run), dict(DEFAULT.checks), DEFAULT.needs) == ({}, {}, ())
    assert list(DEFAULT.reply_names(CONTRACT.operations["collect"], None)) == []


@pytest.mark.parametrize("body", [{}, {"items": []}, None, []])
def test_only_form_of_an_operation_is_chosen(body: object) -> None:
    operation = CONTRACT.operations["collect"]
    assert DEFAULT.choose_form(operation, body) is operation.forms["items"]


def test_operation_without_forms_has_none_to_choose() -> None:
    assert DEFAULT.choose_form(contract_of("whisperr").operations["health"], {}) is None


def test_adapter_is_found_by_the_name_its_contract_carries() -> None:
    adapter = adapter_of(TALLY.adapter)
    assert adapter_of(CONTRACT.adapter) is adapter
    assert isinstance(adapter, Adapter)
    assert adapter.scope is DEFAULT.scope
    assert list(adapter.run) == ["total"]


def test_adapter_that_was_never_loaded_is_an_error() -> None:
    with pytest.raises(KeyError, match="nobody_loaded_this"):
        adapter_of("nobody_loaded_this")
