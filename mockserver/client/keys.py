"""Keys a protocol takes, made out of what its contract says of credentials. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.patterns import matches

SLUG_LENGTH: Final = 120
_PREFIX = re.compile(r"\^((?:[A-Za-z0-9_-](?![*+?{|])|\\[^A-Za-z0-9](?![*+?{|]))+)")


@dataclass(slots=True, kw_only=True)
class Credentials:
    """What one protocol says of its keys: each credential's facts by name, and each operation's credentials."""

    specs: dict[str, dict[str, Json]] = field(default_factory=dict)
    operations: dict[str, Sequence[str]] = field(default_factory=dict)

    def of(self, operation: str | None) -> list[Mapping[str, Json]]:
        """Return the credentials that one operation looks for, or the first that looks for any. Raises ValueError."""
        if operation is None:
            operation = next(iter(self.operations), None)
        if operation not in self.operations:
            raise ValueError(f"no operation {operation!r} takes a key; there are: {', '.join(self.operations)}")
        return [self.specs.get(name, {}) for name in self.operations[operation]]


def credentials(facts: Iterable[Mapping[str, Json]]) -> dict[str, Credentials]:
    """Read the credentials of each protocol out of the fidelity ledger."""
    found: dict[str, Credentials] = {}
    for fact in facts:
        of = found.setdefault(fact["protocol"], Credentials())
        match pointer.parse(fact["pointer"]):
            case ("protocol", "credentials", name, member):
                of.specs.setdefault(name, {})[member] = fact["value"]
            case ("protocol", "operations", name, "credentials") if fact["value"]:
                of.operations[name] = fact["value"]
    return found


def fits(key: str, specs: Iterable[Mapping[str, Json]]) -> bool:
    """Tell whether a key is well-formed for one of an operation's credentials."""
    return any("pattern" not in spec or matches(spec["pattern"], key) for spec in specs)


def well_formed(slug: str, specs: Iterable[Mapping[str, Json]]) -> str:
    """Return a key that one of the credentials takes and that nobody else would make. Raises ValueError."""
    listed = list(specs)
    for spec in listed:
        for key in _candidates(slug, spec):
            if fits(key, [spec]):
                return key
    raise ValueError(f"no key could be made for {[spec.get('pattern') for spec in listed]}; name one with credentials")


def slug_of(name: str) -> str:
    """Return a session's name in letters, digits and underscores, told apart from other names by a digest."""
    slug = re.sub("[^A-Za-z0-9]+", "_", name).strip("_")[:SLUG_LENGTH]
    return (
        slug if slug == name else f"{slug}_{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"
    )


def _candidates(slug: str, spec: Mapping[str, Json]) -> Iterator[str]:
    prefix = _PREFIX.match(spec.get("pattern", ""))
    if prefix is not None:
        yield re.sub(r"\\(.)", r"\1", prefix[1]) + slug
    example = spec.get("example", "")
    family, underscore, _ = example.partition("_")
    if underscore:
        yield f"{family}_{slug}"
    yield slug
    yield f"{example}_{slug}"


def general(slug: str, known: Mapping[str, Credentials]) -> str:
    """Return the key that as many protocols as possible take: the name of a session that serves them all."""
    specs = [spec for of in known.values() for spec in of.specs.values()]
    candidates = dict.fromkeys([slug, *(key for spec in specs for key in _candidates(slug, spec))])
    return max(candidates, key=lambda key: (_takers(key, known.values()), -len(key)))


def _takers(key: str, known: Iterable[Credentials]) -> int:
    return sum(fits(key, of.of(None)) for of in known if of.operations)
