"""What several commands need before they start: contracts as the flags name them, and Hypothesis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mockserver.errors import SettingsError

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract


def need_hypothesis() -> None:
    """Check that Hypothesis is installed. Raises SettingsError."""
    try:
        import hypothesis  # noqa: F401
    except ImportError:
        raise SettingsError("this command needs Hypothesis: pip install 'mockserver[strategies]'") from None


def load_contract(protocol: str, revision: str | None, folders: Sequence[Path], files: Sequence[Path]) -> Contract:
    """Load the effective contract of a protocol. Raises ContractError, and SettingsError for another one's patch."""
    (contract,) = load_contracts(protocol, revision, folders, files)
    return contract


def load_contracts(
    protocol: str | None, revision: str | None, folders: Sequence[Path], files: Sequence[Path]
) -> list[Contract]:
    """Load the effective contract of a protocol, or without a name of every protocol. Raises as `load_contract`."""
    from mockserver.contract.library import Library

    library = Library(folders)
    chosen = library.protocols if protocol is None else {protocol: library.protocol(protocol)}
    patches = [(file, *library.load_patch(file)) for file in files]
    for file, patched, _ in patches:
        if patched not in chosen:
            raise SettingsError(f"{file} is a patch for {patched}, not for {protocol}")
    return [
        owner.contract(revision, [patch for _, patched, patch in patches if patched == name])
        for name, owner in chosen.items()
    ]
