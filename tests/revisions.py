"""Which contracts a test goes through: the bases and the newest revision in each run, every revision with -m full."""

from __future__ import annotations

from typing import Any, Final

import pytest

from mockserver.contract.library import library

NEWEST: Final[str] = library().protocol("outlit").documents["protocol"]["newest"]["value"]
"""The one revision that is tried in each run: the others are between it and a base."""


def is_prompt(protocol: str, revision: str) -> bool:
    """Tell whether a contract is tried at length in each run."""
    return revision in (library().protocol(protocol).base, NEWEST)


def revisions() -> list[Any]:
    """Return (protocol, revision) of every contract, those that are not tried in each run marked `full`."""
    return [
        pytest.param(name, revision, marks=() if is_prompt(name, revision) else pytest.mark.full)
        for name, protocol in library().protocols.items()
        for revision in protocol.revision_names()
    ]
