"""From files to contracts: find, read, check against the contract language, patch, compile, keep by content."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Final

from mockserver.contract.collisions import collisions, served_paths
from mockserver.contract.compiler import compile_contract
from mockserver.contract.contract import DOCUMENTS, Contract
from mockserver.contract.extension import find_adapter
from mockserver.contract.language import Meta
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer, yamltext
from mockserver.jsonkit.jsontext import render

KEPT_CONTRACTS: Final = 256
_META_OF: Final = {
    "protocol": "protocol",
    "requests": "schemas",
    "events": "schemas",
    "replies": "schemas",
    "warnings": "warnings",
}


def contracts_folder() -> Path:
    """Return the folder of the contracts this package came with: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "contracts", package.parent / "contracts"):
        if (folder / "meta").is_dir():
            return folder
    raise ContractError(str(package), "", "no contracts were installed with the package; install it again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A named merge patch over the base documents."""

    name: str
    title: str
    source: str | None
    patch: Mapping[str, Json]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A merge patch from a file or a session; `name` says where it came from, `root` where in there it stands.

    `source` is the source of what it changes without naming one there.
    """

    name: str
    patch: Mapping[str, Json]
    root: str = ""
    source: str | None = None


class Protocol:
    """One protocol's folder: base documents, revisions, adapter; and every contract made of them so far."""

    def __init__(self, folder: Path, meta: Meta) -> None:
        self.folder = folder
        self._meta = meta
        self.documents: dict[str, Json] = {}
        for document in DOCUMENTS:
            path = folder / f"{document}.yaml"
            self.documents[document] = yamltext.load(path) if path.is_file() else {}
            meta.check(_META_OF[document], self.documents[document], str(path))
            for place in _nulls(self.documents[document]):
                raise ContractError(str(path), place, "a contract holds no null, because null deletes in a patch")
        self.name: str = self.documents["protocol"]["name"]
        self.title: str = self.documents["protocol"]["title"]
        self.base: str = self.documents["protocol"]["base"]["value"]
        self.newest: str = self.documents["protocol"]["newest"]["value"]
        self.adapter = find_adapter(self.name, folder)
        self.revisions: dict[str, Revision] = {}
        for path in sorted((folder / "revisions").glob("*.yaml")):
            self._add_revision(path)
        if self.base in self.revisions:
            raise ContractError(self.revisions[self.base].file, "/revision", "is the name of the base contract")
        self._kept: OrderedDict[str, Contract] = OrderedDict()
        self._newest: dict[str, Contract] = {}
        self._lock = RLock()

    def _add_revision(self, path: Path) -> None:
        document = yamltext.load(path)
        self._meta.check("revision", document, str(path))
        name = document.get("revision")
        if name != path.stem:
            raise ContractError(str(path), "/revision", f"must be the file's name, {path.stem}")
        if document["protocol"] != self.name:
            raise ContractError(str(path), "/protocol", f"must be the folder's protocol, {self.name}")
        self.revisions[name] = Revision(
            name=name,
            title=document.get("title", ""),
            source=document.get("source"),
            patch=document["patch"],
            file=str(path),
        )

    def revision_names(self) -> list[str]:
        """Return the names a user may pin, the base first."""
        return [self.base, *(name for name in self.revisions if name != self.base)]

    def contract(self, revision: str | None = None, patches: Sequence[Patch] = ()) -> Contract:
        """Return the contract of a revision with patches over it, in order. Raises ContractError."""
        revision = revision or self.base
        chain = list(patches)
        if revision != self.base:
            if revision not in self.revisions:
                near = get_close_matches(revision, self.revision_names(), 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                known = ", ".join(self.revision_names())
                raise ContractError(self.name, "/revision", f"no revision {revision!r}{hint}; available: {known}")
            named = self.revisions[revision]
            chain.insert(0, _revision_patch(named))
        key = blake2b(render([revision, [[p.name, p.patch] for p in chain]]), digest_size=16).hexdigest()
        with self._lock:  # servers on threads of one process share the package's own contracts
            kept = self._kept.get(key)
            if kept is None:
                kept = self._kept[key] = self._with_newest(self._make(revision, chain))
                if len(self._kept) > KEPT_CONTRACTS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return kept

    def _with_newest(self, contract: Contract) -> Contract:
        """Give a contract the newest revision, whose violations are warnings under it."""
        name = contract.documents["protocol"]["newest"]["value"]
        if name == contract.revision:
            return contract
        if name not in self._newest:
            named = self.revisions.get(name)
            self._newest[name] = self._make(name, [] if named is None else [_revision_patch(named)])
        return replace(contract, newest=self._newest[name])

    def check(self) -> None:
        """Compile every revision. Raises ContractError for the first that cannot be used."""
        for name in self.revision_names():
            self.contract(name)

    def _make(self, revision: str, chain: Sequence[Patch]) -> Contract:
        documents: dict[str, Json] = self.documents
        patched: dict[str, str] = {}
        for patch in chain:
            documents = pointer.merge_patch(documents, dict(patch.patch))
            _remember_sources(patched, patch, documents)
        try:
            return self._compile(documents, revision, patched)
        except ContractError as error:
            raise self._located(error, chain) from None

    def _compile(self, documents: Mapping[str, Json], revision: str, patched: Mapping[str, str]) -> Contract:
        for document in DOCUMENTS if documents is not self.documents else ():
            self._meta.check(_META_OF[document], documents.get(document, {}), "", f"/{document}")
        if documents["protocol"]["name"] != self.name:
            raise ContractError("", "/protocol/name", f"stays {self.name}")
        newest = documents["protocol"]["newest"]["value"]
        if newest not in self.revision_names():
            raise ContractError("", "/protocol/newest/value", f"there is no revision {newest}")
        return compile_contract(
            documents=documents,
            revision=revision,
            adapter=self.adapter,
            patched=patched,
        )

    def _located(self, error: ContractError, chain: Sequence[Patch]) -> ContractError:
        """Say in which file a fault of merged documents is: the last patch that changes the document, else the base."""
        document, *rest = pointer.parse(error.pointer) or ("protocol",)
        for patch in reversed(chain):
            if document in patch.patch:
                return ContractError(patch.name, patch.root + error.pointer, error.problem)
        return ContractError(str(self.folder / f"{document}.yaml"), pointer.build(rest), error.problem)


def _revision_patch(revision: Revision) -> Patch:
    return Patch(name=revision.file, patch=revision.patch, root="/patch", source=revision.source)


def _nulls(value: Json, place: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            if member is None:
                yield f"{place}/{pointer.escape(name)}"
            yield from _nulls(member, f"{place}/{pointer.escape(name)}")


def _remember_sources(patched: dict[str, str], patch: Patch, merged: Json) -> None:
    """Note for each leaf of a patch who is its source now, unless the patch names the source that covers the leaf."""
    for tokens, _ in pointer.leaves(dict(patch.patch)):
        depths = range(len(tokens) - 1, -1, -1)
        sourced = next((depth for depth in depths if _source(pointer.get(merged, tokens[:depth]))), 0)
        place = pointer.build(tokens)
        if _source(pointer.get(patch.patch, tokens[:sourced])):
            patched.pop(place, None)
        else:
            patched[place] = patch.source or f"patch: {Path(patch.name).name}"


def _source(holder: Json) -> bool:
    return isinstance(holder, dict) and isinstance(holder.get("source"), str)


class Library:
    """All protocols of the folders given, the package's own first; later folders may add protocols or replace them."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        own = contracts_folder()
        self.meta = Meta(own / "meta")
        self.protocols: dict[str, Protocol] = {}
        for folder in (own, *folders):
            if not folder.is_dir():
                raise ContractError(str(folder), "", "no such folder")
            found = sorted(path.parent for path in folder.glob("*/protocol.yaml") if path.parent.name != "meta")
            if not found:
                raise ContractError(str(folder), "", "no protocol in it: expected <name>/protocol.yaml")
            for path in found:
                protocol = Protocol(path, self.meta)
                self.protocols[protocol.name] = protocol
                if folder is not own:
                    protocol.check()
        for name, place, problem in collisions(
            [served_paths(protocol.documents) for protocol in self.protocols.values()]
        ):
            raise ContractError(str(self.protocols[name].folder / "protocol.yaml"), place, problem)

    def protocol(self, name: str) -> Protocol:
        """Return a protocol by name. Raises ContractError that names the nearest one."""
        if name in self.protocols:
            return self.protocols[name]
        near = get_close_matches(name, self.protocols, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ContractError("contracts", "", f"no protocol {name!r}{hint}; available: {', '.join(self.protocols)}")

    def load_patch(self, path: Path) -> tuple[str, Patch]:
        """Read a file given with --contract-patch; returns the protocol's name and the patch."""
        if not path.is_file():
            raise ContractError(str(path), "", "no such file")
        document = yamltext.load(path)
        self.meta.check("revision", document, str(path))
        self.protocol(document["protocol"])
        patch, source = document["patch"], document.get("source")
        return document["protocol"], Patch(name=str(path), patch=patch, root="/patch", source=source)


@cache
def library() -> Library:
    """Return the package's own contracts, read once."""
    return Library()
