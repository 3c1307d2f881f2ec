"""A protocol-compatible mock and contract-testing server for event-ingestion APIs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.client.client import AsyncSession, Client, Session
    from mockserver.client.local import MockServer
    from mockserver.client.results import Conformance, Delivery, Event, Exchange, Request, SessionState, Waited
    from mockserver.client.session_calls import WaitError
    from mockserver.core.findings import Finding
    from mockserver.errors import ContractError, ControlError, MockServerError, SettingsError, UnreachableError
    from mockserver.lint.validation import validate
    from mockserver.recording.learning.lessons import learn

__version__ = "0.1.0"
__all__ = [
    "AsyncSession",
    "Client",
    "Conformance",
    "ContractError",
    "ControlError",
    "Delivery",
    "Event",
    "Exchange",
    "Finding",
    "MockServer",
    "MockServerError",
    "Request",
    "Session",
    "SessionState",
    "SettingsError",
    "UnreachableError",
    "WaitError",
    "Waited",
    "__version__",
    "learn",
    "validate",
]

_HOMES = {
    "AsyncSession": "mockserver.client.client",
    "Client": "mockserver.client.client",
    "Conformance": "mockserver.client.results",
    "Delivery": "mockserver.client.results",
    "Event": "mockserver.client.results",
    "Exchange": "mockserver.client.results",
    "Finding": "mockserver.core.model",
    "MockServer": "mockserver.client.local",
    "Request": "mockserver.client.results",
    "Session": "mockserver.client.client",
    "SessionState": "mockserver.client.results",
    "WaitError": "mockserver.client.session_calls",
    "Waited": "mockserver.client.results",
    "learn": "mockserver.recording.learning.lessons",
    "validate": "mockserver.lint.validation",
}
"""The modules of the public names; the others are in `errors`. Each is imported on first use."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "mockserver.errors")), name)
