"""Prism serves the documents: it answers the requests on the vendors' pages with replies that the documents allow."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack

import jsonschema_rs
import pytest

from tests.benchmarks.servers import free_port
from tests.tools.harness import BASES, Documents, PageExample, Tools, page_examples
from tests.tools.test_typescript import EXAMPLES, WRONG, changed

LISTENING = "Prism is listening"
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def urls(node_tools: Tools, documents: Documents) -> Iterator[Mapping[str, str]]:
    """Prism for each protocol, all started together; the URLs."""
    ports = {protocol: free_port() for protocol in BASES}
    with ExitStack() as stack:
        running = []
        for protocol, port in ports.items():
            serve = [str(node_tools.programs / "prism"), "mock", "-h", "127.0.0.1", "-p", str(port)]
            command = [*serve, str(documents.path(protocol))]
            process = subprocess.Popen(command, env=dict(node_tools.env), stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.terminate)
            running.append(process)
        for process in running:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if LISTENING in line:
                    break
            assert lines, "Prism does not start"
            assert LISTENING in lines[-1], "".join(lines)
        yield {protocol: f"http://127.0.0.1:{port}" for protocol, port in ports.items()}


def send(url: str, example: PageExample, body: object) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/json", **example.headers}
    request = urllib.request.Request(url + example.path, json.dumps(body).encode(), headers)
    try:
        with _direct.open(request) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


@pytest.mark.parametrize("example", page_examples(), ids=lambda example: example.name)
def test_prism_answers_a_request_on_a_page_as_the_page_says(
    urls: Mapping[str, str], documents: Documents, example: PageExample
) -> None:
    status, text = send(urls[example.protocol], example, example.body)
    if not example.valid:
        assert 400 <= status < 500
        return
    assert status == example.status
    spec = documents.operations(example.protocol)[example.operation]
    media = spec["responses"][str(status)]["content"]["application/json"]
    registry = jsonschema_rs.Registry([("mock:/d", documents.read(example.protocol))])
    judge = jsonschema_rs.Draft202012Validator({"$ref": f"mock:/d{media['schema']['$ref']}"}, registry=registry)
    assert judge.is_valid(json.loads(text))
    assert json.loads(text) in [shown["value"] for shown in media["examples"].values()]


@pytest.mark.parametrize("kind", WRONG)
def test_prism_refuses_a_wrong_request(urls: Mapping[str, str], kind: str) -> None:
    example = EXAMPLES[WRONG[kind].example]
    status, _ = send(urls[example.protocol], example, changed(example.body, WRONG[kind]))
    assert 400 <= status < 500
