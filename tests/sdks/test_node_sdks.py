"""The SDKs that run in Node: ``@whisperr/node`` and the builders of ``@outlit/core``."""

import pytest

from .harness import Host, Session, assert_accepted, declared

pytestmark = pytest.mark.sdk


def test_whisperr_node_events_are_accepted_when_every_method_is_used(node: Host, whisperr: Session) -> None:
    report = node.drive("whisperr-node", whisperr)
    assert not report.problems
    rows = assert_accepted(
        whisperr, {"payment_failed": 1, "trial_expired": 1, "row_imported": 1203, "plan_upgraded": 1, "identify": 3}
    )
    assert report.called >= declared("@whisperr/node", of="WhisperrApi")
    assert report.notes["ready"]
    assert len({row["event"]["context"]["$message_id"] for row in rows if row["type"] != "identify"}) == 1206
    assert len(whisperr.statuses()) == 9  # an identify goes alone, a batch holds 500 at most


def test_outlit_core_events_are_accepted_when_every_builder_is_used(node: Host, outlit: Session) -> None:
    report = node.drive("outlit-core", outlit)
    assert not report.problems
    rows = assert_accepted(
        outlit,
        {
            "pageview": 1,
            "custom": 252,
            "form": 1,
            "identify": 2,
            "engagement": 1,
            "calendar": 2,
            "stage": 4,
            "billing": 3,
        },
    )
    assert report.called >= declared("@outlit/core")
    assert report.notes["payloads"] == [12, 3, 1, 100, 100, 50]
    assert {row["event"]["path"] for row in rows} == {"/pricing", ""}
