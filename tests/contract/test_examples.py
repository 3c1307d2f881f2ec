"""Examples in published documents: what the server itself answers, and only what holds under the contract in force."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from mockserver.contract import publish
from mockserver.contract.examples import Example, fitting, is_valid_request, read_examples
from mockserver.contract.library import Patch, Protocol, library
from mockserver.contract.operation import Operation
from mockserver.core.wire import WireRequest
from mockserver.errors import ContractError
from mockserver.lint.golden_cases import Case, ExchangeStep
from mockserver.lint.playback import play

NOW_MS = 1_781_438_402_000
SHOWN = [
    (protocol.name, operation.name, revision)
    for protocol in library().protocols.values()
    for revision in protocol.revision_names()
    for operation in protocol.contract(revision).operations.values()
]


def request_of(operation: Operation, example: Example) -> WireRequest:
    path = operation.path
    for name, value in example.path.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    query = f"?{urlencode(example.query)}" if example.query else ""
    body = b"" if example.body is None else json.dumps(example.body).encode()
    keys = {c.parameter: c.example or "" for c in operation.credentials if c.place == "header"}
    headers = {"content-type": "application/json", **keys}
    listed = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return WireRequest(method=operation.method, target=path + query, headers=listed, fields=dict(listed), body=body)


@pytest.mark.parametrize(("protocol", "name", "revision"), SHOWN)
async def test_request_of_an_example_is_answered_as_it_says(protocol: str, name: str, revision: str) -> None:
    found = library().protocol(protocol)
    contract = found.contract(revision)
    operation = contract.operations[name]
    examples = list(fitting(contract, operation, read_examples(found.folder)))
    taken = [example for example in examples if is_valid_request(operation, example)]
    assert taken
    for example in taken if operation.lookup is None else ():  # a lookup answers about what came before
        step = ExchangeStep(place="0", request=request_of(operation, example), expect=None)
        case = Case(name="example", protocol=protocol, file="", steps=(step,), clock_ms=NOW_MS)
        (exchange,) = (await play(case, contract)).exchanges
        assert exchange.judged.operation is operation
        assert exchange.reply.status == example.status
        if isinstance(example.reply, dict):
            assert json.loads(exchange.reply.body).keys() == example.reply.keys()


def written(protocol: Protocol, patch: Any) -> tuple[Any, Any]:
    contract = protocol.contract(None, [Patch(name="test", patch=patch)])
    document = publish.openapi(contract, read_examples(protocol.folder))
    (spec,) = document["paths"]["/api/i/v1/{publicKey}/events"].values()
    return spec["requestBody"]["content"]["application/json"], spec["responses"]


def test_patch_that_an_example_breaks_takes_it_out() -> None:
    outlit = library().protocol("outlit")
    body, responses = written(outlit, {})
    assert body["examples"]
    assert "examples" in responses["200"]["content"]["application/json"]
    body, _ = written(outlit, {"requests": {"envelope": {"properties": {"source": {"enum": ["pixel"]}}}}})
    assert "examples" not in body
    _, responses = written(outlit, {"replies": {"ingest_reply": {"required": ["success", "processed", "more"]}}})
    assert "examples" not in responses["200"]["content"]["application/json"]


def test_protocol_without_the_file_has_none(tmp_path: Path) -> None:
    assert read_examples(tmp_path) == {}


@pytest.mark.parametrize("text", ["{", "[]", '{"a": [{}]}', '{"a": 1}', '{"a": [1]}'])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "examples.json").write_text(text)
    with pytest.raises(ContractError, match=r"examples\.json"):
        read_examples(tmp_path)
