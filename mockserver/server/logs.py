"""Log messages for refusals and new sessions, with keys shortened."""

from __future__ import annotations

import logging
from typing import Final

from mockserver.core.model import Verdict
from mockserver.server.logformat import fields
from mockserver.sessions.exchange import Exchange
from mockserver.sessions.session import Session, shorten, shorten_path
from mockserver.sessions.views import View

log = logging.getLogger("mockserver.requests")

SHOWN_EVENTS: Final = 10


def new_session(session: Session) -> None:
    """Log a new session."""
    named = shorten(session.name)
    log.info("new session %s", named, extra=fields(session=named))


def exchange_done(session: Session, exchange: Exchange) -> None:
    """Log one line per refused event, or one for a request refused as a whole; at level debug, one per request."""
    if log.isEnabledFor(logging.DEBUG):
        method, path, named = exchange.request.method, shorten_path(exchange.request.target), shorten(session.name)
        said = fields(session=named, method=method, path=path, status=exchange.status)
        log.debug("%s %s -> %s in session %s", method, path, exchange.status, named, extra=said)
    rejected = Verdict.REJECTED in exchange.verdicts
    if (rejected or exchange.refused) and log.isEnabledFor(logging.INFO):
        _refused(session, exchange, rejected=rejected)


def _refused(session: Session, exchange: Exchange, *, rejected: bool) -> None:
    view = View(exchange)
    named, request = shorten(session.name), exchange.request
    path = shorten_path(request.target)
    what = f"{request.method} {path} ({exchange.status})"
    said = {"session": named, "method": request.method, "path": path, "status": exchange.status}
    shown = 0
    for row in view.event_rows(warnings=False) if rejected else ():
        if row["verdict"] != Verdict.REJECTED:
            continue
        finding = row["findings"][0]
        shown += 1
        if shown > SHOWN_EVENTS:
            log.info("more events of this request were refused; the control surface lists all of them")
            return
        place = finding["pointer"] or "/"
        log.info(
            "refused event %d of %s in session %s: %s at %s [%s]",
            row["index"],
            what,
            named,
            finding["message"],
            place,
            finding["rule"],
            extra=fields(**said, index=row["index"], rule=finding["rule"], pointer=finding["pointer"]),
        )
    for finding in view.findings() if not shown else ():
        if finding.severity == "error":
            said |= {"rule": finding.rule, "pointer": finding.pointer}
            log.info(
                "refused %s in session %s: %s [%s]", what, named, finding.message, finding.rule, extra=fields(**said)
            )
