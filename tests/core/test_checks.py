"""The table of checks: every check that a contract may name has a function, and no function is without a name."""

from __future__ import annotations

import pytest

from mockserver.contract.extension import BUILT_IN, extension_of
from mockserver.contract.library import Protocol, library
from mockserver.core.adapter import adapter_of
from mockserver.core.events import judge_events
from mockserver.core.gates import CHECKS, checks_of
from tests.judging import TALLY

ADAPTERS = sorted({protocol.adapter for protocol in (*library().protocols.values(), TALLY)})


def test_every_declared_check_has_a_function_and_the_other_way_round() -> None:
    assert set(checks_of("")) == set(BUILT_IN)
    assert set(BUILT_IN) == set(CHECKS)
    assert checks_of("")["events"] is judge_events


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapter_declares_the_checks_it_carries_out(adapter: str) -> None:
    assert set(adapter_of(adapter).run) == set(extension_of(adapter).checks)
    assert set(checks_of(adapter)) == {*BUILT_IN, *extension_of(adapter).checks}


def test_adapters_add_checks_of_their_own() -> None:
    added = {
        adapter.rpartition(".")[2]: sorted(adapter_of(adapter).run) for adapter in ADAPTERS if adapter != TALLY.adapter
    }
    assert added == {"apex": ["project"], "outlit": ["identity"], "whisperr": []}
    assert sorted(adapter_of(TALLY.adapter).run) == ["total"]


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_adapter_replaces_no_check_of_every_protocol(adapter: str) -> None:
    assert not set(adapter_of(adapter).run) & set(BUILT_IN)


@pytest.mark.parametrize("protocol", [*library().protocols.values(), TALLY], ids=lambda protocol: protocol.name)
def test_gates_name_checks_that_exist(protocol: Protocol) -> None:
    contract = protocol.contract()
    named = {gate.check for operation in contract.operations.values() for gate in operation.gates}
    assert named <= set(checks_of(contract.adapter))
    assert named


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_checks_that_must_come_before_exist(adapter: str) -> None:
    kinds = {**BUILT_IN, **extension_of(adapter).checks}
    assert {name for kind in kinds.values() for name in kind.after} <= set(kinds)
