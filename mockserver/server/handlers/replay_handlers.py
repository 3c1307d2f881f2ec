"""Handlers of the control surface for the recording that a session is answered from."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.jsonkit import Json
from mockserver.lint.document_schema import FormatError
from mockserver.recording.continuing import Continuation, whole_lines
from mockserver.recording.exporting import secrets_of_session
from mockserver.recording.recorder import Known, Recorder, UnfaithfulError
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.recording.replay.playing import Playback
from mockserver.recording.replay.tape import MEMORY_PER_LINE, Tape, read_tape
from mockserver.server.aiohttp_io import SERVER
from mockserver.server.control import LINES, Call, RejectedError
from mockserver.server.handlers.handler_base import HandlerBase, send_lines
from mockserver.server.handlers.settings_handlers import SettingsHandlers
from mockserver.server.turns import Turn, in_turns
from mockserver.server.vendor import real_ms
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session

FILE: Final = "the recording"


class ReplayHandlers(SettingsHandlers):
    """The handlers of the recording of a session."""

    async def set_recording(self, call: Call) -> Json:
        """Answer the requests of a session from a recording."""
        if self.store.shared:
            detail = "a recording is played by one process, and here several share the sessions (--store)"
            raise RejectedError(409, detail)
        content: bytes = call.body or b""
        record, repeats = call.query.get("record", "once"), call.query.get("repeats", False)
        if record == "none" and not content.strip():
            raise RejectedError(400, f"{FILE} is empty; expected a head and exchanges, one per line", pointer="")
        self.check_memory(len(content) + content.count(b"\n") * MEMORY_PER_LINE, "")
        tape: Tape = Tape((), ())
        if content.strip():
            try:
                read = partial(read_tape, content, FILE, self.contracts.served)
                tape = await Turn().do(read, large=True)
            except FormatError as error:
                raise RejectedError(400, str(error), pointer=error.pointer) from None
        session = self.named(call)
        _play(session, Playback(tape, record, repeats=repeats, started=session.newest))
        session.own_playback = True
        self.store.set_up(session)
        return self._describe(session)

    async def remove_recording(self, call: Call) -> Json:
        """Answer the requests of a session without a recording."""
        if self.store.peek(self.name_of(call)) is None and self.read(call).playback is None:
            return self._describe(self.read(call))
        session = self.named(call)
        _play(session, None)
        session.own_playback = False
        self.store.set_up(session)
        return self._describe(session)

    async def get_recording(self, call: Call) -> web.StreamResponse:
        """Send the recording of a session, with what was recorded beside it."""
        session = self.read(call)
        playback = session.playback
        if not isinstance(playback, Playback):
            raise RejectedError(
                404, "the session has no recording; PUT one, or export the session", parameter="session"
            )
        try:
            rules = Rules.of(call.query.get("redact") or ())
        except ValueError as error:
            raise RejectedError(400, f"redact: {error}", parameter="redact") from None
        lines = await _recorded(self, session, playback, rules, normalise=call.query.get("normalise", False))
        headers = CIMultiDict({"Content-Type": LINES, "Server": SERVER, **call.headers})
        return await send_lines(call, headers, lines)


def _play(session: Session, playback: Playback | None) -> None:
    """Use another recording, or none, for the protocols whose mode is not chosen."""
    session.playback = playback
    modes = session.settings.modes
    session.settings.modes = {name: mode for name, mode in modes.items() if mode != "replay"}


async def _recorded(
    handlers: HandlerBase, session: Session, playback: Playback, rules: Rules, *, normalise: bool
) -> list[bytes]:
    """Return the lines of the recording as it is to be kept. Raises RejectedError if that cannot be made."""
    parts, turn = playback.tape.parts, Turn()
    if len(parts) > 1:
        raise RejectedError(409, "the server plays several recordings; export the session instead")
    if parts and (not playback.records or (playback.plays and not playback.new)):
        return whole_lines(parts[0])
    if session.evicted:
        raise RejectedError(409, f"{session.evicted} requests were evicted from the journal; record fewer at once")
    continued = Continuation(playback, rules) if parts and playback.plays else None
    if continued is not None:
        normalise = continued.normalises
        if continued.problem:
            raise RejectedError(409, continued.problem, parameter="redact")
    known = Known(secrets_of_session(session), handlers.contracts.served.values(), normalise=normalise)
    async for exchange in _new(session, playback):
        await turn.do(partial(known.add, exchange), large=True)
    if continued is not None:
        continued.add_to(known)
    problem: UnfaithfulError | None = None
    for shaped in (False, True):
        if continued is not None:
            recorder = await turn.do(partial(continued.recorder, known, shaped=shaped), large=True)
        else:
            scrubber = await turn.do(partial(known.scrubber, rules, shaped=shaped), large=True)
            recorder = Recorder(scrubber, normalise=normalise)
        try:
            new = [
                await turn.do(partial(recorder.line, exchange), large=True)
                async for exchange in _new(session, playback)
            ]
        except UnfaithfulError as error:
            problem = problem or error
            continue
        urls = {name: handlers.upstreams.url(name) or "" for name in recorder.proxied}
        if continued is not None:
            return await turn.do(partial(continued.lines, recorder, new, urls), large=True)
        return [recorder.head(urls, rules, session.clock.now(real_ms())), *new]
    raise RejectedError(409, str(problem))


async def _new(session: Session, playback: Playback) -> AsyncIterator[Exchange]:
    """Yield the exchanges that the recording does not have."""
    async for exchange in in_turns(session, playback.started):
        if exchange.override.origin in ("contract", "upstream"):
            yield exchange
