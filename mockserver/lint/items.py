"""What files hold, one value for each thing to check: a request, a payload, a golden case, a contract patch."""

from __future__ import annotations

from dataclasses import dataclass

from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json
from mockserver.lint.golden_cases import Case


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to check. `place` says where in the file it is: a line, an entry; empty for the whole file."""

    file: str
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestItem(Item):
    """A complete request. `protocol` and `now_ms` are None where the file does not say them.

    `origin` is scheme, host and port that it went to, lower case; None for a request to a mockserver. `body_recorded`
    is False where the file lacks the body or a part of it. `reply` is None where no complete reply was recorded, or
    where a fault step made it; `reply_complete` says that all its headers were. `repeats` are the events that the file
    says were sent before, by index. `revision` is the contract revision that the file names.
    """

    request: WireRequest
    protocol: str | None = None
    now_ms: int | None = None
    origin: str | None = None
    body_recorded: bool = True
    reply: WireReply | None = None
    reply_complete: bool = False
    repeats: tuple[int, ...] = ()
    revision: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadItem(Item):
    """The first line of a recording: nothing more is checked of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PayloadItem(Item):
    """A request body or a single event, without a request around it."""

    payload: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseItem(Item):
    """A golden case or a corpus line."""

    case: Case


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchItem(Item):
    """A file that is a contract patch or a revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenItem(Item):
    """Something that cannot be read: why, and the JSON Pointer of the reason where there is one."""

    problem: str
    pointer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyItem(Item):
    """A file with nothing in it: what was looked for."""

    problem: str
