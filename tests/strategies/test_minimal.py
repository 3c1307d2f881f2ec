"""Members shrink one by one: of 200 examples that need one, two or three members, each has those and no other."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import Any

import pytest
from hypothesis import Phase, find, settings

from mockserver import strategies
from mockserver.contract.library import library
from mockserver.strategies import NOW_MS
from mockserver.strategies.plans import plan_of

WANTED = 200
QUICK = settings(
    max_examples=400, database=None, deadline=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)


def _cases() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Return protocol, operation, type and members: all single ones, then every so-manieth pair and triple."""
    singles, others = [], []
    for name, protocol in library().protocols.items():
        for owner in plan_of(protocol.contract(), NOW_MS, 0, ()).operations.values():
            for form in owner.forms.values():
                for kind in form.kinds.values():
                    schema = kind.values.root
                    free = [
                        member
                        for member in schema.get("properties", {})
                        if member not in schema.get("required", ()) and (member,) not in kind.values.fixed
                    ]
                    singles += [(name, owner.operation.name, kind.name, (member,)) for member in free]
                    for size in (2, 3):
                        others += [
                            (name, owner.operation.name, kind.name, chosen) for chosen in combinations(free, size)
                        ]
    step = max(1, len(others) // (WANTED - len(singles)))
    return [*singles, *others[::step]][:WANTED]


CASES = _cases()
SINGLES = [case for case in CASES if len(case[-1]) == 1]


def _once_each() -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Return each member of an operation by itself, those that many kinds of events have in one kind in turn."""
    owners: dict[tuple[str, str, tuple[str, ...]], list[tuple[str, str, str, tuple[str, ...]]]] = defaultdict(list)
    for case in SINGLES:
        protocol, operation, _, members = case
        owners[protocol, operation, members].append(case)
    return [cases[number % len(cases)] for number, cases in enumerate(owners.values())]


PROMPT = [*_once_each(), *CASES[len(SINGLES) :: 6]]
"""Every member by itself, and some with others."""
LATER = [case for case in CASES if case not in PROMPT]
PARTS = [
    *(pytest.param(PROMPT[part::4], id=f"{part}") for part in range(4)),
    *(pytest.param(LATER[part::8], id=f"{part}-full", marks=pytest.mark.full) for part in range(8)),
]


def _least(protocol: str, operation: str, kind: str, members: tuple[str, ...]) -> set[str]:
    """Return the members that must be there beside those wanted: the required ones, and those of one alternative."""
    forms = plan_of(library().protocol(protocol).contract(), NOW_MS, 0, ()).operations[operation].forms.values()
    (root,) = [form.kinds[kind].values.root for form in forms if kind in form.kinds]
    required = set(root.get("required", ()))
    alternatives = [set(branch.get("required", ())) for branch in root.get("anyOf", ())]
    if alternatives and not any(each <= required | {*members} for each in alternatives):
        required |= alternatives[0]
    return required | {*members}


def _type_of(protocol: str, kind: str) -> dict[str, Any]:
    """Return what picks events of a kind; where one schema is for all, there is nothing to pick."""
    types = plan_of(library().protocol(protocol).contract(), NOW_MS, 0, ()).contract.event_schemas
    return {"type": kind} if protocol == "outlit" and kind in types else {}


@pytest.mark.parametrize("cases", PARTS)
def test_members_that_are_not_needed_are_gone_when_an_example_shrinks(
    cases: list[tuple[str, str, str, tuple[str, ...]]],
) -> None:
    larger = {}
    for protocol, operation, kind, members in cases:
        events = strategies.events(protocol, operation=operation, **_type_of(protocol, kind))
        wanted = {*members}
        least = _least(protocol, operation, kind, members)

        def has_all(event: Any, wanted: set[str] = wanted, least: set[str] = least) -> bool:
            return all(event.get(name) is not None for name in wanted) and least <= set(event)

        event = find(events, has_all, settings=QUICK)
        if set(event) != least:
            larger[protocol, operation, kind, members] = set(event) - least
    assert larger == {}


def test_there_are_as_many_cases_as_said() -> None:
    assert len(CASES) == len(PROMPT) + len(LATER) == WANTED
    assert {len(members) for *_, members in CASES} == {1, 2, 3}
