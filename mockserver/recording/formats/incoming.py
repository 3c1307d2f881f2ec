"""Requests of other tools' files as a recording: whose they are, how they are judged, and what is hidden in them.

Nothing comes out before every exchange was judged again without what is hidden in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, Patch
from mockserver.core.wire import WireReply
from mockserver.lint.document_schema import FormatError
from mockserver.lint.traffic import Skip, contract_of
from mockserver.recording.formats.observed import Observed
from mockserver.recording.formats.player import NotAStepError, Player
from mockserver.recording.recorder import Known, Recorder, UnfaithfulError
from mockserver.recording.redaction.find_secrets import secrets_of_url
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.sessions.exchange import Exchange

NAMED: Final = 5
"""How many places of what was left out are named."""
LARGEST: Final = 64 * 1024 * 1024
"""Bytes of a body that a recording can have."""
TOO_LARGE: Final = f"whose bodies are larger than {LARGEST >> 20} MiB"
TO_ANY_HOST: Final = "name the API with --protocol to take its requests to any host"


class Contracts:
    """The contracts by which files are judged: revisions and patches of the caller's go before those of a file.

    With `protocol`, requests belong to that one or to none.
    """

    def __init__(
        self,
        library: Library,
        revisions: Mapping[str, str] | None = None,
        patches: Sequence[tuple[str, Patch]] = (),
        protocol: str | None = None,
    ) -> None:
        self._library = library
        self._revisions = revisions or {}
        self._patches = patches
        self.names = list(library.protocols) if protocol is None else [library.protocol(protocol).name]
        self._known: dict[tuple[str, str | None], Contract] = {}

    def of(self, protocol: str, revision: str | None = None, patches: Sequence[Patch] = ()) -> Contract:
        """Return the contract of a protocol; a file names `revision` and `patches`. Raises ContractError."""
        chosen = self._revisions.get(protocol, revision)
        known = self._known.get((protocol, chosen)) if not patches else None
        if known is None:
            own = [patch for name, patch in self._patches if name == protocol]
            known = self._library.protocol(protocol).contract(chosen, [*own, *patches])
            if not patches:
                self._known[protocol, chosen] = known
        return known

    def all(self, named: str | None = None, revision: str | None = None) -> Mapping[str, Contract]:
        """Return the contracts by protocol; `revision` is that of the protocol that a file names."""
        return {name: self.of(name, revision if name == named else None) for name in self.names}


@dataclass(slots=True)
class Left:
    """What was left out of a recording: how often, and the first places or hosts, by the reason."""

    counts: Counter[str] = field(default_factory=Counter)
    names: dict[str, dict[str, None]] = field(default_factory=dict)

    def add(self, reason: str, name: str) -> None:
        """Count something that was left out."""
        self.counts[reason] += 1
        self.names.setdefault(reason, {})[name] = None

    def lines(self) -> list[str]:
        """Return one line for each reason."""
        return [f"{reason}: {count} ({self._named(reason)})" for reason, count in self.counts.items()]

    def _named(self, reason: str) -> str:
        first = list(self.names[reason])
        more = len(first) - NAMED
        return ", ".join(first[:NAMED]) + (f" and {more} more" if more > 0 else "")


@dataclass(slots=True)
class Incoming:
    """The exchanges that come in from a file, with the place of each, and the URLs of those who answered."""

    file: str
    exchanges: list[tuple[Exchange, str]] = field(default_factory=list)
    urls: dict[str, str] = field(default_factory=dict)
    left: Left = field(default_factory=Left)
    notes: list[str] = field(default_factory=list)


Source: TypeAlias = Iterable[Observed]


def played(observed: Source, file: str, contracts: Contracts, default_ms: int) -> Incoming:
    """Play the requests that belong to a protocol. `default_ms` is the time of those without one before the first.

    Raises FormatError, ContractError.
    """
    incoming, player, last_ms, untimed = Incoming(file), Player(), None, 0
    for item in observed:
        contract = _contract_of(item, contracts, incoming.left)
        if contract is None:
            continue
        if item.now_ms is None:
            untimed += 1
        now_ms = item.now_ms if item.now_ms is not None else default_ms if last_ms is None else last_ms
        last_ms = now_ms
        url = item.upstream or item.origin
        if url is not None and incoming.urls.setdefault(contract.name, url) != url:
            incoming.left.add(f"requests to {contract.name} at a second host; the head names the first", url)
        reply = _recordable_reply(item, incoming.left)
        try:
            exchange = player.exchange(
                item.request,
                contract,
                now_ms,
                reply,
                origin=item.given_by,
                failure=item.failure,
                fault=item.fault,
            )
        except NotAStepError as error:
            raise FormatError(file, item.place, "/_mockserver/fault", str(error)) from None
        incoming.exchanges.append((exchange, item.place))
    if untimed:
        incoming.notes.append(f"requests without a time, recorded at that of the one before or of the file: {untimed}")
    return incoming


def _contract_of(item: Observed, contracts: Contracts, left: Left) -> Contract | None:
    """Return the contract of a request to record; None for one that is left out."""
    contract = contract_of(item, contracts.all(item.protocol, item.revision))
    if isinstance(contract, Skip):
        name = item.origin if contract is Skip.HOST and item.origin is not None else item.place
        left.add(f"requests to {contract}", name)
        return None
    if not item.body_recorded:
        left.add("requests whose bodies the file does not have", item.place)
        return None
    if len(item.request.body) > LARGEST:
        left.add(f"requests {TOO_LARGE}", item.place)
        return None
    return contract


def _recordable_reply(item: Observed, left: Left) -> WireReply | None:
    """Return the reply of a request; None if the client got none, or if it cannot be recorded."""
    if item.has_reply and item.reply is None:
        left.add("replies whose bodies the file does not have, recorded as no reply", item.place)
    elif item.reply is not None and len(item.reply.body) > LARGEST:
        left.add(f"replies {TOO_LARGE}, recorded as no reply", item.place)
        return None
    return item.reply


def recording_lines(incoming: Incoming, rules: Rules, contracts: Iterable[Contract]) -> list[bytes]:
    """Return the lines of a recording: what is hidden reads well, or else has the shape of what it hides.

    The keys of `contracts` are hidden beside those of the exchanges. Raises FormatError, which names the place.
    """
    secrets = set[str]().union(*map(secrets_of_url, incoming.urls.values()))
    known = Known(secrets, contracts)
    for exchange, _ in incoming.exchanges:
        known.add(exchange)
    problem: FormatError | None = None
    for shaped in (False, True):
        recorder = Recorder(known.scrubber(rules, shaped=shaped, kept=True))
        try:
            lines = [_line(recorder.line, exchange, incoming.file, place) for exchange, place in incoming.exchanges]
        except FormatError as error:
            problem = problem or error
            continue
        return [recorder.head(incoming.urls, rules, 0), *lines]
    assert problem is not None
    raise problem


def _line(line: Callable[[Exchange], bytes], exchange: Exchange, file: str, place: str) -> bytes:
    try:
        return line(exchange)
    except UnfaithfulError as error:
        raise FormatError(file, place, "", f"cannot be recorded: {error.problem}") from None
