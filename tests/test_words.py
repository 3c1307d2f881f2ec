"""One word for one thing, in every text a person reads: no retired term, and no phrase that stopped a reader before."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

import mockserver
from mockserver.cli import main as cli
from tests.docs.markdown import ROOT

PACKAGE = ROOT / "mockserver"

RETIRED = {
    r"\badvi[cs]es?\b": "warning, warn",
    r"\bseverity (is )?[`\"']?(refused|advice)": "error, warning",
    r"\bseed page\b|\bseed: (?!\{|int\b)": "docs, with the title of the page",
    r"\bpatience\b": "--max-wait, max_wait",
    r"policy[:=]\s?[\"']?whole\b|`whole`": "atomic",
    r"\bquery members?\b": "query parameter",
    r"\bremarks?\b": "warnings",
    r"\bgreetings?\b": "handshake",
    r"\bIntake\b|\bapproached\b": "RequestBody, routed",
    r"\bfault of an event\b|\bevent's fault\b": "error of an event",
    r"\bstands? twice\b|\bnamed twice\b": "duplicate key",
    r"(?<!there\s)\b(is|are) no (JSON|URL|mockserver|number|RFC)\b": "is not valid JSON, is not a mockserver",
    r"\bnot a word of\b": "unknown key, did you mean",
    r"\bthere are: ": "available: ",
    r"\b1 (requests|events|errors|warnings|findings|rules)\b|\d of warnings\b": "1 finding, 2 findings",
    r"\b(hold|held|holds|holding) (\w+ ){0,4}to (a|the|its|our|any) (contract|language|schema)": "verify against",
    r"\bheld to (a|the|its|our|any)?\b": "verified, validated against",
}
"""Patterns of retired words, with what is written now."""

RIDDLES = {
    r"\bfor granted\b": "assume",
    r"\bis not one\b": "is invalid",
    r"\bbut for\b": "except",
    r"\bwhat became of\b": "the verdict for",
    r"\bhanded in\b|\bwhat comes back\b": "parameters, returns",
    r"\bidle for longest\b": "least recently used",
    r"\banother number gives\b": "use a different seed",
    r"\bbring along\b": "your own",
    r"\bnothing is to be\b": "no … is needed",
    r"\bto be strict at once\b": "for strict checking",
    r"\bsilently missing\b": "is an error",
    r"\bgoes? before the\b": "overrides the",
    r"\bplayed? .{0,30} politely\b": "limits the rate",
    r"\bSo is\b|\bthat is none\b": "subject first",
    r"\bstands? for (it|your)\b": "plays, replaces",
    r"\bstrikes?\b|\bnever struck\b": "is applied",
}
"""Patterns of phrases that readers did not understand, with what is written now."""

FORBIDDEN = [
    (re.compile(pattern.replace(" ", r"\s+"), re.IGNORECASE), now) for pattern, now in {**RETIRED, **RIDDLES}.items()
]

RETIRED_NAMES = re.compile(
    "advice|refusals|remarks|elsewhere|patience|approach|intake|greeting|beside|beyond|touches|covered|told|seed_basis",
    re.IGNORECASE,
)
"""Names that the public API must not have."""

GENERATED_FROM_CONTRACTS = {ROOT / "docs" / "reference" / f"{name}.md" for name in ("apex", "outlit", "whisperr")}
"""Pages whose cells are the texts of contracts."""

PAGES = sorted(
    {
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "contracts/README.md", "fixtures/README.md")),
        ROOT / "tests" / "benchmarks" / "README.md",
        *(path for path in (ROOT / "docs").rglob("*") if path.suffix in (".md", ".yml", ".yaml", ".sh", ".mjs")),
    }
)
DATA = [PACKAGE / "server" / "control.yaml", *sorted((ROOT / "contracts" / "meta").glob("*.yaml"))]
FOLDERS = (
    *(".", "adapters", "cli", "client", "contract", "core", "jsonkit", "lint", "recording", "server", "sessions"),
    *("sessions/stores", "strategies", "verify"),
)
"""The folders of the package whose strings are looked at."""


class Text(NamedTuple):
    """A text that somebody reads: the file, or what prints it, and the number of its first line there."""

    place: str
    line: int
    text: str


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def complaints(texts: Iterable[Text]) -> list[str]:
    """Say of each forbidden phrase where it is, also across a line break, and what is written now."""
    return [
        f"{place}:{line + text.count(chr(10), 0, found.start())}: {found[0]!r} → {now}"
        for place, line, text in texts
        for pattern, now in FORBIDDEN
        for found in pattern.finditer(text)
    ]


def text_of(path: Path) -> Text:
    """Return a page; the changelog's table of renamed words, which names the old ones, is blanked out."""
    text = path.read_text()
    return Text(named(path), 1, re.sub(r"^\| .*", "", text, flags=re.M) if path.name == "CHANGELOG.md" else text)


def strings_of(path: Path) -> Iterator[Text]:
    """Yield every string literal of a module, docstrings included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Text(named(path), node.lineno, node.value)


def commands(command: click.Command, words: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and everything below it, by what one types."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=words)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from commands(inner, f"{words} {name}")


COMMANDS = dict(commands(cli.main, "mockserver"))


@pytest.mark.parametrize("path", [*PAGES, *DATA], ids=named)
def test_page_has_plain_words_only(path: Path) -> None:
    found = complaints([text_of(path)])
    assert not found, "\n".join(found)


@pytest.mark.parametrize("folder", FOLDERS)
def test_strings_of_the_package_have_plain_words_only(folder: str) -> None:
    modules = sorted((PACKAGE / folder).glob("*.py"))
    assert modules
    found = [complaint for path in modules for complaint in complaints(strings_of(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("words", COMMANDS)
def test_help_has_plain_words_only(words: str) -> None:
    context = click.Context(COMMANDS[words], info_name=words, **cli.main.context_settings)
    found = complaints([Text(f"{words} --help", 1, COMMANDS[words].get_help(context))])
    assert not found, "\n".join(found)


def public_names() -> Iterator[str]:
    """Yield the public names of the package, and the attributes of its public classes, by their full names."""
    for name in mockserver.__all__:
        yield name
        value = getattr(mockserver, name)
        if inspect.isclass(value):
            attributes = {*dir(value), *inspect.get_annotations(value)}
            yield from (f"{name}.{attribute}" for attribute in attributes if not attribute.startswith("_"))


def test_public_names_are_the_words_in_use() -> None:
    assert not [name for name in public_names() if RETIRED_NAMES.search(name.rpartition(".")[2])]


@pytest.mark.parametrize(
    "text",
    [
        "Print what became of the session S",
        "Times are seconds, but for members that end in `_ms`",
        "What is handed in",
        "the member a stands twice",
        "is no JSON: Expecting value",
        "3 findings, 1 of advice",
        "no protocol 'x'; there are: apex, outlit",
        "`--rate-limits advise`",
        "Hold another server to the contract",
        "seed: 000 Custom Event",
        "unknown query member x",
        "gate is not a word of the contract language here",
        "1 requests, 2 events",
    ],
)
def test_phrase_is_found_when_it_comes_back(text: str) -> None:
    (complaint,) = complaints([Text("page.md", 7, f"A line.\n{text.replace(' ', chr(10))}")])
    assert complaint.startswith("page.md:")
    assert [found.partition(": ")[0] for found in complaints([Text("page.md", 7, f"A line.\n{text}")])] == ["page.md:8"]


@pytest.mark.parametrize(
    "text",
    [
        "There is no JSON in the body",
        "Use a different seed to generate different samples",
        '{"delay_ms": 5, "seed": 7}',
        "1 request, 1 event: 1 error, 0 warnings",
        "available: apex, outlit",
        "11 requests",
    ],
)
def test_plain_text_is_left_alone(text: str) -> None:
    assert complaints([Text("page.md", 1, text)]) == []
