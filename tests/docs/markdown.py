"""Pages as a reader sees them: blocks of code, and where each one stands. Pure."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "docs" / "reference"
PROTOCOLS = ROOT / "docs" / "protocols"
"""Pages about the vendors: what they name need not be served here."""
TOOLS_PAGE = ROOT / "docs" / "howto" / "openapi.md"
"""The page whose reader needs other people's tools: `tests/tools` has them."""
PAGES = [
    ROOT / "README.md",
    ROOT / "contracts" / "README.md",
    ROOT / "fixtures" / "README.md",
    *sorted(
        path for path in (ROOT / "docs").rglob("*.md") if path.parent != GENERATED and "node_modules" not in path.parts
    ),
]

_FENCE = re.compile(r"^( *)```([\w-]*)$")
_NAMED = re.compile(r"`([\w./-]+\.\w+)`:$")
_LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A fenced block: its language and text, the line it stands on, and the file that the line before names."""

    page: Path
    line: int
    language: str
    text: str
    file: str | None
    adjacent: bool
    """Nothing but blank lines stands between it and the block before."""

    @property
    def place(self) -> str:
        return f"{os.path.relpath(self.page, ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield a page's blocks in order."""
    lines = enumerate(page.read_text().splitlines(), start=1)
    before, adjacent = "", False
    for number, line in lines:
        opened = _FENCE.match(line)
        if opened is None:
            before, adjacent = (line, False) if line.strip() else (before, adjacent)
            continue
        inside = []
        for _, text in lines:
            if text.strip() == "```":
                break
            inside.append(text.removeprefix(opened[1]))
        named = _NAMED.search(before)
        yield Block(
            page=page,
            line=number,
            language=opened[2],
            text="\n".join(inside) + "\n",
            file=named[1] if named else None,
            adjacent=adjacent,
        )
        before, adjacent = "", True


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return re.sub(r"^( *)```.*?^ *```$", "", page.read_text(), flags=re.M | re.S)


def links(page: Path) -> list[str]:
    """Return where a page's links lead."""
    return _LINK.findall(prose(page))


def spans(page: Path) -> list[str]:
    """Return the code that stands within a page's lines."""
    return _CODE.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return what a link into a page may name: its headings, as GitHub spells them."""
    return {heading_anchor(heading) for heading in re.findall(r"^#+ .*$", prose(page), re.M)}


def heading_anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-")


def row_cells(line: str) -> list[str]:
    """Return the cells of one row of a table."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]


def table(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its head."""
    _, _, section = page.read_text().partition(f"\n## {heading}\n")
    rows = re.findall(r"^\|(.*)\|$", section.partition("\n## ")[0], re.M)
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]
