"""Reading recordings. Their format is `recording.schema.json`; `recorder` writes them."""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from msgspec import structs

from mockserver.core.wire import WireReply, WireRequest
from mockserver.jsonkit import Json, jsontext
from mockserver.jsonkit.formats import epoch_ms
from mockserver.jsonkit.jsontext import NotJSONError
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.normalisation.moments import with_times
from mockserver.recording.recorded_body import content_of

SCHEMA_FILE: Final = Path(__file__).with_name("recording.schema.json")
_SCHEMA: Final[Json] = json.loads(SCHEMA_FILE.read_bytes())
_HEAD: Final = DocumentSchema({**_SCHEMA["$defs"]["head"], "$defs": _SCHEMA["$defs"]})
_EXCHANGE: Final = DocumentSchema({**_SCHEMA["$defs"]["exchange"], "$defs": _SCHEMA["$defs"]})
HEAD_KEY: Final = "recording"
EXCHANGE_KEYS: Final = frozenset({"at_ms", "request"})


@dataclass(frozen=True)
class Head:
    """The first line of a recording. `row` is that line, `created_ms` the session time of the first exchange."""

    row: Mapping[str, Json]
    created_ms: int

    def revision(self, protocol: str) -> str | None:
        """Return the contract revision that judged the exchanges of a protocol; None if there were none."""
        revision: str | None = self.row["contracts"].get(protocol, {}).get("revision")
        return revision

    @property
    def normalised(self) -> bool:
        """Whether times are offsets in the file. They are put back in what is read."""
        return "normalised" in self.row

    @property
    def upstreams(self) -> Mapping[str, str]:
        """The URLs of the servers that answered, by protocol."""
        urls: Mapping[str, str] = self.row["upstreams"]
        return urls


@dataclass(frozen=True)
class RecordedExchange:
    """One line of a recording: a request, the reply to it, and what the contract said. `row` is that line.

    The body of `request` is as it was sent, compressed where the headers say so; that of `reply` is never compressed.
    `reply` is None if the client got none.
    """

    head: Head
    row: Mapping[str, Json]
    request: WireRequest
    reply: WireReply | None

    @property
    def id(self) -> str:
        """The name of the exchange in its recording."""
        return str(self.row["id"])

    @property
    def protocol(self) -> str:
        """The name of the protocol."""
        return str(self.row["protocol"])

    @property
    def operation(self) -> str | None:
        """The name of the operation; None for a request to no operation."""
        name: str | None = self.row["operation"]
        return name

    @property
    def at_ms(self) -> int:
        """Milliseconds of session time since the first exchange."""
        return int(self.row["at_ms"])

    @property
    def now_ms(self) -> int:
        """The session time, in milliseconds since 1970."""
        return self.head.created_ms + self.at_ms

    @property
    def origin(self) -> str | None:
        """Whose reply it is, as in the journal: `contract`, `upstream`, `recording`; ours is `proxy` or `unmatched`."""
        return None if self.row["reply"] is None else str(self.row["reply"]["from"])

    @property
    def fault(self) -> Mapping[str, Json] | None:
        """The fault step that made or changed the reply."""
        step: Mapping[str, Json] | None = self.row.get("fault")
        return step

    @property
    def has_reply_body(self) -> bool:
        """Whether there is a reply, and its body was kept."""
        return self.row["reply"] is not None and "left_out" not in self.row["reply"]["body"]


@dataclass(frozen=True)
class Recording:
    """A recording that was read whole."""

    head: Head
    exchanges: tuple[RecordedExchange, ...]


def read_recording(path: Path) -> Recording:
    """Return the recording in a file. Raises FormatError, which names the line, and OSError.

    A file of several recordings is refused: which of them is meant cannot be told.
    """
    return recording_of(path.read_bytes(), str(path))


def recording_of(content: bytes, file: str) -> Recording:
    """Return the recording in the content of a file with that name. Raises FormatError."""
    reader, head = LineReader(file), None
    exchanges: list[RecordedExchange] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line or line.isspace():
            continue
        place = f"line {number}"
        value = parsed_line(line, file, place)
        if head is None and not is_recording_line(value):
            raise FormatError(file, place, "", "is not a recording, whose first line is a head")
        read = reader.read(value, place)
        if isinstance(read, RecordedExchange):
            exchanges.append(read)
        elif head is None:
            head = read
        else:
            raise FormatError(file, place, "", "a second recording begins here; a file can hold only one")
    if head is None:
        raise FormatError(file, "", "", "is empty; expected a recording, which begins with a head")
    return Recording(head, tuple(exchanges))


def is_recording_line(value: Json) -> bool:
    """Return whether a line is one of a recording: its head, or an exchange."""
    return isinstance(value, dict) and (HEAD_KEY in value or value.keys() >= EXCHANGE_KEYS)


class LineReader:
    """Reads the lines of a file in order. Each exchange belongs to the last head before it."""

    def __init__(self, file: str, head: Head | None = None) -> None:
        self._file = file
        self._head = head

    def read(self, value: Json, place: str) -> Head | RecordedExchange:
        """Return what a line, parsed as JSON, holds. Raises FormatError."""
        if isinstance(value, dict) and HEAD_KEY in value:
            _HEAD.check(value, self._file, place)
            created_ms = epoch_ms(value["created"])
            assert created_ms is not None, "the schema checks its format"
            self._head = Head(value, created_ms)
            return self._head
        _EXCHANGE.check(value, self._file, place)
        if self._head is None:
            problem = "an exchange without the head of a recording before it; its first line is missing"
            raise FormatError(self._file, place, "", problem)
        if self._head.normalised:
            value = with_times(value, self._head.created_ms)
        return RecordedExchange(self._head, value, self._request(value["request"], place), self._reply(value, place))

    def _request(self, sent: Json, place: str) -> WireRequest:
        body = self._content(sent, place, "/request/body/base64", encoding=_encoding(sent["headers"]))
        request = wire_request(sent["method"], sent["path"], map(tuple, sent["headers"]), body)
        incomplete = sent.get("incomplete")
        return structs.replace(request, truncated=incomplete == "truncated", late=incomplete == "late")

    def _reply(self, row: Json, place: str) -> WireReply | None:
        if row["reply"] is None:
            return None
        body = self._content(row["reply"], place, "/reply/body/base64")
        headers = tuple((name, value) for name, value in row["reply"]["headers"])
        return WireReply(status=row["reply"]["status"], headers=headers, body=body)

    def _content(self, message: Json, place: str, pointer: str, *, encoding: str = "") -> bytes:
        try:
            return content_of(message["body"], encoding)
        except Base64Error:
            raise FormatError(self._file, place, pointer, "is not valid base64") from None


def _encoding(headers: Iterable[tuple[str, str]]) -> str:
    return next((value for name, value in headers if name.lower() == "content-encoding"), "")


def parsed_line(line: bytes, file: str, place: str) -> Json:
    """Return a line as JSON. Raises FormatError."""
    try:
        return jsontext.parse_exactly(line)
    except NotJSONError as error:
        raise FormatError(file, place, "", f"is not valid JSON: {error}") from None
