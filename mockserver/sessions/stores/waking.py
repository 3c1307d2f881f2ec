"""How a dormant session is read from a file, in a thread: its requests, its claims, the contracts they are under."""

from __future__ import annotations

import json
import logging
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from mockserver.contract.contract import Contract
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.core.wording import counted
from mockserver.errors import ContractError, StoreError
from mockserver.sessions.attempt_numbers import AttemptNumbers
from mockserver.sessions.claims import Claims, Id, Memory
from mockserver.sessions.exchange import Exchange, SharedHead
from mockserver.sessions.session import Session, size_of
from mockserver.sessions.session_name import tagged
from mockserver.sessions.stores.file_changes import Row
from mockserver.sessions.stores.memory import head_key
from mockserver.sessions.stores.sqlite_file import SqliteFile, sum_of
from mockserver.sessions.stores.stored_rows import (
    ExchangeRow,
    WrittenHead,
    choice_of,
    read_exchange,
    read_head,
    read_json,
    write_json,
)

_log = logging.getLogger("mockserver.store")

Select = Callable[[str, int], Iterable[Row]]
WINDOW: Final = "window"
IDEMPOTENCY: Final = "idempotency"
HEAD_COLUMN: Final = ExchangeRow.__struct_fields__.index("head")
REQUESTS: Final = (
    "SELECT seq, head, received_ms, session_ms, status, refused, verdicts, receipt, override, connection, body, sum "
    "FROM requests WHERE session = ? ORDER BY seq"
)
_IDS: Final = msgspec.msgpack.Decoder(list[bytes])


class Expected(NamedTuple):
    """How much the file must have of a session: what is missing was not read, or is damaged."""

    requests: int
    remembered: int


class Woken(NamedTuple):
    """What was read of a session. `bytes` is what its journal takes; `heads` are those that its exchanges have."""

    journal: deque[Exchange]
    bytes: int
    heads: dict[Hashable, SharedHead]
    shares: list[tuple[SharedHead, int]]
    claims: Claims
    choices: dict[str, ContractChoice]
    attempts: AttemptNumbers | None


def read_dormant(file: SqliteFile, session: Session, expected: Expected, contracts: ServedContracts) -> Woken:
    """Return what a file has of a session. Raises StoreError, after logging it."""
    try:
        return _read(file, session, expected, contracts)
    except StoreError as error:
        problem = f"session {tagged(session.name)}: {error}"
    except (ValueError, KeyError, TypeError, msgspec.MsgspecError) as error:
        problem = f"session {tagged(session.name)}: {file.shown} cannot be read: it is damaged: {error!r}"
    if not session.deleted:  # else its rows may be gone in part
        _log.error("store: %s", problem)
    raise StoreError(problem)


def _read(file: SqliteFile, session: Session, expected: Expected, contracts: ServedContracts) -> Woken:
    number, name = session.number, session.name
    choices = _fitting(session, contracts)
    with file.reading() as select:
        heads = _Heads(contracts, session).read(select("SELECT number, head FROM heads WHERE session = ?", number))
        attempts = AttemptNumbers() if session.counts_attempts else None
        journal, size = deque[Exchange](), 0
        for *row, total in select(REQUESTS, number):
            written = ExchangeRow(*row)
            if sum_of(written.body, written.receipt, written.verdicts) != total:
                raise StoreError(f"{file.shown} is damaged: request {written.seq} is not what was written")
            exchange = read_exchange(written, heads[written.head], name)
            exchange.shared.uses += 1
            size += size_of(exchange)
            journal.append(exchange)
            if attempts is not None:
                attempts.add(exchange)
        claims = Claims()
        claims.restore(_memory(select, number))
    claims.forgotten = session.claims.forgotten
    if len(journal) != expected.requests or claims.remembered != expected.remembered:
        raise StoreError(
            f"{file.shown} is damaged: it has {counted(len(journal), 'request')} of {expected.requests}, and "
            f"{counted(claims.remembered, 'id')} of {expected.remembered}"
        )
    used = [shared for shared in heads.values() if shared.uses]
    size += sum(shared.bytes for shared in used)
    shares = Counter[tuple[Contract, frozenset[str] | None]]()
    first = dict[tuple[Contract, frozenset[str] | None], SharedHead]()
    for shared in used:
        if shared.contract.bytes or shared.keys:
            shares[shared.contract, shared.keys] += 1
            first.setdefault((shared.contract, shared.keys), shared)
    return Woken(
        journal=journal,
        bytes=size,
        heads={shared.key: shared for shared in used},
        shares=[(first[key], uses) for key, uses in shares.items()],
        claims=claims,
        choices=choices,
        attempts=attempts,
    )


def _fitting(session: Session, contracts: ServedContracts) -> dict[str, ContractChoice]:
    """Return the contracts that a session has chosen, without those that cannot be used any more."""
    fitting = dict[str, ContractChoice]()
    for name, choice in session.settings.protocols.items():
        try:
            contracts.check({name: choice})
            fitting[name] = choice
        except ContractError as error:
            _log.warning(
                "session %s: its own contract of %s no longer fits, the server's is in force: %s",
                tagged(session.name),
                name,
                error,
            )
    return fitting


class _Heads:
    """Reads the heads of a session; says once for each protocol that requests were judged under another contract."""

    def __init__(self, contracts: ServedContracts, session: Session) -> None:
        self._contracts = contracts
        self._session = session
        self._found: dict[tuple[str, str], Contract] = {}
        self._changed: set[str] = set()

    def read(self, rows: Iterable[Row]) -> Mapping[int, SharedHead]:
        return {number: self._head(number, read_json(text, WrittenHead)) for number, text in rows}

    def _head(self, number: int, written: WrittenHead) -> SharedHead:
        contract = self._contract(written)
        if contract.digest != written.contract and contract.name not in self._changed:
            self._changed.add(contract.name)
            _log.warning(
                "session %s: requests of %s were judged under another contract than the one that explains them now",
                tagged(self._session.name),
                contract.name,
            )
        shared = read_head(written, contract, number)
        shared.key = head_key(shared.head, contract, shared.operation, shared.rate_mode, shared.keys)
        return shared

    def _contract(self, written: WrittenHead) -> Contract:
        """Return the contract that a protocol and a choice lead to now; the server's where that does not fit."""
        name, served = written.protocol, self._contracts.served
        if name not in served:
            raise StoreError(
                f"it has requests of the protocol {name}, which this server does not serve; start it with the "
                "--contracts that have it, or delete the session"
            )
        if written.choice is None:
            return served[name]
        place = name, write_json(written.choice)
        if place not in self._found:
            try:
                self._found[place] = self._contracts.resolve(name, choice_of(written.choice))
            except ContractError:
                self._found[place] = served[name]
        return self._found[place]


def _memory(select: Select, number: int) -> Memory:
    """Return what a session has claimed."""
    memory = Memory({}, [], {}, {}, {})
    memory.dropped.update(select("SELECT memory, count FROM dropped WHERE session = ?", number))
    rows = select("SELECT memory, first, ids, sum FROM ids WHERE session = ? ORDER BY memory, first", number)
    for name, first, packed, total in rows:
        if sum_of(packed) != total:
            raise StoreError("the file is damaged: ids are not what was written")
        ids: list[Id] = _IDS.decode(packed)
        memory.of(name).extend(ids[max(0, memory.dropped.get(name, 0) - first) :])
    rows = select("SELECT kind, key, began_ms, length_ms, requests FROM held WHERE session = ? ORDER BY rowid", number)
    for kind, text, *held in rows:
        key: Any = json.loads(text)
        if kind == WINDOW:
            protocol, limit, credential = key
            window = protocol, limit, None if credential is None else bytes.fromhex(credential)
            memory.windows[window] = (held[0], held[1], held[2])
        else:
            memory.idempotency[bytes.fromhex(key)] = (held[0], held[1], held[2])
    return memory
