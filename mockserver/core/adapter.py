"""What one protocol does differently: one frozen value of functions, found by the name a contract carries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.extension import Extension
from mockserver.contract.operation import BoundGate, Form, Operation
from mockserver.core.explain import Violation
from mockserver.core.model import Judged, Receipt, Refusal
from mockserver.jsonkit import Json

EventRule = Callable[[Json, Json], Violation | None]
"""Takes a request's body and one of its events; says what the event breaks beside its schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Extension):
    """One protocol's algorithms, with a default for each.

    `choose_form` tells which form a body has, and with `array_tells_form` a body with the array of a form has it; `run`
    has the function of each check that the adapter declares; `variables` gives the values of `reply_names`; `scope` is
    what an idempotency key is unique in; `event_rules` returns a check of events that no schema can express, or None.
    """

    choose_form: Callable[[Operation, Json], Form | None] = lambda operation, body: next(
        iter(operation.forms.values()), None
    )
    array_tells_form: bool = False
    run: Mapping[str, Callable[[Judged, BoundGate], Refusal | None]] = field(default_factory=dict)
    variables: Callable[[Judged, Receipt], Mapping[str, Json]] = lambda judged, receipt: {}
    scope: Callable[[Judged], str] = lambda judged: ""
    event_rules: Callable[[Contract], EventRule | None] = lambda contract: None


DEFAULT: Final = Adapter()


@cache
def adapter_of(name: str) -> Adapter:
    """Return the adapter in a module that the loader has imported; the default one for an empty name."""
    adapter: Adapter = sys.modules[name].ADAPTER if name else DEFAULT
    return adapter
