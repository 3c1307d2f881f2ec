"""The pages that the project was started from, statement by statement: refused by `documented`, never taken in silence.

The tables are the YAML files beside this one; `statements.py` says how they are written.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from mockserver.contract.library import library
from tests.documented.statements import Expected, Statement, answer, load_all, mismatches

STATEMENTS = load_all()
PROTOCOLS = sorted({statement.protocol for statement in STATEMENTS})
DOCUMENTED = "documented"


async def differences(statement: Statement, expected: Expected, revision: str | None) -> list[str]:
    """Return how a revision's answer differs from the one expected; the base contract's for None."""
    contract = library().protocol(statement.protocol).contract(revision)
    return mismatches(await answer(statement.request, contract, statement.earlier), expected)


@pytest.mark.parametrize("statement", STATEMENTS, ids=str)
async def test_statement_holds_when_the_page_is_read_strictly(statement: Statement) -> None:
    assert await differences(statement, statement.documented, DOCUMENTED) == []


@pytest.mark.parametrize("statement", STATEMENTS, ids=str)
async def test_statement_is_answered_as_written_by_default(statement: Statement) -> None:
    assert await differences(statement, statement.default, None) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_nothing_that_the_page_forbids_is_taken_in_silence(protocol: str) -> None:
    refused = [each for each in STATEMENTS if each.protocol == protocol and not each.documented.accepted]
    print(f"{protocol}: {len(refused)} requests against the page")
    assert len(refused) > 20
    silent = [str(each) for each in refused if each.default.accepted and not each.default.warnings]
    assert silent == [str(each) for each in refused if each.elsewhere is not None]


def test_each_protocol_has_a_table_and_the_revision_that_it_is_held_to() -> None:
    assert sorted(name for name, each in library().protocols.items() if DOCUMENTED in each.revisions) == PROTOCOLS
    assert sorted(library().protocols) == PROTOCOLS


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_statements_are_told_apart(protocol: str) -> None:
    texts = [str(each) for each in STATEMENTS if each.protocol == protocol]
    assert sorted(set(texts)) == sorted(texts)


async def test_difference_is_found_when_an_answer_is_another() -> None:
    """What holds the tables to the server can fail."""
    statement = next(each for each in STATEMENTS if not each.documented.accepted and each.default.warnings)
    good = Expected(status=200, json=None, error=None, warnings=())
    assert await differences(statement, good, DOCUMENTED) != []
    assert await differences(statement, good, None) != []
    kept = next(each for each in STATEMENTS if each.default.stored)
    another = replace(kept.default, verdict="duplicate", stored={**kept.default.stored, "/context/kept": False})
    assert await differences(kept, another, None) == [
        "verdict accepted",
        f"stored { ({**kept.default.stored, '/context/kept': None}) }",
    ]
