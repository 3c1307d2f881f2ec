"""From files to contracts: find, load, validate against the contract language, patch, compile, cache by content."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Final
from weakref import WeakValueDictionary

from mockserver.contract.client_rules import FILE as CLIENT_RULES
from mockserver.contract.client_rules import ClientRules, check_names, client_rules
from mockserver.contract.client_setups import ClientSetup, client_setups
from mockserver.contract.compiler import compile_contract
from mockserver.contract.contract import DOCUMENTS, Contract
from mockserver.contract.extension import find_adapter
from mockserver.contract.language import Meta
from mockserver.contract.merging import merge, merged_plainly
from mockserver.contract.ownership import collisions
from mockserver.contract.request_examples import FILE as EXAMPLES
from mockserver.contract.request_examples import request_examples
from mockserver.errors import ContractError, unknown
from mockserver.jsonkit import Json, pointer, yamltext
from mockserver.jsonkit.jsontext import memory_of, render

OWN_BYTES: Final = 100_000
"""What a patched contract takes beside its schemas; measured."""

RECENT_CONTRACTS: Final = 4
"""How many patched contracts of a protocol are kept although nobody uses them, for who asks for the same ones again."""

_META_OF: Final = {"requests": "schemas", "events": "schemas", "replies": "schemas"}
"""The language of a document, where it has another name than the document."""


def contracts_folder() -> Path:
    """Return the folder of the built-in contracts: inside the package, or next to it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "contracts", package.parent / "contracts"):
        if (folder / "meta").is_dir():
            return folder
    raise ContractError(str(package), "", "the package was installed without its contracts; reinstall it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A merge patch from a file or a session. `name` is its origin, `root` the pointer of the patch in that file.

    `source` is the source of each changed fact for which the patch itself gives none. A revision has a title.
    """

    name: str
    patch: Mapping[str, Json]
    root: str = ""
    source: str | None = None
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Merged:
    """The documents of a protocol with patches over them.

    In `documents` each fact has its own source still; `content` is what the patches alone make of them, which tells
    equal contracts. `changed` has the origin of each place that a patch without a source changed.
    """

    documents: dict[str, Json]
    content: dict[str, Json]
    changed: dict[str, str]

    def with_patch(self, patch: Patch) -> _Merged:
        origin = patch.source or f"patch: {Path(patch.name).name}"
        documents, places = merge(self.documents, patch.patch, origin)
        content: dict[str, Json] = pointer.merge_patch(self.content, dict(patch.patch))
        return _Merged(documents=documents, content=content, changed=self.changed | dict.fromkeys(places, origin))


class Protocol:
    """One protocol: its base documents, revisions and adapter, and a cache of the contracts compiled from them."""

    def __init__(self, folder: Path, meta: Meta) -> None:
        self.folder = folder
        self._meta = meta
        self.documents: dict[str, Json] = {}
        for document in DOCUMENTS:
            path = folder / f"{document}.yaml"
            self.documents[document] = yamltext.load(path) if path.is_file() else {}
            meta.check(_META_OF.get(document, document), self.documents[document], str(path))
            for tokens, leaf in pointer.leaves(self.documents[document]):
                if leaf is None:
                    problem = "null is not allowed in a contract: in a patch, it deletes a member"
                    raise ContractError(str(path), pointer.build(tokens), problem)
        self.name: str = self.documents["protocol"]["name"]
        self.title: str = self.documents["protocol"]["title"]
        self.base: str = self.documents["protocol"]["base"]["value"]
        self.newest: str = self.documents["protocol"]["newest"]["value"]
        self.adapter = find_adapter(self.name, folder)
        self.revisions: dict[str, Patch] = {}
        for path in sorted((folder / "revisions").glob("*.yaml")):
            written, self.revisions[path.stem] = _read_patch(path, meta)
            if written.get("revision") != path.stem:
                raise ContractError(str(path), "/revision", f"must equal the file name, {path.stem}")
            if written["protocol"] != self.name:
                raise ContractError(str(path), "/protocol", f"must equal the protocol of the folder, {self.name}")
        if self.base in self.revisions:
            raise ContractError(self.revisions[self.base].name, "/revision", "is already the name of the base contract")
        self._own: dict[str, Contract] = {}
        self._patched: WeakValueDictionary[bytes, Contract] = WeakValueDictionary()
        self._recent: deque[Contract] = deque(maxlen=RECENT_CONTRACTS)
        self._newest: dict[str, Contract] = {}
        self._merged: dict[str, _Merged] = {}
        self._lock = RLock()

    def revision_names(self) -> list[str]:
        """Return the names a user may pin, the base first."""
        return [self.base, *self.revisions]

    def contract(self, revision: str | None = None, patches: Sequence[Patch] = ()) -> Contract:
        """Return the contract of a revision with patches over it, in order. Raises ContractError.

        Equal ones are one object, which goes with its last user.
        """
        revision = revision or self.base
        if revision not in self.revisions and revision != self.base:
            raise ContractError(self.name, "/revision", unknown("revision", revision, self.revision_names()))
        key = blake2b(render([revision, [[p.name, p.patch] for p in patches]]), digest_size=16).digest()
        compiled = self._patched.get(key) if patches else self._own.get(revision)
        if compiled is not None:  # the loop does not wait for a contract that another thread compiles
            return compiled
        with self._lock:  # servers on threads of one process share the package's own contracts
            if revision not in self._own:
                self._own[revision] = self._with_newest(self._make(revision))
            return self._with_patches(revision, patches, key) if patches else self._own[revision]

    def tried(self, contract: Contract, patch: Mapping[str, Json]) -> Contract:
        """Return a contract of this protocol with a patch over it, for who tries many. Raises ContractError.

        It is not kept, gives no warnings, and what the patch changes has no source of its own.
        """
        documents = merged_plainly(contract.documents, patch)
        for document in patch:
            self._meta.check(_META_OF.get(document, document), documents.get(document, {}), "", f"/{document}")
        return compile_contract(
            documents=documents, revision=contract.revision, adapter=self.adapter, digest="", changed={}, own=contract
        )

    def _with_patches(self, revision: str, patches: Sequence[Patch], key: bytes) -> Contract:
        contract = self._patched.get(key)
        if contract is None:
            own = self._own[revision]
            contract = self._with_newest(self._make(revision, patches, own), own, patches)
            known, newest = own.schemas(), contract.newest
            schemas, size = contract.schemas(), OWN_BYTES + sum(map(_patch_bytes, patches))
            if newest is not None and newest not in self._newest.values():
                schemas, size = schemas | newest.schemas(), size + OWN_BYTES
                known = known | self._newest[newest.revision].schemas()
            for schema in schemas - known:
                schema.build()
            size += sum(schema.bytes for schema in schemas - known)
            contract = self._patched[key] = replace(contract, bytes=size)
        self._recent.append(contract)
        return contract

    def _revision_patches(self, revision: str) -> list[Patch]:
        return [self.revisions[revision]] if revision in self.revisions else []

    def _with_newest(self, contract: Contract, own: Contract | None = None, patches: Sequence[Patch] = ()) -> Contract:
        """Give a contract the newest revision, whose violations are warnings under it.

        The patches of the contract are over the newest revision too, as far as they fit it; `own` is the contract
        without them.
        """
        name = contract.documents["protocol"]["newest"]["value"]
        if name == contract.revision:
            return contract
        newest = self._newest.get(name)
        if newest is None:
            newest = self._newest[name] = self._make(name)
        if own is not None:
            fitting = [
                replace(patch, patch=_fitting(patch.patch, own.documents, newest.documents)) for patch in patches
            ]
            with suppress(ContractError):  # what does not fit a revision says nothing about it
                newest = self._make(name, fitting, newest)
        return replace(contract, newest=newest)

    @property
    def client_rules(self) -> ClientRules:
        """The rules about clients; they are read when somebody asks. Raises ContractError for an invalid file."""
        return client_rules(self.name, self.folder, self._meta)

    @property
    def client_setups(self) -> Sequence[ClientSetup]:
        """How clients are pointed at a server. Raises ContractError for an invalid file."""
        return client_setups(self.folder, self._meta)

    def check(self) -> None:
        """Compile every revision, read all that is beside them. Raises ContractError for what is invalid first."""
        contracts = {name: self.contract(name) for name in self.revision_names()}
        check_names(self.client_rules, str(self.folder / CLIENT_RULES), contracts)
        client_setups(self.folder, self._meta)
        operations = self.documents["protocol"]["operations"]
        for example in request_examples(self.folder, self._meta):
            if example.operation not in operations:
                place = pointer.build((example.name, "operation"))
                problem = unknown("operation", example.operation, operations)
                raise ContractError(str(self.folder / EXAMPLES), place, problem)

    def _make(self, revision: str, patches: Sequence[Patch] = (), own: Contract | None = None) -> Contract:
        """Compile a revision with patches over it; `own` is the revision without them, if it is compiled."""
        merged = self._merged.get(revision)
        if merged is None:
            merged = _Merged(documents=self.documents, content=self.documents, changed={})
            for patch in self._revision_patches(revision):
                merged = merged.with_patch(patch)
            self._merged[revision] = merged
        for patch in patches:
            merged = merged.with_patch(patch)
        chain = [*self._revision_patches(revision), *patches]
        documents, checked = merged.documents, self.documents if own is None else own.documents
        digest = blake2b(render(merged.content), digest_size=16).hexdigest()
        try:
            for document in DOCUMENTS:
                if documents.get(document) is not checked.get(document):
                    self._meta.check(_META_OF.get(document, document), documents.get(document, {}), "", f"/{document}")
            if documents["protocol"]["name"] != self.name:
                raise ContractError("", "/protocol/name", f"must stay {self.name}")
            newest = documents["protocol"]["newest"]["value"]
            if newest not in self.revision_names():
                raise ContractError("", "/protocol/newest/value", unknown("revision", newest, self.revision_names()))
            compiled = compile_contract(
                documents=documents,
                revision=revision,
                adapter=self.adapter,
                digest=digest,
                changed=merged.changed,
                own=own,
            )
            return replace(compiled, folder=str(self.folder))
        except ContractError as error:
            raise self._located(error, chain) from None

    def _located(self, error: ContractError, chain: Sequence[Patch]) -> ContractError:
        """Return the error with the file it is in: the last patch that changes the document, else the base document."""
        document, *rest = pointer.parse(error.pointer) or ("protocol",)
        for patch in reversed(chain):
            if document in patch.patch:
                return ContractError(patch.name, patch.root + error.pointer, error.problem)
        return ContractError(str(self.folder / f"{document}.yaml"), pointer.build(rest), error.problem)


def _fitting(patch: Json, own: Json, newest: Json) -> Json:
    """Return a patch without what it changes of facts that the newest revision does not have."""
    if not (isinstance(patch, dict) and isinstance(own, dict) and isinstance(newest, dict)):
        return patch
    return {
        name: _fitting(member, own.get(name), newest.get(name))
        for name, member in patch.items()
        if name in newest or name not in own
    }


def _patch_bytes(patch: Patch) -> int:
    return memory_of(patch.patch)


def read_patch(path: Path) -> tuple[str, Json]:
    """Return the name of the protocol and the patch of a file for a server elsewhere. Raises ContractError."""
    document, patch = _read_patch(path, Meta(contracts_folder() / "meta"))
    return document["protocol"], patch.patch


def _read_patch(path: Path, meta: Meta) -> tuple[Mapping[str, Json], Patch]:
    """Return a file with a patch or a revision as it is written, and its patch."""
    document = yamltext.load(path)
    meta.check("revision", document, str(path))
    title, source = document.get("title", ""), document.get("source")
    return document, Patch(name=str(path), patch=document["patch"], root="/patch", source=source, title=title)


class Library:
    """All protocols: the built-in ones, then those of the given folders, which may add or replace protocols."""

    def __init__(self, folders: Sequence[Path] = ()) -> None:
        own = contracts_folder()
        self.meta = Meta(own / "meta")
        self.protocols: dict[str, Protocol] = {}
        for folder in (own, *folders):
            if not folder.is_dir():
                raise ContractError(str(folder), "", "folder not found")
            inner = sorted(path.parent for path in folder.glob("*/protocol.yaml") if path.parent.name != "meta")
            if not inner:
                raise ContractError(str(folder), "", "no protocols found: expected <name>/protocol.yaml")
            for protocol_folder in inner:
                protocol = Protocol(protocol_folder, self.meta)
                self.protocols[protocol.name] = protocol
                if folder is not own:
                    protocol.check()
        documents = [protocol.documents["protocol"] for protocol in self.protocols.values()]
        for name, place, problem in collisions(documents):
            raise ContractError(str(self.protocols[name].folder / "protocol.yaml"), place, problem)

    def protocol(self, name: str) -> Protocol:
        """Return a protocol by name. Raises ContractError that names the nearest one."""
        if name in self.protocols:
            return self.protocols[name]
        raise ContractError("contracts", "", unknown("protocol", name, self.protocols))

    def load_patch(self, path: Path) -> tuple[str, Patch]:
        """Load a file for --contract-patch; return the name of its protocol and the patch."""
        document, patch = _read_patch(path, self.meta)
        return self.protocol(document["protocol"]).name, patch


@cache
def library() -> Library:
    """Return the built-in contracts, loaded once."""
    return Library()


def library_of(folders: Sequence[Path]) -> Library:
    """Return the built-in contracts, and those of folders, which are read anew. Raises ContractError."""
    return Library(folders) if folders else library()
