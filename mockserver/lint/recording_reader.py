"""The lines of recordings as things to check: each request, and its reply if the contract or an upstream gave it."""

from __future__ import annotations

from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.lint.items import HeadItem, Item, RequestItem
from mockserver.recording.recordings import Head, LineReader, RecordedExchange
from mockserver.sessions.exchange import WITHOUT_REPLY


class RecordingReader:
    """Reads the lines of a recording in order; a file may have several recordings, one after the other."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._lines = LineReader(file)

    def item(self, value: Json, place: str) -> Item:
        """Return what a line holds. Raises FormatError."""
        line = self._lines.read(value, place)
        if isinstance(line, Head):
            return HeadItem(file=self._file, place=place)
        return RequestItem(
            file=self._file,
            place=place,
            request=line.request,
            protocol=line.protocol,
            now_ms=line.now_ms,
            reply=_checkable_reply(line),
            reply_complete=True,
            repeats=tuple(index for index, event in enumerate(line.row["events"]) if event["verdict"] == "duplicate"),
            revision=line.head.revision(line.protocol),
        )


def _checkable_reply(exchange: RecordedExchange) -> WireReply | None:
    """Return the reply; None if the client got none, or if this server made it for want of another."""
    is_checkable = exchange.has_reply_body and exchange.fault is None and exchange.origin not in WITHOUT_REPLY
    return exchange.reply if is_checkable else None
