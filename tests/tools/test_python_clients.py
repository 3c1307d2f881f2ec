"""Python made of the documents: every operation and every schema is there, all of it imports, and bodies are read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tools.harness import BASES, CONTROL, Documents, Tools
from tests.tools.test_typescript import EXAMPLES, VALID, WRONG, changed

NAMES = (*BASES, CONTROL)
IMPORT_ALL = """
import importlib, pathlib, sys
sys.path.insert(0, ".")
for path in sorted(pathlib.Path(sys.argv[1]).rglob("*.py")):
    importlib.import_module(".".join(path.with_suffix("").parts).removesuffix(".__init__"))
"""
READ = """
import importlib, json, sys
sys.path.insert(0, ".")
for protocol, model, body in json.load(sys.stdin):
    try:
        getattr(importlib.import_module(protocol), model).model_validate(body)
        print("valid")
    except ValueError:
        print("wrong")
"""
NO_JSON = {"application/javascript": "text/plain", "application/x-ndjson": "text/plain"}
"""Media types that openapi-python-client has to be told of."""
UNSEEN = ("neither alternative",)
"""What the models do not find: in an alternative, they take the type that the member has in the whole object."""


@pytest.mark.parametrize("name", NAMES)
def test_openapi_python_client_has_every_operation(
    name: str, python_tools: Tools, documents: Documents, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"content_type_overrides": NO_JSON}))
    made = ("generate", "--fail-on-warning", "--meta", "none", "--config", "config.json", "--output-path", "client")
    done = python_tools.run(tmp_path, "openapi-python-client", *made, "--path", documents.path(name))
    assert done.returncode == 0, done.stdout + done.stderr
    modules = {path.stem for path in (tmp_path / "client" / "api").rglob("*.py")} - {"__init__"}
    assert modules == set(documents.operations(name))
    imported = python_tools.run(tmp_path, "python", "-c", IMPORT_ALL, "client")
    assert imported.returncode == 0, imported.stderr


def test_models_have_every_schema_and_read_the_requests_on_the_pages(
    python_tools: Tools, documents: Documents, tmp_path: Path
) -> None:
    for name in NAMES:
        kind = (
            "--input-file-type",
            "openapi",
            "--output-model-type",
            "pydantic_v2.BaseModel",
            "--formatters",
            "builtin",
        )
        files = ("--input", documents.path(name), "--output", f"{name}.py")
        done = python_tools.run(tmp_path, "datamodel-codegen", *kind, *files, "--disable-warnings")
        assert done.returncode == 0, done.stderr
        text = (tmp_path / f"{name}.py").read_text()
        missing = [
            schema for schema in documents.read(name)["components"]["schemas"] if f"\nclass {schema}(" not in text
        ]
        assert not [schema for schema in missing if f"\n{schema}" not in text]
    good = [(example.protocol, model(documents, name), example.body) for name, example in VALID.items()]
    bad = [
        (
            EXAMPLES[wrong.example].protocol,
            model(documents, wrong.example),
            changed(EXAMPLES[wrong.example].body, wrong),
        )
        for kind_of_error, wrong in WRONG.items()
        if kind_of_error not in UNSEEN
    ]
    read = python_tools.run(tmp_path, "python", "-c", READ, given=json.dumps(good + bad))
    assert read.stdout.split() == ["valid"] * len(good) + ["wrong"] * len(bad), read.stderr


def model(documents: Documents, name: str) -> str:
    """Return the name of the class for the body of a page's request."""
    example = EXAMPLES[name]
    (media,) = documents.operations(example.protocol)[example.operation]["requestBody"]["content"].values()
    schema = (
        media["schema"]["anyOf"][0 if "events" in example.body else 1]
        if "anyOf" in media["schema"]
        else media["schema"]
    )
    return str(schema["$ref"]).rpartition("/")[2]
