"""Operations that read a session: its journal and waits, each as a sequence of control calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar, Unpack

from mockserver.client import text
from mockserver.client.arguments import Matcher, VerdictFilter, WaitOptions
from mockserver.client.calls import Call, Steps, at
from mockserver.client.results import Delivery, Event, Exchange, Request, Unseen, Waited
from mockserver.client.steering_calls import settings
from mockserver.errors import unknown
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read

T = TypeVar("T")
DEFAULT_TIMEOUT: Final = 5.0
DEFAULT_QUIET: Final = 0.25
BEYOND_EVENTS: Final = 2**53
"""A position after all events: a wait that starts there only waits for silence."""


class WaitError(AssertionError):
    """A wait was not satisfied. The message explains why; `waited` has the details."""

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


def unseen_traffic() -> Steps[Unseen]:
    """Return what the server received and no session shows."""
    answer = yield Call(method="GET", path="/_mock/sessions")
    return read(Unseen, answer["unseen"])


def events(
    session: str,
    *,
    protocol: str | None = None,
    operation: str | None = None,
    type: str | None = None,
    verdict: VerdictFilter | None = None,
    after: int | None = None,
) -> Steps[list[Event]]:
    """Return the received events with any verdict, oldest first; `after` is the `seq` of an event."""
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
    """Return the received requests, oldest first; `after` is the `seq` of a request."""
    query = {"protocol": protocol, "operation": operation, "status": status}
    return (yield from _all(session, "requests", lambda row: read(Request, row), after, **query))


def request(session: str, id: str) -> Steps[Exchange]:
    """Return a request with its reply and findings, by its id. Raises ControlError if it does not exist."""
    return read(Exchange, (yield Call(method="GET", path=at(session, "requests", id))))


def deliveries(session: str, *, final: bool = False) -> Steps[list[Delivery]]:
    """Return one row per logical event with all its attempts; with `final`, pending events count as lost."""
    return (yield from _all(session, "deliveries", lambda row: read(Delivery, row), None, final=final or None))


def export(session: str) -> Steps[str]:
    """Return the exchanges of the session as NDJSON, with credentials replaced by placeholders."""
    lines: str = yield Call(method="GET", path=at(session, "export", format="ndjson"), text=True)
    return lines


def wait(
    session: str, *, count: int = 1, exactly: int | None = None, **options: Unpack[WaitOptions]
) -> Steps[list[Event]]:
    """Wait for events and return them. Raises WaitError."""
    __tracebackhide__ = True
    for name in options.keys() - WaitOptions.__annotations__.keys():
        raise TypeError(unknown("option", name, ["count", "exactly", *WaitOptions.__annotations__]))
    given = {name: value for name, value in options.items() if value is not None}
    request = {
        "match": {name: value for name, value in given.items() if name in Matcher.__annotations__},
        "count": count,
        "quiet_ms": options.get("quiet", 0) * 1000,
        "timeout_ms": options.get("timeout", DEFAULT_TIMEOUT) * 1000,
    }
    if exactly is not None:
        request["exactly"] = exactly
    if "after" in given:
        request["after"] = given["after"]
    return list((yield from _wait(session, request)).events)


def wait_until_quiet(session: str, quiet: float = DEFAULT_QUIET, timeout: float = DEFAULT_TIMEOUT) -> Steps[None]:
    """Wait until no request has arrived for `quiet` seconds of real time. Raises WaitError."""
    __tracebackhide__ = True
    times = {"quiet_ms": quiet * 1000, "timeout_ms": timeout * 1000}
    yield from _wait(session, {"match": {}, "count": 0, **times, "after": BEYOND_EVENTS})


def _wait(session: str, request: Mapping[str, Json]) -> Steps[Waited]:
    __tracebackhide__ = True
    call = Call(method="POST", path=at(session, "wait"), body=request, max_wait=request["timeout_ms"] / 1000)
    waited = read(Waited, (yield call))
    if not waited.satisfied:
        seen = (yield from settings(session)).counts
        raise WaitError(text.wait(request, waited, session, seen), waited)
    return waited
