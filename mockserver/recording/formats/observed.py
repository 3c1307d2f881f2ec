"""A request that a file of another tool has, with the reply to it, before it is known whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from mockserver.core.body import RequestBody
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.lint.har import LONGEST_BODY
from mockserver.lint.items import RequestItem
from mockserver.lint.wire_requests import wire_request
from mockserver.recording.recorded_body import GZIP, packed
from mockserver.sessions.exchange import Origin

CONTENT_ENCODING: Final = "content-encoding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed(RequestItem):
    """A request to play. The members below are known only if this program wrote the file.

    `given_by` says whose reply it is, `failure` why an upstream gave none, `fault` which step was applied. `upstream`
    is the URL of the server that answered. `has_reply` is False where the client got none, and `reply` None also where
    the file does not have its body.
    """

    given_by: Origin = "upstream"
    failure: str = ""
    fault: Mapping[str, Json] | None = None
    upstream: str | None = None
    has_reply: bool = True


def compressed_again(reply: WireReply) -> WireReply:
    """Return a reply whose body was decompressed as its headers say it is.

    A header with an encoding that is not known here is removed.
    """
    encoding = encoding_of(reply.headers)
    if encoding in ("", "identity"):
        return reply
    if encoding in GZIP or encoding == "deflate":
        return structs.replace(reply, body=packed(reply.body, encoding))
    headers = tuple(pair for pair in reply.headers if pair[0].lower() != CONTENT_ENCODING)
    return structs.replace(reply, headers=headers)


def sent_bytes(content: bytes, headers: Iterable[tuple[str, str]]) -> bytes:
    """Return a body as it was sent: compressed anew if the headers say that it is compressed, and it is not."""
    pairs = list(headers)
    encoding = encoding_of(pairs)
    if not encoding or not content:
        return content
    problem = RequestBody(wire_request("POST", "/", pairs, content)).decode(LONGEST_BODY)
    return packed(content, encoding) if problem == "broken_encoding" else content


def encoding_of(headers: Iterable[tuple[str, str]]) -> str:
    """Return the content encoding that headers name, in lower case; empty if they name none."""
    return next((value.strip().lower() for name, value in headers if name.lower() == CONTENT_ENCODING), "")
