"""The log on stderr, as text or one JSON object per line; the messages of new sessions and refusals, without keys."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Final

from msgspec.structs import replace

from mockserver.contract.contract import Contract
from mockserver.core.findings import Finding
from mockserver.core.model import Verdict
from mockserver.core.wording import abridged, cut
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.printable import printable, printable_json
from mockserver.recording.exporting import MANY_SECRETS, quickly_searched, secrets_of_session
from mockserver.recording.redaction.find_secrets import key_prefixes, secrets_of
from mockserver.recording.redaction.redact import Redactor
from mockserver.server.lines import AT_ONCE, FIELDS, MAX_TEXT, PIPE_BUF, LineHandler
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session
from mockserver.sessions.session_name import tagged
from mockserver.sessions.steps import INJECTED_RULE, Step
from mockserver.sessions.views import View
from mockserver.settings import Settings

log = logging.getLogger("mockserver.requests")

SHOWN_EVENTS: Final = 10
SHOWN_STEP: Final = 160
"""Characters of a fault step."""

_EMAIL: Final = re.compile(r"[^\s\"'<>@/]{1,64}(?:@|%40)[^\s\"'<>@/]{1,255}")
_VOCABULARY: Final = frozenset({"enum", "const", "unknown_type"})
"""Keywords whose values are words that a contract lists; what an event has instead is most often such a word."""

_GOT: Final = re.compile(r', got (?P<kind>["\[{]).*', re.DOTALL)
_KINDS: Final = {'"': "a string", "[": "an array", "{": "an object"}

_COLOURS: Final = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}


def fields(**values: Json) -> dict[str, dict[str, Json]]:
    """Return the `extra` of a log call: the values in its message, as fields of the JSON line."""
    return {FIELDS: values}


class TextLines(logging.Formatter):
    """Time, level and message, and the traceback indented below, so that clients cannot inject lines."""

    def __init__(self, *, colour: bool, worker: int | None = None) -> None:
        super().__init__()
        self._colour = colour
        self._who = "" if worker is None else f"worker {worker}: "

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the name is the base class's
        """Return the line without a traceback."""
        level = record.levelname.lower()
        line = f"{rfc3339_ms(int(record.created * 1000))} {level:<7} {self._who}{printable(record.message)}"
        code = _COLOURS.get(record.levelno) if self._colour else None
        return line if code is None else f"\x1b[{code}m{line}\x1b[0m"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the traceback if there is one."""
        first, *traceback = super().format(record).split("\n")
        return "\n".join([first, *(f"  {printable(line)}" for line in traceback)])


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, further fields, and a traceback as `exception`."""

    def __init__(self, *, worker: int | None = None) -> None:
        super().__init__()
        self._who: dict[str, Json] = {} if worker is None else {"worker": worker}

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON object as text."""
        line: dict[str, Json] = {
            "time": rfc3339_ms(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            **self._who,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = record.exc_text or self.formatException(record.exc_info)
        return printable_json(render(line).decode())


def configure(settings: Settings, worker: int | None = None) -> None:
    """Configure logging to stderr from the settings; warnings of libraries are logged too.

    With the number of a `worker`, each line has it, and is written whole beside those of the others.
    """
    handler = LineHandler(sys.stderr, AT_ONCE if settings.workers == 1 else PIPE_BUF)
    colour = sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(
        JsonLines(worker=worker) if settings.log_format == "json" else TextLines(colour=colour, worker=worker)
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("mockserver").setLevel(settings.log_level.upper())
    logging.captureWarnings(True)


def new_session(session: Session) -> None:
    """Log a new session."""
    name = tagged(session.name)
    log.info("new session %s", name, extra=fields(session=name))


def exchange_done(
    session: Session, exchange: Exchange, step: Step | None = None, served: Iterable[Contract] = ()
) -> None:
    """Log one line per refused event, or one for a request refused as a whole; at level debug, one per request.

    `step` is the fault that was injected: it has a line of its own, and what it refused has none. What begins like a
    key of one of the `served` contracts is in no line.
    """
    rejected = exchange.receipt.tally()[2] > 0
    refused = rejected or exchange.refused
    if not log.isEnabledFor(logging.DEBUG if step is None and not refused else logging.INFO):
        return
    line = _Line(session, exchange, {exchange.contract, *served})
    extra = fields(**line.values, status=exchange.status)
    log.debug("%s %s -> %s in session %s", line.method, line.path, exchange.status, line.session, extra=extra)
    if step is not None:
        _injected(session, exchange, step, line)
    if refused:
        _refused(exchange, line, rejected=rejected)


class _Line:
    """What the log lines about one exchange share, without credentials, and at level info without data of events.

    Of a body that takes long to search for secrets, and in a session with very many keys, no data is in a line at any
    level.
    """

    def __init__(self, session: Session, exchange: Exchange, contracts: Iterable[Contract]) -> None:
        request, small = exchange.request, quickly_searched(exchange)
        searched = request if small else replace(request, body=b"")
        few_keys = len(session.settings.keys or ()) + len(session.settings.credentials) <= MANY_SECRETS
        secrets = secrets_of(searched, exchange.contract)
        secrets |= secrets_of_session(session) if few_keys else set(session.seen_keys)
        self.redactor = Redactor(secrets, [prefix for contract in contracts for prefix in key_prefixes(contract)])
        self.session = tagged(session.name)
        self.method = self.redactor.text(request.method)
        self.path = self.redactor.loose_text(request.target.partition("?")[0][:MAX_TEXT])
        self.with_data = small and few_keys and log.isEnabledFor(logging.DEBUG)
        self.values: dict[str, Json] = {"session": self.session, "method": self.method, "path": self.path}

    def message(self, finding: Finding) -> str:
        """Return the message of a finding."""
        return self.text(finding.message if self.with_data else without_data(finding))

    def text(self, text: str) -> str:
        """Return a text about the exchange."""
        text = self.redactor.loose_text(text[:MAX_TEXT])
        return text if self.with_data else _EMAIL.sub("<e-mail>", text)


def without_data(finding: Finding) -> str:
    """Return the message of a finding without the value that an event has, except for one of a vocabulary."""
    expected = finding.expected.keys() if isinstance(finding.expected, dict) else ()
    if not _VOCABULARY.isdisjoint(expected):
        return finding.message
    return _GOT.sub(lambda got: f", got {_KINDS[got['kind']]}", finding.message)


def _injected(session: Session, exchange: Exchange, step: Step, line: _Line) -> None:
    number = session.faults.index(step) + 1 if step in session.faults else None
    which = "" if number is None else f" {number} of {len(session.faults)}"
    shown = cut(line.text(render(line.redactor.json(abridged(step.script))).decode()), SHOWN_STEP)
    extra = fields(**line.values, status=exchange.client_status, step=number, fault=shown)
    log.info(
        "injected fault step%s into %s %s (%s) in session %s: %s",
        which,
        line.method,
        line.path,
        exchange.client_status or "no reply",
        line.session,
        shown,
        extra=extra,
    )


def _refused(exchange: Exchange, line: _Line, *, rejected: bool) -> None:
    view = View(exchange)
    subject = f"{line.method} {line.path} ({exchange.status})"
    values = {**line.values, "status": exchange.status}
    refused_rows = (
        (row["index"], finding)
        for row in view.event_rows(warnings=False)
        if row["verdict"] == Verdict.REJECTED and (finding := Finding(**row["findings"][0])).rule != INJECTED_RULE
    )
    rows = list(islice(refused_rows, SHOWN_EVENTS + 1)) if rejected else []
    for index, finding in rows[:SHOWN_EVENTS]:
        place = line.text(finding.pointer)
        log.info(
            "refused event %d of %s in session %s: %s at %s [%s]",
            index,
            subject,
            line.session,
            line.message(finding),
            place or "/",
            finding.rule,
            extra=fields(**values, index=index, rule=finding.rule, pointer=place),
        )
    if len(rows) > SHOWN_EVENTS:
        log.info("more events of this request were refused; the control surface lists all of them")
    for error in view.errors() if not rows else ():
        if error.rule != INJECTED_RULE:
            extra = fields(**values, rule=error.rule, pointer=line.text(error.pointer))
            message = line.message(error)
            log.info("refused %s in session %s: %s [%s]", subject, line.session, message, error.rule, extra=extra)
