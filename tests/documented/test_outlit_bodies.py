"""What Outlit's page refuses is refused by default, or warned of, or named by another source: on generated bodies."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from typing import Any, Final

import pytest

from mockserver.contract.library import library
from tests.contract.outlit_bodies import bodies
from tests.documented.statements import answer
from tests.judging import contract_of, wire_request

COUNT: Final = 1_500
MANY: Final = 6_000
SEED: Final = 20_260_127
BESIDE_EVENTS: Final = ("customerIdentity", "sessionId", "fingerprint")
IN_USER: Final = ("fingerprint", "traits")
IN_EVENTS: Final = {"uuid", "customerId", "customerTraits"}
IN_TYPES: Final = {"custom": {"email", "userId", "fingerprint"}, "identify": {"fingerprint"}}
"""Members that the page does not name and newer sources do: openapi.json@65ae3ac, core 1.5.1, browser 0.4.0."""


def without_newer_members(body: Any) -> Any:
    """Return a body with what the page knows alone; servers name their user in an event of its own."""
    body = deepcopy(body)
    for name in BESIDE_EVENTS:
        body.pop(name, None)
    for name in IN_USER:
        body.get("userIdentity", {}).pop(name, None)
    for event in body["events"]:
        for name in IN_EVENTS | IN_TYPES.get(event.get("type"), set()):
            event.pop(name, None)
        if isinstance(event.get("utm"), dict):
            event["utm"].pop("ref", None)
    if body.get("source") in ("server", "integration"):
        body["events"].append({"type": "identify", "url": "a:b", "path": "/", "userId": "u1"})
    return body


async def silent(contract: Any, count: int, counts: Counter[str]) -> list[Any]:
    """Return the bodies that the page refuses and a contract takes without a word, though no other source has them."""
    page, found = library().protocol("outlit").contract("documented"), []
    for body in bodies(count, SEED):
        by_page, by_default = [await answer(_request(body), each) for each in (page, contract)]
        taken = by_page.status == 200, by_default.status == 200
        counts[f"page {'takes' if taken[0] else 'refuses'}, default {'takes' if taken[1] else 'refuses'}"] += 1
        if taken == (True, False) and body["events"]:
            counts["page takes events that the default refuses"] += 1
        if taken == (False, True) and not by_default.warnings:
            counts["without a warning"] += 1
            if (await answer(_request(without_newer_members(body)), page)).status != 200:
                found.append(body)
    return found


def _request(body: Any) -> Any:
    return wire_request("/api/i/v1/pk_a/events", body, {"Content-Type": "application/json"})


@pytest.mark.parametrize("count", [COUNT, pytest.param(MANY, marks=pytest.mark.full)])
async def test_nothing_that_the_page_refuses_is_taken_in_silence(count: int) -> None:
    counts: Counter[str] = Counter()
    found = await silent(library().protocol("outlit").contract(), count, counts)
    print(dict(counts))
    assert found == []
    assert counts["page refuses, default takes"] > count / 20
    assert counts["page takes events that the default refuses"] == 0


async def test_silence_is_found_when_a_warning_is_missing() -> None:
    patch = {"warnings": {"events": {"relative_path": None}}}
    assert await silent(contract_of("outlit", patch), COUNT // 2, Counter()) != []
