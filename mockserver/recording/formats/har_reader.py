"""Reading HAR archives to record what is in them. `mockserver.lint.har` reads an entry of any program.

An archive that `har_writer` wrote says more: it comes back as the recording that it was.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from typing import Final, get_args

from msgspec import structs

from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly
from mockserver.lint.document_schema import DocumentSchema, FormatError
from mockserver.lint.har import har_item
from mockserver.lint.items import RequestItem
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.formats.har_writer import OWN
from mockserver.recording.formats.observed import Observed, compressed_again, encoding_of
from mockserver.recording.formats.writer import BASE64, JSON, TEXT
from mockserver.recording.recorded_body import RecordedBody, content_of
from mockserver.sessions.exchange import Origin

_ARCHIVE: Final = DocumentSchema(
    {
        "type": "object",
        "required": ["log"],
        "properties": {
            "log": {"type": "object", "required": ["entries"], "properties": {"entries": {"type": "array"}}},
        },
    }
)
_TEXT: Final[Json] = {"type": "string"}
_MAPS: Final[Json] = {"type": "object", "additionalProperties": _TEXT}
_REVISIONS: Final[Json] = {
    "type": "object",
    "additionalProperties": {"type": "object", "required": ["revision"], "properties": {"revision": _TEXT}},
}
_HEAD: Final = DocumentSchema(
    {
        "type": "object",
        "required": ["contracts", "upstreams"],
        "properties": {"contracts": _REVISIONS, "upstreams": _MAPS},
    }
)
_BODY: Final[Json] = {
    "if": {"type": "object"},
    "then": {
        "required": ["left_out", "bytes"],
        "additionalProperties": False,
        "properties": {"left_out": _TEXT, "bytes": {"type": "integer", "minimum": 0, "maximum": 67108864}},
    },
    "else": {"enum": [JSON, TEXT, BASE64]},
}
_OWN: Final = DocumentSchema(
    {
        "type": "object",
        "required": ["protocol", "from", "request_body"],
        "properties": {
            "protocol": _TEXT,
            "from": {"enum": [None, *get_args(Origin)]},
            "request_body": _BODY,
            "reply_body": _BODY,
            "incomplete": {"enum": ["late", "truncated"]},
            "failure": _TEXT,
            "fault": {"type": "object"},
        },
    }
)
_ORIGIN: Final = re.compile("^[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")


def archive_of(document: Json, file: str) -> Iterator[Observed]:
    """Yield the entries of a HAR archive in the order of their times. Raises FormatError, which names the entry."""
    _ARCHIVE.check(document, file)
    log = document["log"]
    head = log.get(OWN)
    if head is not None:
        _HEAD.check(head, f"{file} /log/{OWN}")
    places = ((entry, f"entry {number}") for number, entry in enumerate(log["entries"]))
    entries = [_observed(entry, head, file, place) for entry, place in places]
    if head is None and all(entry.now_ms is not None for entry in entries):
        entries.sort(key=lambda entry: entry.now_ms or 0)
    yield from entries


def _observed(entry: Json, head: Json, file: str, place: str) -> Observed:
    item = har_item(entry, file, place)
    if head is None or not isinstance(entry.get(OWN), dict):
        return _of_another(item, entry)
    return _own(item, entry, head)


def _of_another(item: RequestItem, entry: Mapping[str, Json]) -> Observed:
    """Return an entry that another program wrote, whose bodies are decompressed."""
    status = (entry.get("response") or {}).get("status")
    return Observed(
        file=item.file,
        place=item.place,
        request=item.request,
        now_ms=item.now_ms,
        origin=item.origin,
        body_recorded=item.body_recorded,
        reply=None if item.reply is None else compressed_again(item.reply),
        has_reply=isinstance(status, int) and status > 0,
    )


def _own(item: RequestItem, entry: Mapping[str, Json], head: Mapping[str, Json]) -> Observed:
    """Return an entry as the exchange that it was written from."""
    own, sent = entry[OWN], entry["request"]
    _OWN.check(own, item.file, f"{item.place} /{OWN}")
    protocol: str = own["protocol"]
    url = head["upstreams"].get(protocol)
    path = _ORIGIN.sub("", sent["url"])
    if url is not None:
        path = path.removeprefix(_ORIGIN.sub("", url).rstrip("/"))
    headers = [(header["name"], header.get("value") or "") for header in sent.get("headers") or ()]
    post = sent.get("postData") or {}
    content = _content(own["request_body"], post.get("text") or "", encoding_of(headers), item, "/request/postData")
    request = wire_request(sent["method"], path, headers, content)
    incomplete = own.get("incomplete")
    return Observed(
        file=item.file,
        place=item.place,
        request=structs.replace(request, truncated=incomplete == "truncated", late=incomplete == "late"),
        protocol=protocol,
        now_ms=item.now_ms,
        origin=item.origin,
        reply=_own_reply(own, entry, item),
        revision=head["contracts"].get(protocol, {}).get("revision"),
        given_by=own["from"] or "contract",
        failure=own.get("failure", ""),
        fault=own.get("fault"),
        upstream=url,
        has_reply="reply_body" in own,
    )


def _own_reply(own: Mapping[str, Json], entry: Mapping[str, Json], item: RequestItem) -> WireReply | None:
    response = entry.get("response") or {}
    status = response.get("status")
    if "reply_body" not in own or not isinstance(status, int) or not 100 <= status <= 999:
        return None
    headers = tuple((header["name"], header.get("value") or "") for header in response.get("headers") or ())
    text = (response.get("content") or {}).get("text") or ""
    content = _content(own["reply_body"], text, encoding_of(headers), item, "/response/content")
    return WireReply(status=status, headers=headers, body=content)


def _content(form: Json, text: str, encoding: str, item: RequestItem, pointer: str) -> bytes:
    """Return the bytes of a body, from its text and how the recording had it. Raises FormatError."""
    try:
        body: RecordedBody
        if isinstance(form, dict):
            body = form
        elif form == JSON:
            body = {JSON: parse_exactly(text.encode("utf-8", "surrogatepass"))}
        else:
            body = {form: text}
        return content_of(body, encoding)
    except NotJSONError as error:
        raise FormatError(item.file, item.place, f"{pointer}/text", f"is not valid JSON: {error}") from None
    except Base64Error:
        raise FormatError(item.file, item.place, f"{pointer}/text", "is not valid base64") from None
