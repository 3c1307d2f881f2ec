"""What a durable store writes of a session and of its exchanges, and how both are made again from it.

Everything is JSON text or a plain column, so that other programs can read a file of it too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from mockserver.contract.contract import Contract
from mockserver.contract.serving import ContractChoice
from mockserver.core.model import ACCEPTED, DUPLICATE, REJECTED, Receipt, Verdict
from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json, jsontext
from mockserver.sessions.claims import all_of
from mockserver.sessions.exchange import NO_OVERRIDE, Exchange, ReplyOverride, SharedHead
from mockserver.sessions.session import Clock, Counts, Session, SessionSettings
from mockserver.sessions.steps import Step
from mockserver.sessions.tombstones import Tombstone
from mockserver.settings import RateMode, ReplyMode

LETTERS: Final[Mapping[Verdict, str]] = {ACCEPTED: "a", DUPLICATE: "d", REJECTED: "r"}
VERDICTS: Final = {letter: verdict for verdict, letter in LETTERS.items()}
"""Verdicts are written one letter an event."""

RECEIPT_MEMBERS: Final = tuple(name for name in Receipt.__struct_fields__ if name not in ("session", "seq", "verdicts"))
"""The members of a receipt that are written as JSON; the others have a column."""

T = TypeVar("T")


class WrittenChoice(Struct, frozen=True, omit_defaults=True):
    """The contract that a session asked for: a revision, a merge patch over it, or both."""

    revision: str | None = None
    patch: Json = None


class WrittenSettings(Struct, frozen=True):
    """The settings of a session. None stands for the setting of the server, which may be another one next time."""

    credentials: tuple[str, ...]
    keys: list[str] | None
    rate_limits: RateMode | None
    protocols: dict[str, WrittenChoice]
    modes: dict[str, ReplyMode]
    journal_limit: int | None


class WrittenStep(Struct, frozen=True):
    """A fault step: as it was given, the uses it has left, and how often its dice and its delays were drawn."""

    script: dict[str, Json]
    remaining: int | None
    rolls: int
    delays: int


class WrittenSession(Struct, frozen=True):
    """A session without its requests and claims. `bytes` and `remembered` say how much memory those will take."""

    name: str
    opened_ms: int | None
    read: bool
    settings: WrittenSettings
    clock: Clock
    counts: Counts
    newest: int
    next_event: int
    refused: int
    evicted: int
    evicted_events: int
    evicted_refused: int
    revised: int
    faults: list[WrittenStep]
    counts_attempts: bool
    seen_keys: tuple[str, ...]
    eviction: Tombstone | None
    own_recording: bool
    bytes: int
    remembered: int
    forgotten: int


class WrittenHead(Struct, frozen=True):
    """What many requests of a session have in common. Header names and values are Latin-1, so no byte is lost."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    truncated: bool
    late: bool
    protocol: str
    contract: str
    choice: WrittenChoice | None
    keys: list[str] | None
    rate_mode: RateMode
    operation: str | None
    bytes: int


class ExchangeRow(Struct, frozen=True, array_like=True):
    """One exchange. Times are ms since 1970, `verdicts` one letter an event, `receipt` and `override` JSON."""

    seq: int
    head: int
    received_ms: int
    session_ms: int
    status: int
    refused: bool
    verdicts: str
    receipt: str
    override: str | None
    connection: str
    body: bytes


def write_json(value: object) -> str:
    """Return a value as JSON text; bytes become Base64."""
    return jsontext.render(msgspec.to_builtins(value)).decode()


def read_json(text: str, kind: type[T]) -> T:
    """Return the value of a type from its JSON text. Raises ValueError for any other text."""
    return msgspec.convert(json.loads(text), kind)


def written_session(session: Session, defaults: SessionSettings) -> WrittenSession:
    """Return what is to be written of a session."""
    settings = session.settings
    return WrittenSession(
        name=session.name,
        opened_ms=session.opened_ms,
        read=session.read,
        settings=WrittenSettings(
            credentials=settings.credentials,
            keys=_sorted(settings.keys),
            rate_limits=_own(settings.rate_limits, defaults.rate_limits),
            protocols={name: _written_choice(choice) for name, choice in settings.protocols.items()},
            modes=dict(settings.modes),
            journal_limit=_own(settings.journal_limit, defaults.journal_limit),
        ),
        clock=session.clock,
        counts=session.counts,
        newest=session.newest,
        next_event=session.newest_event + 1,
        refused=session.refused,
        evicted=session.evicted,
        evicted_events=session.evicted_events,
        evicted_refused=session.evicted_refused,
        revised=session.revised,
        faults=[_written_step(step) for step in session.faults],
        counts_attempts=session.attempts is not None or session.counts_attempts,
        seen_keys=session.seen_keys,
        eviction=session.eviction,
        own_recording=session.own_playback,
        bytes=session.bytes,
        remembered=session.claims.remembered,
        forgotten=session.claims.forgotten,
    )


def _own(value: T, default: T) -> T | None:
    return None if value == default else value


def _sorted(keys: frozenset[str] | None) -> list[str] | None:
    return None if keys is None else sorted(keys)


def _written_choice(choice: ContractChoice) -> WrittenChoice:
    return WrittenChoice(revision=choice.revision, patch=choice.patch)


def _written_step(step: Step) -> WrittenStep:
    return WrittenStep(script=step.script, remaining=step.remaining, rolls=step.rolls, delays=step.delays)


def read_session(session: Session, written: WrittenSession) -> None:
    """Give a new session what was written of it; its requests and claims come when they are read."""
    read_set_up(session, written)
    session.counts = written.counts
    session.number_on(written.newest, written.next_event)
    session.refused, session.revised = written.refused, written.revised
    session.evicted, session.evicted_events = written.evicted, written.evicted_events
    session.evicted_refused = written.evicted_refused
    session.see(written.seen_keys)
    session.counts_attempts = written.counts_attempts
    session.bytes = written.bytes
    session.claims.remembered, session.claims.forgotten = written.remembered, written.forgotten


def read_set_up(session: Session, written: WrittenSession) -> None:
    """Give a session what a control call has set up, or a request has changed of that."""
    settings, stored = session.settings, written.settings
    settings.credentials = stored.credentials
    settings.rate_limits = stored.rate_limits or settings.rate_limits
    settings.journal_limit = stored.journal_limit or settings.journal_limit
    settings.keys = None if stored.keys is None else frozenset(stored.keys)
    settings.protocols = {name: choice_of(choice) for name, choice in stored.protocols.items()}
    settings.modes = stored.modes
    session.opened_ms, session.read = written.opened_ms, written.read
    session.clock, session.eviction = written.clock, written.eviction
    session.faults = [_read_step(step) for step in written.faults]


def choice_of(written: WrittenChoice) -> ContractChoice:
    """Return the choice of a contract that was written."""
    return ContractChoice(revision=written.revision, patch=written.patch)


def _read_step(written: WrittenStep) -> Step:
    step = Step(written.script)
    step.remaining = written.remaining
    step.draw_again(written.rolls, written.delays)
    return step


def written_head(shared: SharedHead, choice: ContractChoice | None) -> WrittenHead:
    """Return what is to be written of what requests have in common; `choice` is how the session chose the contract."""
    request = shared.head
    return WrittenHead(
        method=request.method,
        target=request.target,
        headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers],
        truncated=request.truncated,
        late=request.late,
        protocol=shared.contract.name,
        contract=shared.contract.digest,
        choice=None if choice is None else _written_choice(choice),
        keys=_sorted(shared.keys),
        rate_mode=shared.rate_mode,
        operation=shared.operation,
        bytes=shared.bytes,
    )


def read_head(written: WrittenHead, contract: Contract, number: int) -> SharedHead:
    """Return what requests have in common, under the contract that their protocol and choice lead to now."""
    headers = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in written.headers)
    request = WireRequest(
        method=written.method,
        target=written.target,
        headers=headers,
        fields={name.lower(): value for name, value in reversed(headers)},
        body=b"",
        truncated=written.truncated,
        late=written.late,
    )
    return SharedHead(
        head=request,
        contract=contract,
        keys=None if written.keys is None else frozenset(written.keys),
        rate_mode=written.rate_mode,
        operation=written.operation,
        bytes=written.bytes,
        number=number,
    )


def written_exchange(exchange: Exchange) -> ExchangeRow:
    """Return what is to be written of an exchange whose head was written under `shared.number`."""
    receipt = exchange.receipt
    facts = {name: getattr(receipt, name) for name in RECEIPT_MEMBERS}
    return ExchangeRow(
        seq=receipt.seq,
        head=exchange.shared.number,
        received_ms=exchange.received_ms,
        session_ms=exchange.now_ms,
        status=exchange.status,
        refused=exchange.refused,
        verdicts=_letters(receipt.verdicts),
        receipt=write_json(facts),
        override=None if exchange.override is NO_OVERRIDE else write_json(exchange.override),
        connection=exchange.connection,
        body=exchange.body,
    )


def _letters(verdicts: tuple[Verdict, ...]) -> str:
    if verdicts and verdicts.count(verdicts[0]) == len(verdicts):
        return LETTERS[verdicts[0]] * len(verdicts)
    return "".join([LETTERS[verdict] for verdict in verdicts])


def read_exchange(row: ExchangeRow, shared: SharedHead, session: str) -> Exchange:
    """Return an exchange from what was written of it. Raises ValueError for what cannot be one."""
    letters, first = row.verdicts, row.verdicts[:1]
    alike = letters == first * len(letters)
    verdicts = all_of(VERDICTS[first], len(letters)) if alike and first else tuple(map(VERDICTS.__getitem__, letters))
    facts = json.loads(row.receipt)
    return Exchange(
        shared=shared,
        body=row.body,
        now_ms=row.session_ms,
        status=row.status,
        connection=row.connection,
        refused=bool(row.refused),
        receipt=Receipt(session=session, seq=row.seq, verdicts=verdicts, **facts),
        override=NO_OVERRIDE if row.override is None else read_json(row.override, ReplyOverride),
    )
