"""Examples of a protocol's requests and replies, for its published document: `examples.json` beside the contract.

The golden cases are where they come from; `docs/generate.py` writes the file. A protocol without the file has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.decoding import read
from mockserver.jsonkit.jsontext import parse

FILE: Final = "examples.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One request and its reply under some revisions; `name` is the golden case that it is from.

    `path` and `query` are the values of parameters. `body` and `reply` are None where there is no JSON.
    """

    name: str
    revisions: tuple[str, ...]
    status: int
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Json = None
    reply: Json = None


Examples: TypeAlias = Mapping[str, Sequence[Example]]
"""Examples by operation."""
NO_EXAMPLES: Final[Examples] = {}


def read_examples(folder: Path) -> Examples:
    """Return the examples in a protocol's folder. Raises ContractError for a file that cannot be read."""
    path = folder / FILE
    if not path.is_file():
        return NO_EXAMPLES
    try:
        listed, _ = parse(path.read_bytes())
        return {name: [read(Example, row) for row in rows] for name, rows in listed.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ContractError(str(path), "", f"these are no examples: {error}") from error


def fitting(contract: Contract, operation: Operation, examples: Examples) -> Iterator[Example]:
    """Yield the examples of an operation that hold under a contract, the patch of a session included."""
    for example in examples.get(operation.name, ()):
        if contract.revision in example.revisions and _is_reply(operation, example):
            yield example


def is_valid_request(operation: Operation, example: Example) -> bool:
    """Tell whether an example's request is one that the operation takes as a whole."""
    if not operation.forms:
        return example.status < 300
    return example.status < 300 and any(_is_body(form, example.body) for form in operation.forms.values())


def _is_body(form: Form, body: Json) -> bool:
    if not isinstance(body, dict) or not (form.request is None or form.request.is_valid(body)):
        return False
    if form.events is None:
        return True
    events = [body] if form.single else pointer.get(body, form.events)
    return isinstance(events, list) and all(_is_event(form, event) for event in events)


def _is_event(form: Form, event: Json) -> bool:
    schema = form.schema_for(event)
    return schema is not None and schema.is_valid(event)


def _is_reply(operation: Operation, example: Example) -> bool:
    """Tell whether the reply of an example is one that the operation's contract can give."""
    family = operation.family
    schemas: list[Schema | None] = [r.schema for r in operation.replies.distinct() if r.status == example.status]
    schemas += [r.shape.schema for r in (*family.reasons.values(),) if r.status == example.status]
    return any(schema is None or schema.is_valid(example.reply) for schema in schemas)
