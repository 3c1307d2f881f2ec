"""Converting in tests, as the command does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mockserver.contract.library import library
from mockserver.recording.formats.conversion import Converted, Format, convert
from mockserver.recording.formats.incoming import Contracts
from mockserver.recording.redaction.redaction_rules import Rules

NAMES = {"recording": "x.ndjson", "har": "x.har", "vcr": "x.yaml", "case": "x.yaml"}
DEFAULT_MS = 1_781_438_400_000


def converted(content: bytes, read_as: Format, write_as: Format, *rules: str, protocol: str | None = None) -> Converted:
    """Return content in another format."""
    return convert(
        content,
        Path(NAMES[read_as]),
        read_as,
        write_as,
        Contracts(library(), protocol=protocol),
        rules=Rules.of(rules),
        name="x",
        default_ms=DEFAULT_MS,
    )


def rows_of(recording: bytes) -> list[Any]:
    """Return the lines of a recording."""
    return [json.loads(line) for line in recording.splitlines()]
