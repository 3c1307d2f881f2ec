"""Outlit's revisions r3 and r4 are held to the OpenAPI files that they cite, on generated bodies."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Final

import jsonschema
import pytest
from jsonschema import FormatChecker

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.jsonkit.formats import FORMATS
from tests.contract.outlit_bodies import bodies
from tests.contract.outlit_documents import DIFFERENCES, SPECIFICATIONS
from tests.judging import contract_of, judged, wire_request

COUNT: Final = 4_500
"""Bodies among which each listed difference occurs."""
MANY: Final = 9_000
SEED: Final = 20_260_805
FORMAT_CHECKER: Final = FormatChecker(formats=())
for name in ("uri", "email", "uuid", "date-time"):
    FORMAT_CHECKER.checks(name)(lambda value, check=FORMATS[name]: not isinstance(value, str) or check(value))
VALIDATORS: Final = {
    revision: jsonschema.Draft202012Validator(schema, format_checker=FORMAT_CHECKER)
    for revision, schema in SPECIFICATIONS.items()
}


def taken_by_revision(contract: Contract, body: Any) -> bool:
    """Tell whether a revision accepts every event of a body."""
    headers = {"Content-Type": "application/json"}
    result = judged(contract, wire_request("/api/i/v1/pk_a/events", body, headers))
    return result.refusal is None and not result.event_errors


def taken_by_file(revision: str, body: Any) -> bool:
    """Tell whether the OpenAPI file that a revision cites accepts a body."""
    return VALIDATORS[revision].is_valid(body)


def unexplained(contract: Contract, counts: Counter[str], count: int = COUNT) -> Iterator[Any]:
    """Yield the generated bodies whose verdicts differ and still do when every listed difference is remedied."""
    listed = [difference for difference in DIFFERENCES if difference.revision == contract.revision]
    for body in bodies(count, SEED):
        by_file, by_revision = taken_by_file(contract.revision, body), taken_by_revision(contract, body)
        if by_file == by_revision:
            counts["both take it" if by_file else "neither takes it"] += 1
            continue
        counts["file takes it" if by_file else "revision takes it"] += 1
        remedied = deepcopy(body)
        counts.update([each.reason for each in listed if each.remedy(remedied)])
        if taken_by_file(contract.revision, remedied) != taken_by_revision(contract, remedied):
            yield body


@pytest.mark.parametrize("count", [COUNT, pytest.param(MANY, marks=pytest.mark.full)])
@pytest.mark.parametrize("revision", SPECIFICATIONS)
def test_revision_takes_and_refuses_what_its_document_does(revision: str, count: int) -> None:
    """What differs is listed with its reason, and each reason occurs."""
    counts: Counter[str] = Counter()
    found = list(unexplained(library().protocol("outlit").contract(revision), counts, count))
    print(f"{revision}: {dict(counts)}")
    assert found == []
    reasons = [difference.reason for difference in DIFFERENCES if difference.revision == revision]
    assert [reason for reason in reasons if not counts[reason]] == []
    assert min(counts["both take it"], counts["neither takes it"]) > count * 2 / 9


@pytest.mark.parametrize(
    ("revision", "patch"),
    [
        ("r3-2026-05", {"events": {"shared": {"common": {"properties": {"url": {"format": None}}}}}}),
        ("r3-2026-05", {"events": {"identify": {"properties": {"email": {"format": None}}}}}),
        ("r3-2026-05", {"requests": {"envelope": {"properties": {"userIdentity": {"properties": {"email": None}}}}}}),
        ("r3-2026-05", {"requests": {"envelope": {"properties": {"fingerprint": {"type": "string"}}}}}),
        ("r3-2026-05", {"requests": {"envelope": {"properties": {"events": {"minItems": None}}}}}),
        ("r3-2026-05", {"events": {"stage": None}}),
        ("r4-2026-08", {"protocol": {"identity": {"per_event": {"pointers": ["/email"]}}}}),
        ("r4-2026-08", {"events": {"custom": {"properties": {"email": {"pattern": None}}}}}),
        (
            "r4-2026-08",
            {"events": {"shared": {"common": {"properties": {"uuid": {"pattern": None, "format": "uuid"}}}}}},
        ),
        ("r4-2026-08", {"requests": {"envelope": {"properties": {"visitorId": {"pattern": "^[0-9a-fA-F-]{36}$"}}}}}),
        ("r4-2026-08", {"events": {"shared": {"common": {"properties": {"customerId": {"minLength": 0}}}}}}),
        ("r4-2026-08", {"events": {"shared": {"common": {"properties": {"utm": {"additionalProperties": False}}}}}}),
        ("r4-2026-08", {"protocol": {"nulls": {"members": "absent"}}}),
    ],
)
def test_difference_is_found_when_a_fact_is_changed(revision: str, patch: Any) -> None:
    assert any(unexplained(contract_of("outlit", patch, revision), Counter()))


def test_reasons_name_the_document_that_the_revision_follows() -> None:
    assert [each for each in DIFFERENCES if not re.match(r"(docs|sdk): \S", each.reason)] == []


@pytest.mark.parametrize(
    ("revision", "path", "value", "taken"),
    [
        ("r3-2026-05", ("url",), "nope", False),
        ("r3-2026-05", ("url",), "server://usr_1", True),
        ("r4-2026-08", ("timestamp",), None, False),
        ("r4-2026-08", ("uuid",), "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", False),
        ("r4-2026-08", ("uuid",), "ffffffff-ffff-ffff-ffff-ffffffffffff", True),
        ("r4-2026-08", ("unheardOf",), "x", False),
        ("r3-2026-05", ("unheardOf",), "x", True),
    ],
)
def test_file_is_what_it_is_written_down_as(revision: str, path: tuple[str], value: Any, taken: bool) -> None:
    """A few verdicts by hand, of both the file and the revision."""
    event = {"type": "pageview", "timestamp": 1, "url": "https://a.example/", "path": "/", path[0]: value}
    body = {"visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "events": [event]}
    contract = library().protocol("outlit").contract(revision)
    assert (taken_by_file(revision, body), taken_by_revision(contract, body)) == (taken, taken)
