"""Paths that two protocols both claim: on one port each request must have one owner."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from mockserver.contract.ownership import is_under
from mockserver.jsonkit import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPaths:
    """The paths of one protocol by their names in the contract."""

    protocol: str
    prefixes: Mapping[str, str]
    operations: Mapping[str, str]


def served_paths(documents: Mapping[str, Json]) -> ServedPaths:
    """Read the paths out of merged documents, without compiling them."""
    protocol = documents["protocol"]
    return ServedPaths(
        protocol=protocol["name"],
        prefixes={label: prefix["path"] for label, prefix in protocol["prefixes"].items()},
        operations={label: operation["path"] for label, operation in protocol["operations"].items()},
    )


def collisions(served: Sequence[ServedPaths]) -> Iterator[tuple[str, str, str]]:
    """Yield where protocols would answer each other's requests: the protocol, a pointer in it, the problem."""
    owners: dict[str, str] = {}
    for paths in served:
        for label, path in paths.prefixes.items():
            other = owners.setdefault(path, paths.protocol)
            if other != paths.protocol:
                yield paths.protocol, f"/prefixes/{label}/path", f"{path} already belongs to {other}"
    for paths in served:
        for label, path in paths.operations.items():
            longest = max((prefix for prefix in owners if is_under(path, prefix)), key=len, default=None)
            if longest is not None and owners[longest] != paths.protocol:
                problem = f"{path} starts with {longest}, which belongs to {owners[longest]}"
                yield paths.protocol, f"/operations/{label}/path", problem
