"""What the server writes to its log: refusals and new sessions, with keys shortened."""

from __future__ import annotations

import logging
from typing import Final

from mockserver.core.model import Exchange, Verdict
from mockserver.core.views import View
from mockserver.stores.session import Session

log = logging.getLogger("mockserver.requests")

SHOWN_EVENTS: Final = 10


def new_session(session: Session) -> None:
    """Write that a session came into being."""
    log.info("new session %s", shorten(session.name))


def exchange_done(session: Session, exchange: Exchange) -> None:
    """Write one line per refused event, or one for a request refused without events; at debug, one per request."""
    if log.isEnabledFor(logging.DEBUG):
        path = shorten_path(exchange.request.target)
        log.debug("%s %s -> %s in session %s", exchange.request.method, path, exchange.status, shorten(session.name))
    rejected = Verdict.REJECTED in exchange.verdicts
    if (rejected or exchange.refused) and log.isEnabledFor(logging.INFO):
        _refused(session, exchange, rejected=rejected)


def _refused(session: Session, exchange: Exchange, *, rejected: bool) -> None:
    view = View(exchange)
    named, request = shorten(session.name), exchange.request
    what = f"{request.method} {shorten_path(request.target)} ({exchange.status})"
    shown = 0
    for row in view.event_rows(advice=False) if rejected else ():
        if row["verdict"] != Verdict.REJECTED:
            continue
        finding = row["findings"][0]
        shown += 1
        if shown > SHOWN_EVENTS:
            log.info("and more refused events of that request; the control surface lists them")
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
        )
    for finding in view.findings() if not shown else ():
        if finding.severity == "refused":
            log.info("refused %s in session %s: %s [%s]", what, named, finding.message, finding.rule)


def shorten(name: str, limit: int = 12) -> str:
    """Return a session's name as logs show it: a key is not written out."""
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def shorten_path(target: str) -> str:
    """Return the path of a target with long segments, which may be keys, shortened."""
    return "/".join(shorten(part, 16) for part in target.partition("?")[0].split("/"))
