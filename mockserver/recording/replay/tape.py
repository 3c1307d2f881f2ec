"""A recording to answer from: its exchanges, found by their requests. It is read once and shared by all sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final, TypeAlias
from weakref import WeakKeyDictionary

from mockserver.contract.contract import Contract
from mockserver.core.body import RequestBody
from mockserver.core.route import route
from mockserver.errors import unknown
from mockserver.lint.document_schema import FormatError
from mockserver.recording.recordings import Head, LineReader, RecordedExchange, parsed_line
from mockserver.recording.replay.matching import NormalRequest, normal_request

LONGEST_LINE: Final = 8 * 1024 * 1024
"""Bytes of a line, which is parsed at once."""
MOST_VALUES: Final = 700_000
"""Commas in a line: an array of so many numbers is parsed within a turn of the event loop."""
MOST_BYTES: Final = 256 * 1024 * 1024
"""Bytes of a recording, which is kept in memory."""
UNMATCHED: Final = "unmatched"
"""Whose reply answers nobody: it says that a recording had no such request."""
LARGE: Final = 32 * 1024
"""Bytes of a line that takes some milliseconds to read."""
MEMORY_PER_LINE: Final = 3_000
"""What an exchange takes in memory beside its line, about."""

Group: TypeAlias = tuple[str, str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file: its name, its head, and its exchanges as lines."""

    file: str
    head: Head
    lines: tuple[bytes, ...]


@dataclass(slots=True, kw_only=True)
class Index:
    """The exchanges of one protocol by what their requests are without what varies."""

    forms: dict[int, NormalRequest] = field(default_factory=dict)
    same: dict[tuple[Group, bytes], list[int]] = field(default_factory=lambda: defaultdict(list))
    open: dict[Group, list[int]] = field(default_factory=lambda: defaultdict(list))
    groups: dict[Group, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, number: int, form: NormalRequest) -> None:
        """Add an exchange by its request."""
        self.groups[form.group].append(number)
        if form.open:
            self.open[form.group].append(number)
        else:
            self.same[form.group, form.digest].append(number)
            form = replace(form, document=MappingProxyType({}))  # the digest stands for it
        self.forms[number] = form


NO_CONTRACTS: Final[Mapping[str, Contract]] = MappingProxyType({})
NO_INDEXES: Final[Mapping[str, Index]] = MappingProxyType({})


class Tape:
    """Recordings to answer from, one after the other. An exchange is known by its number in all of them."""

    def __init__(
        self,
        parts: Sequence[Part],
        protocols: Sequence[str],
        served: Mapping[str, Contract] = NO_CONTRACTS,
        indexes: Mapping[str, Index] = NO_INDEXES,
    ) -> None:
        self.parts = tuple(parts)
        self._protocols = tuple(protocols)  # of each exchange
        self._places = [(index, line) for index, part in enumerate(parts) for line in range(len(part.lines))]
        self._indexes: WeakKeyDictionary[Contract, Index] = WeakKeyDictionary()
        for name, index in indexes.items():
            self._indexes[served[name]] = index

    def __len__(self) -> int:
        return len(self._places)

    @property
    def protocols(self) -> frozenset[str]:
        """The protocols of the exchanges."""
        return frozenset(self._protocols)

    @property
    def bytes(self) -> int:
        """About how many bytes of memory it takes."""
        return sum(len(line) + MEMORY_PER_LINE for part in self.parts for line in part.lines)

    def part_of(self, number: int) -> int:
        """Return in which part an exchange is."""
        return self._places[number][0]

    def exchange(self, number: int) -> RecordedExchange:
        """Return an exchange."""
        index, line = self._places[number]
        part = self.parts[index]
        return _exchange(part.head, part.lines[line], part.file, f"line {line + 2}")

    def size(self, number: int) -> int:
        """Return the bytes of the line of an exchange."""
        index, line = self._places[number]
        return len(self.parts[index].lines[line])

    def is_large(self, number: int) -> bool:
        """Return whether it may take longer than a turn of the event loop to read an exchange."""
        return self.size(number) > LARGE

    def form(self, number: int, contract: Contract) -> NormalRequest:
        """Return the request of an exchange without what varies in it, its document included."""
        return normal_request(route(RequestBody(self.exchange(number).request), contract))

    def is_indexed(self, contract: Contract) -> bool:
        """Return whether `index` is quick for a contract."""
        return contract in self._indexes

    def index(self, contract: Contract) -> Index:
        """Return the exchanges of the protocol of a contract. The first time, the time grows with the recording."""
        index = self._indexes.get(contract)
        if index is None:
            index = Index()
            for number, protocol in enumerate(self._protocols):
                if protocol == contract.name and self.exchange(number).origin != UNMATCHED:
                    index.add(number, self.form(number, contract))
            self._indexes[contract] = index
        return index


def _exchange(head: Head, line: bytes, file: str, place: str) -> RecordedExchange:
    read = LineReader(file, head).read(parsed_line(line, file, place), place)
    assert isinstance(read, RecordedExchange)
    return read


def read_tape(content: bytes, file: str, served: Mapping[str, Contract]) -> Tape:
    """Return the recording in the content of a file, for the contracts that are served. Raises FormatError.

    Empty content is a recording without exchanges, to which new ones are added.
    """
    if len(content) > MOST_BYTES:
        raise FormatError(file, "", "", f"is longer than {MOST_BYTES} bytes")
    reader, head, lines, protocols = LineReader(file), None, list[bytes](), list[str]()
    indexes = {name: Index() for name in served}
    for number, line in enumerate(content.splitlines(), 1):
        if not line or line.isspace():
            continue
        place = f"line {number}"
        if len(line) > LONGEST_LINE:
            raise FormatError(file, place, "", f"is longer than {LONGEST_LINE} bytes")
        if line.count(b",") > MOST_VALUES:
            raise FormatError(file, place, "", f"has more than {MOST_VALUES} values")
        read = reader.read(parsed_line(line, file, place), place)
        if isinstance(read, RecordedExchange):
            if read.protocol not in served:
                raise FormatError(file, place, "/protocol", unknown("protocol", read.protocol, served))
            contract = served[read.protocol]
            if read.origin != UNMATCHED:
                indexes[read.protocol].add(len(lines), normal_request(route(RequestBody(read.request), contract)))
            lines.append(line)
            protocols.append(read.protocol)
        elif head is None:
            head = read
        else:
            raise FormatError(file, place, "", "a second recording begins here; a file can hold only one")
    if head is None:
        return Tape((), ())
    return Tape([Part(file=file, head=head, lines=tuple(lines))], protocols, served, indexes)


def joined(tapes: Iterable[Tape], served: Mapping[str, Contract]) -> Tape:
    """Return several recordings as one, in their order."""
    known = list(tapes)
    if len(known) == 1:
        return known[0]
    parts = [part for tape in known for part in tape.parts]
    whole = Tape(parts, [name for tape in known for name in tape._protocols])
    for contract in served.values():
        whole.index(contract)
    return whole


def other_contracts(tape: Tape, served: Mapping[str, Contract]) -> dict[str, str]:
    """Return the revisions that judged the exchanges, of the protocols that are served in another one."""
    found: dict[str, str] = {}
    for part in tape.parts:
        for name, row in part.head.row["contracts"].items():
            if name in served and row["hash"] != served[name].digest:
                found[name] = row["revision"]
    return found
