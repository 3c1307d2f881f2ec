"""The fidelity ledger: every fact of every revision has a source of its own, and a patch that names none shows."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from mockserver.contract.contract import DOCUMENTS
from mockserver.contract.fidelity import by_basis, facts
from mockserver.contract.library import Patch, library
from mockserver.contract.schema import subschemas
from mockserver.core.explain import violations
from mockserver.jsonkit import pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.settings import Settings
from tests.live import Live, live

BASES = ("docs", "spec", "sdk", "inferred", "assumed", "patch")
REVISIONS = [(protocol.name, name) for protocol in library().protocols.values() for name in protocol.revision_names()]
NAMED = [(protocol.name, name) for protocol in library().protocols.values() for name in protocol.revisions]
ONE_FACT = {"projects", "content_types", "nulls", "paths", "host", "base", "newest", "dedup", "entities"}
"""Sections of protocol.yaml that are one entry; the others are maps of entries."""
NESTED = {"stored": 2, "refusals": 2, "delivery": 1, "identity": 1}
"""How many names deep the entries of a section stand, where it is not one."""


def own_source(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("source"), str) and bool(value["source"].strip())


def entries(protocol: Any) -> Iterator[tuple[str, Any]]:
    """Yield each named entry of protocol.yaml with its pointer; forms of operations too."""
    for section, value in protocol.items():
        if isinstance(value, dict) and section != "sources":
            depth = 0 if section in ONE_FACT else NESTED.get(section, 1)
            yield from below(value, f"/protocol/{section}", depth)
    for name, operation in protocol["operations"].items():
        yield from below(operation.get("forms", {}), f"/protocol/operations/{name}/forms", 1)


def below(value: Any, place: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth == 0:
        yield place, value
    else:
        for name, member in value.items():
            yield from below(member, f"{place}/{pointer.escape(name)}", depth - 1)


def named_schemas(documents: Any) -> Iterator[tuple[str, Any]]:
    """Yield each named schema and each declared property, with its pointer; anyOf and warnings declare none."""
    for document in ("requests", "events", "replies"):
        for name, schema in documents.get(document, {}).items():
            if name == "shared":
                for inner, shared in schema.items():
                    yield from properties(shared, f"/{document}/shared/{inner}")
            else:
                yield from properties(schema, f"/{document}/{name}")


def properties(schema: Any, place: str) -> Iterator[tuple[str, Any]]:
    yield place, schema
    for tokens, inner in subschemas(schema):
        if tokens[0] != "anyOf" and (tokens[0] == "properties" or "properties" in inner):
            yield from properties(inner, place + pointer.build(tokens))


def without_source(documents: Any) -> list[str]:
    """Return the entries and schemas that say nothing of where they come from."""
    found = [*entries(documents["protocol"]), *named_schemas(documents)]
    for level, rules in documents.get("warnings", {}).items():
        found += below(rules, f"/warnings/{level}", 1)
    return [place for place, value in found if not own_source(value)]


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_every_entry_and_every_property_names_its_own_source(protocol: str, revision: str) -> None:
    assert without_source(library().protocol(protocol).contract(revision).documents) == []


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_every_fact_has_a_source_and_a_basis(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    ledger = facts(contract)
    assert [fact["pointer"] for fact in ledger if fact["basis"] not in BASES or not fact["source"].strip()] == []
    places = [fact["pointer"] for fact in ledger]
    assert len(places) == len(set(places))
    leaves = {
        pointer.build(("protocol", *tokens))
        for tokens, value in pointer.leaves(contract.documents["protocol"])
        if tokens[-1] != "source" and "sources" not in tokens and value != {}
    }
    listed = tuple(f"{place}/" for place in places)
    by_element = {place.rpartition("/")[0] for place in places}
    assert [leaf for leaf in sorted(leaves - by_element) if leaf not in places and not leaf.startswith(listed)] == []


@pytest.mark.parametrize(("protocol", "revision"), NAMED)
def test_what_a_revision_changes_names_its_own_source(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    documents = contract.documents
    assert [place for place in contract.changed if pointer.get(documents, pointer.parse(place)) is not MISSING] == []
    assert [fact["pointer"] for fact in facts(contract) if fact["basis"] == "patch"] == []


@pytest.mark.parametrize(("protocol", "revision"), NAMED)
def test_revision_changes_no_source_of_what_it_leaves_alone(protocol: str, revision: str) -> None:
    """Only what the revision's file says of a place, or of an object around it that it gives a source alone, counts."""
    base, revised = (library().protocol(protocol).contract(name) for name in (None, revision))
    patch = library().protocol(protocol).revisions[revision].patch
    before = {fact["pointer"]: (fact["value"], fact["source"]) for fact in facts(base)}
    resourced = []
    for fact in facts(revised):
        place = pointer.parse(fact["pointer"])
        if before.get(fact["pointer"], ("", ""))[0] == fact["value"] and not said(patch, place):
            resourced += [fact["pointer"]] * (before[fact["pointer"]][1] != fact["source"])
    assert resourced == []


def said(patch: Any, place: tuple[str, ...]) -> bool:
    """Tell whether a patch writes a place, or names a source for it."""
    for end, token in enumerate(place):
        if not isinstance(patch, dict):
            return True
        names = patch.get("sources", {})
        if any(pointer.build(place[end:])[1:].startswith(name) for name in names):
            return True
        if "source" in patch and not set(patch) - {"source", "sources"}:
            return True
        if token not in patch:
            return False
        patch = patch[token]
    return True


@pytest.mark.parametrize("protocol", library().protocols)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_lost_source_is_found(protocol: str, document: str) -> None:
    whole = library().protocol(protocol).contract().documents
    found = [place for place, value in [*entries(whole["protocol"]), *named_schemas(whole)] if own_source(value)]
    wanted = [place for place in found if place.startswith(f"/{document}/")]
    for place in wanted[:: max(1, len(wanted) // 10)]:
        documents = json.loads(json.dumps(whole))
        del pointer.get(documents, pointer.parse(place))["source"]  # type: ignore[union-attr]
        assert without_source(documents) == [place]


def basis_of(patch: Any, place: str, revision: str | None = None) -> str:
    contract = library().protocol("outlit").contract(revision, [Patch(name="/somewhere/mine.yaml", patch=patch)])
    (fact,) = [fact for fact in facts(contract) if fact["pointer"] == place]
    assert fact["basis"] != "patch" or fact["source"] == "patch: mine.yaml"
    return str(fact["basis"])


def test_patched_fact_is_marked_when_the_patch_names_no_source() -> None:
    size = {"protocol": {"limits": {"body": {"max_bytes": 5}}}}
    assert basis_of(size, "/protocol/limits/body/max_bytes") == "patch"
    assert basis_of(size, "/protocol/limits/rate_ingest/requests") == "docs"
    body = {"protocol": {"replies": {"bootstrap": {"body": {"country": "DE"}}}}}
    assert basis_of(body, "/protocol/replies/bootstrap/body/country") == "patch"
    assert basis_of(body, "/protocol/replies/bootstrap/status") == "sdk"
    email = {"events": {"custom": {"properties": {"email": {"format": "email"}}}}}
    assert basis_of(email, "/events/custom/properties/email/format") == "patch"
    assert basis_of(email, "/events/custom/properties/email/type") == "docs"
    fewer = {"events": {"billing": {"anyOf": [{"required": ["customerId"]}]}}}
    assert basis_of(fewer, "/events/billing/anyOf/0/required") == "patch"
    assert basis_of(fewer, "/events/billing/properties/customerDomain/type") == "sdk"
    warnings = {"warnings": {"events": {"blank_event_name": {"message": "name it"}}}}
    assert basis_of(warnings, "/warnings/events/blank_event_name/message") == "patch"


def test_only_the_element_that_a_patch_adds_to_a_list_is_marked() -> None:
    required = {"events": {"custom": {"required": ["eventName", "email"]}}}
    assert basis_of(required, "/events/custom/required/email") == "patch"
    assert basis_of(required, "/events/custom/required") == basis_of({}, "/events/custom/required") == "docs"


def test_source_of_a_patch_counts_for_what_it_writes_and_for_nothing_else() -> None:
    today = "docs: a page of today"
    email = {"type": "string", "source": today, "maxLength": 9}
    patch = {"events": {"custom": {"source": today, "title": "today", "properties": {"email": email}}}}
    contract = library().protocol("outlit").contract(None, [Patch(name="mine.yaml", patch=patch)])
    base = library().protocol("outlit").contract()
    changed = {f"/events/custom/properties/email/{keyword}" for keyword in ("type", "maxLength")}
    for fact in facts(contract):
        expected = today if fact["pointer"] in changed else base.source_of(fact["pointer"])
        assert fact["source"] == contract.source_of(fact["pointer"]) == expected


def test_patched_fact_keeps_the_patchs_source_when_it_names_one() -> None:
    patch = {"protocol": {"limits": {"body": {"max_bytes": 5, "source": "docs: a page of today"}}}}
    assert basis_of(patch, "/protocol/limits/body/max_bytes") == "docs"
    above = {"protocol": {"source": "docs: a page of today", "limits": {"body": {"max_bytes": 5}}}}
    assert basis_of(above, "/protocol/limits/body/max_bytes") == "patch"


def test_patch_files_own_source_covers_what_it_changes() -> None:
    patch = Patch(name="mine.yaml", patch={"protocol": {"dedup": {"pointer": "/id"}}}, source="docs: a page of today")
    contract = library().protocol("outlit").contract(None, [patch])
    (fact,) = [fact for fact in facts(contract) if fact["pointer"] == "/protocol/dedup/pointer"]
    assert (fact["source"], fact["basis"]) == ("docs: a page of today", "docs")


def test_finding_names_the_patch_when_the_broken_rule_came_from_one() -> None:
    patch = {
        "events": {"custom": {"properties": {"email": {"format": "email"}}}},
        "protocol": {"limits": {"body": {"max_bytes": 5}}},
    }
    contract = library().protocol("outlit").contract(None, [Patch(name="session", patch=patch)])
    (broken,) = violations(
        contract.event_schemas["custom"], {"type": "custom", "url": "u", "path": "", "eventName": "e", "email": "x"}
    )
    assert (broken.rule, broken.source) == ("/events/custom/properties/email/format", "patch: session")
    assert contract.source_of("/protocol/limits/body/max_bytes") == "patch: session"
    assert contract.source_of("/protocol/limits/rate_ingest/requests").startswith("docs: ")


def test_patch_over_a_revision_is_marked_as_well() -> None:
    patch = {"requests": {"envelope": {"properties": {"sessionId": {"format": "uri"}}}}}
    assert basis_of(patch, "/requests/envelope/properties/sessionId/format", "r4-2026-08") == "patch"


@pytest.fixture
async def server() -> AsyncIterator[Live]:
    async with live(Settings(port=0)) as running:
        yield running


async def test_ledger_is_served_whole_and_filtered(server: Live) -> None:
    _, whole = await server.control.get("/_mock/fidelity")
    listed = whole["facts"]
    for protocol in library().protocols.values():
        assert [fact for fact in listed if fact["protocol"] == protocol.name] == facts(protocol.contract())
    for basis in BASES:
        _, page = await server.control.get(f"/_mock/fidelity?protocol=outlit&basis={basis}")
        wanted = [fact for fact in listed if (fact["protocol"], fact["basis"]) == ("outlit", basis)]
        assert page["facts"] == wanted
    assert {fact["basis"] for fact in listed} == set(BASES) - {"patch"}


async def test_ledger_refuses_what_it_does_not_know(server: Live) -> None:
    assert (await server.control.get("/_mock/fidelity?protocol=outlet"))[0] == 404
    assert (await server.control.get("/_mock/fidelity?basis=rumour"))[0] == 400


def test_figures_by_basis_count_every_fact() -> None:
    for protocol, revision in REVISIONS:
        listed = facts(library().protocol(protocol).contract(revision))
        counted = by_basis(listed)
        print(f"{protocol} {revision}: {', '.join(f'{number} {basis}' for basis, number in counted.items())}")
        assert sum(counted.values()) == len(listed)
        assert list(counted) == [basis for basis in BASES if counted.get(basis)]


@pytest.mark.parametrize(("protocol", "revision"), REVISIONS)
def test_no_part_of_a_documented_fact_is_a_choice(protocol: str, revision: str) -> None:
    """One fact has one basis: what a source does not say is a fact of its own, by `sources` or under `behavior`."""
    ledger = facts(library().protocol(protocol).contract(revision))
    stated = {(fact["pointer"], fact["source"]) for fact in ledger if fact["basis"] in ("docs", "spec", "sdk")}
    assert len(stated) > 20
    assert {place: source for place, source in stated if re.search(r"\b(assum\w*|inferred)\b", str(source))} == {}
    inferred = {(fact["pointer"], fact["source"]) for fact in ledger if fact["basis"] == "inferred"}
    assert {place: source for place, source in inferred if re.search(r"\bassum", str(source))} == {}


@pytest.mark.parametrize("protocol", library().protocols)
def test_documented_revision_credits_documentation_to_its_own_page_alone(protocol: str) -> None:
    """What another page says is no fact of the page: whoever builds a server from that page alone does not know it."""
    contract = library().protocol(protocol).contract("documented")
    credited = {fact["pointer"]: str(fact["source"]) for fact in facts(contract) if fact["basis"] == "docs"}
    assert {place: source for place, source in credited.items() if not source.startswith(contract.source)} == {}
    assert len(credited) > 20
