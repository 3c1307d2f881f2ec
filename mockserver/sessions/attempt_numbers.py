"""Which attempt to deliver an event each request is, by the same keys as the ledger: an id, or else the content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.events import text_key
from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.sessions.delivery import Key
from mockserver.sessions.exchange import Exchange, sent_events
from mockserver.sessions.ledger import fingerprint, id_of
from mockserver.sessions.outcomes import ClientOutcome, client_outcome, client_outcome_of_event

MAX_KEPT: Final = 100_000
"""Over so many ids, or contents without an id, the oldest ones are forgotten."""

ATTEMPT_BYTES: Final = 400
"""What an id or a content takes, measured."""


class Answer:
    """What the client was told by an exchange: looked up in the exchange while that is in the journal."""

    __slots__ = ("exchange", "outcome")

    def __init__(self, exchange: Exchange) -> None:
        self.exchange: Exchange | None = exchange
        self.outcome = ClientOutcome.RETRY

    def settle(self) -> None:
        """Keep the outcome in place of the exchange."""
        if self.exchange is not None:
            self.outcome, self.exchange = client_outcome(self.exchange), None


Attempts = list[tuple[Answer, Verdict]]
"""The attempts to deliver one event: the answers, and the event's verdict in each."""


class AttemptNumbers:
    """Counts the attempts in the exchanges of one session, which are added in the order they were committed.

    An event without id is a new one once an attempt was acknowledged, so that equal clicks stay apart.
    """

    def __init__(self) -> None:
        self._by_id: Counter[tuple[str, bytes]] = Counter()
        self._open: dict[Key, list[Attempts]] = {}
        self._answers: dict[int, Answer] = {}

    @property
    def bytes(self) -> int:
        """About how many bytes of memory the numbers take."""
        return ATTEMPT_BYTES * (len(self._by_id) + len(self._open) + len(self._answers))

    def evict(self, exchange: Exchange) -> None:
        """Learn that an exchange leaves the journal: it is not held any longer."""
        answer = self._answers.pop(exchange.seq, None)
        if answer is not None:
            answer.settle()

    def add(self, exchange: Exchange) -> list[int]:
        """Add an exchange; return the number of the attempt for each of its events, from 1."""
        return list(self.adding(exchange, sent_events(exchange).events))

    def adding(self, exchange: Exchange, events: Sequence[Json]) -> Iterator[int]:
        """Add an exchange with its events and yield the number of each; it is added once all are yielded."""
        return self._numbers(exchange.contract, events, exchange)

    def expected(self, contract: Contract, events: Sequence[Json]) -> list[int]:
        """Return the numbers that the events of a request would have if it were added now."""
        return list(self._numbers(contract, events, None))

    def _numbers(self, contract: Contract, events: Sequence[Json], exchange: Exchange | None) -> Iterator[int]:
        ids: Counter[tuple[str, bytes]] = Counter()
        contents: Counter[Key] = Counter()
        for index, event in enumerate(events):
            id_ = id_of(event, contract)
            if id_ is not None:
                id_key = (contract.name, text_key(id_))
                ids[id_key] += 1
                yield self._by_id[id_key] + ids[id_key]
                continue
            key = (contract.name, fingerprint(event))
            rows = self._open_rows(key) if key not in contents else self._open.get(key, [])
            place = contents[key]
            contents[key] += 1
            yield len(rows[place]) + 1 if place < len(rows) else 1
            if exchange is not None:
                if place == len(rows):
                    self._open.setdefault(key, rows).append([])
                answer = self._answers.setdefault(exchange.seq, Answer(exchange))
                self._open[key][place].append((answer, exchange.verdicts[index]))
        if exchange is not None:
            self._by_id.update(ids)
            while len(self._by_id) > MAX_KEPT:
                del self._by_id[next(iter(self._by_id))]
            while len(self._open) > MAX_KEPT:
                del self._open[next(iter(self._open))]

    def _open_rows(self, key: Key) -> list[Attempts]:
        """Return the events of one content that no client was told are delivered, and forget the others."""
        rows = [row for row in self._open.get(key, ()) if not any(map(_acknowledged, row))]
        if rows or key in self._open:
            self._open[key] = rows
        return rows


def _acknowledged(attempt: tuple[Answer, Verdict]) -> bool:
    answer, verdict = attempt
    told = answer.outcome if answer.exchange is None else client_outcome(answer.exchange)
    return client_outcome_of_event(told, verdict) is ClientOutcome.ACKNOWLEDGED
