"""Linters: no document has an error, whichever revision it is of, and a broken document has one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.tools.harness import HERE, Documents, Tools


def broken(documents: Documents, folder: Path) -> Path:
    """Return a document that refers to nothing and has an example that its schema refuses."""
    document = documents.read("outlit")
    body = document["paths"]["/api/i/v1/{publicKey}/events"]["post"]["requestBody"]["content"]["application/json"]
    body["examples"] = {"wrong": {"value": {"events": 1}}}
    document["components"]["schemas"]["StageEvent"]["properties"]["stage"] = {"$ref": "#/components/schemas/Nothing"}
    path = folder / "broken.json"
    path.write_text(json.dumps(document))
    return path


def json_texts(text: str) -> Iterator[Any]:
    """Yield the values of JSON texts that stand one after another."""
    while text.strip():
        value, end = json.JSONDecoder().raw_decode(text := text[text.index("{") :])
        yield value
        text = text[end:]


def test_openapi_spec_validator_finds_nothing(python_tools: Tools, documents: Documents, tmp_path: Path) -> None:
    paths = documents.paths()
    done = python_tools.run(tmp_path, "openapi-spec-validator", *paths)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": OK") == len(paths)
    assert python_tools.run(tmp_path, "openapi-spec-validator", broken(documents, tmp_path)).returncode


def test_redocly_finds_no_error(node_tools: Tools, documents: Documents, tmp_path: Path) -> None:
    paths = documents.paths()
    done = node_tools.run(tmp_path, "redocly", "lint", "--format", "json", *paths, broken(documents, tmp_path))
    reports = list(json_texts(done.stdout))
    errors = {
        (Path(place["source"]["ref"]).name, problem["ruleId"])
        for report in reports
        for problem in report["problems"]
        if problem["severity"] == "error"
        for place in problem["location"]
    }
    assert len(reports) == len(paths) + 1, done.stdout + done.stderr
    assert {name for name, _ in errors} == {"broken.json"}, errors
    assert ("broken.json", "no-unresolved-refs") in errors


def test_spectral_finds_no_error(node_tools: Tools, documents: Documents, tmp_path: Path) -> None:
    paths = documents.paths()
    rules = ("--ruleset", HERE / "spectral.yaml", "--format", "json", "--quiet")
    done = node_tools.run(tmp_path, "spectral", "lint", *rules, *paths, broken(documents, tmp_path))
    found = json.loads(done.stdout)
    errors = {(Path(problem["source"]).name, problem["code"]) for problem in found if problem["severity"] == 0}
    assert {name for name, _ in errors} == {"broken.json"}, errors
    assert {Path(problem["source"]).name for problem in found} >= {path.name for path in paths}, "some were not read"
