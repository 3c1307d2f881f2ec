"""The recipes of the documentation: what can run here runs, and the rest names only what exists."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import pytest

from mockserver.cli import environment
from mockserver.cli import main as cli
from mockserver.jsonkit import yamltext
from mockserver.server import control
from mockserver.settings import DEFAULT_PORT
from tests.processes import ROOT, SEARCH, ServerProcess, served
from tests.processes import run as mockserver
from tests.sdks.harness import program

FOLDER = ROOT / "docs" / "recipes"
FILES = sorted(path for path in FOLDER.rglob("*") if path.is_file())
NAMES = [str(path.relative_to(FOLDER)) for path in FILES]
PUBLISHED = f"http://127.0.0.1:{DEFAULT_PORT}"
YAML = [path for path in FILES if path.suffix in (".yml", ".yaml")]


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A `mockserver serve` of this module."""
    with served() as process:
        yield process


def run(command: list[str], url: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a recipe against a server."""
    env = {**os.environ, "NO_PROXY": "*", "MOCK_URL": url, **variables}
    return subprocess.run(command, cwd=FOLDER, env=env, capture_output=True, text=True, timeout=SEARCH, check=False)


def texts(value: Any) -> Iterator[str]:
    """Yield every string in a document; a list of plain words is one command."""
    if isinstance(value, dict):
        for member in value.values():
            yield from texts(member)
    elif isinstance(value, list) and all(isinstance(item, str) for item in value):
        yield " ".join(value)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def services(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the definitions of the server in a workflow or a compose file."""
    document = yamltext.load(path)
    for holder in (document, *document.get("jobs", {}).values()):
        if "mockserver" in holder.get("services", {}):
            yield holder["services"]["mockserver"]


def command(name: str) -> click.Command | None:
    """Return a command, its flags' variables named."""
    return cli.main.get_command(click.Context(cli.main), name)


def test_node_recipe_passes_when_a_server_runs(server: ServerProcess) -> None:
    done = run([program("node"), "--test", "--test-reporter=tap", "node-test/sender.test.mjs"], server.url)
    assert done.returncode == 0, done.stdout
    written = (FOLDER / "node-test" / "sender.test.mjs").read_text().count("\ntest(")
    assert f"# pass {written}\n" in done.stdout


SERVICE = "mockserver"
LEADS_HERE = (
    "import dns from 'node:dns'; const { lookup } = dns;"
    f"dns.lookup = (name, ...rest) => lookup(name === '{SERVICE}' ? '127.0.0.1' : name, ...rest)"
)
"""A module for Node under which the name of the compose service leads to this machine."""


def test_node_recipe_passes_when_the_server_is_a_service_of_a_plain_name(server: ServerProcess) -> None:
    url, options = f"http://{SERVICE}:{server.port}", f"--import data:text/javascript;base64,{b64(LEADS_HERE)}"
    done = run([program("node"), "--test", "node-test/sender.test.mjs"], url, NODE_OPTIONS=options)
    assert done.returncode == 0, done.stdout


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_shell_recipe_passes_when_a_server_runs(server: ServerProcess) -> None:
    program("curl")
    done = run([program("sh"), "curl.sh"], server.url)
    assert done.returncode == 0, done.stderr
    written = (FOLDER / "curl.sh").read_text().count("\nexpect '")
    assert done.stdout.count("ok: ") == written


def test_shell_recipe_fails_when_the_api_does(server: ServerProcess) -> None:
    key = f"pk_{uuid4().hex}"
    broken = [{"match": {"protocol": "whisperr"}, "reply": {"status": 202, "body": {"accepted": 0}}}]
    request = urllib.request.Request(
        f"{server.url}/_mock/sessions/{key}/faults", data=json.dumps(broken).encode(), method="PUT"
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
        assert reply.status == 200
    program("curl")
    done = run([program("sh"), "curl.sh"], server.url, MOCK_KEY=key)
    assert done.returncode == 1
    assert done.stderr.startswith("not ok: Whisperr accepted the event")


def test_gate_of_the_workflow_fails_when_an_event_was_refused(server: ServerProcess) -> None:
    (gate,) = re.findall(r"mockserver (report .* --format github)\n", (FOLDER / "github-actions.yml").read_text())
    key = f"pk_{uuid4().hex}"
    program("curl")
    assert run([program("sh"), "curl.sh"], server.url, MOCK_KEY=key).returncode == 0
    for session, code in ((key, 0), (f"{key}-refused", 1)):
        words = [{"$MOCK_KEY": session, PUBLISHED: server.url}.get(word, word) for word in shlex.split(gate)]
        done = mockserver(*words)
        assert done.returncode == code, done.stdout + done.stderr


def test_workflow_writes_the_summary_and_the_page(server: ServerProcess) -> None:
    text = (FOLDER / "github-actions.yml").read_text()
    (call,) = re.findall(r"mockserver (report .*) \"\$@\"", text)
    formats = re.findall(r"\n +report (--format \w+) >>? \S+", text)
    key = f"pk_{uuid4().hex}"
    program("curl")
    assert run([program("sh"), "curl.sh"], server.url, MOCK_KEY=key).returncode == 0
    starts = {"--format markdown": "### ✅ mockserver session", "--format html": "<!doctype html>"}
    assert set(formats) == set(starts)
    for format in formats:
        words = [{"$MOCK_KEY": key, PUBLISHED: server.url}.get(word, word) for word in shlex.split(f"{call} {format}")]
        done = mockserver(*words)
        assert (done.returncode, done.stdout.startswith(starts[format])) == (0, True), done.stderr


def test_gate_of_compose_passes_and_fails(server: ServerProcess) -> None:
    gate = yamltext.load(FOLDER / "compose.yaml")["services"]["gate"]
    key = f"pk_{uuid4().hex}"
    program("curl")
    assert run([program("sh"), "curl.sh"], server.url, MOCK_KEY=key).returncode == 0
    for session, code in ((key, 0), (f"{key}-refused", 1)):
        given = {"MOCKSERVER_URL": server.url, "MOCKSERVER_REPORT_SESSION": session}
        assert set(given) == set(gate["environment"])
        done = mockserver(*gate["entrypoint"][1:], variables=given)
        assert done.returncode == code, done.stdout + done.stderr


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_server_starts_when_set_up_as_in_the_recipe(path: Path) -> None:
    (service,) = services(path)
    variables = service.get("env") or service["environment"]
    with served(variables=variables) as process:
        assert process.ready_line.startswith("mockserver ready on ")


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_recipe_publishes_the_port_when_it_maps_one(path: Path) -> None:
    (service,) = services(path)
    (mapping,) = service["ports"]
    assert mapping.rpartition(":")[2] == str(DEFAULT_PORT)


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_variables_are_those_of_flags_when_a_recipe_names_them(path: Path) -> None:
    commands = [found for name in cli.COMMANDS if (found := command(name)) is not None]
    known = {name for found in commands for name in environment.variables(found)}
    assert set(re.findall(r"MOCKSERVER_\w*[A-Z]", path.read_text())) <= known


@pytest.mark.parametrize("path", YAML, ids=lambda path: path.name)
def test_commands_and_flags_exist_when_a_recipe_runs_them(path: Path) -> None:
    calls = [call for text in texts(yamltext.load(path)) for call in re.findall(r"\bmockserver ([a-z]+)(.*)", text)]
    for name, rest in calls:
        found = command(name)
        assert found is not None, f"there is no command {name}"
        flags = {flag for option in found.params for flag in option.opts}
        assert set(re.findall(r"(?<!\S)--[a-z-]+", rest)) <= flags


@pytest.mark.parametrize("path", [path for path in FILES if path.suffix != ".mjs"], ids=lambda path: path.name)
def test_routes_exist_when_a_recipe_names_them(path: Path) -> None:
    served_routes = [
        re.compile(re.sub(r"\\{.*?\\}", "[^/]+", re.escape(route))) for route in control.document()["paths"]
    ]
    for named in re.findall(r"/_mock/[\w/$.-]+|/livez|/readyz", path.read_text()):
        assert any(route.fullmatch(named) for route in served_routes), named


def test_table_names_every_recipe_when_files_are_added() -> None:
    linked = set(re.findall(r"^\| \[`[^`]+`\]\(([^)]+)\)", (FOLDER / "README.md").read_text(), re.M))
    assert {name for name in NAMES if name != "README.md"} <= linked
    assert all((FOLDER / name).is_file() for name in linked)
