"""The reader of recordings. Their format is `recording.schema.json`, beside the modules that write them."""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from pathlib import Path
from typing import Final

from msgspec import structs

from mockserver import recording
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import epoch_ms
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.items import HeadItem, Item, RequestItem
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.recorded_body import content_of

SCHEMA_FILE: Final = Path(recording.__file__).with_name("recording.schema.json")
_SCHEMA: Final[Json] = json.loads(SCHEMA_FILE.read_bytes())
_HEAD: Final = DocumentSchema({**_SCHEMA["$defs"]["head"], "$defs": _SCHEMA["$defs"]})
_EXCHANGE: Final = DocumentSchema({**_SCHEMA["$defs"]["exchange"], "$defs": _SCHEMA["$defs"]})
HEAD_KEY: Final = "recording"
EXCHANGE_KEYS: Final = frozenset({"at_ms", "request"})


def is_recording_line(value: Json) -> bool:
    """Return whether a line is one of a recording: its head, or an exchange."""
    return isinstance(value, dict) and (HEAD_KEY in value or value.keys() >= EXCHANGE_KEYS)


class RecordingReader:
    """Reads the lines of a recording in order; a file may have several recordings, one after the other."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._head: Json = None

    def item(self, value: Json, place: str) -> Item:
        """Return what a line holds. Raises FormatError."""
        if HEAD_KEY in value:
            _HEAD.check(value, self._file, place)
            self._head = value
            return HeadItem(file=self._file, place=place)
        _EXCHANGE.check(value, self._file, place)
        if self._head is None:
            problem = "an exchange without the head of a recording before it; its first line is missing"
            raise FormatError(self._file, place, "", problem)
        return self._exchange(value, place)

    def _exchange(self, row: Json, place: str) -> RequestItem:
        sent, protocol = row["request"], row["protocol"]
        started = epoch_ms(self._head["created"])
        request = wire_request(
            sent["method"],
            sent["path"],
            [(name, value) for name, value in sent["headers"]],
            self._content(sent, place, "/request/body/base64"),
        )
        incomplete = sent.get("incomplete")
        return RequestItem(
            file=self._file,
            place=place,
            request=structs.replace(request, truncated=incomplete == "truncated", late=incomplete == "late"),
            protocol=protocol,
            now_ms=None if started is None else started + row["at_ms"],
            reply=self._reply(row, place),
            revision=self._head["contracts"].get(protocol, {}).get("revision"),
        )

    def _reply(self, row: Json, place: str) -> WireReply | None:
        """Return the reply; None if the client got none, or if neither the contract nor an upstream gave it."""
        reply = row["reply"]
        if reply is None or row.get("fault") is not None or reply["from"] == "proxy" or "left_out" in reply["body"]:
            return None
        headers = tuple((name, value) for name, value in reply["headers"])
        body = self._content(reply, place, "/reply/body/base64", encoded=False)
        return WireReply(status=reply["status"], headers=headers, body=body)

    def _content(self, message: Json, place: str, pointer: str, *, encoded: bool = True) -> bytes:
        encodings = [value for name, value in message["headers"] if name.lower() == "content-encoding"]
        try:
            return content_of(message["body"], encodings[0] if encodings and encoded else "")
        except Base64Error:
            raise FormatError(self._file, place, pointer, "is not valid base64") from None
