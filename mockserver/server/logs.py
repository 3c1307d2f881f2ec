"""The log on stderr, as text or one JSON object per line; the messages of new sessions and refusals, keys shortened."""

from __future__ import annotations

import logging
import os
import sys
from itertools import islice
from typing import Final

from mockserver.core.model import Verdict
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.printable import printable, printable_json
from mockserver.server.lines import FIELDS, LineHandler
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session, shorten, shorten_path
from mockserver.sessions.steps import INJECTED_RULE, Step
from mockserver.sessions.views import View
from mockserver.settings import Settings

log = logging.getLogger("mockserver.requests")

SHOWN_EVENTS: Final = 10
SHOWN_STEP: Final = 160
"""Characters of a fault step."""

_COLOURS: Final = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}


def fields(**values: Json) -> dict[str, dict[str, Json]]:
    """Return the `extra` of a log call: the values in its message, as fields of the JSON line."""
    return {FIELDS: values}


class TextLines(logging.Formatter):
    """Time, level and message, and the traceback indented below, so that clients cannot inject lines."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the name is the base class's
        """Return the line without a traceback."""
        level = record.levelname.lower()
        line = f"{rfc3339_ms(int(record.created * 1000))} {level:<7} {printable(record.message)}"
        code = _COLOURS.get(record.levelno) if self._colour else None
        return line if code is None else f"\x1b[{code}m{line}\x1b[0m"

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it the traceback if there is one."""
        first, *traceback = super().format(record).split("\n")
        return "\n".join([first, *(f"  {printable(line)}" for line in traceback)])


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, further fields, and a traceback as `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON object as text."""
        line: dict[str, Json] = {
            "time": rfc3339_ms(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = record.exc_text or self.formatException(record.exc_info)
        return printable_json(render(line).decode())


def configure(settings: Settings) -> None:
    """Configure logging to stderr from the settings; warnings of libraries are logged too."""
    handler = LineHandler(sys.stderr)
    colour = sys.stderr is not None and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines(colour=colour))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("mockserver").setLevel(settings.log_level.upper())
    logging.captureWarnings(True)


def new_session(session: Session) -> None:
    """Log a new session."""
    name = shorten(session.name)
    log.info("new session %s", name, extra=fields(session=name))


def exchange_done(session: Session, exchange: Exchange, step: Step | None = None) -> None:
    """Log one line per refused event, or one for a request refused as a whole; at level debug, one per request.

    `step` is the fault that was injected: it has a line of its own, and what it refused has none.
    """
    if log.isEnabledFor(logging.DEBUG):
        method, path, name = exchange.request.method, shorten_path(exchange.request.target), shorten(session.name)
        extra = fields(session=name, method=method, path=path, status=exchange.status)
        log.debug("%s %s -> %s in session %s", method, path, exchange.status, name, extra=extra)
    if step is not None and log.isEnabledFor(logging.INFO):
        _injected(session, exchange, step)
    rejected = Verdict.REJECTED in exchange.verdicts
    if (rejected or exchange.refused) and log.isEnabledFor(logging.INFO):
        _refused(session, exchange, rejected=rejected)


def _injected(session: Session, exchange: Exchange, step: Step) -> None:
    path, name = shorten_path(exchange.request.target), shorten(session.name)
    number = session.faults.index(step) + 1 if step in session.faults else None
    which = "" if number is None else f" {number} of {len(session.faults)}"
    shown = shorten(render(step.script).decode(), SHOWN_STEP)
    extra = fields(
        session=name, method=exchange.request.method, path=path, status=exchange.client_status, step=number, fault=shown
    )
    log.info(
        "injected fault step%s into %s %s (%s) in session %s: %s",
        which,
        exchange.request.method,
        path,
        exchange.client_status or "no reply",
        name,
        shown,
        extra=extra,
    )


def _refused(session: Session, exchange: Exchange, *, rejected: bool) -> None:
    view, request, session_name = View(exchange), exchange.request, shorten(session.name)
    path = shorten_path(request.target)
    subject = f"{request.method} {path} ({exchange.status})"
    values = {"session": session_name, "method": request.method, "path": path, "status": exchange.status}
    refused_rows = (
        row
        for row in view.event_rows(warnings=False)
        if row["verdict"] == Verdict.REJECTED and row["findings"][0]["rule"] != INJECTED_RULE
    )
    rows = list(islice(refused_rows, SHOWN_EVENTS + 1)) if rejected else []
    for row in rows[:SHOWN_EVENTS]:
        finding = row["findings"][0]
        log.info(
            "refused event %d of %s in session %s: %s at %s [%s]",
            row["index"],
            subject,
            session_name,
            finding["message"],
            finding["pointer"] or "/",
            finding["rule"],
            extra=fields(**values, index=row["index"], rule=finding["rule"], pointer=finding["pointer"]),
        )
    if len(rows) > SHOWN_EVENTS:
        log.info("more events of this request were refused; the control surface lists all of them")
    for error in view.findings() if not rows else ():
        if error.severity == "error" and error.rule != INJECTED_RULE:
            extra = fields(**values, rule=error.rule, pointer=error.pointer)
            log.info("refused %s in session %s: %s [%s]", subject, session_name, error.message, error.rule, extra=extra)
