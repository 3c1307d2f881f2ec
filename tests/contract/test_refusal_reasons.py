"""Which refusals an operation can give: what its gates can find, and nothing else of its family."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.library import Patch, library
from mockserver.contract.refusal_reasons import refusals

SOURCE = "assumed: for a test"


def reasons(protocol: str, operation: str, patch: Any = None) -> set[str]:
    patches = [] if patch is None else [Patch(name="test", patch={"protocol": patch})]
    contract = library().protocol(protocol).contract(None, patches)
    return {refusal.reason for refusal in refusals(contract, contract.operations[operation])}


def test_operation_without_gates_refuses_nothing() -> None:
    assert reasons("apex", "apex_js") == set()
    assert reasons("whisperr", "health") == set()


def test_refusals_of_schemas_windows_and_lookups_are_among_them() -> None:
    assert {"missing_visitor", "invalid_events", "invalid_source"} <= reasons("outlit", "events")
    assert "batch_too_large" in reasons("apex", "server_events")
    assert "timestamp_out_of_window" in reasons("whisperr", "batch")
    assert "timestamp_out_of_window" not in reasons("whisperr", "user")


def test_refusal_of_an_adapters_gate_is_among_them() -> None:
    assert {"project_required", "unknown_project"} <= reasons("apex", "server_events")
    assert not {"project_required", "unknown_project"} & reasons("apex", "events")


def test_events_of_a_batch_that_is_taken_in_part_refuse_nothing() -> None:
    forms = {"batch": {"policy": "atomic"}}
    assert "invalid_event" not in reasons("outlit", "events")
    assert "invalid_event" in reasons("outlit", "events", {"operations": {"events": {"forms": forms}}})


@pytest.mark.parametrize(
    ("patch", "reason"),
    [
        ({"content_types": {"anything": False}}, "content_type_invalid"),
        ({"operations": {"events": {"cors": None}}}, "origin_not_allowed"),
        ({"operations": {"events": {"rate": None}}}, "rate_limited"),
    ],
)
def test_gate_that_has_nothing_to_refuse_is_left_out(patch: Any, reason: str) -> None:
    assert (reason in reasons("outlit", "events")) is not (reason in reasons("outlit", "events", patch))


def test_key_is_malformed_only_where_it_has_a_pattern() -> None:
    family = {"malformed_key": {"status": 418, "message": "x", "source": SOURCE}}
    gate = {"gates": {"key": {"refusals": {"malformed": "malformed_key"}}}, "refusals": {"default": family}}
    assert "malformed_key" not in reasons("whisperr", "batch", gate)
    pattern = {"credentials": {"bearer": {"pattern": "^wrk_"}}}
    assert "malformed_key" in reasons("whisperr", "batch", {**gate, **pattern})
