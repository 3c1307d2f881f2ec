"""Writing the requests of a recording and the replies to them as a golden case.

A golden case is what the contract must answer, so it is played while it is written: of a reply that depends on the
server (its ids, its sentences, the moment), the case has a pattern.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Final

from mockserver import __version__
from mockserver.contract.contract import Contract
from mockserver.core.answer import answer
from mockserver.core.wire import WireReply
from mockserver.jsonkit import Json, yamltext
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly, without_surrogates
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.case_reader import REPEAT
from mockserver.lint.comparison import MATCH, NUMBER
from mockserver.lint.replies import fitting_reply
from mockserver.recording.formats.player import Player
from mockserver.recording.formats.writer import JSON, LEFT_OUT, TEXT, NotHeldError, Writer
from mockserver.recording.recordings import Head, RecordedExchange

STORED: Final = ("accepted", "duplicate")
MANY_BYTES: Final = 64 * 1024
"""From more bytes on, a body that stands for one that was left out is a repeated character."""

NOT_THE_CONTRACTS: Final = "exchanges whose reply is a fault's or this server's, left out because nothing was stored"
CONTRACTS_INSTEAD: Final = "replies of faults, or that did not arrive; the case has those of the contract"
DIFFERING: Final = "replies that the contract does not give; the case shows how they differ"
UNKNOWN_REPLY: Final = "bodies of replies of which the recording has only the size"
STAND_INS: Final = "bodies of requests of which the recording has only the size; others of that size stand for them"
REPEATED: Final = "headers of requests that were sent twice; the first is kept"
ODD_METHODS: Final = "requests with a method that is not in capital letters, left out"
INCOMPLETE: Final = "requests whose bodies were incomplete, left out"
PATCHED: Final = "contract patches, which the case does not have"
SURROGATES: Final = "expected bodies and events with lone surrogates, which YAML cannot hold"
REPLY_HEADERS: Final = "replies whose other headers are left out"


class CaseWriter(Writer):
    """Writes a golden case with a name. `contracts` are those that judged the exchanges, by protocol."""

    def __init__(self, contracts: Mapping[str, Contract], name: str) -> None:
        super().__init__()
        self._contracts = contracts
        self._name = name
        self._player = Player()
        self._protocol: str | None = None
        self._clock_ms = 0

    def begin(self, head: Head) -> str:
        """Return the beginning of the case. Raises NotHeldError for a recording of several protocols."""
        if len(head.row["contracts"]) > 1:
            names = ", ".join(sorted(head.row["contracts"]))
            raise NotHeldError(
                f"a golden case has requests of one protocol, not of {names}; choose one with --protocol"
            )
        return ""

    def exchange(self, recorded: RecordedExchange) -> str:
        """Return the steps for an exchange; nothing for one that says nothing about the contract."""
        row = recorded.row
        stored = any(event["verdict"] in STORED for event in row["events"])
        is_own = recorded.fault is None and recorded.origin in ("contract", "upstream")
        skipped = self._skipped(recorded, told=is_own or stored)
        if skipped is not None:
            self.lost[skipped] += 1
            return ""
        self.lost[PATCHED] = self._contracts[recorded.protocol].bytes > 0
        beginning = self._beginning(recorded) if self._protocol is None else ""
        exchange, judged = self._player.own(recorded.request, self._contracts[recorded.protocol], recorded.now_ms)
        reply = recorded.reply if is_own else None
        if reply is None:
            self.lost[CONTRACTS_INSTEAD] += 1
            reply = answer(judged, exchange.receipt)
        repeats = [index for index, event in enumerate(row["events"]) if event["verdict"] == "duplicate"]
        expected = fitting_reply(judged, reply, repeats=repeats)
        steps: list[Json] = []
        if recorded.now_ms != self._clock_ms:
            steps.append({"advance_ms": recorded.now_ms - self._clock_ms})
            self._clock_ms = recorded.now_ms
        if expected is None:
            self.lost[DIFFERING] += 1
            expect = self._recorded_reply(recorded, reply)
        else:
            expect = {"status": expected.status, "headers": dict(expected.headers)}
            expect |= {} if expected.json is MISSING else {"json": expected.json}
            expect |= {} if expected.text is None else {"text": expected.text}
        if not expect["headers"]:
            del expect["headers"]
        self.lost[REPLY_HEADERS] += len(reply.headers) > len(expect.get("headers", ()))
        if row["events"]:
            expect["events"] = [_event(event) for event in row["events"]]
        for name in [name for name, value in expect.items() if not _is_unicode(value)]:
            self.lost[SURROGATES] += 1
            del expect[name]
        steps.append({"request": self._request(recorded), "expect": expect})
        self.lost += {}  # only what was counted
        return beginning + yamltext.dumps(steps)

    def end(self) -> str:
        """Return the end of the case. Raises NotHeldError if it has no step."""
        if self._protocol is None:
            reasons = "; ".join(self.losses()) or "the recording is empty"
            raise NotHeldError(f"a golden case has at least one request: {reasons}")
        return ""

    def _skipped(self, recorded: RecordedExchange, *, told: bool) -> str | None:
        """Return why an exchange cannot be in the case, or None."""
        sent = recorded.row["request"]
        if "incomplete" in sent:
            return INCOMPLETE
        if not told:
            return NOT_THE_CONTRACTS
        is_plain = sent["method"].isascii() and sent["method"].isalpha() and sent["method"].isupper()
        return None if is_plain else ODD_METHODS

    def _beginning(self, recorded: RecordedExchange) -> str:
        self._protocol, self._clock_ms, head = recorded.protocol, recorded.now_ms, recorded.head
        server = head.upstreams.get(recorded.protocol, "the contract")
        case: dict[str, Json] = {
            "case": self._name,
            "protocol": recorded.protocol,
            "dossier": f"recorded {head.row['created']} from {server}",
            "why": f"What a client and {server} exchanged, as mockserver {__version__} recorded it.",
            "revision": self._contracts[recorded.protocol].revision,
            "clock": rfc3339_ms(recorded.now_ms),
        }
        return yamltext.dumps(case) + "steps:\n"

    def _request(self, recorded: RecordedExchange) -> dict[str, Json]:
        sent = recorded.row["request"]
        request: dict[str, Json] = {} if sent["method"] == "POST" else {"method": sent["method"]}
        headers: dict[str, str] = {}
        for name, value in sent["headers"]:
            if name.lower() in map(str.lower, headers):
                self.lost[REPEATED] += 1
            else:
                headers[name] = value
        request |= {"path": sent["path"], "headers": headers}
        return request | self._body(recorded)

    def _body(self, recorded: RecordedExchange) -> dict[str, Json]:
        body, content = recorded.row["request"]["body"], recorded.request.body
        if LEFT_OUT in body:
            self.lost[STAND_INS] += 1
            if len(content) > MANY_BYTES:
                return {"text": {REPEAT: {"times": len(content), "text": "x"}}}
        is_plain = JSON in body and recorded.request.header(b"content-encoding") is None
        if is_plain and _is_unicode(body[JSON]) and not _has(body[JSON], {REPEAT}):
            return {"json": body[JSON]}
        return _as_text(content)

    def _recorded_reply(self, recorded: RecordedExchange, reply: WireReply) -> dict[str, Json]:
        """Return a reply as it was recorded, which the contract does not give."""
        headers = {name.lower(): value for name, value in reply.headers if name.lower() == "content-type"}
        expect: dict[str, Json] = {"status": reply.status, "headers": headers}
        if recorded.reply is not None and not recorded.has_reply_body:
            self.lost[UNKNOWN_REPLY] += 1
            return expect
        return expect | _expected_body(reply.body)


def _event(row: Mapping[str, Json]) -> dict[str, Json]:
    event: dict[str, Json] = {"type": row["type"], "verdict": row["verdict"]}
    places = {finding["pointer"] for finding in row["findings"] if finding["severity"] == "error"}
    return event | ({"findings": sorted(places)} if places else {})


def _expected_body(content: bytes) -> dict[str, Json]:
    try:
        value = parse_exactly(content)
    except NotJSONError:
        return {"text": content.decode("utf-8", "replace")}
    if _has(value, {REPEAT, MATCH, NUMBER}):
        return {"text": content.decode("utf-8", "replace")}
    return {"json": value}


def _as_text(content: bytes) -> dict[str, Json]:
    """Return a body as text where it is UTF-8, else as base64."""
    try:
        return {TEXT: content.decode()} if content else {}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(content).decode()}


def _is_unicode(value: Json) -> bool:
    """Tell whether a value has no lone surrogates, which YAML cannot hold."""
    return bool(without_surrogates(value) == value)


def _has(value: Json, names: Iterable[str]) -> bool:
    """Tell whether a document has one of some names, which mean something else in a case."""
    if isinstance(value, dict):
        return not value.keys().isdisjoint(names) or any(_has(member, names) for member in value.values())
    return isinstance(value, list) and any(_has(item, names) for item in value)
