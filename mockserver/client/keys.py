"""Generation of keys that a protocol accepts, from the credentials in its contract. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.patterns import matches

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

SLUG_LENGTH: Final = 120
_PREFIX = re.compile(r"\^((?:[A-Za-z0-9_-](?![*+?{|])|\\[^A-Za-z0-9](?![*+?{|]))+)")


@dataclass(slots=True, kw_only=True)
class Credentials:
    """The credentials of one protocol: the facts of each by name, and those of each operation."""

    credentials: dict[str, dict[str, Json]] = field(default_factory=dict)
    operations: dict[str, Sequence[str]] = field(default_factory=dict)

    def of(self, operation: str | None) -> list[Mapping[str, Json]]:
        """Return the credentials of an operation, by default of the first one that has any. Raises ValueError."""
        if operation is None:
            operation = next(iter(self.operations), None)
        if operation not in self.operations:
            raise ValueError(f"no key for the operation {operation!r}; available: {', '.join(self.operations)}")
        return [self.credentials.get(name, {}) for name in self.operations[operation]]


def credentials(facts: Iterable[Mapping[str, Json]]) -> dict[str, Credentials]:
    """Return the credentials of each protocol from the facts of the fidelity ledger."""
    known: dict[str, Credentials] = {}
    for fact in facts:
        own = known.setdefault(fact["protocol"], Credentials())
        match pointer.parse(fact["pointer"]):
            case ("protocol", "credentials", name, member):
                own.credentials.setdefault(name, {})[member] = fact["value"]
            case ("protocol", "operations", name, "credentials") if fact["value"]:
                own.operations[name] = fact["value"]
    return known


def fits(key: str, credentials: Iterable[Mapping[str, Json]]) -> bool:
    """Return whether a key is well-formed for one of the credentials."""
    return any("pattern" not in credential or matches(credential["pattern"], key) for credential in credentials)


def well_formed(slug: str, credentials: Sequence[Mapping[str, Json]]) -> str:
    """Return a unique key that is well-formed for one of the credentials. Raises ValueError."""
    for credential in credentials:
        for key in _candidates(slug, credential):
            if fits(key, [credential]):
                return key
    patterns = [credential.get("pattern") for credential in credentials]
    raise ValueError(f"cannot generate a key for {patterns}; set one with `credentials`")


def slug_of(name: str) -> str:
    """Return a session name in letters, digits and underscores, made unique by a digest if it was changed."""
    slug = re.sub("[^A-Za-z0-9]+", "_", name).strip("_")[:SLUG_LENGTH]
    digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()
    return slug if slug == name else f"{slug}_{digest}"


def _candidates(slug: str, credential: Mapping[str, Json]) -> Iterator[str]:
    prefix = _PREFIX.match(credential.get("pattern", ""))
    if prefix is not None:
        yield re.sub(r"\\(.)", r"\1", prefix[1]) + slug
    example = credential.get("example", "")
    family, underscore, _ = example.partition("_")
    if underscore:
        yield f"{family}_{slug}"
    yield slug
    yield f"{example}_{slug}"


def general(slug: str, known: Mapping[str, Credentials]) -> str:
    """Return the key that is well-formed for as many protocols as possible, the shortest of several."""
    credentials = [credential for of in known.values() for credential in of.credentials.values()]
    candidates = dict.fromkeys([slug, *(key for credential in credentials for key in _candidates(slug, credential))])
    served = [of.of(None) for of in known.values() if of.operations]
    return max(candidates, key=lambda key: (sum(fits(key, specs) for specs in served), -len(key)))
