"""Every citation leads to a heading of a protocol page, and to the row it names; nothing else passes for a citation."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.fidelity import facts
from mockserver.contract.library import library
from mockserver.contract.provenance import SOURCE, SOURCES
from mockserver.contract.server_rules import SERVER_RULES, ServerRule
from mockserver.jsonkit import yamltext
from tests.cases import load_all
from tests.docs.citations import (
    BASES,
    PAGE_NAMES,
    citation_problems,
    citations,
    documents,
    prose_problems,
    sections,
    source_problems,
)
from tests.docs.markdown import PAGES, PROTOCOLS, ROOT

PROTOCOL_NAMES = [*library().protocols]
CONTRACTS = [path for name in PROTOCOL_NAMES for path in sorted((ROOT / "contracts" / name).rglob("*.yaml"))]
CODE = [path for folder in ("mockserver", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sources(value: Any) -> Iterator[str]:
    """Yield each source in a file of a contract; a property or a member of a body may be named `source` as well."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == SOURCE and isinstance(inner, str) and ": " in inner:
                yield inner
            elif name == SOURCES and all(isinstance(source, str | None) for source in inner.values()):
                yield from (source for source in inner.values() if source is not None)
            else:
                yield from sources(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from sources(inner)


def protocol_of(path: Path) -> str:
    return path.relative_to(ROOT / "contracts").parts[0]


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a module: its own, those of what it defines, and those of names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value.value


def test_each_protocol_has_a_page_when_it_ships() -> None:
    assert set(PROTOCOL_NAMES) == PAGE_NAMES
    for name in PROTOCOL_NAMES:
        assert set(documents(name).values()) == {"docs", "spec", "sdk"} - ({"spec"} if name == "apex" else set())


@pytest.mark.parametrize("path", CONTRACTS, ids=named)
def test_sources_of_a_contract_lead_somewhere_when_they_are_followed(path: Path) -> None:
    found = list(sources(yamltext.load(path)))
    assert [problem for source in found for problem in source_problems(protocol_of(path), source)] == []


def test_no_source_is_missed_when_the_files_are_read() -> None:
    """Every source of the ledger, under every revision, stands in a file that the test above reads."""
    for name, protocol in library().protocols.items():
        read = {source for path in CONTRACTS if protocol_of(path) == name for source in sources(yamltext.load(path))}
        told = {str(fact["source"]) for each in protocol.revision_names() for fact in facts(protocol.contract(each))}
        cited = sum(len(list(citations(source))) for source in read)
        print(f"{name}: {len(read)} different sources with {cited} citations of its page")
        assert told <= read
        assert cited > 70


def test_expectations_of_cases_lead_somewhere_when_they_are_followed() -> None:
    cases = load_all()
    texts = {str(case): case.dossier for case in cases}
    print(f"{sum(len(list(citations(text))) for text in texts.values())} citations in {len(cases)} cases")
    assert {case: found for case, text in texts.items() if (found := list(citation_problems(text)))} == {}
    assert [case for case, text in texts.items() if not any(citations(text))] == []


def test_docstrings_lead_somewhere_when_they_cite() -> None:
    texts = [(named(path), text) for path in CODE for text in docstrings(path) if ".md#" in text or "§" in text]
    texts = [(place, text) for place, text in texts if place not in ("tests/docs/citations.py",)]
    print(f"{sum(len(list(citations(text))) for _, text in texts)} citations in {len(texts)} docstrings")
    assert {place: found for place, text in texts if (found := list(prose_problems(text)))} == {}
    assert {place for place, _ in texts} >= {f"mockserver/adapters/{name}.py" for name in PROTOCOL_NAMES}


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != PROTOCOLS], ids=named)
def test_pages_lead_somewhere_when_they_cite(page: Path) -> None:
    for citation in citations(page.read_text()):
        if citation["page"] in PAGE_NAMES:
            assert list(citation_problems(citation[0])) == []


@pytest.mark.parametrize("rule", SERVER_RULES.values(), ids=lambda rule: rule.pointer)
def test_sources_of_the_servers_own_rules_are_of_a_known_form(rule: ServerRule) -> None:
    assert rule.source == "patch: fault step" or list(source_problems("outlit", rule.source)) == []


@pytest.mark.parametrize("name", ["protocol", "revision", "schema"])
def test_language_takes_the_bases_and_no_other(name: str) -> None:
    text = (ROOT / "contracts" / "meta" / f"{name}.yaml").read_text()
    assert f'"^({"|".join((*BASES, "patch"))}): .+"' in text
    assert text.count("|patch): .+") == 1


@pytest.mark.parametrize(
    "text",
    [
        "outlit.md#nowhere",
        "outlet.md#limits",
        "outlit.md#limits row 77",
        'outlit.md#limits rows "request rate", "request size"',
        'outlit.md#named-revisions column "r9"',
        "outlit §5.4",
        "the dossier, row 3",
        "see row 3",
        "docs/other.md#heading",
    ],
)
def test_text_is_refused_when_its_citation_leads_nowhere(text: str) -> None:
    assert list(citation_problems(text)) != []


@pytest.mark.parametrize(
    "source",
    [
        "seed: 000 Ingest Events",
        "rumour: outlit.md#limits",
        "docs: a page that nobody lists",
        "docs: openapi.json@65ae3ac",
        'docs: "Events API" page',
        "spec: openapi.json@65ae3ac; with ingest.mdx@1234567",
        "assumed: it seemed right",
        "assumed: outlit.md#limits row 3",
    ],
)
def test_source_is_refused_when_nobody_can_follow_it(source: str) -> None:
    assert list(source_problems("outlit", source)) != []


@pytest.mark.parametrize(
    "source",
    [
        'docs: "Ingest Events" page, Event Types; inactive from the "Node.js SDK" page',
        'sdk: core 1.4.5; open, assumed (outlit.md#envelope row "customerIdentity")',
        "spec: openapi.json@65ae3ac",
        "inferred: RFC 8259 §4",
        "assumed: outlit.md#order-of-checks rows 3, 4; and so on",
        "assumed: this server's own bound",
    ],
)
def test_source_is_taken_when_it_can_be_followed(source: str) -> None:
    assert list(source_problems("outlit", source)) == []


def test_anchors_are_stable_when_sections_move() -> None:
    """No anchor holds a section's number."""
    assert [anchor for name in PAGE_NAMES for anchor in sections(name) if anchor[:1].isdigit()] == []
