"""Each fact of Outlit's page about what is sent is shown by a statement: without the fact, some statement fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from tests.documented.statements import Statement, answer, load_all, mismatches
from tests.verify.mutants import Mutant, mutants, served

CONTRACT: Final = library().protocol("outlit").contract("documented")
SENT: Final = ("/requests/", "/events/", "/protocol/identity/", "/protocol/reserved/", "/protocol/nulls/")
NO_DIFFERENCE: Final = {
    "/events/shared/common/properties/type/type removed": "the discriminator is looked up before, and is a text",
    "/protocol/identity/event/types without identify": "no other event has an email or a userId",
    "/protocol/reserved/invitee/types without calendar": "no other event has these members",
}
ABOUT_REPLIES: Final = ("refusal", "message")
"""Keywords that say how a violation is answered, and not what is one."""
STATEMENTS: Final = [statement for statement in load_all() if statement.protocol == "outlit"]
MUTANTS: Final = [
    mutant
    for mutant in mutants(CONTRACT)
    if mutant.place.startswith(SENT) and not set(ABOUT_REPLIES) & set(mutant.place.split("/"))
]


def likeliest_first(mutant: Mutant) -> Sequence[Statement]:
    """Return the statements, those about a member that the place of a mutant names first."""
    names = set(mutant.place.split("/"))
    return sorted(STATEMENTS, key=lambda each: not names & set((each.documented.error or "").split("/")))


async def shown_by(mutant: Mutant, contract: Contract) -> str | None:
    """Return the first statement that a mutated contract answers otherwise."""
    for statement in likeliest_first(mutant):
        if mismatches(await answer(statement.request, contract, statement.earlier), statement.documented):
            return str(statement)
    return None


async def not_shown(places: Sequence[str]) -> list[str]:
    """Return the mutants at some places that no statement shows."""
    chosen = [mutant for mutant in MUTANTS if mutant.place.startswith(tuple(places))]
    contracts = {mutant: contract for mutant in chosen if (contract := served(CONTRACT, mutant)) is not None}
    found = [mutant.id for mutant, contract in contracts.items() if await shown_by(mutant, contract) is None]
    print(f"{len(contracts) - len(found)} of {len(contracts)} mutants of the page are noticed by a statement")
    return sorted(found)


async def test_each_fact_of_the_page_is_shown_by_a_statement() -> None:
    assert len(MUTANTS) > 100
    assert await not_shown(SENT) == sorted(NO_DIFFERENCE)


@pytest.mark.parametrize(
    ("gone", "place"),
    [
        ("utm.term is text", "/events/shared/common/properties/utm/properties/term/type"),
        ("totalTimeMs is a number", "/events/engagement/properties/totalTimeMs/type"),
        ("stage can be churned", "/events/stage/properties/stage/enum"),
        ("by choice, a batch of an integration needs an identity like a server's", "/protocol/identity/batch/senders"),
    ],
)
async def test_fact_is_missed_when_its_statement_is_gone(
    gone: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = [statement for statement in STATEMENTS if statement.text != gone]
    assert len(kept) == len(STATEMENTS) - 1
    monkeypatch.setattr(f"{__name__}.STATEMENTS", kept)
    assert await not_shown([place]) != []
