"""What goes over the wire: one request as it arrived, one reply as it leaves."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from mockserver.jsonkit.wiretext import decoded

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]


class WireRequest(Struct, frozen=True, kw_only=True):
    """One request as it arrived.

    `target` is the raw request target without a session prefix, query included. `headers` keeps order, case and
    repetition; `fields` is the same by lower-case name, first one wins. `body` is what arrived, still encoded;
    `truncated` says that it was longer than the ceiling and only its beginning is here, `late` that the deadline came
    before the rest of it.
    """

    method: str
    target: str
    headers: Headers
    fields: dict[bytes, bytes]
    body: bytes
    truncated: bool = False
    late: bool = False

    def header(self, name: bytes) -> str | None:
        """Return the field's value, or None; `name` is lower case."""
        value = self.fields.get(name)
        return None if value is None else decoded(value)


class WireReply(Struct, frozen=True, kw_only=True):
    """One reply: status, headers in order, body bytes."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
