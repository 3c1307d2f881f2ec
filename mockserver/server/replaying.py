"""Answering from a recording: the reply of the exchange that fits, or ours, which names the nearest one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.core.model import Judged
from mockserver.core.wire import WireReply
from mockserver.errors import SettingsError
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.template import phrase
from mockserver.recording.recordings import RecordedExchange
from mockserver.recording.replay.matching import normal_request
from mockserver.recording.replay.playing import Nearest, Playback, Taken
from mockserver.recording.replay.replayed_reply import replayed_reply
from mockserver.recording.replay.tape import Tape, joined, other_contracts, read_tape
from mockserver.server.turns import Turn
from mockserver.sessions.exchange import WITHOUT_REPLY, Relayed
from mockserver.sessions.steps import Step
from mockserver.settings import Settings

_log = logging.getLogger("mockserver")

QUICKLY_READ: Final = 8 * 1024
"""Bytes of a body whose request is compared within a turn of the event loop."""
QUICKLY_SEARCHED: Final = 500
"""Exchanges that are looked at within a turn."""
UNMATCHED: Final = HTTPStatus.NOT_FOUND
"""The status of our reply to a request that a recording does not have: clients do not try again after it."""
MARK: Final = ("X-Mock-Replay", "unmatched")
"""The header of our reply: no vendor sends it."""
LEFT_OUT: Final = "the recorded reply cannot be sent again: its body was left out, or it is no final one"


def tape_of(settings: Settings, served: Mapping[str, Contract]) -> Tape | None:
    """Return the recordings that the settings name, or None. Raises FormatError, SettingsError."""
    if not settings.replay:
        return None
    tape = joined([read_tape(_content(path, settings), str(path), served) for path in settings.replay], served)
    for name, revision in other_contracts(tape, served).items():
        _log.warning(
            "the recording was judged by another contract of %s (%s); its replies stay as they are", name, revision
        )
    return tape


def _content(path: Path, settings: Settings) -> bytes:
    """Return the content of a file; one that is not there yet is empty, where requests are recorded."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if settings.record_mode == "none":
            raise SettingsError(f"cannot read the recording {path}: there is no such file") from None
        return b""
    except OSError as error:
        raise SettingsError(f"cannot read the recording {path}: {error.strerror}") from None
    if not content.strip() and settings.record_mode == "none":
        raise SettingsError(f"the recording {path} is empty; expected a head and exchanges")
    return content


class Replayed:
    """What a recording makes of a request: a reply, or a fault step where the recorded client got none."""

    def __init__(self, relayed: Relayed | None = None, step: Step | None = None) -> None:
        self.relayed = relayed
        self.step = step


async def replay(playback: Playback, judged: Judged) -> Replayed | None:
    """Answer a request from a recording; None if it is to be answered otherwise, because the recording lacks it.

    Finding and playing an exchange is one step: of requests that come at once, each gets one of its own.
    """
    if not playback.plays:
        playback.new += 1
        return None
    turn, contract, tape = Turn(), judged.contract, playback.tape
    large = len(judged.request.body) > QUICKLY_READ or judged.request_body.large
    live = await turn.do(partial(normal_request, judged), large=large) if large else normal_request(judged)
    if not tape.is_indexed(contract):
        await turn.do(partial(tape.index, contract), large=True)
    index = tape.index(contract)
    if playback.searching or playback.effort(index, live) > QUICKLY_SEARCHED:
        playback.searching += 1
        try:
            taken = await turn.do(partial(playback.take, index, live), large=True)
        finally:
            playback.searching -= 1
    else:
        taken = playback.take(index, live)
    if taken is not None:
        return await turn.do(partial(_replayed, playback, taken, judged), large=tape.is_large(taken.number))
    if judged.preflight:  # a browser keeps the answer to one, so how many it sends depends on chance
        return None
    playback.new += 1
    if playback.records:
        return None
    playback.unmatched += 1
    nearest = await turn.do(partial(playback.nearest, live, contract), large=True)
    return Replayed(_unmatched(nearest.text(), nearest))


def _replayed(playback: Playback, taken: Taken, judged: Judged) -> Replayed:
    exchange, part = playback.tape.exchange(taken.number), playback.tape.part_of(taken.number)
    fault = _fault(exchange)
    if exchange.reply is None:
        return Replayed(step=fault)
    if not exchange.has_reply_body or exchange.reply.status < HTTPStatus.OK:
        failure = f"{LEFT_OUT} ({exchange.id})"
        return Replayed(_unmatched(failure, Nearest(reason="different", id=exchange.id)))
    reply = replayed_reply(exchange, taken.pairs, partial(playback.binding.live, part), judged.request)
    stores = (fault is None or fault.stores) and exchange.origin not in WITHOUT_REPLY
    return Replayed(Relayed(reply=reply, source="recording", number=taken.number, stores=stores))


def _fault(exchange: RecordedExchange) -> Step | None:
    """Return the fault that an exchange was recorded with; without a reply, that is one of the connection."""
    script = dict(exchange.fault or {})
    if exchange.reply is not None:
        return Step(script) if exchange.fault is not None and "connection" not in script else None
    kind = script.get("connection")
    kept: dict[str, Json] = {"connection": kind if kind in ("reset", "drop", "malformed") else "drop"}
    return Step({**kept, **({"when": script["when"]} if "when" in script else {})})


def _unmatched(failure: str, nearest: Nearest) -> Relayed:
    """Return our reply to a request that a recording does not have: problem details (RFC 9457) with the nearest one."""
    body = {
        "type": "about:blank",
        "title": phrase(UNMATCHED),
        "status": int(UNMATCHED),
        "detail": f"mockserver: {failure}",
        "recording": nearest.as_json(),
    }
    headers = (("Content-Type", "application/problem+json"), MARK)
    reply = WireReply(status=int(UNMATCHED), headers=headers, body=render(body))
    return Relayed(reply=reply, failure=failure, source="recording", nearest=nearest.as_json())
