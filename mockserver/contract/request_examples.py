"""Requests as pages print them and as real clients send them: `examples.yaml` beside the contract.

Generators send them before anything that they make up. Whether a contract takes one is for the contract to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from mockserver.contract.language import Meta
from mockserver.jsonkit import Json, yamltext

FILE: Final = "examples.yaml"
CLOCK_MS: Final = 1_781_438_402_000
"""2026-06-14T12:00:02Z: the moment that times in examples are near, as in the golden cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestExample:
    """The JSON body of one request of an operation; `source` says who prints or sends it."""

    name: str
    operation: str
    source: str
    body: Json


@lru_cache(maxsize=32)
def request_examples(folder: Path, meta: Meta) -> Sequence[RequestExample]:
    """Return the examples in a protocol's folder, none where it has no file. Raises ContractError for a bad one."""
    path = folder / FILE
    if not path.is_file():
        return ()
    document = yamltext.load(path)
    meta.check("examples", document, str(path))
    return tuple(RequestExample(name=name, **row) for name, row in document.items())
