"""What a test changes of a session: contracts and settings, keys, faults, the clock; each as the calls it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Unpack
from urllib.parse import quote

from mockserver.client import keys
from mockserver.client.arguments import ProtocolChange, Settings, Step
from mockserver.client.calls import Call, Steps, at
from mockserver.client.keys import Credentials
from mockserver.client.results import ClockReading, FaultStep, SessionState
from mockserver.jsonkit import Json
from mockserver.jsonkit.decoding import read


def settings(session: str, **change: Unpack[Settings]) -> Steps[SessionState]:
    """Change the named settings, all or none, and return what is in force then; with none, only that."""
    if change:
        return (yield from change_settings(session, change))
    return read(SessionState, (yield Call(method="GET", path=at(session))))


def change_settings(session: str, change: Mapping[str, Json]) -> Steps[SessionState]:
    """Change the named settings, all or none, and return what is in force then."""
    return read(SessionState, (yield Call(method="PATCH", path=at(session), body=change)))


def patch(session: str, protocol: str, patch: Mapping[str, Json] | None) -> Steps[SessionState]:
    """Put a merge patch over one protocol's contract, in place of the session's earlier one; None takes it off."""
    return (yield from _change_protocol(session, protocol, {"patch": patch}))


def revision(session: str, protocol: str, revision: str | None) -> Steps[SessionState]:
    """Pin one protocol's revision; None goes back to the server's."""
    return (yield from _change_protocol(session, protocol, {"revision": revision}))


def _change_protocol(session: str, protocol: str, change: ProtocolChange) -> Steps[SessionState]:
    served = (yield Call(method="GET", path="/_mock/protocols"))["protocols"]
    defaults: dict[str, str] = {row["name"]: row["revision"] for row in served}
    state = yield from settings(session)
    own: dict[str, ProtocolChange] = {}
    for name, now in state.protocols.items():
        pinned = None if now.revision == defaults.get(name) else now.revision
        if pinned is not None or now.patch is not None:
            own[name] = {"revision": pinned, "patch": now.patch}
    changed: ProtocolChange = {**own.get(protocol, {}), **change}
    return (yield from settings(session, protocols={**own, protocol: changed}))


def key_for(session: str, protocol: str, operation: str | None = None) -> Steps[str]:
    """Return a key that is well-formed for a protocol and belongs to this session.

    Without an operation it is one for the first that takes a key. The session's own name is returned where it will do;
    any other key is added to the session's credentials. Raises ControlError, ValueError for an unknown operation.
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
    """Return a session name that as many protocols as possible take as a key."""
    return keys.general(slug, (yield from credentials()))


def credentials(query: str = "") -> Steps[Mapping[str, Credentials]]:
    """Return what each protocol's contract says of its keys."""
    return keys.credentials((yield Call(method="GET", path=f"/_mock/fidelity{query}"))["facts"])


def forget(session: str) -> Steps[None]:
    """Forget everything of this session, and nothing of any other."""
    yield Call(method="DELETE", path=at(session))


def list_faults(session: str) -> Steps[list[FaultStep]]:
    """Return the steps, and what is left of each."""
    return _steps((yield Call(method="GET", path=at(session, "faults"))))


def add_fault(session: str, **step: Unpack[Step]) -> Steps[list[FaultStep]]:
    """Append a step; returns all of them. Raises ControlError for one that cannot be used."""
    return _steps((yield Call(method="POST", path=at(session, "faults"), body=step)))


def replace_faults(session: str, steps: Sequence[Step]) -> Steps[list[FaultStep]]:
    """Put these steps in place of all others. Raises ControlError when one cannot be used."""
    return _steps((yield Call(method="PUT", path=at(session, "faults"), body=list(steps))))


def clear_faults(session: str) -> Steps[None]:
    """Remove all steps."""
    yield Call(method="DELETE", path=at(session, "faults"))


def _steps(answered: Json) -> list[FaultStep]:
    return [FaultStep.of(row) for row in answered["steps"]]


def read_clock(session: str) -> Steps[ClockReading]:
    """Return session time beside real time."""
    return ClockReading.of((yield Call(method="GET", path=at(session, "clock"))))


def now(session: str) -> Steps[datetime]:
    """Return session time."""
    return (yield from read_clock(session)).now


def set_clock(session: str, now: datetime | str, *, frozen: bool = False) -> Steps[ClockReading]:
    """Set session time; it runs on from there, or stands still. Text is RFC 3339, a datetime without zone is UTC."""
    return (yield from _put_clock(session, {"now": _written(now), "frozen": frozen}))


def offset_clock(session: str, by: timedelta | float, *, frozen: bool = False) -> Steps[ClockReading]:
    """Set session time so far off real time; numbers are seconds, below zero is the past."""
    return (yield from _put_clock(session, {"offset_ms": _ms(by), "frozen": frozen}))


def freeze_clock(session: str, now: datetime | str | None = None) -> Steps[ClockReading]:
    """Let session time stand still, at a moment or where it is."""
    moment = (yield from read_clock(session)).now if now is None else now
    return (yield from set_clock(session, moment, frozen=True))


def advance_clock(session: str, by: timedelta | float) -> Steps[ClockReading]:
    """Move session time, frozen or running as before; numbers are seconds."""
    call = Call(method="POST", path=at(session, "clock", "advance"), body={"ms": _ms(by)})
    return ClockReading.of((yield call))


def reset_clock(session: str) -> Steps[ClockReading]:
    """Go back to real time."""
    return ClockReading.of((yield Call(method="DELETE", path=at(session, "clock"))))


def _put_clock(session: str, body: Mapping[str, Any]) -> Steps[ClockReading]:
    return ClockReading.of((yield Call(method="PUT", path=at(session, "clock"), body=body)))


def _written(moment: datetime | str) -> str:
    if isinstance(moment, str):
        return moment
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return aware.isoformat(timespec="milliseconds")


def _ms(by: timedelta | float) -> int:
    return round((by.total_seconds() if isinstance(by, timedelta) else by) * 1000)
