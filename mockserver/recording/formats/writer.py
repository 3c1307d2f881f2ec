"""What all writers have in common: a recording becomes text piece by piece, and what is lost is counted."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from mockserver.errors import MockServerError
from mockserver.jsonkit import Json
from mockserver.recording.recorded_body import RecordedBody, stable
from mockserver.recording.recordings import Head, RecordedExchange, Recording

JSON: Final = "json"
TEXT: Final = "text"
BASE64: Final = "base64"
LEFT_OUT: Final = "left_out"


LARGE: Final = 128 * 1024
"""Characters of a body from which on it is written piece by piece, so that other threads run meanwhile."""
PIECE: Final = 16 * 1024
_NOT_PRINTABLE: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


class NotHeldError(MockServerError):
    """A format cannot hold a recording at all. The message says why."""


class Writer(ABC):
    """Writes one recording. `lost` counts what the format cannot hold, by kind."""

    def __init__(self) -> None:
        self.lost: Counter[str] = Counter()

    @abstractmethod
    def begin(self, head: Head) -> str:
        """Return the beginning of the file."""

    @abstractmethod
    def exchange(self, recorded: RecordedExchange) -> str:
        """Return the text of an exchange. Raises NotHeldError."""

    @abstractmethod
    def end(self) -> str:
        """Return the end of the file. Raises NotHeldError."""

    def losses(self) -> list[str]:
        """Return what was lost, one line for each kind."""
        return [f"{kind}: {count}" for kind, count in self.lost.items()]


def pieces_of(recording: Recording, writer: Writer) -> Iterator[str]:
    """Yield the text of a recording as a writer writes it. Raises NotHeldError."""
    yield writer.begin(recording.head)
    yield from map(writer.exchange, recording.exchanges)
    yield writer.end()


def url_of(recorded: RecordedExchange, hosts: Mapping[str, str]) -> str:
    """Return the URL of a request: at the upstream of its protocol if the head names one, else at the vendor's host."""
    base = recorded.head.upstreams.get(recorded.protocol) or hosts.get(recorded.protocol, "http://localhost")
    return f"{base.rstrip('/')}{recorded.row['request']['path']}"


def quoted(text: str) -> str:
    """Return a large text as a scalar of YAML on one line. Lone surrogates cannot be in it."""
    pieces = (json.dumps(text[start : start + PIECE], ensure_ascii=False) for start in range(0, len(text), PIECE))
    return '"' + "".join(_NOT_PRINTABLE.sub(_escape, piece[1:-1]) for piece in pieces) + '"'


def _escape(char: re.Match[str]) -> str:
    return f"\\u{ord(char[0]):04x}"


def text_of(body: RecordedBody) -> str | None:
    """Return a recorded body as text; None if it is base64, or if only its size is known."""
    if JSON in body:
        return stable(body[JSON])
    text: str | None = body.get(TEXT)
    return text


def kind_of(body: RecordedBody) -> str:
    """Return how a recording has a body."""
    return next(kind for kind in (JSON, TEXT, BASE64, LEFT_OUT) if kind in body)


def header_of(message: Mapping[str, Json], name: str) -> str:
    """Return the value of a header of a recorded message; empty if it has none."""
    pairs = ((own.lower(), value) for own, value in message["headers"])
    return next((value for own, value in pairs if own == name), "")
