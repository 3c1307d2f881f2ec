"""A protocol-compatible mock and contract-testing server for event-ingestion APIs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mockserver.client import Client
    from mockserver.core.model import Finding
    from mockserver.errors import ContractError, ControlError, MockServerError, SettingsError, UnreachableError
    from mockserver.mock import MockServer
    from mockserver.testing.asynchronous import AsyncSession
    from mockserver.testing.journal import WaitError
    from mockserver.testing.results import Delivery, Event, Exchange, Request, SessionState, Waited
    from mockserver.testing.session import Session

__version__ = "0.1.0"
__all__ = [
    "AsyncSession",
    "Client",
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
]

_HOMES = {
    "AsyncSession": "mockserver.testing.asynchronous",
    "Client": "mockserver.client",
    "Delivery": "mockserver.testing.results",
    "Event": "mockserver.testing.results",
    "Exchange": "mockserver.testing.results",
    "Finding": "mockserver.core.model",
    "MockServer": "mockserver.mock",
    "Request": "mockserver.testing.results",
    "Session": "mockserver.testing.session",
    "SessionState": "mockserver.testing.results",
    "WaitError": "mockserver.testing.journal",
    "Waited": "mockserver.testing.results",
}
"""Where the public names live; the rest are errors. Each is imported when it is first used."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "mockserver.errors")), name)
