"""Examples of requests: read beside the contract, refused where they are wrong, and taken by the base contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, contracts_folder, library
from mockserver.contract.request_examples import CLOCK_MS, FILE, request_examples
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.errors import ContractError
from mockserver.jsonkit import yamltext
from mockserver.lint.wire_requests import request_with_body
from tests.test_documented_examples import EXAMPLES

PROTOCOLS = [*library().protocols]


def _examples(name: str) -> Any:
    return request_examples(library().protocol(name).folder, library().meta)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_base_contract_takes_every_example_as_a_whole(name: str) -> None:
    contract = library().protocol(name).contract()
    refused = {}
    for example in _examples(name):
        request = request_with_body(contract.operations[example.operation], example.body)
        judged = judge(route(RequestBody(request), contract), Terms(now_ms=CLOCK_MS))
        if judged.refusal is not None or judged.event_errors:
            refused[example.name] = judged.refusal or judged.event_errors
    assert refused == {}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_operation_with_a_body_has_an_example(name: str) -> None:
    operations = library().protocol(name).contract().operations.values()
    assert {each.operation for each in _examples(name)} == {each.name for each in operations if each.forms}


def _events(body: Any) -> list[Any]:
    return [{**event, "timestamp": 0} for event in body.get("events", [body])]


def test_every_accepted_event_that_a_page_prints_is_in_an_example() -> None:
    known = [event for name in PROTOCOLS for example in _examples(name) for event in _events(example.body)]
    printed = [each for each in EXAMPLES.values() if each["status"] == 200 or each["status"] == 202]
    missing = [event for each in printed for event in _events(each["body"]) if event not in known]
    assert missing == []


def _library(folder: Path, examples: Any) -> Library:
    """Return a library with a copy of a protocol, and these examples beside it."""
    own = folder / "apex"
    (own / "revisions").mkdir(parents=True)
    source = contracts_folder() / "apex"
    for path in [*source.glob("*.yaml"), *source.glob("revisions/*.yaml")]:
        (own / path.relative_to(source)).write_bytes(path.read_bytes())
    (own / FILE).write_text(yamltext.dumps(examples))
    return Library([folder])


GOOD = {"mine": {"operation": "events", "source": "docs: ours", "body": {"projectKey": "pk_1"}}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"operation": "evnets"}, r'examples\.yaml#/mine/operation: unknown operation "evnets", did you mean "events"'),
        ({"body": []}, r"examples\.yaml#/mine/body"),
        ({"source": "hearsay"}, r"examples\.yaml#/mine/source"),
        ({"bodies": {}}, r"examples\.yaml#/mine/bodies"),
    ],
)
def test_file_and_place_are_named_when_an_example_is_wrong(tmp_path: Path, change: Any, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        _library(tmp_path, {"mine": {**GOOD["mine"], **change}})


def test_users_contract_has_its_own_examples(tmp_path: Path) -> None:
    loaded = _library(tmp_path, GOOD)
    contract: Contract = loaded.protocol("apex").contract()
    assert [example.name for example in request_examples(Path(contract.folder), loaded.meta)] == ["mine"]
