"""What the documentation says is true: its snippets run, its tables are the code's, its links lead somewhere."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from difflib import unified_diff
from functools import cache
from itertools import takewhile
from pathlib import Path
from types import ModuleType

import click
import pytest

from mockserver import MockServer, pytest_plugin
from mockserver.cli import environment
from mockserver.cli import main as cli
from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.server import control
from tests.docs.markdown import PAGES, PROTOCOLS, ROOT, TOOLS_PAGE, anchors, blocks, links, spans, table
from tests.docs.reader import OWN_TESTS, reading

DOCS = ROOT / "docs"
README = ROOT / "README.md"
VERB = re.compile(r"((?:[A-Z]+, )*(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)) (/\S*)")

TOLD = re.compile(r'\{"(match|reply|connection|reject|delay_ms|keys|credentials|rate_limits|protocols)":')

WRITES_THE_CORPUS = "mockserver sample --corpus fixtures/corpus"


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def generator() -> ModuleType:
    """Return docs/generate.py, which is in no package."""
    sys.path.append(str(DOCS))
    return importlib.import_module("generate")


@pytest.mark.parametrize("page", [page for page in PAGES if page != TOOLS_PAGE], ids=named)
def test_page_is_true_when_a_reader_does_what_it_says(page: Path, tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        reader.read(list(blocks(page)))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_json_is_taken_by_the_server_when_a_page_shows_it(page: Path) -> None:
    shown = [json.loads(span) for span in spans(page) if TOLD.match(span)]
    steps = [value for value in shown if value.keys() & {"reply", "connection", "reject", "delay_ms"}]
    settings = [value for value in shown if value.keys() & {"keys", "credentials", "rate_limits", "protocols"}]
    with MockServer() as server:
        server.faults.replace(steps)
        for change in settings:
            server.settings(**change)
    assert len(steps) + len(settings) == len(shown), f"{named(page)}: nobody can tell whether each of these is true"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere_when_they_are_followed(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        if "://" in link:
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{named(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{named(page)}: {link}"


def test_reference_is_what_the_code_says_when_it_is_generated_again() -> None:
    stale = [line for path, text in generator().pages() for line in changes(DOCS / path, text)]
    assert not stale, "\n".join(["run `PYTHONPATH=. python docs/generate.py` and commit what it writes:", *stale])


def test_examples_are_those_of_the_golden_cases_when_they_are_generated_again() -> None:
    stale = [line for path, text in generator().data() for line in changes(ROOT / path, text)]
    assert not stale, "\n".join(["run `PYTHONPATH=. python docs/generate.py` and commit what it writes:", *stale])


def changes(path: Path, text: str) -> list[str]:
    kept = path.read_text() if path.is_file() else ""
    return list(unified_diff(kept.splitlines(), text.splitlines(), str(path), "generated", n=0, lineterm=""))


def test_reference_holds_nothing_else_when_pages_are_renamed() -> None:
    assert {path for path, _ in generator().pages()} == {
        str(path.relative_to(DOCS)) for path in (DOCS / "reference").iterdir()
    }


def test_every_page_is_in_the_index_when_pages_are_added() -> None:
    index = DOCS / "README.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    missing = [named(page) for page in DOCS.rglob("*.md") if page not in listed and page != index]
    assert not missing


@cache
def commands() -> dict[str, click.Command]:
    """Return every command by what one types, groups and what is in them."""
    return dict(generator()._commands(cli.main, "mockserver"))


def test_readme_has_the_commands_when_some_are_added() -> None:
    told = {cells[0].strip("`").removeprefix("mockserver ").split()[0] for cells in table(README, "Commands")}
    context = click.Context(cli.main)
    assert told == set(cli.main.list_commands(context)), "README.md, Commands: one row for each command there is"


def contracts() -> Iterator[Contract]:
    """Yield the base contract of each protocol."""
    for protocol in library().protocols.values():
        yield protocol.contract()


def test_ci_runs_the_tests_as_the_readme_says() -> None:
    assert OWN_TESTS in README.read_text()
    assert OWN_TESTS in (ROOT / ".ci" / "run").read_text()


def test_ci_runs_the_tests_with_the_newest_and_the_lowest_versions() -> None:
    newest, lowest = (ROOT / ".ci" / "run").read_text().partition("fresh newest\n")[2].split("fresh lowest\n")
    assert OWN_TESTS in newest
    assert "--resolution lowest-direct" in newest  # the function that the lowest run installs with
    install, install_tests, run_tests = [line for line in lowest.splitlines() if line.startswith(("lowest", "pytest"))]
    assert (install, install_tests) == ("lowest .", "lowest '.[test]'")
    left_out = [ROOT / option.removeprefix("--ignore=") for option in run_tests.split()[1:]]
    assert left_out
    assert all(path.exists() for path in left_out)
    assert [run.count("start_and_stop\n") for run in (newest, lowest)] == [1, 1]


@cache
def routes() -> set[tuple[str, str]]:
    """Return method and path of everything that is served; a parameter is `{}`."""
    served = {(method.upper(), path) for path, item in control.document()["paths"].items() for method in item}
    served |= {(o.method, o.path) for contract in contracts() for o in contract.operations.values()}
    return {(method, re.sub(r"\{\w+\}", "{}", path)) for method, path in served}


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent != PROTOCOLS], ids=named)
def test_routes_exist_when_a_page_names_them(page: Path) -> None:
    for methods, path in (found.groups() for span in spans(page) if (found := VERB.fullmatch(span))):
        path = re.sub(r"\{\w+\}|pk_\w+", "{}", path.partition("?")[0])
        for method in methods.split(", "):
            assert (method, path) in routes(), f"{named(page)}: {method} {path}"


def test_readme_tells_what_can_be_asked_when_routes_are_added() -> None:
    told = " ".join(cells[1] for cells in table(README, "Inspect and control a session"))
    of_sessions = {path.split("{session}")[1] for path in control.document()["paths"] if "{session}/" in path}
    parts = {part.split("/")[1] for part in of_sessions}
    missing = {part for part in parts if part not in told}
    assert not missing, "README.md, Inspect and control a session"


def test_readme_tells_what_is_served_when_operations_are_added() -> None:
    told = {cells[0] for cells in table(README, "What is served")}
    assert {name.lower() for name in told} == set(library().protocols)


@cache
def flags() -> set[str]:
    """Return the flags of all commands, and those of the pytest plugin."""
    ours = set(map(pytest_plugin.flag, pytest_plugin.OPTIONS))
    of_commands = {flag for command in commands().values() for option in command.params for flag in option.opts}
    return ours | of_commands | {"--help", "--version"}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_flags_and_variables_exist_when_a_page_names_them(page: Path) -> None:
    variables = {name for command in commands().values() for name in environment.variables(command)}
    variables |= set(map(pytest_plugin.variable, pytest_plugin.OPTIONS))
    text = page.read_text()
    assert set(re.findall(r"\bMOCKSERVER_\w*[A-Z]\b(?!<)", text)) <= variables
    for span in spans(page):
        words = span.split()
        if words[:1] == ["mockserver"] and len(words) > 1 and re.fullmatch("[a-z]+", words[1]):
            assert f"mockserver {words[1]}" in commands(), f"{named(page)}: {span}"
        if "mockserver" in words or span.startswith("--"):
            ours = takewhile(lambda word: word != "--", words)  # what follows belongs to the program of `record`
            unknown = {word.partition("=")[0] for word in ours if word.startswith("--")} - flags()
            assert not unknown, f"{named(page)}: {span}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_command_within_a_line_is_run_too_when_it_can_be(page: Path, tmp_path: Path) -> None:
    with reading(tmp_path) as reader:
        for span in spans(page):
            if span == WRITES_THE_CORPUS:
                continue  # tests/strategies/test_corpus.py compares what it writes
            if re.match(r"mockserver (?!ready on )[a-z]+ ", span) and not re.search(r"(?<![\w-])[A-Z]", span):
                reader.run(span)
                assert not reader.failed, f"{named(page)}: {span}\n{reader.printed}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_revisions_exist_when_a_page_names_them(page: Path) -> None:
    for protocol, revision in re.findall(r"\b(apex|outlit|whisperr)=([\w-]+)(?![\w:-])", page.read_text()):
        assert revision in library().protocol(protocol).revision_names(), f"{named(page)}: {protocol}={revision}"
