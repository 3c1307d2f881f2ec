"""The fixtures of the delivery tests: those of the SDK tests, and what came of the cases of the table."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias

import aiohttp
import pytest

from tests.delivery.runner import Outcome, run_all
from tests.delivery.table import Case
from tests.sdks.fixtures import chromium, node, outlit, packages, server, whisperr
from tests.sdks.harness import HERE, absent, program
from tests.server.control_client import ControlClient

__all__ = ["chromium", "control", "http", "node", "outcome_of", "outlit", "packages", "server", "whisperr"]

OutcomeOf: TypeAlias = Callable[[Case, str], Outcome]


@pytest.fixture(scope="session")
def outcome_of(request: pytest.FixtureRequest, server: str) -> OutcomeOf:
    """What came of a case with an SDK. The first test that asks has all that are to be tested run, at once."""
    wanted = [_wanted(item) for item in request.session.items if "outcome_of" in getattr(item, "fixturenames", ())]
    commands, missing = _commands(request, {sdk for _, sdk in wanted})
    possible = [(case, sdk) for case, sdk in wanted if sdk in commands]
    found: Mapping[tuple[str, str], Outcome | BaseException] = dict(
        zip(((str(case), sdk) for case, sdk in possible), asyncio.run(run_all(server, commands, possible)), strict=True)
    )

    def outcome_of(case: Case, sdk: str) -> Outcome:
        outcome = missing.get(sdk) or found[str(case), sdk]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return outcome_of


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client for vendor requests; its connections are not shared, so that a cut one is nobody else's."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=30)) as client:
        yield client


@pytest.fixture
async def control(server: str, http: aiohttp.ClientSession) -> ControlClient:
    """A client of the server's control surface that holds every reply to control.yaml."""
    return ControlClient(http, server)


def _wanted(item: pytest.Item) -> tuple[Case, str]:
    assert isinstance(item, pytest.Function)
    case, sdk = item.callspec.params["case"], item.callspec.params["sdk"]
    assert isinstance(case, Case)
    assert isinstance(sdk, str)
    return case, sdk


def _commands(
    request: pytest.FixtureRequest, sdks: set[str]
) -> tuple[dict[str, tuple[str, ...]], dict[str, BaseException]]:
    """Return how each SDK's host is started, or why it cannot be."""
    commands: dict[str, tuple[str, ...]] = {}
    missing: dict[str, BaseException] = {}
    for sdk in sdks:
        try:
            commands[sdk] = _python() if sdk == "python" else _node(request.getfixturevalue("packages"))
        except (pytest.skip.Exception, pytest.fail.Exception) as reason:
            missing[sdk] = reason
    return commands, missing


def _python() -> tuple[str, ...]:
    if find_spec("whisperr") is None:
        absent("whisperr is not installed")
    return sys.executable, str(HERE / "drivers" / "clients.py")


def _node(packages: Path) -> tuple[str, ...]:
    return program("node"), str(packages.parent / "drivers" / "clients.mjs")
