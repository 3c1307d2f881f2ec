"""Python made of the documents: every operation and every schema is there, all of it imports, and bodies are read."""

from __future__ import annotations

import json
from pathlib import Path

from tests.tools.harness import Documents, Tools
from tests.tools.test_typescript import EXAMPLES, VALID, WRONG, changed

CLIENTS = """
import json, sys
from openapi_python_client.cli import app
for name, path in json.load(sys.stdin):
    options = ["--fail-on-warning", "--meta", "none", "--config", "config.json"]
    status = app(["generate", *options, "--path", path, "--output-path", name], standalone_mode=False)
    assert not status, (name, status)
"""
MODELS = """
import json, sys
from datamodel_code_generator.__main__ import main
for name, path in json.load(sys.stdin):
    kind = ["--input-file-type", "openapi", "--output-model-type", "pydantic_v2.BaseModel", "--formatters", "builtin"]
    status = main([*kind, "--disable-warnings", "--input", path, "--output", f"{name}.py"])
    assert not status, (name, status)
"""
IMPORT_ALL = """
import importlib, pathlib, sys
sys.path.insert(0, ".")
for path in sorted(pathlib.Path(".").rglob("*.py")):
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
"""Scripts for the tools' own interpreter: each starts a tool once for all documents."""
NO_JSON = {
    "application/javascript": "text/plain",
    "application/x-ndjson": "application/octet-stream",
    "text/event-stream": "text/plain",
}
"""Media types that openapi-python-client has to be told of."""
UNSEEN = ("neither alternative",)
"""What the models do not find: in an alternative, they take the type that the member has in the whole object."""


def module_of(path: Path) -> str:
    """Return the name of the module or package for a document."""
    return path.stem.replace(".", "_").replace("-", "_")


def make(python_tools: Tools, documents: Documents, folder: Path, script: str) -> None:
    """Make Python of every document, and import all of it."""
    given = json.dumps([[module_of(path), str(path)] for path in documents.paths()])
    for code, text in ((script, given), (IMPORT_ALL, None)):
        done = python_tools.run(folder, "python", "-c", code, given=text)
        assert done.returncode == 0, done.stdout + done.stderr


def test_openapi_python_client_has_every_operation(python_tools: Tools, documents: Documents, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"content_type_overrides": NO_JSON}))
    make(python_tools, documents, tmp_path, CLIENTS)
    for path in documents.paths():
        modules = {made.stem for made in (tmp_path / module_of(path) / "api").rglob("*.py")} - {"__init__"}
        assert modules == set(documents.operations(path.stem))


def test_models_have_every_schema_and_read_the_requests_on_the_pages(
    python_tools: Tools, documents: Documents, tmp_path: Path
) -> None:
    make(python_tools, documents, tmp_path, MODELS)
    for path in documents.paths():
        text = (tmp_path / f"{module_of(path)}.py").read_text()
        schemas = documents.read(path.stem)["components"]["schemas"]
        assert not [name for name in schemas if f"\nclass {name}(" not in text and f"\n{name} = " not in text]
    good = [(example.protocol, model(documents, name), example.body) for name, example in VALID.items()]
    wrongs = [(EXAMPLES[wrong.example], wrong) for kind, wrong in WRONG.items() if kind not in UNSEEN]
    bad = [(e.protocol, model(documents, e.name), changed(e.body, wrong)) for e, wrong in wrongs]
    read = python_tools.run(tmp_path, "python", "-c", READ, given=json.dumps(good + bad))
    assert read.stdout.split() == ["valid"] * len(good) + ["wrong"] * len(bad), read.stderr


def model(documents: Documents, name: str) -> str:
    """Return the name of the class for the body of a page's request."""
    example = EXAMPLES[name]
    (media,) = documents.operations(example.protocol)[example.operation]["requestBody"]["content"].values()
    schemas = media["schema"].get("anyOf", [media["schema"]])
    schema = schemas[0] if "events" in example.body else schemas[-1]
    return str(schema["$ref"]).rpartition("/")[2]
