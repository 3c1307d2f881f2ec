"""Which prefix owns a path: the one decision behind routing, error shapes and the collision check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mockserver.contract.sections import Prefix


def longest_first(prefixes: Iterable[Prefix]) -> tuple[Prefix, ...]:
    """Return prefixes in the order `owner` wants them."""
    return tuple(sorted(prefixes, key=lambda prefix: -len(prefix.path)))


def owner(prefixes: Sequence[Prefix], path: str) -> Prefix | None:
    """Return the longest prefix that a path is under, or None. `prefixes` come longest first."""
    path = "/" + path.lstrip("/")
    return next((prefix for prefix in prefixes if is_under(path, prefix.path)), None)


def is_under(path: str, prefix: str) -> bool:
    """Return whether a path is under a prefix. It ends at a segment: `/healthy` is not under `/health`."""
    segments = prefix.rstrip("/")
    return path == segments or path.startswith(f"{segments}/")
