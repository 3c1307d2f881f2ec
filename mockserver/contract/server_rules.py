"""The rules of the server itself, read from `server_rules.yaml`: what findings name that no contract says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mockserver.jsonkit import yamltext

BODY_TIMEOUT: Final = "/server/body_timeout"
REQUEST_TIMEOUT: Final = 408
UPSTREAM: Final = "/server/upstream"
RECORDING: Final = "/server/recording"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRule:
    """One rule: the pointer that findings name, what it says, who says so, and its limits by name."""

    pointer: str
    message: str
    source: str
    limits: Mapping[str, int] = field(default_factory=dict)


SERVER_RULES: Final[Mapping[str, ServerRule]] = {
    pointer: ServerRule(pointer=pointer, **rule)
    for pointer, rule in yamltext.load(Path(__file__).with_name("server_rules.yaml")).items()
}
"""The rules by their pointers."""
