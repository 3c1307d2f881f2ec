"""What a test asks of a session: its journal and its waits, each as the calls it makes, whoever makes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, Unpack

from mockserver.client import text
from mockserver.client.arguments import Matcher, VerdictWanted, Wanted
from mockserver.client.calls import Call, Steps, at
from mockserver.client.results import Delivery, Event, Exchange, Request, Waited
from mockserver.client.steering_calls import settings
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read

T = TypeVar("T")
DEFAULT_TIMEOUT: Final = 5.0
DEFAULT_QUIET: Final = 0.25
BEYOND_EVENTS: Final = 2**53
"""A position no session reaches: a wait that starts there looks at no event, only at the quiet."""


class WaitError(AssertionError):
    """A wait was not satisfied. The text explains it; `waited` holds the same as values."""

    def __init__(self, message: str, waited: Waited) -> None:
        super().__init__(message)
        self.waited = waited


def _all(
    session: str, what: str, reader: Callable[[Mapping[str, Json]], T], after: int | None, **query: Json
) -> Steps[list[T]]:
    found: list[T] = []
    while True:
        page = yield Call(method="GET", path=at(session, what, after=after, **query))
        found += map(reader, page[what])
        after = page["next"]
        if after is None:
            return found


def events(
    session: str,
    *,
    protocol: str | None = None,
    operation: str | None = None,
    type: str | None = None,
    verdict: VerdictWanted | None = None,
    after: int | None = None,
) -> Steps[list[Event]]:
    """Return the events that came, whatever their verdict, oldest first; `after` is an event's `seq`."""
    query = {"protocol": protocol, "operation": operation, "type": type, "verdict": verdict}
    return (yield from _all(session, "events", lambda row: read(Event, row), after, **query))


def requests(
    session: str,
    *,
    protocol: str | None = None,
    operation: str | None = None,
    status: int | None = None,
    after: int | None = None,
) -> Steps[list[Request]]:
    """Return the requests that came, oldest first; `after` is a request's `seq`."""
    query = {"protocol": protocol, "operation": operation, "status": status}
    return (yield from _all(session, "requests", lambda row: read(Request, row), after, **query))


def request(session: str, id: str) -> Steps[Exchange]:
    """Return one request with bodies and findings, by its id. Raises ControlError when there is none."""
    return read(Exchange, (yield Call(method="GET", path=at(session, "requests", id))))


def deliveries(session: str, *, final: bool = False) -> Steps[list[Delivery]]:
    """Return one row per logical event, over all its attempts; `final` says that no more attempts will come."""
    return (yield from _all(session, "deliveries", lambda row: read(Delivery, row), None, final=final or None))


def export(session: str) -> Steps[str]:
    """Return the session's exchanges as NDJSON, credentials replaced by stable placeholders."""
    lines: str = yield Call(method="GET", path=at(session, "export", format="ndjson"), text=True)
    return lines


def wait(session: str, *, count: int = 1, exactly: int | None = None, **wanted: Unpack[Wanted]) -> Steps[list[Event]]:
    """Return the events that match, once there are enough of them. Raises WaitError."""
    __tracebackhide__ = True
    match = {name: member for name, member in wanted.items() if name in Matcher.__annotations__ and member is not None}
    times = {"quiet_ms": wanted.get("quiet", 0) * 1000, "timeout_ms": wanted.get("timeout", DEFAULT_TIMEOUT) * 1000}
    spec = {"match": match, "count": count, "exactly": exactly, **times, "after": wanted.get("after")}
    return list(
        (yield from _wait(session, {name: member for name, member in spec.items() if member is not None})).events
    )


def wait_until_quiet(session: str, quiet: float = DEFAULT_QUIET, timeout: float = DEFAULT_TIMEOUT) -> Steps[None]:
    """Wait until no vendor request came for `quiet` seconds of real time. Raises WaitError."""
    __tracebackhide__ = True
    spec = {"match": {}, "count": 0, "quiet_ms": quiet * 1000, "timeout_ms": timeout * 1000, "after": BEYOND_EVENTS}
    yield from _wait(session, spec)


def _wait(session: str, spec: Mapping[str, Json]) -> Steps[Waited]:
    __tracebackhide__ = True
    call = Call(method="POST", path=at(session, "wait"), body=spec, max_wait=spec["timeout_ms"] / 1000)
    waited = read(Waited, (yield call))
    if not waited.satisfied:
        seen = (yield from settings(session)).counts
        raise WaitError(text.wait(spec, waited, session, seen), waited)
    return waited
