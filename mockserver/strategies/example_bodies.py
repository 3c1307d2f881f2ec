"""The examples of a contract as a plan sends them: with its credentials, and with times near its clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import library
from mockserver.contract.operation import Form
from mockserver.contract.request_examples import CLOCK_MS, request_examples
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.plausible import DAY_MS

DATE: Final = len("2026-06-14")


def example_bodies(contract: Contract, operation: str) -> Iterator[Json]:
    """Yield the bodies of an operation's examples as they are written, whether the contract takes them or not."""
    for example in request_examples(Path(contract.folder), library().meta) if contract.folder else ():
        if example.operation == operation:
            yield example.body


def at_home(body: Json, form: Form, contract: Contract, keys: Mapping[Tokens, Json], now_ms: int) -> Json:
    """Return an example with the plan's credentials in place of its own, and times that have a window near `now_ms`.

    Whole days are added, so that times keep their form.
    """
    for place, key in keys.items():
        body = body if look(body, place) is MISSING else put(body, place, key)
    days = (now_ms - CLOCK_MS) // DAY_MS
    events = (
        [()] if form.single else [(*form.events, index) for index in range(_count(body, form))] if form.events else []
    )
    for window in contract.windows if days else ():
        for event in events:
            place = (*event, *window.tokens)
            body = put(body, place, _later(look(body, place), days))
    return body


def _count(body: Json, form: Form) -> int:
    events = look(body, form.events or ())
    return len(events) if isinstance(events, list) else 0


def _later(time: Json, days: int) -> Json:
    if not isinstance(time, str) or epoch_ms(time) is None:
        return time
    return (date.fromisoformat(time[:DATE]) + timedelta(days)).isoformat() + time[DATE:]
