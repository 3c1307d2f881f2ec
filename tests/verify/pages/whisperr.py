"""Whisperr's "Track events" page as a server. Each check names the part of the page it was read in."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tests.verify.pages.web import Answer, Asked, Silent, members

Json = Any
BATCH: Final = "/v1/events/batch"
TRACK: Final = "/v1/events/track"
"""The table of endpoints."""
MOST: Final = 500
"""The table of endpoints, and the last sentence of the page."""
NAME: Final = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
"""event_type."""
TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
"""occurred_at: RFC 3339 in UTC, with milliseconds and Z."""
EARLY_S: Final = 30 * 24 * 3600
LATE_S: Final = 5 * 60
"""occurred_at: how far from now."""
MEMBERS: Final = {"external_user_id", "event_type", "occurred_at", "properties", "context"}


class WrongError(Exception):
    """What is wrong with a request."""


def server(asked: Asked, silent: Silent) -> Answer:
    """Answer a request. The page shows no reply."""
    path = asked.path.partition("?")[0]
    if path not in (BATCH, TRACK) or asked.method != "POST":
        return Answer(status=404 if path not in (BATCH, TRACK) else 405, value={"problem": "not here"})
    if not asked.headers.get("x-api-key", "").strip():  # Batch example
        return Answer(status=401, value={"problem": "a key is missing"})
    try:
        check_body(path, json.loads(asked.body), asked.now, silent)
    except (ValueError, RecursionError):
        return refusal("JSON", silent)
    except WrongError as wrong:
        return refusal(str(wrong), silent)
    return Answer(status=silent.taken, value=None if silent.taken == 204 else {"status": "ok"})


def refusal(what: str, silent: Silent) -> Answer:
    return Answer(status=silent.refused, value={"problem": f"{silent.words}{what}"})


def check_body(path: str, body: Json, now: float, silent: Silent) -> None:
    """Check a body, which is one event or has at most 500. Raises WrongError."""
    if not isinstance(body, dict):
        raise WrongError("an object")
    if path == TRACK:
        check_event(body, now, silent)
        return
    events = body.get("events")
    if not isinstance(events, list) or len(events) > MOST or (set(body) != {"events"} and not silent.unlisted):
        raise WrongError("events")
    for event in events:
        check_event(event, now, silent)


def check_event(event: Json, now: float, silent: Silent) -> None:
    """Check one event against "The event object". Raises WrongError."""
    if not isinstance(event, dict):
        raise WrongError("an event")
    event = members(event, silent)
    user = event.get("external_user_id")
    if not isinstance(user, str) or not user:
        raise WrongError("external_user_id")
    name = event.get("event_type")
    if not isinstance(name, str) or NAME.fullmatch(name) is None:
        raise WrongError("event_type")
    if "occurred_at" in event:
        check_time(event["occurred_at"], now)
    if "properties" in event and not isinstance(event["properties"], dict):
        raise WrongError("properties")
    context: Mapping[str, Json] | Json = event.get("context")
    if not isinstance(context, dict):
        raise WrongError("context")
    if not isinstance(context.get("$message_id"), str) or not context["$message_id"]:
        raise WrongError("context.$message_id")
    if not silent.unlisted and set(event) - MEMBERS:
        raise WrongError("other members")


def check_time(value: Json, now: float) -> None:
    if not isinstance(value, str) or TIME.fullmatch(value) is None:
        raise WrongError("occurred_at")
    try:
        age = now - datetime.fromisoformat(value).timestamp()
    except ValueError:
        raise WrongError("occurred_at") from None
    if not -LATE_S <= age <= EARLY_S:
        raise WrongError("occurred_at")
