"""Reading a body and judging its schemas in one step. It says that a body is good, or nothing at all.

What it cannot be sure of is read and judged as every other body, which alone can explain.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from mockserver.contract.contract import Contract
from mockserver.contract.form_decoder import FormDecoder, form_decoder
from mockserver.contract.operation import Form, Operation
from mockserver.core.adapter import DEFAULT, adapter_of
from mockserver.core.body import LARGE
from mockserver.core.model import Judged

USES_BEFORE: Final = 2
"""Bodies that an operation is sent before types are made for it: most patched contracts are used once or twice."""


class _Readers:
    """The decoders of one contract by operation, made when they are worth it."""

    __slots__ = ("_made", "_uses")

    def __init__(self) -> None:
        self._made: dict[str, FormDecoder | None] = {}
        self._uses: dict[str, int] = {}

    def of(self, contract: Contract, operation: Operation) -> FormDecoder | None:
        """Return what reads the bodies of an operation, None where nothing does, or not yet."""
        try:
            return self._made[operation.name]
        except KeyError:
            uses = self._uses[operation.name] = self._uses.get(operation.name, 0) + 1
            if uses <= USES_BEFORE:
                return None
            made = self._made[operation.name] = _reader(contract, operation)
            return made


_READERS: Final[WeakKeyDictionary[Contract, _Readers]] = WeakKeyDictionary()


def _reader(contract: Contract, operation: Operation) -> FormDecoder | None:
    adapter, form = adapter_of(contract.adapter), _certain_form(contract, operation)
    if form is None or adapter.event_rules(contract) is not None:
        return None
    return form_decoder(contract, form)


def _certain_form(contract: Contract, operation: Operation) -> Form | None:
    """Return the form that every body has that such a reader takes, or None."""
    adapter, forms = adapter_of(contract.adapter), list(operation.forms.values())
    if adapter.choose_form is DEFAULT.choose_form:
        return forms[0] if forms else None
    with_array = [form for form in forms if form.events]
    return with_array[0] if adapter.array_tells_form and len(with_array) == 1 else None


def reader_of(contract: Contract, operation: Operation) -> FormDecoder | None:
    """Return what reads the bodies of an operation, None where nothing does, or not yet."""
    readers = _READERS.get(contract)
    if readers is None:
        readers = _READERS[contract] = _Readers()
    return readers.of(contract, operation)


def read(judged: Judged) -> bool:
    """Tell whether the body of a request is good for certain, apart from the times in it; then its form is known."""
    if judged.decoded is not None:
        return True
    body, contract, operation = judged.request_body, judged.contract, judged.operation
    if not body.fast or operation is None or not operation.forms or body.is_parsed:
        return False
    reader = reader_of(contract, operation)
    if reader is None or body.decode(contract.max_body) is not None or len(body.text) > LARGE:
        return False
    decoded = reader.decode(body.text)
    if decoded is None:
        body.fast = False
        return False
    judged.decoded, judged.form = decoded, reader.form
    return True
