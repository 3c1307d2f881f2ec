"""Merged documents on their way to typed values: the schemas compiled so far, and errors that name a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class RawContract:
    """The merged YAML documents of one protocol and their compiled schemas. Only the compiler's modules read it."""

    documents: Mapping[str, Json]
    requests: Mapping[str, Schema]
    events: Mapping[str, Schema]
    replies: Mapping[str, Schema]

    @property
    def protocol(self) -> Mapping[str, Json]:
        """The document `protocol.yaml`."""
        protocol: Mapping[str, Json] = self.documents["protocol"]
        return protocol

    def section(self, name: str) -> Mapping[str, Json]:
        """Return an optional section of `protocol.yaml`; empty where it is absent."""
        section: Mapping[str, Json] = self.protocol.get(name, {})
        return section

    def optional(self, kind: type[T], name: str) -> T | None:
        """Return an optional section as a value; None where it is absent."""
        return read(kind, self.protocol[name]) if name in self.protocol else None


def fail(place: str, problem: str) -> ContractError:
    """Return the error for a place in the merged documents; the loader finds out which file it is in."""
    return ContractError("", place, problem)


def named(known: Mapping[str, T], name: str, place: str, kind: str) -> T:
    """Return what a contract refers to by name. Raises ContractError at `place` when there is no such thing."""
    if name not in known:
        raise fail(place, f"no {kind}")
    return known[name]
