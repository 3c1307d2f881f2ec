"""Rules about clients, and what exercises them: `conformance.yaml` beside the contract.

They are facts about those who send, not about the API: no revision or patch changes them. What a check does is in
`mockserver.conformance`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from mockserver.contract.contract import Contract
from mockserver.contract.fidelity import is_stated
from mockserver.contract.language import Meta
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json, pointer, yamltext
from mockserver.jsonkit.decoding import read, read_named
from mockserver.jsonkit.patterns import check_pattern

FILE: Final = "conformance.yaml"
PATTERNS: Final = frozenset({"pattern", "target"})
"""Parameters of checks that are patterns."""
PATTERN_MAPS: Final = (("looks_at", "headers"), ("looks_at", "body"))
"""Members of rules whose members are patterns."""

Level = Literal["must", "should"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stimulus:
    """What a session does to a client: fault steps. `takes_ms` is how long a client may take that waits, or None."""

    name: str
    text: str
    steps: Sequence[Mapping[str, Json]] = ()
    takes_ms: int | None = None

    def as_json(self) -> dict[str, Json]:
        """Return it as the control surface shows it."""
        return {"name": self.name, "text": self.text, "steps": list(self.steps), "takes_ms": self.takes_ms}


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksAt:
    """The requests and events that a rule is about. Patterns are by header name, and by the place in the body."""

    operations: frozenset[str] = frozenset()
    forms: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, str] = field(default_factory=dict)


EVERYTHING: Final = LooksAt()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRule:
    """One thing that a client does. `check` names the algorithm that decides, `parameters` are its numbers and places.

    `revisions` are those that have the rule; all of them if there are none.
    """

    name: str
    protocol: str
    text: str
    level: Level
    source: str
    check: str
    parameters: Mapping[str, Json]
    stimulus: Stimulus | None = None
    revisions: frozenset[str] = frozenset()
    looks_at: LooksAt = EVERYTHING

    def as_json(self) -> dict[str, Json]:
        """Return what identifies it to a reader."""
        return {
            "protocol": self.protocol,
            "rule": self.name,
            "text": self.text,
            "level": self.level,
            "source": self.source,
            "stimulus": None if self.stimulus is None else self.stimulus.as_json(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRules:
    """The rules of a protocol and all stimuli, in the order of the file."""

    stimuli: Mapping[str, Stimulus] = field(default_factory=dict)
    rules: Mapping[str, ClientRule] = field(default_factory=dict)


NONE: Final = ClientRules()


@lru_cache(maxsize=32)
def client_rules(protocol: str, folder: Path, meta: Meta) -> ClientRules:
    """Return the rules in a protocol's folder, none where it has no file. Raises ContractError for an invalid one."""
    path = folder / FILE
    if not path.is_file():
        return NONE
    document = yamltext.load(path)
    meta.check("conformance", document, str(path))
    stimuli = read_named(Stimulus, document.get("stimuli", {}))
    rules = {name: _rule(protocol, name, row, stimuli, str(path)) for name, row in document.get("rules", {}).items()}
    return ClientRules(stimuli=MappingProxyType(stimuli), rules=MappingProxyType(rules))


def _rule(protocol: str, name: str, row: Mapping[str, Json], stimuli: Mapping[str, Stimulus], file: str) -> ClientRule:
    named = row.get("stimulus")
    if named is not None and named not in stimuli:
        raise ContractError(file, pointer.build(("rules", name, "stimulus")), unknown("stimulus", named, stimuli))
    for tokens, text in _patterns(row, ("rules", name)):
        try:
            check_pattern(text)
        except ValueError as error:
            raise ContractError(file, pointer.build(tokens), f"not a valid pattern: {error}") from None
    ((check, parameters),) = row["check"].items()
    return ClientRule(
        name=name,
        protocol=protocol,
        text=row["text"],
        level=row["level"],
        source=row["source"],
        check=check,
        parameters=MappingProxyType(parameters),
        stimulus=None if named is None else stimuli[named],
        revisions=frozenset(row.get("revisions", ())),
        looks_at=read(LooksAt, row["looks_at"]) if "looks_at" in row else EVERYTHING,
    )


def _patterns(row: Mapping[str, Json], place: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
    """Yield the patterns of a rule with their places."""
    for tokens, leaf in pointer.leaves(row, place):
        if isinstance(leaf, str) and (tokens[-1] in PATTERNS or tokens[2:4] in PATTERN_MAPS):
            yield tokens, leaf


def check_names(rules: ClientRules, file: str, contracts: Mapping[str, Contract]) -> None:
    """Raise ContractError for a name or a pointer in rules that no revision of their protocol has.

    `contracts` are those of the revisions by name.
    """
    operations = {name for contract in contracts.values() for name in contract.operations}
    for rule in rules.rules.values():
        place = ("rules", rule.name)
        named = (
            (("looks_at", "operations"), "operation", rule.looks_at.operations, operations),
            (("revisions",), "revision", rule.revisions, contracts),
        )
        for below, kind, names, known in named:
            for name in sorted(names - set(known)):
                raise ContractError(file, pointer.build((*place, *below)), unknown(kind, name, known))
        for fact in rule.parameters.get("rules", ()):
            if fact and not any(is_stated(contract, fact) for contract in contracts.values()):
                where = pointer.build((*place, "check", rule.check, "rules"))
                raise ContractError(file, where, f"no revision of the contract states anything at {fact}")
