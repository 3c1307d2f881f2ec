"""The parts of a session that have methods of their own: its fault steps and its clock, blocking and awaitable."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mockserver.client import session_calls as calls
from mockserver.client.calls import Target
from mockserver.client.connections import Connections
from mockserver.client.methods import awaiting, blocking
from mockserver.client.results import FaultStep

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here


class Part:
    """A group of blocking methods of a session."""

    def __init__(self, name: str, connections: Connections) -> None:
        self.name = name
        self.connections = connections


class AsyncPart:
    """A group of awaitable methods of a session."""

    def __init__(self, name: str, target: Target) -> None:
        self.name = name
        self.target = target


class Faults(Part):
    """The fault steps of a session: a sequence with methods to add, replace and clear."""

    add = blocking(calls.add_fault)
    replace = blocking(calls.replace_faults)
    clear = blocking(calls.clear_faults)
    list = blocking(calls.list_faults)

    def __iter__(self) -> Iterator[FaultStep]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self.list())

    def __getitem__(self, index: int) -> FaultStep:
        return self.list()[index]


class AsyncFaults(AsyncPart):
    """The fault steps of a session, with awaitable methods."""

    add = awaiting(calls.add_fault)
    replace = awaiting(calls.replace_faults)
    clear = awaiting(calls.clear_faults)
    list = awaiting(calls.list_faults)


class Clock(Part):
    """The clock of the session. Waits and delays use real time."""

    now = blocking(calls.now)
    read = blocking(calls.read_clock)
    set = blocking(calls.set_clock)
    offset = blocking(calls.offset_clock)
    freeze = blocking(calls.freeze_clock)
    advance = blocking(calls.advance_clock)
    reset = blocking(calls.reset_clock)


class AsyncClock(AsyncPart):
    """The clock of the session. Waits and delays use real time."""

    now = awaiting(calls.now)
    read = awaiting(calls.read_clock)
    set = awaiting(calls.set_clock)
    offset = awaiting(calls.offset_clock)
    freeze = awaiting(calls.freeze_clock)
    advance = awaiting(calls.advance_clock)
    reset = awaiting(calls.reset_clock)
