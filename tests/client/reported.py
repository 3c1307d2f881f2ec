"""Sessions as reports have to show them: empty, good, refused with hostile data, with deliveries under faults, busy."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from mockserver import MockServer, Session
from tests.sending import post, send_whisperr, whisperr_event

MARKUP: Final = "</script></style><img src=x onerror=alert(1)>"
HOSTILE: Final = f"{MARKUP}\u202e\x00\r\n::error::x|`a`]]>&amp;"
DEEP: Final = b'{"a":' * 200 + b"1" + b"}" * 200
IDENTITY: Final = b'"external_user_id":"u","context":{"$message_id":"m"}'


def outlit(session: Session, *names: str, **members: Any) -> None:
    """Send a batch of custom events."""
    common = {"type": "custom", "userId": "u1", "url": "server://u1", "path": "/", **members}
    body = {"source": "server", "events": [{**common, "eventName": name} for name in names]}
    post(session.url, f"/api/i/v1/{session.key}/events", body)


def fill(server: MockServer) -> dict[str, Session]:
    """Return sessions of a server by what they are examples of."""
    sessions = {
        name: server.session(f"pk_report_{name}") for name in ("empty", "good", "refused", "deliveries", "busy")
    }
    outlit(sessions["good"], "plan_chosen", "signed_up")
    send_whisperr(sessions["good"], whisperr_event("trial_started"))
    _refused(sessions["refused"])
    _deliveries(sessions["deliveries"])
    for number in range(60):
        outlit(sessions["busy"], *(f"click_{number % 7}" for _ in range(10)))
    return sessions


def _refused(session: Session) -> None:
    send_whisperr(session, whisperr_event("Trial Started"), whisperr_event("paid"))
    outlit(session, HOSTILE, properties={HOSTILE: "x" * 900_000})
    headers = {"X-API-Key": session.key}
    post(session.url, "/v1/events/batch", b"{", headers)
    post(session.url, "/v1/events/batch", b'{"events":[{"event_type":"\\ud800",' + IDENTITY + b"}]}", headers)
    deep = b'{"events":[{"event_type":"Deep","properties":' + DEEP + b"," + IDENTITY + b"}]}"
    post(session.url, "/v1/events/batch", deep, headers)
    send_whisperr(session, whisperr_event("A" * 10_000))
    send_whisperr(session, whisperr_event(HOSTILE))


def _deliveries(session: Session) -> None:
    events = [whisperr_event(f"event_{number}") for number in range(6)]
    session.faults.replace(
        [
            {"times": 2, "reply": {"status": 503}},
            {"times": 1, "connection": "reset"},
            {"times": 1, "connection": "drop", "when": "after_commit"},
        ]
    )
    for sent in ((0, 1), (0, 1), (0, 1), (2,), (2,), (0, 1), (3,), (3,)):
        with suppress(OSError):
            send_whisperr(session, *(events[number] for number in sent))
    session.faults.replace([{"times": 2, "reply": {"status": 429}}])
    for _ in range(2):
        send_whisperr(session, events[4])
    send_whisperr(session, whisperr_event("Bad Name"))
