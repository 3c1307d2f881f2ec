"""What a server answered to each request of a recording, and whether the mock is held to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from mockserver.core.body import RequestBody
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly
from mockserver.jsonkit.pointer import MISSING
from mockserver.recording.recordings import RecordedExchange, Recording

REFUSING: Final = 400
FAILING: Final = 500
"""From this status on, a reply says that the server failed, whatever the request was."""
AFTER: Final = "after_commit"


@dataclass(frozen=True, kw_only=True, eq=False)
class RecordedAnswer:
    """An exchange as it is learnt from. `name` tells it from those of other files.

    `problem` says why the mock is not held to the reply; it is empty where it is. `stores` says whether the server may
    have kept anything of the request. `body` is MISSING where the reply is not JSON.
    """

    exchange: RecordedExchange
    name: str
    reply: WireReply
    body: Json
    problem: str = ""
    stores: bool = True
    request: RequestBody = field(repr=False)

    @property
    def is_refusal(self) -> bool:
        """Whether the server refused the whole request."""
        return self.reply.status >= REFUSING

    @property
    def has_body(self) -> bool:
        """Whether the recording has the body of the reply."""
        return self.exchange.has_reply_body

    @property
    def left_out(self) -> bool:
        """Whether the recording lacks the body of the request."""
        return "left_out" in self.exchange.row["request"]["body"]

    @property
    def text(self) -> str:
        """The body of the reply as text."""
        return self.reply.body.decode("utf-8", "replace")

    @property
    def words(self) -> str:
        """What the reply says in words: the texts in its body, a line each; all of a body that is not JSON."""
        return self.text if self.body is MISSING else "\n".join(_texts_in(self.body))


def answers_of(recording: Recording, protocol: str, file: str) -> list[RecordedAnswer]:
    """Return the answers to the requests of one protocol; `file` is put after their names unless it is empty."""
    return [_answer(exchange, file) for exchange in recording.exchanges if exchange.protocol == protocol]


def _answer(exchange: RecordedExchange, file: str) -> RecordedAnswer:
    reply = exchange.reply or WireReply(status=0, headers=(), body=b"")
    body: Json = MISSING
    if exchange.has_reply_body:
        try:
            body = parse_exactly(reply.body)
        except NotJSONError:
            body = MISSING
    fault, failed = exchange.fault, reply.status >= FAILING or exchange.origin == "proxy"
    return RecordedAnswer(
        exchange=exchange,
        name=f"{exchange.id} of {file}" if file else exchange.id,
        reply=reply,
        body=body,
        problem=_problem(exchange),
        stores=not failed and (fault is None or fault.get("when") == AFTER),
        request=RequestBody(exchange.request),
    )


def _texts_in(value: Json) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for member in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(member)


def _problem(exchange: RecordedExchange) -> str:
    if exchange.fault is not None:
        return "a fault step made or changed the reply"
    if exchange.reply is None:
        return "the client got no reply"
    if exchange.origin == "proxy":
        return "the upstream gave no reply"
    return ""
