"""Validators of JSON Schema agree with the corpus on every body that schemas decide about."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import jsonschema

from mockserver.contract import publish
from mockserver.contract.library import library
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.case_reader import case_of_corpus_line
from tests import cases
from tests.sdks.harness import program
from tests.tools.harness import HERE, Tools

SCHEMA_RULES = ("/requests", "/events")
MOST_OF = 4_500
"""Lines that are decided by schemas, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A body of the corpus: where it is, the schema that decides, whether it is valid, the keyword that it breaks."""

    place: str
    schema: str
    body: Any
    valid: bool
    keyword: str


@cache
def schemas() -> dict[str, Any]:
    """Return the schema of each body, by protocol, revision and operation."""
    return {name: schema for document, name, schema in every_schema() if document == publish.BODIES}


def every_schema() -> Iterator[tuple[str, str, Any]]:
    """Yield each published schema: its document, and its protocol, revision and name."""
    for protocol in library().protocols.values():
        for revision in protocol.revision_names():
            contract, query = protocol.contract(revision), f"?revision={revision}"
            for document in publish.PUBLISHED_DOCUMENTS:
                for name in publish.schema_names(contract, document):
                    schema = publish.schema(contract, document, name, publish.DEFAULT_SERVER, query)
                    yield document, f"{protocol.name} {revision} {name}", schema


@cache
def lines() -> list[Line]:
    """Return the lines of the corpus that schemas decide: valid ones, and those that break a rule of a schema."""
    found = []
    for path in sorted((cases.FIXTURES / "corpus").glob("*.ndjson")):
        for number, text in enumerate(path.read_text().splitlines(), start=1):
            line, place = json.loads(text), f"{path.name}:{number}"
            rules = [bad["rule"] for bad in line.get("bad", [line]) if "rule" in bad]
            body = case_of_corpus_line(line, path.name, place).exchanges[-1].json
            if body is MISSING or line["operation"] is None:
                continue
            schema = f"{line['protocol']} {line['revision']} {line['operation']}"
            if schema in schemas() and (line["valid"] or any(rule.startswith(SCHEMA_RULES) for rule in rules)):
                keyword = line.get("keyword", "")
                found.append(Line(place=place, schema=schema, body=body, valid=line["valid"], keyword=keyword))
    return found


def test_corpus_has_bodies_that_schemas_decide_about_for_most_operations() -> None:
    assert len(lines()) > MOST_OF
    looked_into = {name for name in schemas() if not name.endswith("experiment_assign")}
    assert {line.schema for line in lines() if line.valid} == looked_into
    assert {line.schema for line in lines() if not line.valid} >= {
        n for n in looked_into if not n.endswith("push_token")
    }


def test_jsonschema_agrees_with_the_corpus() -> None:
    judges = {name: jsonschema.Draft202012Validator(schema).is_valid for name, schema in schemas().items()}
    wrong = [line for line in lines() if judges[line.schema](line.body) is not line.valid]
    formats = [line for line in wrong if line.keyword == "format" and not line.valid]
    assert len(formats) * 10 < sum(line.keyword == "format" for line in lines())  # it is given patterns in their place
    assert [line.place for line in wrong if line not in formats and not _ends_a_line(line.body)] == []


def _ends_a_line(value: Any) -> bool:
    """Tell whether a text ends with a newline: before that, Python takes `$` for the end of the text."""
    if isinstance(value, dict | list):
        return any(map(_ends_a_line, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str) and value.endswith("\n")


def test_ajv_takes_every_schema_and_agrees_with_the_corpus_when_it_is_strict(node_tools: Tools) -> None:
    asked = [{"schema": f"bodies {line.schema}", "body": line.body} for line in lines()]
    given = {f"{document} {name}": schema for document, name, schema in every_schema()}
    done = subprocess.run(
        [program("node"), str(HERE / "agree.mjs")],
        input=json.dumps({"schemas": given, "lines": asked}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    verdicts = json.loads(done.stdout)
    assert len(verdicts) == len(asked)
    wrong = [line.place for line, valid in zip(lines(), verdicts, strict=True) if valid is not line.valid]
    assert not wrong
