"""Which prefix owns a path, for routing and error shapes, and which paths two protocols claim.

On one port each request must have one owner.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mockserver.contract.sections import Prefix
from mockserver.jsonkit import Json


def longest_first(prefixes: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """Return prefixes in the order `owner` wants them."""
    return tuple(sorted(prefixes, key=lambda prefix: -len(prefix.path)))


def owner(prefixes: Sequence[Prefix], path: str) -> Prefix | None:
    """Return the longest prefix that a path is under, or None. `prefixes` come longest first."""
    path = "/" + path.lstrip("/")
    for prefix in prefixes:
        if is_under(path, prefix.path):
            return prefix
    return None


def is_under(path: str, prefix: str) -> bool:
    """Return whether a path is under a prefix. It ends at a segment: `/healthy` is not under `/health`."""
    segments = prefix.rstrip("/")
    return path.startswith(segments) and path[len(segments) :][:1] in ("", "/")


def collisions(protocols: Sequence[Mapping[str, Json]]) -> Iterator[tuple[str, str, str]]:
    """Yield where protocols would answer each other's requests: the protocol, a pointer in it, the problem.

    `protocols` are merged documents `protocol.yaml`; they need not be compiled.
    """
    owners: dict[str, str] = {}
    for protocol in protocols:
        name = protocol["name"]
        for label, prefix in protocol["prefixes"].items():
            path = prefix["path"]
            other = owners.setdefault(path, name)
            if other != name:
                yield name, f"/prefixes/{label}/path", f"{path} already belongs to {other}"
    for protocol in protocols:
        name = protocol["name"]
        for label, operation in protocol["operations"].items():
            path = operation["path"]
            longest = max((prefix for prefix in owners if is_under(path, prefix)), key=len, default=None)
            if longest is not None and owners[longest] != name:
                problem = f"{path} starts with {longest}, which belongs to {owners[longest]}"
                yield name, f"/operations/{label}/path", problem
