"""The SDKs that run in a page, in headless Chromium, on another origin than the server's."""

import pytest

from .harness import Host, Session, assert_accepted, declared

pytestmark = pytest.mark.sdk


def test_outlit_browser_events_are_accepted_when_the_exported_functions_are_used(
    chromium: Host, outlit: Session
) -> None:
    report = chromium.drive("outlit-module", outlit)
    assert not report.problems
    rows = assert_accepted(
        outlit,
        {
            "pageview": 2,
            "custom": 3,
            "identify": 3,
            "stage": 1,
            "billing": 1,
            "calendar": 2,
            "form": 1,
            "engagement": 2,
        },
    )
    assert report.called >= declared("@outlit/browser")
    assert {"Preflight", "Ping"} <= set(report.traffic)
    (form,) = (row["event"]["formFields"] for row in rows if row["type"] == "form")
    assert form == {"email": "lead@corp.example", "name": "Lea Dupré", "message": "Bonjour,\n👋"}


def test_outlit_browser_events_are_accepted_when_consent_comes_and_goes(chromium: Host, outlit: Session) -> None:
    report = chromium.drive("outlit-class", outlit)
    assert not report.problems
    assert_accepted(outlit, {"pageview": 2, "custom": 3, "identify": 3, "stage": 3, "billing": 3})
    assert report.called >= declared("@outlit/browser", of="Outlit")
    assert {"Preflight", "Ping"} <= set(report.traffic)


def test_outlit_browser_events_are_accepted_when_a_script_tag_loads_it(chromium: Host, outlit: Session) -> None:
    report = chromium.drive("outlit-script", outlit)
    assert not report.problems
    assert_accepted(outlit, {"pageview": 1, "custom": 3, "identify": 3, "stage": 4, "billing": 3, "engagement": 1})
    assert report.called >= set(report.notes["methods"]) - {"init"}
    assert {"Preflight", "Ping"} <= set(report.traffic)


def test_whisperr_web_events_are_accepted_when_every_method_is_used(chromium: Host, whisperr: Session) -> None:
    report = chromium.drive("whisperr-module", whisperr)
    assert not report.problems
    rows = assert_accepted(
        whisperr,
        {
            "page_viewed": 5,
            "signup_started": 1,
            "plan_chosen": 1,
            "opted_in_again": 1,
            "anonymous_again": 1,
            "leaving": 1,
            "identify": 2,
        },
    )
    assert report.called >= declared("@whisperr/web", of="WhisperrApi")
    assert {"Preflight", "Fetch"} <= set(report.traffic)
    anonymous = [row["event"]["anonymous_id"] for row in rows if "external_user_id" not in row["event"]]
    assert len(anonymous) == 4
    assert len(set(anonymous)) == 2


def test_whisperr_web_events_are_accepted_when_a_script_tag_loads_it(chromium: Host, whisperr: Session) -> None:
    report = chromium.drive("whisperr-script", whisperr)
    assert not report.problems
    assert_accepted(whisperr, {"early_bird": 1, "identify": 1, "page_viewed": 1, "anonymous_again": 1, "leaving": 1})
    assert report.called >= declared("@whisperr/web", of="WhisperrApi")
    assert {"Preflight", "Fetch"} <= set(report.traffic)


def test_whisperr_web_events_are_refused_when_the_sdk_is_the_defective_0_1_0(chromium: Host, whisperr: Session) -> None:
    chromium.drive("whisperr-web-0.1.0", whisperr)
    rows = whisperr.events(3)
    assert [(row["type"], row["verdict"]) for row in rows] == [
        ("$pageview", "rejected"),
        ("signup_started", "rejected"),
        ("identify", "rejected"),
    ]
    assert set(whisperr.statuses()) == {400}
