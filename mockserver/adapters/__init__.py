"""What the protocols do differently: one frozen `Adapter` value per protocol, a default for every field.

An adapter module stands beside this one under the protocol's name and defines `ADAPTER`; a protocol that needs no
code has none.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mockserver.core.model import Judged, Receipt
from mockserver.errors import ContractError
from mockserver.jsonkit import Json

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract, Form, Operation
    from mockserver.core.explain import Violation
    from mockserver.core.gates import Gate


def _only_form(operation: Operation, body: Json) -> Form | None:
    return next(iter(operation.forms.values()), None)


def _nothing(judged: Judged, receipt: Receipt) -> Mapping[str, Json]:
    return {}


def _no_names(protocol: Mapping[str, Json], operation: Mapping[str, Json]) -> Iterable[str]:
    return ()


def _one_scope(judged: Judged) -> str:
    return ""


EventRule = Callable[[Json, Json], "Violation | None"]
"""Takes a request's body and one of its events; says what the event breaks beside its schema."""


def _schema_only(contract: Contract) -> EventRule | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """One protocol's algorithms.

    `choose_form` tells which form a body has; `gates` are checks of its own, which the contract orders; `variables`
    adds values to reply templates, and `names` tells their names, given protocol.yaml and one of its operations;
    `scope` is what an idempotency key is unique in; `event_rules` says what an event that fits its schema breaks all
    the same; `needs` are the pointers of what the adapter reads in every contract of its protocol.
    """

    choose_form: Callable[[Operation, Json], Form | None] = _only_form
    gates: Mapping[str, Gate] = field(default_factory=dict)
    variables: Callable[[Judged, Receipt], Mapping[str, Json]] = _nothing
    names: Callable[[Mapping[str, Json], Mapping[str, Json]], Iterable[str]] = _no_names
    scope: Callable[[Judged], str] = _one_scope
    event_rules: Callable[[Contract], EventRule | None] = _schema_only
    needs: tuple[str, ...] = ()


DEFAULT = Adapter()


def find(name: str, folder: Path | None = None) -> Adapter:
    """Return a protocol's adapter: `folder`/adapter.py when there is one, else this package's, else the default."""
    if folder is not None and (folder / "adapter.py").is_file():
        return _load(f"mockserver_adapter_{name}", folder / "adapter.py")
    if importlib.util.find_spec(f"{__name__}.{name}") is None:
        return DEFAULT
    adapter: Adapter = importlib.import_module(f"{__name__}.{name}").ADAPTER
    return adapter


def _load(module_name: str, path: Path) -> Adapter:
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        return DEFAULT
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ContractError(str(path), "", f"failed to load: {type(error).__name__}: {error}") from error
    adapter = getattr(module, "ADAPTER", None)
    if not isinstance(adapter, Adapter):
        raise ContractError(str(path), "", "defines no ADAPTER")
    return adapter
