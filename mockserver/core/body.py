"""A request body on its way in: decoded and parsed at most once, when a gate first needs it."""

from __future__ import annotations

import zlib
from typing import Final, Literal

from msgspec import Struct

from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json, jsontext

Problem = Literal["body_too_large", "unsupported_encoding", "broken_encoding"]
_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15, "identity": None, "": None}


_GZIP: Final = ("gzip", "x-gzip")
MAX_INFLATION: Final = 1032
"""How many times larger deflate makes a body at most."""


LARGE: Final = 256 * 1024
"""Bytes of a body that may take longer to read than a turn of the event loop should: some milliseconds and more."""


class RequestBody(Struct, eq=False):
    """The body of one request. `decode` and `parse` remember their outcome.

    With `fast` a good body may be judged without being parsed; then it is parsed when somebody asks for its value.
    """

    request: WireRequest
    text: bytes = b""
    value: Json = None
    not_json: str | None = None
    lone_surrogates: bool = False
    fast: bool = False
    _limit: int | None = None
    _parsed: bool = False
    _problem: Problem | None = None

    @classmethod
    def of_value(cls, request: WireRequest, value: Json, limit: int) -> RequestBody:
        """Return a body of at most `limit` bytes that was parsed as `value`, in which no text has lone surrogates."""
        return cls(request, value=value, _limit=limit, _parsed=True)

    @property
    def is_parsed(self) -> bool:
        """Whether it is known what the body is as JSON."""
        return self._parsed

    def encoding_problem(self, limit: int) -> Problem | None:
        """Return what is wrong with the content encoding alone: None for a body over the limit in a known encoding."""
        problem = self.decode(limit)
        if problem != "body_too_large":
            return problem
        return None if self._encoding() in _WINDOW_BITS else "unsupported_encoding"

    def _encoding(self) -> str:
        return (self.request.header(b"content-encoding") or "identity").strip().lower()

    @property
    def claimed_size(self) -> int:
        """The size of the decompressed body: what a gzip body says it is, or else the largest possible."""
        body, encoding = self.request.body, self._encoding()
        if encoding in _GZIP:
            return int.from_bytes(body[-4:], "little")
        return len(body) * MAX_INFLATION if encoding == "deflate" else len(body)

    @property
    def large(self) -> bool:
        """Whether the body, decompressed, may be too large to read within a turn of the event loop."""
        return len(self.request.body) > LARGE or (
            self.request.header(b"content-encoding") is not None and self.claimed_size > LARGE
        )

    def decode(self, limit: int) -> Problem | None:
        """Undo the content encoding, up to `limit` bytes; return what stood in the way."""
        if limit != self._limit:
            self._limit, self._parsed = limit, False
            self._problem = self._decode(limit)
        return self._problem

    def _decode(self, limit: int) -> Problem | None:
        request, encoding = self.request, self._encoding()
        if request.truncated or len(request.body) > limit:
            return "body_too_large"
        if encoding not in _WINDOW_BITS:
            return "unsupported_encoding"
        bits = _WINDOW_BITS[encoding]
        if bits is None:
            self.text = request.body
            return None
        inflate = zlib.decompressobj(wbits=bits)
        try:
            self.text = inflate.decompress(request.body, limit + 1)
        except zlib.error:
            return "broken_encoding"
        if len(self.text) > limit:
            return "body_too_large"
        return None if inflate.eof and not inflate.unused_data else "broken_encoding"

    def parse(self, limit: int) -> bool:
        """Parse the body as JSON into `value`; False when it cannot be decoded or is not JSON (`not_json` says why)."""
        if self.decode(limit) is not None:
            return False
        if not self._parsed:
            self._parsed = True
            self.not_json = None
            try:
                self.value, self.lone_surrogates = jsontext.parse(self.text)
            except jsontext.NotJSONError as error:
                self.not_json = str(error)
        return self.not_json is None
