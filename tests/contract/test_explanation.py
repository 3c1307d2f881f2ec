"""`contracts explain` knows every rule that a finding names, and says the finding's own source of it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import cache
from typing import Any

import pytest

from mockserver.contract import fidelity
from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import explain
from mockserver.contract.library import library
from mockserver.contract.schema import OWN_KEYWORDS, POINTER, every_schema
from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.warnings import SERVER_NOTES
from mockserver.errors import ContractError
from mockserver.jsonkit import pointer
from mockserver.lint.case_reader import case_of_corpus_line
from mockserver.lint.golden_cases import Case
from mockserver.lint.playback import play
from mockserver.sessions.session import UNKNOWN_ENTITY
from tests import cases
from tests.judging import wire_request
from tests.revisions import revisions

BASES = {"docs", "spec", "sdk", "inferred", "assumed", "patch"}
NOW_MS = 1_781_438_402_000
"""2026-06-14T12:00:02Z, when the corpus is to be played."""


def explained(contract: Contract, rule: str) -> list[dict[str, Any]]:
    """Return the facts of a rule, each checked for what `contracts explain` prints."""
    rows = explain(contract, rule)
    assert rows
    for row in rows:
        assert row["pointer"].startswith(rule.partition("#")[0])
        assert row["source"]
        assert row["source"].startswith(f"{row['basis']}: ")
        assert row["basis"] in BASES
        assert "value" in row
    return rows


def corpus(protocol: str, revision: str) -> Iterator[dict[str, Any]]:
    with (cases.FIXTURES / "corpus" / f"{protocol}.ndjson").open() as lines:
        yield from (line for line in map(json.loads, lines) if line["revision"] == revision)


async def findings(case: Case, contract: Contract) -> AsyncIterator[dict[str, Any]]:
    """Play a case, and yield every finding about its requests and events."""
    played = await play(case, contract)
    for view in (exchange.view for exchange in played.exchanges):
        for finding in view.findings():
            yield finding.as_json()
        for row in view.event_rows():
            for finding in row["findings"]:
                yield finding


def unexplained(contract: Contract, found: Iterable[dict[str, Any]]) -> dict[str, set[str]]:
    """Return the sources that findings name and the explanations of their rules do not, by rule.

    What the newest revision refuses is explained by that one: its facts say so where it has others.
    """
    sources: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for finding in found:
        newest = finding["message"].startswith(f"{contract.newest.revision} refuses this") if contract.newest else False
        sources[finding["rule"], newest].add(finding["source"])
    return {
        rule: left
        for (rule, newest), named in sources.items()
        if (left := named - {row["source"] for row in explained(contract, rule) if newest or "revision" not in row})
    }


@pytest.mark.parametrize(("protocol", "revision"), revisions())
def test_every_rule_of_the_corpus_is_explained(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    rules = {
        broken["rule"]
        for line in corpus(protocol, revision)
        for broken in (line, *line.get("bad", ()))
        if "rule" in broken
    }
    print(f"{protocol} {revision}: {len(rules)} rules")
    assert sum(len(explained(contract, rule)) >= 1 for rule in rules) == len(rules) > 20


async def test_every_finding_of_the_cases_is_explained_with_its_own_source() -> None:
    found: dict[Contract, dict[tuple[str, ...], dict[str, Any]]] = defaultdict(dict)
    for case in cases.load_all():
        contract = cases.contract_of(case)
        async for finding in findings(case, contract):
            found[contract][finding["rule"], finding["source"], finding["severity"]] = finding
    rules = {(contract.name, rule) for contract, named in found.items() for rule, _, _ in named}
    print(f"{len(rules)} rules in the findings of {len(cases.load_all())} cases")
    assert len(rules) > 200
    assert {
        contract: left for contract, named in found.items() if (left := unexplained(contract, named.values()))
    } == {}


@pytest.mark.parametrize(("protocol", "revision"), revisions())
async def test_every_finding_of_the_corpus_is_explained_with_its_own_source(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for line in corpus(protocol, revision):
        async for finding in findings(case_of_corpus_line(line, "corpus", "line"), contract):
            found[finding["rule"], finding["source"], finding["severity"]] = finding
    print(f"{protocol} {revision}: {len({rule for rule, _, _ in found})} rules in the findings")
    assert len(found) > 20
    assert unexplained(contract, found.values()) == {}


def is_explained(contract: Contract, rule: str) -> bool:
    try:
        return bool(explained(contract, rule))
    except ContractError:
        return False


def rules_of_schemas(contract: Contract) -> Iterator[str]:
    """Yield every rule that a violation of any schema can name: each keyword, and each name that is required."""
    for schema in contract.schemas():
        for _, level in every_schema(schema.body):
            for keyword in level.keys() - OWN_KEYWORDS - {"title", "description", "properties", "items", "sources"}:
                if keyword == "required":
                    yield from (f"{level[POINTER]}/required/{pointer.escape(name)}" for name in level[keyword])
                elif keyword != "additionalProperties" or level[keyword] is False:
                    yield f"{level[POINTER]}/{keyword}"


def rules_of_gates(contract: Contract) -> Iterator[str]:
    """Yield every rule that a refusal of a gate or a claim can name, and those of warnings about a whole request."""
    yield from ("/events", "/protocol/operations", "/protocol/limits/body/max_bytes")
    for operation in contract.operations.values():
        yield operation.pointer
        yield from (f"{operation.pointer}/forms" for _ in operation.forms)
        for gate in operation.gates:
            yield gate.pointer
            yield from (f"/protocol/refusals/{operation.family.name}/{reason}" for reason in gate.reasons.values())
        if operation.rate_claim is not None:
            yield f"/protocol/refusals/{operation.family.name}/{operation.rate_claim.reason}"
        if operation.lookup is not None:
            yield f"/protocol/refusals/{operation.family.name}/{UNKNOWN_ENTITY}"
        if operation.cors is not None:
            yield from (
                f"/protocol/cors/{operation.cors.name}/{member}" for member in ("allowed_origins", "preflight_status")
            )
    for credential in contract.credentials.values():
        yield from (credential.pointer, *([f"{credential.pointer}/pattern"] if credential.pattern else ()))
    if contract.content_types is not None:
        yield "/protocol/content_types/accepted"
    if contract.projects is not None:
        yield "/protocol/projects/known"
    for limit in contract.member_limits.values():
        yield f"/protocol/limits/{limit.name}/max_bytes"
    for window in contract.windows:
        yield from (f"/protocol/windows/{window.name}/{side}" for side in ("past_ms", "future_ms"))
    yield from (rule.pointer for rule in (*contract.identity.values(), *contract.reserved.values()))


def rules_of_replies(contract: Contract) -> Iterator[str]:
    """Yield every rule that a finding about a recorded reply can name."""
    yield "/protocol/cors"
    yield from (template.pointer for template in contract.replies.values())
    for family in contract.families.values():
        yield from (template.pointer for template in (family.default, *family.reasons.values()))


def rules_of_warnings(contract: Contract) -> Iterator[str]:
    rules = contract.warnings
    yield from (rule.pointer for rule in (*rules.events, *rules.requests, *rules.transport.values()))
    yield from (
        f"/protocol/stored/strip/{name}/message" for name, strip in contract.stored.strip.items() if strip.message
    )


@pytest.mark.parametrize("rules_of", [rules_of_schemas, rules_of_gates, rules_of_replies, rules_of_warnings])
@pytest.mark.parametrize(("protocol", "revision"), revisions())
def test_every_rule_that_can_be_named_is_explained(
    protocol: str, revision: str, rules_of: Callable[[Contract], Iterator[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules of the newest revision are among them, as warnings name those."""
    monkeypatch.setattr(fidelity, "facts", cache(fidelity.facts))  # which is asked for each rule
    contract = library().protocol(protocol).contract(revision)
    rules = {rule for each in (contract, contract.newest) if each is not None for rule in rules_of(each)}
    print(f"{protocol} {revision}: {len(rules)} rules, {rules_of.__name__}")
    assert [rule for rule in sorted(rules) if not is_explained(contract, rule)] == []
    assert len(rules) >= (100 if rules_of is rules_of_schemas else 9)


@pytest.mark.parametrize("protocol", library().protocols)
@pytest.mark.parametrize("rule", SERVER_RULES)
def test_rule_of_the_server_is_explained_for_every_protocol(protocol: str, rule: str) -> None:
    (fact,) = explained(library().protocol(protocol).contract(), rule)
    said = SERVER_RULES[rule]
    assert (fact["pointer"], fact["value"], fact["source"]) == (rule, said.message, said.source)


def test_notes_of_the_server_are_its_rules() -> None:
    assert {note.pointer for note in SERVER_NOTES.values()} == {
        rule for rule in SERVER_RULES if "/invalid_" in rule or "/long_" in rule or "/repeated_" in rule
    }


def test_late_body_is_found_with_the_servers_rule() -> None:
    request = wire_request("/api/i/v1/pk_x/events", {}, late=True)
    contract = library().protocol("outlit").contract()
    judged = judge(route(RequestBody(request), contract), Terms(now_ms=NOW_MS))
    assert judged.refusal is not None
    finding = judged.refusal.finding
    assert unexplained(contract, [finding.as_json()]) == {}
    assert finding.rule == "/server/body_timeout"


def test_rule_is_explained_by_its_fact_when_it_names_a_use_of_it() -> None:
    contract = library().protocol("outlit").contract()
    whole = explain(contract, "/protocol/limits/body/max_bytes")
    assert explain(contract, "/protocol/limits/body/max_bytes#body_too_large") == whole
    assert explain(contract, "protocol/limits/body/max_bytes") == whole


@pytest.mark.parametrize(
    ("rule", "value", "source"),
    [
        ("/events/custom/required/eventName", "eventName", "docs: ingest.mdx@8bede74"),
        ("/events/custom/required/url", "url", 'docs: "Ingest Events" page, Event Types'),
        ("/events/shared/common/properties/type/type", "string", 'docs: "Ingest Events" page, Event Types'),
        ("/events/calendar/properties/duration/type", "number", 'docs: "Ingest Events" page, Calendar Event'),
    ],
)
def test_keyword_of_a_schema_is_explained_with_the_schemas_source(rule: str, value: str, source: str) -> None:
    (fact,) = explain(library().protocol("outlit").contract(), rule)
    assert (fact["value"], fact["source"]) == (value, source)


def test_object_is_explained_with_what_it_has_from_the_shared_schema_that_it_uses() -> None:
    contract = library().protocol("outlit").contract("r4-2026-08")
    rows = explain(contract, "/events/custom")
    places = [row["pointer"] for row in rows]
    assert len(places) == len(set(places))
    inherited = {place for place in places if not place.startswith("/events/custom/")}
    assert inherited < {row["pointer"] for row in explain(contract, "/events/shared/common")}
    assert {"/events/shared/common/properties/url/type", "/events/custom/required/url"} <= set(places)
    member = "/events/custom/properties/eventName"
    assert [row["pointer"] for row in explain(contract, member)] == [
        place for place in places if place.startswith(f"{member}/")
    ]


@pytest.mark.parametrize(("protocol", "revision"), revisions())
def test_every_keyword_that_judges_is_in_the_explanation_of_its_schema(protocol: str, revision: str) -> None:
    contract = library().protocol(protocol).contract(revision)
    missing = []
    for document in ("requests", "events", "replies"):
        for name, schema in contract.schemas_in(document).items():
            place = f"/{document}/{name}"
            rows = [row for row in explain(contract, place) if "revision" not in row]
            said = {row["pointer"]: (row["value"], row["source"]) for row in rows}
            for at, value, source in schema.keywords():
                tokens = pointer.parse(at)
                if isinstance(value, dict | list) or {"title", "description", "examples"} & {*tokens[-2:]}:
                    continue
                listed, _ = said.get(pointer.build(tokens[:-1]), ([], ""))
                if tokens[-1] not in ("refusal", "message") and (
                    said.get(at) != (value, source) and not (isinstance(listed, list) and value in listed)
                ):
                    missing.append((place, at))
    assert missing == []


def test_rule_of_the_newest_revision_is_explained_when_the_base_has_none() -> None:
    (fact,) = explain(library().protocol("outlit").contract(), "/events/custom/required/timestamp")
    assert (fact["revision"], fact["value"], fact["basis"]) == ("r4-2026-08", "timestamp", "spec")
    with pytest.raises(ContractError, match="no fact at this pointer"):
        explain(library().protocol("outlit").contract("r4-2026-08"), "/events/stage/required/stage")


def test_unknown_types_and_paths_are_explained_by_what_there_is() -> None:
    contract = library().protocol("outlit").contract()
    types, newest = explain(contract, "/events")
    assert set(types["value"]) - set(newest["value"]) == {"stage", "billing"}
    assert newest["revision"] == "r4-2026-08"
    (operations,) = explain(contract, "/protocol/operations")
    assert "POST /api/i/v1/{publicKey}/events" in operations["value"]
