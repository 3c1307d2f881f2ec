"""`--reload`: contract files are read again when they change, all or nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from mockserver.contract.library import library_of
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.errors import ContractError, MockServerError, SettingsError
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import tagged
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.settings import Settings

_log = logging.getLogger("mockserver")

POLL_S: Final = 0.5
"""Seconds between two looks at the files. A change is taken when it is the same in two looks: its writer is done."""

State = Mapping[Path, tuple[int, int, int] | None]
"""What tells one version of each file from another; None where there is none."""


def load(settings: Settings) -> ServedContracts:
    """Read the contracts that the settings name. Raises ContractError."""
    return ServedContracts(library_of(settings.contracts), settings)


def check(settings: Settings) -> None:
    """Raise SettingsError where there is nothing to watch."""
    if settings.reload and not (settings.contract_patches or settings.contracts):
        raise SettingsError("--reload watches the files of --contract-patch and --contracts; give one of them")


async def watch(settings: Settings, contracts: ServedContracts, store: MemoryStore, loaded: State) -> None:
    """Take changed files, until cancelled. `loaded` is their state before they were loaded."""
    taken = seen = loaded
    while True:
        await asyncio.sleep(POLL_S)
        state = await asyncio.to_thread(state_of, settings)
        if state == seen != taken:
            taken = state
            await reload(settings, contracts, store)
        seen = state


def state_of(settings: Settings) -> State:
    """Return the state of the files that the settings name."""
    return {path: _version(path) for path in _files(settings)}


def _files(settings: Settings) -> Iterator[Path]:
    yield from settings.contract_patches
    for folder in settings.contracts:
        yield from (path for path in folder.rglob("*") if path.suffix in (".yaml", ".py"))


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


async def reload(settings: Settings, contracts: ServedContracts, store: MemoryStore) -> bool:
    """Read the files again and put the new contracts in force; return whether that was done.

    Those in force stay where a file is invalid, a protocol is gone, or a session has chosen what no longer fits. The
    error is logged. The files are read in another thread, so that requests are answered meanwhile.
    """
    choices = _choices(store)
    try:
        new = await asyncio.to_thread(_checked, settings, contracts, choices)
        for name, choice in _choices(store).items():  # of sessions that have chosen meanwhile
            if choices.get(name) is not choice:
                _check_session(new, name, choice)
    except (MockServerError, OSError) as error:
        _log.error("contracts not reloaded, those in force stay: %s", error)
        return False
    except Exception:
        _log.exception("contracts not reloaded, those in force stay")
        return False
    changed = [name for name, contract in new.served.items() if contract is not contracts.served.get(name)]
    contracts.become(new)
    for session in _awake(store):
        choices_now = session.settings.protocols
        session.choose(choices_now, [contracts.of(choices_now, name) for name in choices_now])
    _log.info("contracts reloaded; changed: %s", ", ".join(changed) or "none")
    return True


def _choices(store: MemoryStore) -> dict[str, Mapping[str, ContractChoice]]:
    return {session.name: session.settings.protocols for session in _awake(store) if session.settings.protocols}


def _awake(store: MemoryStore) -> Iterator[Session]:
    """Yield the sessions whose contracts are in use; those of a dormant one are checked when it is read."""
    return (session for session in store.sessions() if not session.dormant)


def _checked(
    settings: Settings, contracts: ServedContracts, choices: Mapping[str, Mapping[str, ContractChoice]]
) -> ServedContracts:
    new = load(settings)
    for name in contracts.served.keys() - new.served.keys():
        raise ContractError("contracts", f"/{name}", "the protocol is gone; restart the server to remove it")
    for name, choice in choices.items():
        _check_session(new, name, choice)
    return new


def _check_session(new: ServedContracts, name: str, choice: Mapping[str, ContractChoice]) -> None:
    try:
        new.check(choice)
    except ContractError as error:
        problem = f"{error.problem} (in session {tagged(name)}, whose own patch or revision no longer fits)"
        raise ContractError(error.file, error.pointer, problem) from None
