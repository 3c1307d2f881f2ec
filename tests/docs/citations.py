"""The protocol pages as they are cited: headings, rows, columns, documents; and what is wrong with a citation. Pure.

A citation is `outlit.md#order-of-checks`, followed by ` row 3`, ` rows "size", "source"` or ` column "r4-2026-08"`: a
heading of docs/protocols/outlit.md, and the first cell of a row or the start of a column's head below that heading.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

from tests.docs.markdown import PROTOCOLS, heading_anchor, row_cells

PAGE_NAMES = frozenset(page.stem for page in PROTOCOLS.glob("*.md"))
BASES = ("docs", "spec", "sdk", "inferred", "assumed")
"""Whose word a fact is, as contracts may say it; `patch` is never written down."""

_ITEM = r'(?:"[^"]+"|[A-Z]?\d+(?!\w)|[A-Z](?!\w))'
_CITATION = re.compile(
    r"(?P<page>[\w-]+)\.md#(?P<anchor>[\w-]*)"
    rf'(?: rows? (?P<rows>{_ITEM}(?:, {_ITEM})*))?(?: column "(?P<column>[^"]+)")?'
)
_UNKNOWN_FORM = re.compile(r"(?<!RFC \d{4} )§|\.md#")
_UNKNOWN_WORD = re.compile(r"\b(?:dossiers?|seeds?|rows?|columns?)\b", re.I)
_VERSIONED = re.compile(r"[\w./@-]+@[0-9a-f]{6,}|[\w./-]+\.mdx?@\w+")
_QUOTED_PAGE = re.compile(r'"[^"]+" page\b')


@dataclass(slots=True)
class Section:
    """What stands under one heading, before the next: the first cells of its tables' rows, and its tables' heads."""

    rows: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)


@cache
def sections(name: str) -> dict[str, Section]:
    """Return the sections of a protocol page by their anchors."""
    found: dict[str, Section] = {}
    section, fenced, in_table = Section(), False, False
    for line in (PROTOCOLS / f"{name}.md").read_text().splitlines():
        fenced ^= line.startswith("```")
        if not fenced and line.startswith("#"):
            section = Section()
            assert heading_anchor(line) not in found, f"{name}.md has two headings {line}"
            found[heading_anchor(line)] = section
        is_row = not fenced and line.startswith("|")
        if is_row and not in_table:
            section.columns += map(_label, row_cells(line))
        elif is_row and not re.fullmatch(r"[| -]+", line):
            section.rows.append(_label(row_cells(line)[0]))
        in_table = is_row
    return found


def _label(cell: str) -> str:
    """Return a cell as a citation spells it: without markup."""
    return re.sub(r"`|\*\*", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", cell)).strip()


@cache
def documents(name: str) -> dict[str, str]:
    """Return the documents that a protocol page lists, with the basis of what they say."""
    text = (PROTOCOLS / f"{name}.md").read_text().partition("\n### Documents\n")[2].partition("\n#")[0]
    rows = [row_cells(line) for line in text.splitlines() if line.startswith("|")][2:]
    return {document: cells[1] for cells in rows for document in _label(cells[0]).split(", ")}


def citations(text: str) -> Iterator[re.Match[str]]:
    """Yield the citations in a text."""
    return _CITATION.finditer(text)


def prose_problems(text: str) -> Iterator[str]:
    """Yield what is wrong with the citations of a text that says other things as well."""
    for citation in citations(text):
        yield from _dead_ends(citation)
    if _UNKNOWN_FORM.search(_CITATION.sub("", text)):
        yield f"cites in a form that nobody can follow: {text}"


def citation_problems(text: str) -> Iterator[str]:
    """Yield what is wrong with a text that consists of citations and remarks: a row always belongs to a heading."""
    yield from prose_problems(text)
    if _UNKNOWN_WORD.search(_CITATION.sub("", text)):
        yield f"names a place without its heading: {text}"


def _dead_ends(citation: re.Match[str]) -> Iterator[str]:
    if citation["page"] not in PAGE_NAMES:
        yield f"there is no page {citation['page']}.md"
        return
    section = sections(citation["page"]).get(citation["anchor"])
    if section is None:
        yield f"{citation['page']}.md has no heading #{citation['anchor']}"
        return
    for row in re.findall(_ITEM, citation["rows"] or ""):
        if section.rows.count(row.strip('"')) != 1:
            yield f"{citation['page']}.md#{citation['anchor']} has not one row {row}"
    column = citation["column"]
    if column and not any(head.startswith(column) for head in section.columns):
        yield f"{citation['page']}.md#{citation['anchor']} has no column {column}"


def source_problems(protocol: str, source: str) -> Iterator[str]:
    """Yield what is wrong with the `source` of a fact of one protocol."""
    basis, _, text = source.partition(": ")
    if basis not in BASES:
        yield f"{basis!r} is not a basis: {source}"
    elif basis in ("docs", "spec", "sdk"):
        named = _leading_document(protocol, text)
        if named is None or documents(protocol)[named] != basis:
            yield f"{protocol}.md lists no such document with the basis {basis}: {source}"
    elif not re.match(r"[a-z]+\.md#|RFC \d{4} §|this server's own ", text):
        yield f"says nothing of where the reason stands: {source}"
    for mention in (*_VERSIONED.findall(text), *_QUOTED_PAGE.findall(text)):
        if _leading_document(protocol, mention) is None:
            yield f"{protocol}.md lists no document {mention}: {source}"
    yield from citation_problems(source)


def _leading_document(protocol: str, text: str) -> str | None:
    starting = [name for name in documents(protocol) if re.match(re.escape(name) + r"(?![\w/-])", text)]
    return max(starting, key=len, default=None)
