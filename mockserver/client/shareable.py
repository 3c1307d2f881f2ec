"""What leaves the test as text or a file, in reports and failure texts, is read without the secrets of its session."""

from __future__ import annotations

from typing import TypeVar

from mockserver.client.calls import Call, Steps, at
from mockserver.recording.exporting import redacted_rows
from mockserver.recording.redaction.redact import Redactor

R = TypeVar("R")


def redactor(session: str) -> Steps[Redactor]:
    """Return what hides the secrets of a session."""
    known = yield Call(method="GET", path=at(session, "secrets"))
    return Redactor(known["secrets"], known["prefixes"])


def without_secrets(steps: Steps[R], redactor: Redactor) -> Steps[R]:
    """Carry out an operation, with the secrets hidden in each answer."""
    try:
        call = next(steps)
        while True:
            answer = yield call
            call = steps.send(redacted_rows(answer, redactor))
    except StopIteration as done:
        result: R = done.value
        return result
