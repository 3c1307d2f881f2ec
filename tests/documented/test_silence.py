"""Nothing that the page alone refuses is taken in silence: each rule of `documented`, broken alone and by chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest

from mockserver import strategies
from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.core.findings import Finding
from mockserver.core.model import Judged, Terms
from mockserver.core.warnings import event_warnings, request_warnings
from mockserver.strategies import NOW_MS, Sample
from mockserver.strategies.corpus import samples
from mockserver.strategies.plans import plan_of
from tests.judging import contract_of, judged
from tests.strategies.playing import collect

DRAWN = 150
TERMS = Terms(now_ms=NOW_MS)
PROTOCOLS = sorted(library().protocols)


def warnings_of(taken: Judged) -> list[Finding]:
    """Return the warnings about a request that is not refused as a whole, and about its good events."""
    bad = {error.index for error in taken.event_errors}
    good = [event for index, event in enumerate(taken.events) if index not in bad]
    found = request_warnings(taken, notes=(), over_rate=False, refused=False)
    return found + [finding for event in good for finding in event_warnings(taken, event)]


def silent(base: Contract, broken: Iterable[Sample], seen: Counter[str]) -> list[str]:
    """Return what is wrong with each sample that the base contract takes whole without a warning."""
    found = []
    for sample in broken:
        ours = judged(base, sample.request.wire(), TERMS)
        outcome = "refused" if ours.refusal is not None or ours.event_errors else "taken"
        seen[outcome] += 1
        if outcome == "taken" and not warnings_of(ours):
            found.append(f"{sample.bad[0].rule}: {sample!r}"[:600])
    return found


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_page_refuses_is_refused_or_warned_of_by_default(protocol: str) -> None:
    base, page = (library().protocol(protocol).contract(revision) for revision in (None, "documented"))
    seen: Counter[str] = Counter()
    every = [sample for sample in samples(plan_of(page, NOW_MS, 0, ())) if not sample.valid]
    assert silent(base, every, seen) == []
    print(f"{protocol}: {dict(seen)}")
    assert min(seen["refused"], seen["taken"]) > 5
    assert silent(base, collect(strategies.invalid(protocol, contract=page), DRAWN), seen) == []


def test_silence_is_found_when_a_warning_is_gone() -> None:
    page = library().protocol("whisperr").contract("documented")
    base = contract_of("whisperr", {"warnings": {"transport": {"trailing_slash": None}}})
    found = silent(base, [sample for sample in samples(plan_of(page, NOW_MS, 0, ())) if not sample.valid], Counter())
    assert {each.partition(":")[0] for each in found} == {"/protocol/paths/extra_slashes"}
