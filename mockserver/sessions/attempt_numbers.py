"""Which attempt to deliver an event each request is, by the same keys as the ledger: an id, or else the content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from mockserver.contract.contract import Contract
from mockserver.jsonkit import Json
from mockserver.sessions.exchange import Exchange, sent_events
from mockserver.sessions.ledger import Key, fingerprint, id_of
from mockserver.sessions.outcomes import ClientOutcome, client_outcome, client_outcome_of_event

Attempts = list[tuple[Exchange, int]]
"""The attempts to deliver one event: exchanges, and the position of the event in each."""


class AttemptNumbers:
    """Counts the attempts in the exchanges of one session, which are added in the order they were committed.

    An event without id is a new one once an attempt was acknowledged, so that equal clicks stay apart.
    """

    def __init__(self) -> None:
        self._by_id: Counter[tuple[str, str]] = Counter()
        self._open: dict[Key, list[Attempts]] = {}

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
        ids: Counter[tuple[str, str]] = Counter()
        contents: Counter[Key] = Counter()
        for index, event in enumerate(events):
            id_ = id_of(event, contract)
            if id_ is not None:
                ids[contract.name, id_] += 1
                yield self._by_id[contract.name, id_] + ids[contract.name, id_]
                continue
            key = (contract.name, fingerprint(event))
            rows = self._open_rows(key) if key not in contents else self._open.get(key, [])
            place = contents[key]
            contents[key] += 1
            yield len(rows[place]) + 1 if place < len(rows) else 1
            if exchange is not None:
                if place == len(rows):
                    self._open.setdefault(key, rows).append([])
                self._open[key][place].append((exchange, index))
        if exchange is not None:
            self._by_id.update(ids)

    def _open_rows(self, key: Key) -> list[Attempts]:
        """Return the events of one content that no client was told are delivered, and forget the others."""
        rows = [row for row in self._open.get(key, ()) if not any(map(_acknowledged, row))]
        if rows or key in self._open:
            self._open[key] = rows
        return rows


def _acknowledged(attempt: tuple[Exchange, int]) -> bool:
    exchange, index = attempt
    outcome = client_outcome_of_event(client_outcome(exchange), exchange.verdicts[index])
    return outcome is ClientOutcome.ACKNOWLEDGED
