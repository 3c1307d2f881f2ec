"""Each of Outlit's revisions has its facts from documents of its time; the page read strictly from the page alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import facts
from mockserver.contract.library import library
from tests.judging import contract_of

PAGE: Final = '"Ingest Events" page'
REVISIONS: Final = ("documented", "r1-2026-01", "r2-2026-04", "r3-2026-05", "r4-2026-08")
"""From the oldest to the newest."""
SINCE: Final = {
    PAGE: "documented",
    "ingest.mdx@8bede74": "r1-2026-01",
    "introduction.mdx@91d4706": "r1-2026-01",
    "ingest.mdx@cc3fc14": "r2-2026-04",
    "ingest.mdx@36c8c8a": "r3-2026-05",
    "openapi.json@14c5b15": "r3-2026-05",
    "ingest.mdx@7f5ee85": "r4-2026-08",
    "openapi.json@65ae3ac": "r4-2026-08",
}
"""The first revision that has a document of its time or an older one."""
FIRST_VERSIONS: Final = {"r1-2026-01": (0,), "r2-2026-04": (1, 4, 5), "r3-2026-05": (1, 5), "r4-2026-08": (2,)}
"""The first version of an SDK that is of a revision's time."""
FIRST_CRATES: Final = {"r1-2026-01": (0, 2), "r4-2026-08": (0, 3)}
ABOUT_THE_FUTURE: Final = "/warnings/"
ABOUT_CLIENTS: Final = "/protocol/delivery/"
"""What clients of today make of replies: no revision of the server changes it."""


def since(source: str) -> str | None:
    """Return the first revision whose time has the document of a source; None where no document states the fact."""
    basis, _, detail = source.partition(": ")
    if basis not in ("docs", "spec", "sdk"):
        return None
    named = next((name for name in SINCE if detail.startswith(name)), None)
    if named is not None:
        return SINCE[named]
    sdk = re.match(r"(core|node|browser|rust) (after )?(\d+(?:\.\d+)*)", detail)
    assert sdk is not None, source
    firsts = FIRST_CRATES if sdk[1] == "rust" else FIRST_VERSIONS
    version = tuple(int(number) for number in sdk[3].split("."))
    return max((revision for revision, first in firsts.items() if first <= version), key=REVISIONS.index)


def from_elsewhere(contract: Contract) -> Iterator[str]:
    """Yield the facts of a revision that a document states which is newer than the revision."""
    own = REVISIONS.index(contract.revision)
    for fact in facts(contract):
        place, first = str(fact["pointer"]), since(str(fact["source"]))
        exempt = place.startswith(ABOUT_THE_FUTURE) or (own > 0 and place.startswith(ABOUT_CLIENTS))
        if not exempt and first is not None and REVISIONS.index(first) > own:
            yield f"{place}: {fact['source']}"


@pytest.mark.parametrize("revision", REVISIONS)
def test_revision_has_its_facts_from_documents_of_its_time(revision: str) -> None:
    assert list(from_elsewhere(library().protocol("outlit").contract(revision))) == []


def test_page_read_strictly_has_its_own_warnings() -> None:
    """What it warns of is what the page asks for, or an assumption."""
    contract = library().protocol("outlit").contract("documented")
    sources = {str(fact["source"]) for fact in facts(contract) if str(fact["pointer"]).startswith(ABOUT_THE_FUTURE)}
    assert {source for source in sources if since(source) not in (None, "documented")} == set()


def test_every_revision_is_looked_at() -> None:
    assert sorted(library().protocol("outlit").revisions) == sorted(REVISIONS)


@pytest.mark.parametrize(
    ("revision", "source"),
    [
        ("documented", "docs: introduction.mdx@91d4706"),
        ("r1-2026-01", "spec: openapi.json@65ae3ac"),
        ("r1-2026-01", "sdk: core 1.4.5"),
        ("r1-2026-01", "sdk: rust 0.4.0"),
        ("r2-2026-04", "docs: ingest.mdx@36c8c8a"),
        ("r3-2026-05", "sdk: browser 2.0.0"),
        ("r3-2026-05", "sdk: core after 3.0.0, commit 1e3811a"),
    ],
)
def test_newer_source_is_found(revision: str, source: str) -> None:
    patch: Any = {"requests": {"envelope": {"properties": {"events": {"maxItems": 100, "source": source}}}}}
    assert list(from_elsewhere(contract_of("outlit", patch, revision))) == [
        f"/requests/envelope/properties/events/maxItems: {source}"
    ]
