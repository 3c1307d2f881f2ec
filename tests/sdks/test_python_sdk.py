"""``whisperr`` from PyPI, in this process."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
from whisperr import BillingEvent, Whisperr, WhisperrError
from whisperr.django import WhisperrMiddleware

from .harness import Session, assert_accepted

pytestmark = pytest.mark.sdk


def test_whisperr_python_events_are_accepted_when_every_method_is_used(whisperr: Session) -> None:
    errors: list[WhisperrError] = []
    client = Whisperr(whisperr.key, base_url=whisperr.url, app_version="2026.11.2", on_error=errors.append)
    assert client.ready
    client.track("user_8842", "payment_failed", {"amount_cents": 4900, "note": "Zoë 👋", "retry": None})
    client.identify(
        "user_9917",
        traits={"plan": "pro", "referrer": None, "address": {"city": "København"}},
        preferred_channel="sms",
        channels=[
            {"type": "email", "address": "kenji@example.jp", "opted_in": True, "verified": True},
            {"channel": "sms", "address": "+81312345678", "opted_in": False},
        ],
    )
    client.track("user_9917", "trial_expired", context={"region": "eu", "$message_id": "overridden-by-the-sdk"})
    client.identify("user_1", email="ada@acme.example", phone="+14155550123", push_token="token")
    client.flush()
    names = [name for key, name in vars(BillingEvent).items() if key.isupper()]
    for name in names:
        client.track("user_1", name, {"plan_id": "pro", "price": 9.99, "currency": "EUR", "plan_period": "P1M"})
    client.shutdown()

    rows = assert_accepted(whisperr, {"payment_failed": 1, "trial_expired": 1, "identify": 2} | dict.fromkeys(names, 1))
    assert not errors
    assert {name for name in vars(Whisperr) if not name.startswith("_")} == {
        "ready",
        "track",
        "identify",
        "flush",
        "shutdown",
    }
    assert rows[0]["event"]["properties"]["note"] == "Zoë 👋"


def test_whisperr_python_events_are_accepted_when_a_full_queue_sends_itself(whisperr: Session) -> None:
    errors: list[WhisperrError] = []
    client = Whisperr(whisperr.key, base_url=whisperr.url, on_error=errors.append)
    for number in range(20):
        client.track("user_8842", "row_imported", {"number": number})
    assert_accepted(whisperr, {"row_imported": 20})
    client.shutdown()
    assert not errors


def test_whisperr_python_events_are_accepted_when_django_sends_them(
    whisperr: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = SimpleNamespace(WHISPERR_API_KEY=whisperr.key, WHISPERR_BASE_URL=whisperr.url)
    configured = ModuleType("django.conf")  # all that the middleware takes from Django
    monkeypatch.setattr(configured, "settings", settings, raising=False)
    monkeypatch.setitem(sys.modules, "django", ModuleType("django"))
    monkeypatch.setitem(sys.modules, "django.conf", configured)
    monkeypatch.setattr("whisperr.django._client", None)

    def view(request: SimpleNamespace) -> str:
        request.whisperr.identify(traits={"plan": "pro"})
        request.whisperr.track("plan_upgraded", {"plan": "pro"})
        return "seen"

    middleware = WhisperrMiddleware(view)
    assert middleware(SimpleNamespace(user=SimpleNamespace(is_authenticated=True, pk=8842))) == "seen"
    middleware.client.shutdown()
    rows = assert_accepted(whisperr, {"identify": 1, "plan_upgraded": 1})
    assert {row["event"]["external_user_id"] for row in rows} == {"8842"}
