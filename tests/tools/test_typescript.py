"""Types made of the documents: the requests on the vendors' pages compile, and wrong ones do not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.tools.harness import BASES, CONTROL, Documents, PageExample, Tools, page_examples

GONE = object()


class Wrong(NamedTuple):
    """A change that makes the body of a page wrong: a place in it, and the value there, or `GONE`."""

    example: str
    place: tuple[str | int, ...]
    value: Any


WRONG = {
    "missing member": Wrong("outlit browser body", ("events", 0, "url"), GONE),
    "unknown type of event": Wrong("outlit browser body", ("events", 0, "type"), "purchase"),
    "value that is not listed": Wrong("outlit browser body", ("source",), "browser"),
    "neither alternative": Wrong("outlit browser body", ("visitorId",), GONE),
    "null where one is not taken": Wrong("outlit browser body", ("events", 0, "path"), None),
    "member of another type": Wrong("apex curl of the snippet format", ("visitorId",), 5),
    "member that is not taken": Wrong("whisperr event object", ("evnt_type",), "x"),
    "member inside": Wrong("whisperr event object", ("context",), {}),
}
EXAMPLES = {example.name: example for example in page_examples()}
VALID = {name: example for name, example in EXAMPLES.items() if example.valid}


def changed(body: Any, wrong: Wrong) -> Any:
    copy = json.loads(json.dumps(body))
    holder = copy
    for token in wrong.place[:-1]:
        holder = holder[token]
    if wrong.value is GONE:
        del holder[wrong.place[-1]]
    else:
        holder[wrong.place[-1]] = wrong.value
    return copy


def line(documents: Documents, example: PageExample, body: Any) -> str:
    """Return one line of TypeScript in which a body has the type of its operation's body."""
    (media,) = documents.operations(example.protocol)[example.operation]["requestBody"]["content"]
    kind = f'{example.protocol}["{example.operation}"]["requestBody"]["content"]["{media}"]'
    return f"export const _{{}}: {kind} = {json.dumps(body)};"


@pytest.fixture(scope="module")
def folder(node_tools: Tools, documents: Documents, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the types of each document."""
    made = tmp_path_factory.mktemp("typescript")
    apis = "".join(
        f"  {name}@1:\n    root: {path}\n    x-openapi-ts: {{output: {path.stem}.ts}}\n"
        for name, path in named(documents)
    )
    (made / "redocly.yaml").write_text(f"apis:\n{apis}")
    done = node_tools.run(made, "openapi-typescript")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def named(documents: Documents) -> list[tuple[str, Path]]:
    return [(f"d{number}", documents.path(name)) for number, name in enumerate((*BASES, CONTROL))]


def errors(node_tools: Tools, folder: Path, name: str, lines: list[str]) -> dict[int, str]:
    """Return the message of the compiler for each line that has an error, from 0."""
    imports = [f'import type {{ operations as {protocol} }} from "./{protocol}";' for protocol in (*BASES, CONTROL)]
    numbered = [text.replace("_{}", f"_{number}") for number, text in enumerate(lines)]
    (folder / f"{name}.ts").write_text("\n".join([*imports, *numbered, ""]))
    strict = ("--noEmit", "--strict", "--target", "es2022", "--moduleResolution", "bundler", "--module", "es2022")
    done = node_tools.run(folder, "tsc", *strict, "--pretty", "false", f"{name}.ts")
    found = re.findall(rf"^{name}\.ts\((\d+),\d+\): error (.*)", done.stdout, re.M)
    assert done.stdout.count(": error ") == len(found), done.stdout
    return {int(number) - len(imports) - 1: message for number, message in found}


def test_requests_on_the_pages_compile_and_wrong_ones_do_not(
    node_tools: Tools, documents: Documents, folder: Path
) -> None:
    good = [line(documents, example, example.body) for example in VALID.values()]
    bad = [
        line(documents, EXAMPLES[wrong.example], changed(EXAMPLES[wrong.example].body, wrong))
        for wrong in WRONG.values()
    ]
    good.append(
        f'export const _{{}}: {CONTROL}["add_fault"]["requestBody"]["content"]["application/json"] = {{times: 1}};'
    )
    bad.append(
        f'export const _{{}}: {CONTROL}["add_fault"]["requestBody"]["content"]["application/json"] = {{tims: 1}};'
    )
    assert len(VALID) > 10
    found = errors(node_tools, folder, "requests", good + bad)
    assert found.keys() == {*range(len(good), len(good) + len(bad))}, found
