"""Operations on a session, each as a sequence of control calls: its journal, waits, settings, faults and clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final, Literal, TypeAlias, TypeVar, Unpack
from urllib.parse import quote

from mockserver.client import keys, text
from mockserver.client.arguments import (
    Matcher,
    Playable,
    ProtocolChange,
    RequestMatcher,
    RequestWaitOptions,
    Settings,
    Step,
    VerdictFilter,
    WaitOptions,
    Where,
)
from mockserver.client.calls import Call, Steps, at
from mockserver.client.checks import check_options, check_range
from mockserver.client.keys import Credentials
from mockserver.client.results import (
    ClockReading,
    Conformance,
    Delivery,
    Event,
    Exchange,
    FaultStep,
    Played,
    Request,
    SessionState,
    Waited,
)
from mockserver.core import wording
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read
from mockserver.jsonkit.printable import printable
from mockserver.settings import RecordMode, ReplyMode

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

T = TypeVar("T")
DEFAULT_TIMEOUT: Final = 5.0
DEFAULT_QUIET: Final = 0.25
MOST_ROWS: Final = 200
"""Maximum number of rows to request for a failure report; `wording.block` shows fewer and counts the rest."""
MOST_DETAILS: Final = 5
MOST_SECONDS: Final = 600
"""Maximum time that the server waits, and requires to be quiet."""
LONGEST_EXPORT: Final = 1800.0
"""Seconds until the first byte of an export: no line of a recording is sent before all of them are made."""
COUNTS: Final = ("count", "exactly")
BEYOND_EVENTS: Final = 2**53
"""A position after all events: a wait that starts there only waits for silence."""


class WaitError(AssertionError):
    """A wait was not satisfied. The message explains why; `waited` has the details."""

    def __init__(self, message: str, waited: Waited) -> None:
        super().__init__(message)
        self.waited = waited


def _rows(
    session: str, what: str, kind: type[T], *, after: int | None = None, limit: int | None = None, **query: Json
) -> Steps[list[T]]:
    """Read the rows of a view, page by page; with `limit`, only the first ones."""
    rows: list[T] = []
    while True:
        page = yield Call(method="GET", path=at(session, what, after=after, limit=limit, **query))
        rows += [read(kind, row) for row in page[what]]
        after = page["next"]
        if after is None or limit is not None:
            return rows


def events(
    session: str,
    *,
    protocol: str | None = None,
    operation: str | None = None,
    type: str | None = None,
    verdict: VerdictFilter | None = None,
    where: Where | None = None,
    request: RequestMatcher | None = None,
    after: int | None = None,
) -> Steps[list[Event]]:
    """Return the received events with any verdict, oldest first; `after` is the `seq` of an event.

    `where` and `request` select as in `wait_for`. Raises ControlError for names that no contract has.
    """
    query: dict[str, Json] = {"protocol": protocol, "operation": operation, "type": type, "verdict": verdict}
    query |= {
        name: json.dumps(member) for name, member in (("where", where), ("request", request)) if member is not None
    }
    return (yield from _rows(session, "events", Event, after=after, **query))


def requests(
    session: str,
    *,
    protocol: str | None = None,
    operation: str | None = None,
    status: int | None = None,
    after: int | None = None,
) -> Steps[list[Request]]:
    """Return the received requests, oldest first; `after` is the `seq` of a request."""
    query: dict[str, Json] = {"protocol": protocol, "operation": operation, "status": status}
    return (yield from _rows(session, "requests", Request, after=after, **query))


def request(session: str, id: str) -> Steps[Exchange]:
    """Return a request with its reply and findings, by its id. Raises ControlError if it does not exist."""
    return read(Exchange, (yield Call(method="GET", path=at(session, "requests", id))))


def deliveries(session: str, *, final: bool = False) -> Steps[list[Delivery]]:
    """Return one row per logical event with all its attempts; with `final`, pending events count as lost."""
    return (yield from _rows(session, "deliveries", Delivery, final=final or None))


def conformance(
    session: str, protocol: str | None = None, *, final: bool = False, made: int | None = None
) -> Steps[Conformance]:
    """Return the score of the client by the rules of its protocol.

    By default, of the protocols that the session has requests of. With `final`, no more requests will follow. `made` is
    how many different events the program made, if that is known. Raises ControlError for an unknown protocol.
    """
    path = at(session, "conformance", protocol=protocol, final=final or None, made=made)
    return read(Conformance, (yield Call(method="GET", path=path)))


ExportFormat: TypeAlias = Literal["ndjson", "recording", "har", "vcr", "case"]


def export(
    session: str, *, format: ExportFormat = "ndjson", redact: Sequence[str] = (), normalise: bool = False
) -> Steps[str]:
    """Return the exchanges of the session as a file, with credentials replaced by placeholders.

    Apart from `ndjson`, the formats have no personal data either: `recording`, and the same as a HAR archive (`har`),
    a cassette of vcrpy (`vcr`) or a golden case (`case`). `redact` has rules for what else to hide. With
    `normalise`, a recording has numbered ids, and times as offsets from the first exchange. Raises ControlError for an
    exchange that would be judged otherwise, a rule that cannot be used, and what cannot be a golden case.
    """
    return (yield from exported(session, format, redact, normalise=normalise))[0]


def exported(
    session: str, format: ExportFormat, redact: Sequence[str] = (), *, normalise: bool = False
) -> Steps[tuple[str, list[str]]]:
    """Return an export, and one sentence for each kind of thing that its format cannot hold."""
    rules = json.dumps(list(redact)) if redact else None
    path = at(session, "export", format=format, redact=rules, normalise=normalise or None)
    text: str
    text, left_out = yield Call(method="GET", path=path, text=True, max_wait=LONGEST_EXPORT, header="x-mock-left-out")
    return text, json.loads(left_out or "[]")


def wait_for(
    session: str,
    since_ms: int | None = None,
    /,
    *,
    count: int = 1,
    exactly: int | None = None,
    **options: Unpack[WaitOptions],
) -> Steps[Event | list[Event]]:
    """Wait for events and return them: one event by default, a list with `count` or `exactly`. Raises WaitError.

    `since_ms` is when the test began, in ms since 1970.
    """
    check_options("wait_for", options, WaitOptions, COUNTS)
    match = _members_of(options, Matcher)
    events = list((yield from _wait(session, "events", match, count, exactly, since_ms, options)).events)
    return events[0] if count == 1 and exactly is None else events


def wait_for_request(
    session: str,
    since_ms: int | None = None,
    /,
    *,
    count: int = 1,
    exactly: int | None = None,
    **options: Unpack[RequestWaitOptions],
) -> Steps[Exchange | list[Exchange]]:
    """Wait for requests and return them: one by default, a list with `count` or `exactly`. Raises WaitError."""
    check_options("wait_for_request", options, RequestWaitOptions, COUNTS)
    match = _members_of(options, Matcher)
    requested = _members_of(options, RequestMatcher)
    if requested:
        match["request"] = requested
    waited = yield from _wait(session, "requests", match, count, exactly, since_ms, options)
    exchanges = []
    for row in waited.requests:
        exchange = yield from request(session, row.id)
        exchanges.append(exchange)
    return exchanges[0] if count == 1 and exactly is None else exchanges


def _members_of(options: Mapping[str, Json], kind: type) -> dict[str, Json]:
    """Return the options that are members of a matcher."""
    names = kind.__annotations__
    return {name: value for name, value in options.items() if name in names and value is not None}


def wait_until_quiet(session: str, quiet: float = DEFAULT_QUIET, timeout: float = DEFAULT_TIMEOUT) -> Steps[None]:
    """Wait until no request has arrived for `quiet` seconds of real time. Raises WaitError."""
    options = {"quiet": quiet, "timeout": timeout, "after": BEYOND_EVENTS}
    yield from _wait(session, "events", {}, 0, None, None, options)


def _wait(
    session: str,
    kind: Literal["events", "requests"],
    match: Mapping[str, Json],
    count: int,
    exactly: int | None,
    since_ms: int | None,
    options: Mapping[str, Json],
) -> Steps[Waited]:
    """Wait for events or requests; `options` are those of a wait that are not in its matcher."""
    times = {name: options[name] for name in ("quiet", "timeout") if options.get(name) is not None}
    numbers = {"count": count, "exactly": exactly, "after": options.get("after"), **times}
    for name, number in numbers.items():
        if number is not None:
            check_range(name, number, MOST_SECONDS if name in times else None)
    body: dict[str, Json] = {"for": kind, "match": match, "count": count, "since_ms": since_ms}
    body |= {"exactly": exactly, "after": options.get("after")}
    body |= {f"{name}_ms": seconds * 1000 for name, seconds in times.items()}
    body = {name: member for name, member in body.items() if member is not None}
    rows = None if count == 1 and exactly is None else "all"
    max_wait = times.get("timeout", DEFAULT_TIMEOUT)
    call = Call(method="POST", path=at(session, "wait", rows=rows), body=body, max_wait=max_wait)
    waited = read(Waited, (yield call))
    if not waited.satisfied:
        raise WaitError(waited.explanation, waited)
    return waited


def server_sessions() -> Steps[Mapping[str, Json]]:
    """Return all sessions of the server with their counts, and the number of requests that belong to no session."""
    listed: Mapping[str, Json] = yield Call(method="GET", path="/_mock/sessions")
    return listed


def settings(session: str, **change: Unpack[Settings]) -> Steps[SessionState]:
    """Change the given settings, all or none of them, and return the settings and counts of the session."""
    call = Call(method="PATCH" if change else "GET", path=at(session), body=change or None)
    return read(SessionState, (yield call))


def patch(session: str, protocol: str, patch: Mapping[str, Json] | None) -> Steps[SessionState]:
    """Set the session's merge patch for the contract of a protocol, replacing an earlier one; None removes it."""
    return (yield from _change_protocol(session, protocol, {"patch": patch}))


def revision(session: str, protocol: str, revision: str | None) -> Steps[SessionState]:
    """Pin the revision of a protocol; None resets it to the server's."""
    return (yield from _change_protocol(session, protocol, {"revision": revision}))


def replay(
    session: str, recording: Path | str | bytes | None, *, record: RecordMode = "once", repeats: bool = False
) -> Steps[SessionState]:
    """Answer the requests of the session from a recording: a file, or its content as bytes; None removes it.

    `record` says what becomes of a request that the recording does not have: "none" refuses it; "new_episodes" answers
    it from the upstream or the contract, and `recording` has it then; "all" does so with every request; "once" is "all"
    if the recording is empty, else "none". With `repeats`, the last of equal exchanges is played again and again.
    Raises ControlError for a recording that cannot be used, OSError.
    """
    if recording is None:
        return read(SessionState, (yield Call(method="DELETE", path=at(session, "recording"))))
    content = recording if isinstance(recording, bytes) else Path(recording).read_bytes()
    path = at(session, "recording", record=record, repeats=repeats)
    return read(SessionState, (yield Call(method="PUT", path=path, lines=content)))


def recording(session: str, *, redact: Sequence[str] = (), normalise: bool = False) -> Steps[str]:
    """Return the recording of the session, with what it has recorded beside it; `redact`, `normalise` as in `export`.

    A recording that was made with rules needs them for what is added. Raises ControlError without a recording.
    """
    rules = json.dumps(list(redact)) if redact else None
    path = at(session, "recording", redact=rules, normalise=normalise or None)
    lines: str = yield Call(method="GET", path=path, text=True)
    return lines


def mode(session: str, protocol: str, mode: ReplyMode | None) -> Steps[SessionState]:
    """Take the replies of a protocol from its contract ("mock"), its upstream ("proxy") or the recording ("replay").

    None resets the mode.
    """
    return (yield from _change_protocol(session, protocol, {"mode": mode}))


def _change_protocol(session: str, protocol: str, change: ProtocolChange) -> Steps[SessionState]:
    served = (yield Call(method="GET", path="/_mock/protocols"))["protocols"]
    defaults: dict[str, str] = {row["name"]: row["revision"] for row in served}
    proxied = {row["name"] for row in served if row.get("upstream") is not None}
    state = yield from settings(session)
    own: dict[str, ProtocolChange] = {}
    for name, now in state.protocols.items():
        pinned = None if now.revision == defaults.get(name) else now.revision
        default = "replay" if state.replay is not None else "proxy" if name in proxied else "mock"
        chosen = None if now.mode == default else now.mode
        if pinned is not None or now.patch is not None or chosen is not None:
            own[name] = {"revision": pinned, "patch": now.patch, "mode": chosen}
    changed: ProtocolChange = {**own.get(protocol, {}), **change}
    return (yield from settings(session, protocols={**own, protocol: changed}))


def play(session: str, sample: Playable) -> Steps[Played]:
    """Send a sample of `mockserver.strategies` to the session, and return the reply and how it is not as expected.

    Before that, the clock is frozen at the time of the sample, the revision is pinned to that of the sample, and any
    well-formed key is accepted; these stay so. Requests that the sample needs before it are sent first. A sample
    expects a session that received nothing before.
    """
    yield from set_clock(session, datetime.fromtimestamp(sample.now_ms / 1000, UTC), frozen=True)
    state = yield from settings(session)
    if state.protocols[sample.protocol].revision != sample.revision:
        yield from revision(session, sample.protocol, sample.revision)
    if state.keys is not None:
        yield from settings(session, keys=None)
    for each in (*sample.before, sample.request):
        path = f"/_mock/s/{quote(session, safe='')}{each.path}"
        reply = yield Call(method=each.method, path=path, headers=each.headers, content=each.body)
    differences = tuple(sample.expect.differences(reply.status, reply.body))
    return Played(status=reply.status, headers=reply.headers, body=reply.body, differences=differences)


def key_for(session: str, protocol: str, operation: str | None = None) -> Steps[str]:
    """Return a key of this session that is well-formed for a protocol.

    By default, the key is for the first operation with a key. If the name of the session is not a well-formed key, a
    new key is added to the credentials of the session. Raises ControlError; ValueError for an unknown operation.
    """
    known = yield from credentials(f"?protocol={quote(protocol, safe='')}")
    specs = known[protocol].of(operation)
    if keys.fits(session, specs):
        return session
    key = keys.well_formed(keys.slug_of(session), specs)
    owned = (yield from settings(session)).credentials
    if key not in owned:
        yield from settings(session, credentials=[*owned, key])
    return key


def general_key(slug: str) -> Steps[str]:
    """Return a session name that is a well-formed key for as many protocols as possible."""
    return keys.general(slug, (yield from credentials()))


def credentials(query: str = "") -> Steps[Mapping[str, Credentials]]:
    """Return the credentials of each protocol."""
    return keys.credentials((yield Call(method="GET", path=f"/_mock/fidelity{query}"))["facts"])


def forget(session: str) -> Steps[None]:
    """Delete this session."""
    yield Call(method="DELETE", path=at(session))


def list_faults(session: str) -> Steps[list[FaultStep]]:
    """Return the fault steps with their remaining uses."""
    return _steps((yield Call(method="GET", path=at(session, "faults"))))


def add_fault(session: str, **step: Unpack[Step]) -> Steps[list[FaultStep]]:
    """Append a fault step and return all steps. Raises ControlError for an invalid step."""
    return _steps((yield Call(method="POST", path=at(session, "faults"), body=step)))


def replace_faults(session: str, steps: Sequence[Step]) -> Steps[list[FaultStep]]:
    """Replace all fault steps and return them. Raises ControlError for an invalid step."""
    return _steps((yield Call(method="PUT", path=at(session, "faults"), body=list(steps))))


def clear_faults(session: str) -> Steps[None]:
    """Remove all fault steps."""
    yield Call(method="DELETE", path=at(session, "faults"))


def _steps(answered: Json) -> list[FaultStep]:
    return [FaultStep.of(row) for row in answered["steps"]]


def read_clock(session: str) -> Steps[ClockReading]:
    """Return the session time and the real time."""
    return (yield from _clock(session, "GET"))


def now(session: str) -> Steps[datetime]:
    """Return the session time."""
    return (yield from read_clock(session)).now


def set_clock(session: str, now: datetime | str, *, frozen: bool = False) -> Steps[ClockReading]:
    """Set the session time, running or frozen. A string must be RFC 3339; a datetime without a time zone is UTC."""
    return (yield from _clock(session, "PUT", body={"now": _written(now), "frozen": frozen}))


def offset_clock(session: str, by: timedelta | float, *, frozen: bool = False) -> Steps[ClockReading]:
    """Set the offset from real time. A number is in seconds; a negative offset is in the past."""
    return (yield from _clock(session, "PUT", body={"offset_ms": _ms(by), "frozen": frozen}))


def freeze_clock(session: str, now: datetime | str | None = None) -> Steps[ClockReading]:
    """Freeze the session time, at a given time or at the current session time."""
    moment = (yield from read_clock(session)).now if now is None else now
    return (yield from set_clock(session, moment, frozen=True))


def advance_clock(session: str, by: timedelta | float) -> Steps[ClockReading]:
    """Advance the session time. A number is in seconds; a frozen clock stays frozen."""
    return (yield from _clock(session, "POST", "advance", body={"ms": _ms(by)}))


def reset_clock(session: str) -> Steps[ClockReading]:
    """Reset the session time to real time."""
    return (yield from _clock(session, "DELETE"))


def _clock(session: str, method: str, *parts: str, body: Json = None) -> Steps[ClockReading]:
    return ClockReading.of((yield Call(method=method, path=at(session, "clock", *parts), body=body)))


def _written(moment: datetime | str) -> str:
    if isinstance(moment, str):
        return moment
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.isoformat(timespec="milliseconds")


def _ms(by: timedelta | float) -> int:
    return round((by.total_seconds() if isinstance(by, timedelta) else by) * 1000)


def describe(session: str, since_ms: int | None = None) -> Steps[str]:
    """Describe a session for the report of a failed test, without secrets, as such reports are shared.

    `since_ms` is when the test began, in ms since 1970.
    """
    from mockserver.client.shareable import redactor, without_secrets

    described = yield from without_secrets(_described(session), (yield from redactor(session)))
    if (yield from settings(session)).counts.requests:
        return described
    return "\n".join([described, *(yield from _elsewhere(session, since_ms))])


def _described(session: str) -> Steps[str]:
    """Describe a session: requests, deliveries, refusals and unused fault steps."""
    state = yield from settings(session)
    lines = [text.counts(state.counts)]
    rows = yield from _rows(session, "requests", Request, limit=MOST_ROWS)
    complete = len(rows) == state.counts.requests
    page = yield Call(method="GET", path=at(session, "events", limit=MOST_ROWS))
    lines += wording.block("requests", text.requests(rows, text.labels(page["events"])))
    deliveries = yield from _rows(session, "deliveries", Delivery, limit=MOST_ROWS)
    lines += wording.block("deliveries", map(text.delivery, deliveries))
    refused = yield from _rows(session, "events", Event, limit=MOST_ROWS, verdict="rejected")
    lines += wording.block("refused events", chain.from_iterable(map(text.refused_event, refused)))
    reasons: list[str] = []
    for row in list(filter(refused_whole, rows))[:MOST_DETAILS]:
        findings = (yield from request(session, row.id)).findings
        reasons += [f"{row.id}: {wording.finding(found)}" for found in findings if found.severity == "error"]
    lines += wording.block("refused requests", reasons)
    pending = [step for step in (yield from list_faults(session)) if step.remaining != 0]
    lines += wording.block("pending fault steps", map(text.fault_step, pending))
    lines += map(text.unused_fault, (step for step in pending if complete and step.unused(rows)))
    return "\n".join(map(printable, lines))


def _elsewhere(session: str, since_ms: int | None) -> Steps[list[str]]:
    """Describe what came where a session received nothing, as a failed wait explains it below its first two lines.

    The server has hidden secrets in that text.
    """
    body: dict[str, Json] = {"timeout_ms": 0, **({} if since_ms is None else {"since_ms": since_ms})}
    waited = yield Call(method="POST", path=at(session, "wait"), body=body)
    return [line for line in str(waited["explanation"]).splitlines()[2:] if line != wording.NOTHING_CAME]


def refused_whole(row: Request) -> bool:
    """Return whether a request may have been refused as a whole; otherwise the rows of its events show why.

    The status of a faulted request does not tell; its findings do.
    """
    return not row.events and (row.fault is not None or (row.status or 0) >= 400)
