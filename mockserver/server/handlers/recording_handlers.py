"""Sending recordings, also in the formats of other tools.

Nothing is sent before every exchange was judged again without what is hidden in it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.jsonkit.jsontext import parse_exactly
from mockserver.recording.exporting import secrets_of_session
from mockserver.recording.formats.conversion import MEDIA_TYPES, Format, writer_for
from mockserver.recording.formats.writer import NotHeldError, Writer
from mockserver.recording.recorder import Known, Recorder, UnfaithfulError
from mockserver.recording.recordings import Head, LineReader
from mockserver.recording.redaction.find_secrets import secrets_of_url
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.server.aiohttp_io import SERVER
from mockserver.server.control import Call, RejectedError
from mockserver.server.handlers.handler_base import HandlerBase, send_lines
from mockserver.server.turns import Turn, in_turns
from mockserver.server.vendor import real_ms
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session

NAME: Final = "recording"
"""The name of a golden case that is sent: whoever saves it as a file names it as the file."""
LEFT_OUT: Final = "X-Mock-Left-Out"
"""The header with what a format cannot hold: a JSON array of sentences."""


async def send_recording(handlers: HandlerBase, call: Call, session: Session) -> web.StreamResponse:
    """Send a session as a recording, in the format that is asked for. Raises RejectedError if it cannot be made."""
    try:
        rules = Rules.of(call.query.get("redact") or ())
    except ValueError as error:
        raise RejectedError(400, f"redact: {error}", parameter="redact") from None
    format: Format = call.query["format"]
    if call.query.get("normalise") and format != "recording":
        raise RejectedError(400, "normalise needs format=recording", parameter="normalise")
    recorder, lines = await _lines(handlers, session, rules, normalise=call.query.get("normalise", False))
    headers = CIMultiDict({"Content-Type": MEDIA_TYPES[format], "Server": SERVER, **call.headers})
    if format != "recording":
        writer = writer_for(format, recorder.contracts, NAME)
        lines = await _written(lines, writer)
        headers[LEFT_OUT] = json.dumps(writer.losses())
    return await send_lines(call, headers, lines)


async def _written(lines: list[bytes], writer: Writer) -> list[bytes]:
    """Return a recording as a writer writes it. Raises RejectedError if its format cannot hold it."""
    reader, turn, pieces = LineReader(NAME), Turn(), list[bytes]()
    try:
        for number, line in enumerate(lines, 1):
            pieces.append(await turn.do(partial(_piece, reader, writer, line, number), large=True))
        pieces.append(writer.end().encode())
    except NotHeldError as error:
        raise RejectedError(409, str(error)) from None
    return pieces


def _piece(reader: LineReader, writer: Writer, line: bytes, number: int) -> bytes:
    read = reader.read(parse_exactly(line), f"line {number}")
    return (writer.begin(read) if isinstance(read, Head) else writer.exchange(read)).encode()


async def _lines(
    handlers: HandlerBase, session: Session, rules: Rules, *, normalise: bool
) -> tuple[Recorder, list[bytes]]:
    """Return the lines, and what made them. What is hidden reads well, or else has the shape of what it hides."""
    urls = {name: handlers.upstreams.url(name) or "" for name in handlers.contracts.served}
    secrets = secrets_of_session(session).union(*map(secrets_of_url, urls.values()))
    known = Known(secrets, handlers.contracts.served.values(), normalise=normalise)
    last, turn = session.newest, Turn()
    async for exchange in _until(session, last):
        await turn.do(partial(known.add, exchange), large=True)
    problem: UnfaithfulError | None = None
    for shaped in (False, True):
        scrubber = await turn.do(partial(known.scrubber, rules, shaped=shaped), large=True)
        recorder = Recorder(scrubber, normalise=normalise)
        try:
            lines = [
                await turn.do(partial(recorder.line, exchange), large=True) async for exchange in _until(session, last)
            ]
        except UnfaithfulError as error:
            problem = problem or error
            continue
        return recorder, [recorder.head(urls, rules, session.clock.now(real_ms())), *lines]
    raise RejectedError(409, str(problem))


async def _until(session: Session, last: int) -> AsyncIterator[Exchange]:
    """Yield the exchanges of a session up to a request number: later ones may have secrets that are not known."""
    async for exchange in in_turns(session):
        if exchange.seq > last:
            return
        yield exchange
