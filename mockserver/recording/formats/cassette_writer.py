"""Writing recordings as cassettes of vcrpy (YAML, version 1), as vcrpy itself writes them."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from textwrap import indent
from typing import Any, Final

import yaml

from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.recording.formats.har_writer import phrase_of
from mockserver.recording.formats.writer import BASE64, LARGE, LEFT_OUT, Writer, header_of, quoted, text_of, url_of
from mockserver.recording.recorded_body import RecordedBody
from mockserver.recording.recordings import Head, RecordedExchange

VERSION: Final = 1
RECORDED_AT: Final = "recorded_at"
"""When an interaction was recorded, as cassettes of the Ruby library have it; vcrpy passes over it."""
CONTENT_ENCODING: Final = "content-encoding"
WIDTH: Final = 1 << 30

NO_REPLY: Final = "exchanges without a reply, left out"
VERDICTS: Final = "exchanges whose verdicts and findings are left out"
ORIGINS: Final = "replies that no upstream gave, which look like any other"
FAULTS: Final = "fault steps"
INCOMPLETE: Final = "requests whose bodies were incomplete, which look complete"
UNKNOWN_BODIES: Final = "bodies of which the recording has only the size"
COMPRESSED: Final = "content-encoding headers of replies, whose bodies are decompressed"

_Base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


class _Dumper(_Base):  # type: ignore[misc]
    def ignore_aliases(self, data: Any) -> bool:
        return True


class CassetteWriter(Writer):
    """Writes a cassette. `hosts` are the URLs of the vendors, by protocol."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        super().__init__()
        self._hosts = hosts
        self._key = "interactions:\n"
        self._written = False

    def begin(self, head: Head) -> str:
        """Return the beginning of the cassette."""
        return ""

    def exchange(self, recorded: RecordedExchange) -> str:
        """Return an interaction; nothing for an exchange without a reply."""
        row, key = recorded.row, self._key
        self.lost[VERDICTS] += 1
        if row["reply"] is None:
            self.lost[NO_REPLY] += 1
            return ""
        self._count(recorded)
        request, reply = row["request"], row["reply"]
        sent = {"method": request["method"], "uri": url_of(recorded, self._hosts)}
        status = {"code": reply["status"], "message": phrase_of(reply["status"])}
        headers = [pair for pair in reply["headers"] if pair[0].lower() != CONTENT_ENCODING]
        self._key = ""
        return "".join(
            [
                f"{key}- request:\n",
                indent(_dumped(sent), " " * 4),
                f"    body: {_scalar(_body(request['body']))}",
                indent(_dumped({"headers": _headers(request["headers"])}), " " * 4),
                "  response:\n",
                indent(_dumped({"status": status, "headers": _headers(headers)}), " " * 4),
                f"    body:\n      string: {_scalar(_body(reply['body']) or '')}",
                indent(_dumped({RECORDED_AT: rfc3339_ms(recorded.now_ms)}), " " * 2),
            ]
        )

    def end(self) -> str:
        """Return the end of the cassette."""
        empty = _dumped({"interactions": []}) if self._key else ""
        return empty + _dumped({"version": VERSION})

    def _count(self, recorded: RecordedExchange) -> None:
        row = recorded.row
        self.lost[ORIGINS] += recorded.origin != "upstream"
        self.lost[FAULTS] += recorded.fault is not None
        self.lost[INCOMPLETE] += "incomplete" in row["request"]
        self.lost[UNKNOWN_BODIES] += (LEFT_OUT in row["request"]["body"]) + (LEFT_OUT in row["reply"]["body"])
        self.lost[COMPRESSED] += bool(header_of(row["reply"], CONTENT_ENCODING))
        self.lost += {}  # only what was counted


def _headers(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in pairs:
        headers.setdefault(name, []).append(value)
    return headers


def _body(body: RecordedBody) -> str | bytes | None:
    """Return a body as text, or as bytes where it is none; None for an empty one."""
    if BASE64 in body:
        return base64.b64decode(body[BASE64])
    text = text_of(body)
    if not text:
        return None
    try:
        text.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return text.encode("utf-8", "surrogatepass")
    return text


def _scalar(body: str | bytes | None) -> str:
    """Return a body as the value of a member, with the line break after it."""
    if isinstance(body, str) and len(body) > LARGE:
        return f"{quoted(body)}\n"
    if isinstance(body, bytes):
        return f"!!binary {base64.b64encode(body).decode()}\n"
    return _dumped({"": body}).partition(": ")[2]


def _dumped(value: Any) -> str:
    text: str = yaml.dump(
        value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=False, width=WIDTH
    )
    return text
