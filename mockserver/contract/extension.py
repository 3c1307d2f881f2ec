"""What code adds to the contract language: checks that gates may name, and what a protocol's adapter declares.

An adapter is a module found by name: `adapter.py` in the protocol's folder, else `mockserver.adapters.<protocol>`. It
defines `ADAPTER`. The compiler reads only the declarations here; the functions beside them are the core's business.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

from mockserver.contract.operation import Operation
from mockserver.contract.sections import Projects
from mockserver.errors import ContractError

ADAPTERS: Final = "mockserver.adapters"


@dataclass(frozen=True, slots=True)
class CheckKind:
    """What a check can come to. A contract maps each outcome to one of its refusal reasons.

    `needs` are pointers of what it reads in the contract, `after` the checks that must come before it.
    """

    outcomes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


BUILT_IN: Final[Mapping[str, CheckKind]] = {
    "size": CheckKind(("body_too_large",)),
    "encoding": CheckKind(("broken_encoding", "unsupported_encoding")),
    "content_type": CheckKind(("content_type_invalid",), needs=("/protocol/content_types",)),
    "json": CheckKind(("invalid_json",)),
    "object": CheckKind(("not_an_object",), after=("json",)),
    "key": CheckKind(("missing", "malformed")),
    "allowed_key": CheckKind(("unknown",)),
    "origin": CheckKind(("origin_not_allowed",)),
    "rate": CheckKind(("rate_limited",)),
    "idempotency": CheckKind(),
    "query": CheckKind(("invalid_request",)),
    "envelope": CheckKind(("invalid_request",), after=("object",)),
    "measures": CheckKind(("invalid_request",), after=("object",)),
    "events": CheckKind(("invalid_event",), after=("object",)),
}
"""The checks of every protocol; `core.gates.CHECKS` has the functions of the same names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What an adapter declares: its own checks, the names it adds to reply templates, the facts it needs.

    `reply_names` tells the names for one operation; `needs` are contract pointers.
    """

    checks: Mapping[str, CheckKind] = field(default_factory=dict)
    reply_names: Callable[[Operation, Projects | None], Iterable[str]] = lambda operation, projects: ()
    needs: tuple[str, ...] = ()


NO_EXTENSION: Final = Extension()


def find_adapter(protocol: str, folder: Path) -> str:
    """Import a protocol's adapter and return its module's name, empty where there is none. Raises ContractError."""
    path = folder / "adapter.py"
    if path.is_file():
        return _import_file(protocol, path)
    name = f"{ADAPTERS}.{protocol}"
    if importlib.util.find_spec(name) is None:
        return ""
    importlib.import_module(name)
    return name


def extension_of(adapter: str) -> Extension:
    """Return what the adapter in a module declares."""
    extension: Extension = sys.modules[adapter].ADAPTER if adapter else NO_EXTENSION
    return extension


def _import_file(protocol: str, path: Path) -> str:
    """Import a file under a name made of its place and its content, so that an edited file is another module."""
    digest = blake2b(str(path.resolve()).encode() + path.read_bytes(), digest_size=8).hexdigest()
    name = f"mockserver_adapter_{protocol}_{digest}"
    if name in sys.modules:
        return name
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ContractError(str(path), "", f"failed to load: {type(error).__name__}: {error}") from error
    if not isinstance(getattr(module, "ADAPTER", None), Extension):
        del sys.modules[name]
        raise ContractError(str(path), "", "defines no ADAPTER")
    return name
