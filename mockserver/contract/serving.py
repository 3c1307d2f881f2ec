"""Which contract a request is judged by: the server's choice, changed by what a session asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary

from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, Patch
from mockserver.contract.ownership import collisions, longest_first, owner
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.settings import Settings

MOST_BYTES: Final = 1024 * 1024
MOST_VALUES: Final = 10_000
MOST_IN_POINTERS: Final = 8 * 1024 * 1024
"""Limits on the patch of a session: bytes as JSON, values, and characters in the pointers of all values.

They bound how long a patch is compiled, and how much memory the contract takes. Files are not limited so.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, weakref_slot=True)
class ContractChoice:
    """The contract that a session asks for, of one protocol: a revision, a merge patch over it, or both.

    Its contract is kept as long as the choice.
    """

    revision: str | None = None
    patch: Json = None


class ServedContracts:
    """The server's contract of each protocol, and a session's own. Raises ContractError for unusable settings."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self._patches: dict[str, list[Patch]] = {}
        for path in settings.contract_patches:
            protocol, patch = library.load_patch(path)
            self._patches.setdefault(protocol, []).append(patch)
        self._revisions: Mapping[str, str] = settings.revisions
        self._chosen: WeakKeyDictionary[ContractChoice, Contract] = WeakKeyDictionary()
        for name in settings.revisions:
            library.protocol(name)
        self.served: dict[str, Contract] = {name: self.resolve(name, None) for name in library.protocols}
        _refuse_collisions(self.served.values())
        self._prefixes = longest_first(prefix for contract in self.served.values() for prefix in contract.prefixes)
        self.max_body = max((contract.max_body for contract in self.served.values()), default=0)

    def become(self, other: ServedContracts) -> None:
        """Take the contracts of another one in place of these, all in one step."""
        self.library, self.served, self.max_body = other.library, other.served, other.max_body
        self._patches, self._revisions, self._prefixes = other._patches, other._revisions, other._prefixes
        self._chosen = other._chosen

    def resolve(self, name: str, choice: ContractChoice | None) -> Contract:
        """Return the contract of a protocol under a session's choice. Raises ContractError."""
        patches = list(self._patches.get(name, ()))
        revision = self._revisions.get(name)
        if choice is not None:
            revision = choice.revision or revision
            if choice.patch is not None:
                patches.append(Patch(name="session", patch=choice.patch))
        return self.library.protocol(name).contract(revision, patches)

    def of(self, choices: Mapping[str, ContractChoice], name: str) -> Contract:
        """Return the contract in force for one protocol under a session's choices."""
        choice = choices.get(name)
        if choice is None:
            return self.served[name]
        contract = self._chosen.get(choice)
        if contract is None:
            contract = self._chosen[choice] = self.resolve(name, choice)
        return contract

    def choice_of(self, choices: Mapping[str, ContractChoice], contract: Contract) -> ContractChoice | None:
        """Return which of a session's choices leads to a contract; None for the server's own."""
        is_chosen = contract.name in choices and self.of(choices, contract.name) is contract
        return choices[contract.name] if is_chosen else None

    def owner(self, path: str) -> Contract | None:
        """Return the server's contract of the protocol that owns a path, or None."""
        prefix = owner(self._prefixes, path)
        return None if prefix is None else self.served[prefix.protocol]

    def check(self, choices: Mapping[str, ContractChoice]) -> None:
        """Compile what a session asks for, so that a bad patch is refused as a whole. Raises ContractError."""
        chosen: dict[str, Contract] = {}
        for name, choice in choices.items():
            if name not in self.library.protocols:
                raise ContractError("protocols", f"/{name}", unknown("protocol", name, self.served))
            problem = _size_problem(choice.patch)
            if problem is not None:
                raise ContractError("session", "", problem)
            chosen[name] = self.of(choices, name)
        _refuse_collisions({**self.served, **chosen}.values())


def _size_problem(patch: Json) -> str | None:
    """Return which limit a session's patch exceeds, or None."""
    if len(render(patch)) > MOST_BYTES:
        return f"the patch has {len(render(patch))} bytes as JSON, but at most {MOST_BYTES} are allowed"
    counted, in_pointers, remaining = 0, 0, [(0, patch)]
    while remaining:
        length, value = remaining.pop()
        counted, in_pointers = counted + 1, in_pointers + length
        if isinstance(value, dict):
            remaining += [(length + 1 + len(name), member) for name, member in value.items()]
        elif isinstance(value, list):
            remaining += [(length + 1, item) for item in value]
    if counted > MOST_VALUES:
        return f"the patch has {counted} values, but at most {MOST_VALUES} are allowed"
    if in_pointers > MOST_IN_POINTERS:
        return f"the keys of the patch are too long: all pointers into it have {in_pointers} characters together"
    return None


def _refuse_collisions(contracts: Iterable[Contract]) -> None:
    for name, place, problem in collisions([contract.documents["protocol"] for contract in contracts]):
        raise ContractError(name, f"/protocol{place}", problem)
