"""From files to contracts: find, read, check against the contract language, patch, compile, keep by content."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Final

import jsonschema_rs

from mockserver import adapters, yamltext
from mockserver.compiler import compile_contract
from mockserver.core import pointer
from mockserver.core.contract import DOCUMENTS, Contract
from mockserver.core.jsontext import render
from mockserver.core.model import Json
from mockserver.errors import ContractError

KEPT_CONTRACTS: Final = 256
_META_OF: Final = {
    "protocol": "protocol",
    "requests": "schemas",
    "events": "schemas",
    "replies": "schemas",
    "advice": "advice",
}


def contracts_folder() -> Path:
    """Return the folder of the contracts this package came with: inside the package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    for folder in (package / "contracts", package.parent / "contracts"):
        if (folder / "meta").is_dir():
            return folder
    raise ContractError(str(package), "", "no contracts were installed with the package; install it again")


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A named merge patch over the base documents."""

    name: str
    title: str
    source: str
    patch: Mapping[str, Json]
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """A merge patch from a file or a session; `name` says where it came from."""

    name: str
    patch: Mapping[str, Json]


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
        self.name: str = self.documents["protocol"]["name"]
        self.base: str = self.documents["protocol"]["base"]["value"]
        self.adapter = adapters.find(self.name, folder)
        self.revisions: dict[str, Revision] = {}
        for path in sorted((folder / "revisions").glob("*.yaml")):
            self._add_revision(path)
        self._kept: OrderedDict[str, Contract] = OrderedDict()

    def _add_revision(self, path: Path) -> None:
        document = yamltext.load(path)
        self._meta.check("revision", document, str(path))
        name = document.get("revision")
        if name != path.stem:
            raise ContractError(str(path), "/revision", f"must be the file's name, {path.stem}")
        self.revisions[name] = Revision(
            name=name,
            title=document.get("title", ""),
            source=document.get("source", ""),
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
                raise ContractError(self.name, "/revision", f"no revision {revision!r}{hint} There are: {known}")
            named = self.revisions[revision]
            chain.insert(0, Patch(name=named.file, patch=named.patch))
        key = blake2b(render([revision, [[p.name, p.patch] for p in chain]]), digest_size=16).hexdigest()
        kept = self._kept.get(key)
        if kept is None:
            kept = self._kept[key] = self._make(revision, chain)
            if len(self._kept) > KEPT_CONTRACTS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return kept

    def _make(self, revision: str, chain: Sequence[Patch]) -> Contract:
        documents: dict[str, Json] = self.documents
        patched: dict[str, str] = {}
        for patch in chain:
            documents = pointer.merge_patch(documents, dict(patch.patch))
            _remember_sources(patched, patch, named=patch.name.endswith(f"{revision}.yaml"))
        where = chain[-1].name if chain else str(self.folder)
        if chain:
            for document in DOCUMENTS:
                self._meta.check(_META_OF[document], documents.get(document, {}), f"{where} ({document})")
        newest = documents["protocol"]["newest"]["value"]
        return compile_contract(
            documents=documents,
            revision=revision,
            adapter=self.adapter,
            newest=lambda: None if newest == revision else self.contract(newest),
            patched=patched,
            where=where,
        )


def _remember_sources(patched: dict[str, str], patch: Patch, *, named: bool) -> None:
    """Note, for each leaf a patch sets without a source of its own, that the patch is its source."""
    for tokens, _ in pointer.leaves(dict(patch.patch)):
        covered = any(
            isinstance(holder := pointer.get(patch.patch, tokens[:depth]), dict)
            and isinstance(holder.get("source"), str)
            for depth in range(len(tokens))
        )
        place = pointer.build(tokens)
        if covered:
            patched.pop(place, None)
        else:
            patched[place] = f"patch: {Path(patch.name).name}"


class Meta:
    """The contract language: its own schemas, and the check against them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._documents = {path.stem: yamltext.load(path) for path in sorted(folder.glob("*.yaml"))}
        self._engines: dict[str, jsonschema_rs.Draft202012Validator] = {}

    def _engine(self, name: str) -> jsonschema_rs.Draft202012Validator:
        if name not in self._engines:
            registry = jsonschema_rs.Registry([(f"mock:/{n}.yaml", d) for n, d in self._documents.items()])
            self._engines[name] = jsonschema_rs.Draft202012Validator(
                {"$ref": f"mock:/{name}.yaml"}, registry=registry, base_uri="mock:/"
            )
        return self._engines[name]

    def check(self, name: str, document: Json, file: str) -> None:
        """Hold a document to the language. Raises ContractError with file, pointer and problem."""
        engine = self._engine(name)
        if engine.is_valid(document):
            return
        error = max(engine.iter_errors(document), key=lambda error: len(list(error.instance_path)))
        raise ContractError(file, pointer.build(error.instance_path), error.message)

    def schema(self, name: str) -> Json:
        """Return one schema of the language."""
        return self._documents[name]


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
        _refuse_collisions(self.protocols)

    def protocol(self, name: str) -> Protocol:
        """Return a protocol by name. Raises ContractError that names the nearest one."""
        if name in self.protocols:
            return self.protocols[name]
        near = get_close_matches(name, self.protocols, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ContractError("contracts", "", f"no protocol {name!r}{hint} There are: {', '.join(self.protocols)}")

    def load_patch(self, path: Path) -> tuple[str, Patch]:
        """Read a file given with --contract-patch; returns the protocol's name and the patch."""
        if not path.is_file():
            raise ContractError(str(path), "", "no such file")
        document = yamltext.load(path)
        self.meta.check("revision", document, str(path))
        self.protocol(document["protocol"])
        return document["protocol"], Patch(name=str(path), patch=document["patch"])


def _refuse_collisions(protocols: Mapping[str, Protocol]) -> None:
    taken: dict[tuple[str, str], str] = {}
    owned: dict[str, str] = {}
    for protocol in protocols.values():
        where = str(protocol.folder / "protocol.yaml")
        document = protocol.documents["protocol"]
        for name, operation in document["operations"].items():
            shape = "/".join("{}" if part.startswith("{") else part for part in operation["path"].split("/"))
            other = taken.setdefault((operation["method"], shape), protocol.name)
            if other != protocol.name:
                problem = f"{operation['method']} {operation['path']} is served by {other} already"
                raise ContractError(where, f"/operations/{name}/path", problem)
        for name, prefix in document["prefixes"].items():
            other = owned.setdefault(prefix["path"], protocol.name)
            if other != protocol.name:
                raise ContractError(where, f"/prefixes/{name}/path", f"{prefix['path']} belongs to {other} already")


@cache
def library() -> Library:
    """Return the package's own contracts, read once."""
    return Library()
