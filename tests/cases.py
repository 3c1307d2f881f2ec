"""The golden cases of `fixtures/`, read once for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.lint.case_reader import read_case
from mockserver.lint.golden_cases import Case

FIXTURES: Final = Path(__file__).parent.parent / "fixtures"


@cache
def load_all() -> tuple[Case, ...]:
    """Return every case."""
    return tuple(read_case(path) for path in sorted(FIXTURES.glob("*/cases/*.yaml")))


def contract_of(case: Case) -> Contract:
    """Return the contract that a case is judged by."""
    patches = [] if case.patch is None else [Patch(name="case", patch=case.patch)]
    return library().protocol(case.protocol).contract(case.revision, patches)
