"""What the tests with other people's tools share: running a tool, and the documents that it is given."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockserver.contract.library import library
from tests.test_documented_examples import EXAMPLES, filled

HERE = Path(__file__).parent
CONTROL = "control"
BASES = tuple(library().protocols)
"""The protocols, and so the documents of their base contracts."""
HANGS_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where programs are, and the environment that they run in."""

    programs: Path
    env: Mapping[str, str]

    def run(
        self, folder: Path, name: str, *arguments: str | Path, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder to its end; `given` is its stdin."""
        return subprocess.run(
            [str(self.programs / name), *map(str, arguments)],
            cwd=folder,
            env=dict(self.env),
            input=given,
            capture_output=True,
            text=True,
            timeout=HANGS_S,
            check=False,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """The published OpenAPI documents in a folder, by protocol; those of a revision as `protocol.revision`."""

    folder: Path

    def paths(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))

    def path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def read(self, name: str) -> Any:
        return json.loads(self.path(name).read_text())

    def operations(self, name: str) -> dict[str, Any]:
        """Return the operations of a document by id, each with its path and method."""
        return {
            spec["operationId"]: {**spec, "path": path, "method": method}
            for path, item in self.read(name)["paths"].items()
            for method, spec in item.items()
            if method != "parameters"
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PageExample:
    """A request that a vendor's page prints: the operation that it is for, and whether the operation takes it whole."""

    name: str
    protocol: str
    operation: str
    path: str
    headers: Mapping[str, str]
    body: Any
    status: int

    @property
    def valid(self) -> bool:
        """Whether the page says that the whole body is taken, and its reason can be found in the body."""
        return self.status < 300 and self.status != 207


def page_examples() -> list[PageExample]:
    """Return the requests on the vendors' pages; those that a setting of the session decides are left out."""
    return [_page_example(name, example) for name, example in EXAMPLES.items() if "settings" not in example]


def _page_example(name: str, example: Any) -> PageExample:
    (operation,) = (
        found
        for protocol in library().protocols.values()
        for method, found in protocol.contract().locate(example["path"]).operations.items()
        if method == "POST"
    )
    headers = {"X-API-Key": example["key"]} if "key" in example else {}
    return PageExample(
        name=name,
        protocol=name.split()[0],
        operation=operation.name,
        path=example["path"],
        headers=headers,
        body=filled(example["body"]),
        status=example["status"],
    )
