"""Writing recordings as HAR archives (HAR 1.2).

What HAR has no member for is in members `_mockserver` of the log and of each entry, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl

from mockserver.contract.server_rules import RECORDING, SERVER_RULES, UPSTREAM
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.recording.formats.writer import BASE64, LEFT_OUT, Writer, header_of, kind_of, text_of, url_of
from mockserver.recording.recorded_body import RecordedBody
from mockserver.recording.recorder import ordered
from mockserver.recording.recordings import Head, RecordedExchange
from mockserver.sessions.exchange import WITHOUT_REPLY

VERSION: Final = "1.2"
OWN: Final = "_mockserver"
"""The member, custom as its underscore says, with what only a recording has."""
HTTP: Final = "HTTP/1.1"
UNKNOWN: Final = -1
"""What HAR has for a size that is not known."""
NO_TYPE: Final = "x-unknown"
"""What browsers write for the media type of a reply that has none."""
OWN_MEMBERS: Final = ("id", "protocol", "operation", "findings", "events", "differs", "fault")


class HarWriter(Writer):
    """Writes a HAR archive with one entry a line. `hosts` are the URLs of the vendors, by protocol."""

    def __init__(self, hosts: Mapping[str, str]) -> None:
        super().__init__()
        self._hosts = hosts
        self._separator = "\n"

    def begin(self, head: Head) -> str:
        """Return the beginning of the archive."""
        log = {"version": VERSION, "creator": {"name": "mockserver", "version": head.row["mockserver"]}, OWN: head.row}
        return f'{{"log":{ordered(log)[:-1]},"entries":['

    def exchange(self, recorded: RecordedExchange) -> str:
        """Return an entry."""
        row, separator = recorded.row, self._separator
        self._separator = ",\n"
        entry = {
            "startedDateTime": rfc3339_ms(recorded.now_ms),
            "time": 0,
            "request": _request(row["request"], url_of(recorded, self._hosts)),
            "response": _NO_RESPONSE if row["reply"] is None else _response(row["reply"]),
            "cache": {},
            "timings": {"send": 0, "wait": 0, "receive": 0},
            OWN: _own(recorded),
        }
        return separator + ordered(entry)

    def end(self) -> str:
        """Return the end of the archive."""
        return "\n]}}\n"


def _own(recorded: RecordedExchange) -> dict[str, Json]:
    """Return the members of an exchange that HAR has no place for."""
    row = recorded.row
    own = {name: row[name] for name in OWN_MEMBERS if name in row}
    own["from"] = recorded.origin
    own["request_body"] = _form(row["request"]["body"])
    if "incomplete" in row["request"]:
        own["incomplete"] = row["request"]["incomplete"]
    if row["reply"] is not None:
        own["reply_body"] = _form(row["reply"]["body"])
    if recorded.origin in WITHOUT_REPLY:
        messages = (finding["message"] for finding in row["findings"] if finding["rule"] in (UPSTREAM, RECORDING))
        own["failure"] = next(messages, "").removeprefix(f"{SERVER_RULES[UPSTREAM].message}: ")
    return own


def _form(body: RecordedBody) -> Json:
    """Return how a recording has a body; the whole of it if only its size is known."""
    return body if LEFT_OUT in body else kind_of(body)


def _request(sent: Mapping[str, Json], url: str) -> dict[str, Json]:
    target = sent["path"]
    query = parse_qsl(target.partition("?")[2], keep_blank_values=True, errors="replace")
    request = {
        "method": sent["method"],
        "url": url,
        "httpVersion": HTTP,
        "cookies": _cookies(header_of(sent, "cookie").split(";")),
        "headers": _pairs(sent["headers"]),
        "queryString": _pairs(query),
        "headersSize": UNKNOWN,
        "bodySize": _size(sent),
    }
    text = _text(sent["body"])
    if text:
        request["postData"] = {"mimeType": header_of(sent, "content-type"), "text": text}
        if BASE64 in sent["body"]:
            request["postData"]["encoding"] = BASE64
    return request


def _response(reply: Mapping[str, Json]) -> dict[str, Json]:
    text = _text(reply["body"])
    content: dict[str, Json] = {
        "size": reply["body"].get("bytes", len((text or "").encode("utf-8", "surrogatepass"))),
        "mimeType": header_of(reply, "content-type") or NO_TYPE,
    }
    if text is not None:
        content["text"] = text
        if BASE64 in reply["body"]:
            content["encoding"] = BASE64
    return {
        "status": reply["status"],
        "statusText": phrase_of(reply["status"]),
        "httpVersion": HTTP,
        "cookies": _cookies(
            value.partition(";")[0] for name, value in reply["headers"] if name.lower() == "set-cookie"
        ),
        "headers": _pairs(reply["headers"]),
        "content": content,
        "redirectURL": header_of(reply, "location"),
        "headersSize": UNKNOWN,
        "bodySize": UNKNOWN,
    }


_NO_RESPONSE: Final[Mapping[str, Json]] = {
    "status": 0,
    "statusText": "",
    "httpVersion": HTTP,
    "cookies": [],
    "headers": [],
    "content": {"size": 0, "mimeType": NO_TYPE},
    "redirectURL": "",
    "headersSize": UNKNOWN,
    "bodySize": UNKNOWN,
    "_error": "no reply",
}
"""What browsers write for a request without a reply."""


def phrase_of(status: int) -> str:
    """Return the reason phrase of a status; empty for one that has none."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


def _text(body: RecordedBody) -> str | None:
    text: str | None = body[BASE64] if BASE64 in body else text_of(body)
    return text


def _size(sent: Mapping[str, Json]) -> int:
    """Return how many bytes were sent; unknown for a body that was compressed."""
    body: RecordedBody = sent["body"]
    if LEFT_OUT in body:
        size: int = body["bytes"]
        return size
    text = text_of(body)
    if text is None or (text and header_of(sent, "content-encoding")):
        return UNKNOWN
    return len(text.encode("utf-8", "surrogatepass"))


def _pairs(pairs: Iterable[tuple[str, str]]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in pairs]


def _cookies(texts: Iterable[str]) -> list[Json]:
    pairs = (text.strip().partition("=") for text in texts if "=" in text)
    return _pairs((name, value) for name, _, value in pairs)
