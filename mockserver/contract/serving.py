"""Which contract a session's request is judged by: the server's choice, changed by what the session asked for."""

from __future__ import annotations

from collections.abc import Mapping

from mockserver.contract.consistency import collisions
from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, Patch, Protocol
from mockserver.errors import ContractError, unknown
from mockserver.sessions.session import ProtocolSettings, Session
from mockserver.settings import Settings


class ContractsInForce:
    """The server's contracts by protocol, and a session's own. Raises ContractError at start for unusable settings."""

    def __init__(self, library: Library, settings: Settings) -> None:
        self.library = library
        self._patches: dict[str, list[Patch]] = {}
        for path in settings.contract_patches:
            protocol, patch = library.load_patch(path)
            self._patches.setdefault(protocol, []).append(patch)
        self._revisions: Mapping[str, str] = settings.revisions
        for name in settings.revisions:
            library.protocol(name)
        self.served: dict[str, Contract] = {name: self.resolve(name, None) for name in library.protocols}
        _refuse_collisions(self.served)
        self._prefixes = sorted(
            ((prefix["path"], name) for name, c in self.served.items() for prefix in c.protocol["prefixes"].values()),
            key=lambda pair: -len(pair[0]),
        )

    def resolve(self, name: str, wanted: ProtocolSettings | None) -> Contract:
        """Return the contract of a protocol under a session's settings. Raises ContractError."""
        protocol: Protocol = self.library.protocol(name)
        patches = list(self._patches.get(name, ()))
        revision = self._revisions.get(name)
        if wanted is not None:
            revision = wanted.revision or revision
            if wanted.patch is not None:
                patches.append(Patch(name="session", patch=wanted.patch))
        return protocol.contract(revision, patches)

    def of(self, session: Session, name: str) -> Contract:
        """Return the contract in force for one session and protocol."""
        wanted = session.settings.protocols.get(name)
        return self.served[name] if wanted is None else self.resolve(name, wanted)

    def owner(self, path: str) -> Contract | None:
        """Return the server's contract of the protocol that owns a path, or None."""
        for prefix, name in self._prefixes:
            if path.startswith(prefix) or path + "/" == prefix:
                return self.served[name]
        return None

    def check(self, protocols: Mapping[str, ProtocolSettings]) -> None:
        """Compile what a session asks for, so that a bad patch is refused as a whole. Raises ContractError."""
        for name, wanted in protocols.items():
            if name not in self.library.protocols:
                raise ContractError("protocols", f"/{name}", unknown("protocol", name, self.served))
            changed = {**self.served, name: self.resolve(name, wanted)}
            _refuse_collisions(changed)


def _refuse_collisions(contracts: Mapping[str, Contract]) -> None:
    for name, place, problem in collisions([contract.protocol for contract in contracts.values()]):
        raise ContractError(name, f"/protocol{place}", problem)
