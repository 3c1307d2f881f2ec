"""Outlit's "Ingest Events" page as a server. Each check names the part of the page it was read in."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from tests.verify.pages.web import Answer, Asked, Silent, members

Json = Any
Check = Callable[[Json], bool]
PATH: Final = re.compile(r"/api/i/v1/([^/?]*)/events")
"""Endpoint."""
KEY: Final = re.compile(r"pk_")
"""Path Parameters: what a public key starts with."""
MOST: Final = 100
"""Body Parameters: events in one request."""
SOURCES: Final = ("client", "server", "integration")
"""Body Parameters."""
INACTIVE: Final = "Invalid or inactive tracking configuration"
"""Error Response."""
UNKNOWN: Final = "Invalid event type"
"""Partial Success Response."""


class WrongError(Exception):
    """What is wrong with a request, or with one event of it."""


def text(value: Json) -> bool:
    return isinstance(value, str)


def number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def boolean(value: Json) -> bool:
    return isinstance(value, bool)


def any_object(value: Json) -> bool:
    return isinstance(value, dict)


def one_of(*words: str) -> Check:
    return lambda value: value in words


def url(value: Json) -> bool:
    """Common fields: a full URL, which `server://jane@acme.com` is too (Server-Side Events)."""
    return text(value) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", value) is not None


def path(value: Json) -> bool:
    """Common fields: a path like /pricing."""
    return text(value) and value.startswith("/")


def uuid_text(value: Json) -> bool:
    """Body Parameters and Engagement Event: UUID."""
    try:
        return text(value) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def moment(value: Json) -> bool:
    """Calendar Event: ISO 8601, in which a minute may have a leap second."""
    try:
        datetime.fromisoformat(re.sub("(:[0-9]{2}):60", r"\1:59", value).upper())
    except (TypeError, ValueError):
        return False
    return True


def scalars(value: Json) -> bool:
    """Custom Event: values are string, number, boolean or null."""
    return isinstance(value, dict) and not any(isinstance(member, dict | list) for member in value.values())


UTM: Final = {"source": text, "medium": text, "campaign": text, "term": text, "content": text}
"""UTM Parameters."""


def utm(value: Json) -> bool:
    return isinstance(value, dict) and all(check(value[name]) for name, check in UTM.items() if name in value)


COMMON: Final = {"type": text, "timestamp": number, "url": url, "path": path, "referrer": text, "utm": utm}
"""The table of the fields that all events share."""
REQUIRED: Final = ("type", "url", "path")
EVENTS: Final[Mapping[str, Mapping[str, Check]]] = {
    "pageview": {"title": text},
    "custom": {"eventName": text, "properties": scalars},
    "form": {"formId": text, "formFields": any_object},
    "identify": {"email": text, "userId": text, "traits": any_object},
    "engagement": {"activeTimeMs": number, "totalTimeMs": number, "sessionId": uuid_text},
    "calendar": {
        "provider": one_of("cal.com", "calendly", "unknown"),
        "eventType": text,
        "startTime": moment,
        "endTime": moment,
        "duration": number,
        "isRecurring": boolean,
        "inviteeEmail": text,
        "inviteeName": text,
    },
    "stage": {"stage": one_of("activated", "engaged", "paid", "churned"), "properties": any_object},
}
"""The sections of the event types."""
NEEDED: Final = {"custom": ("eventName",), "stage": ("stage",), "calendar": ("provider",)}
"""What an event of these types is nothing without; the page marks the common fields only."""


def server(asked: Asked, silent: Silent) -> Answer:
    """Answer a request."""
    found = PATH.fullmatch(asked.path)
    if found is None or asked.method != "POST":
        return Answer(status=404 if found is None else 405)
    try:
        if KEY.match(found[1]) is None:
            raise WrongError(INACTIVE)
        events = read(asked.body, silent)
    except WrongError as wrong:
        return refusal(silent.refused, 0, [(-1, str(wrong))])
    errors = [(index, problem) for index, event in enumerate(events) if (problem := fault(event, silent))]
    processed = len(events) - len(errors)
    if not errors:
        return Answer(status=silent.taken, value={"success": True, "processed": processed})
    return refusal(207 if processed else silent.none_taken, processed, errors)


def refusal(status: int, processed: int, errors: Iterable[tuple[int, str]]) -> Answer:
    """Partial Success Response and Error Response, which look alike."""
    listed = [{"index": index, "message": message} for index, message in errors]
    return Answer(status=status, value={"success": False, "processed": processed, "errors": listed})


def read(text_of_body: bytes, silent: Silent) -> list[Json]:
    """Return the events of a body. Raises WrongError where the request as a whole is not as Body Parameters says."""
    try:
        body = json.loads(text_of_body)
    except (ValueError, RecursionError):
        raise WrongError(f"{silent.words}JSON") from None
    if not isinstance(body, dict):
        raise WrongError(f"{silent.words}an object")
    body = members(body, silent)
    check_members(body, {"visitorId": uuid_text, "source": one_of(*SOURCES), "userIdentity": user}, silent, ("events",))
    events = body.get("events")
    if not isinstance(events, list) or not 0 < len(events) <= MOST:
        raise WrongError(f"{silent.words}events")
    if body.get("source", "client") == "client" and "visitorId" not in body:
        raise WrongError(f"{silent.words}visitorId")
    if body.get("source") == "server" and not any(map(names_somebody, events)):
        raise WrongError(f"{silent.words}identity")
    return events


def user(value: Json) -> bool:
    """Body Parameters: the identity of a logged-in user."""
    return isinstance(value, dict) and all(text(value[name]) for name in ("email", "userId") if name in value)


def names_somebody(event: Json) -> bool:
    """Server-Side Events: identify events, and custom events whose properties say who it was."""
    if not isinstance(event, dict):
        return False
    if event.get("type") == "identify":
        return bool(event.get("email") or event.get("userId"))
    properties = event.get("properties") if event.get("type") == "custom" else None
    return isinstance(properties, dict) and bool(properties.get("__email") or properties.get("__userId"))


def check_members(
    value: Mapping[str, Json], checks: Mapping[str, Check], silent: Silent, others: Iterable[str] = ()
) -> None:
    for name, check in checks.items():
        if name in value and not check(value[name]):
            raise WrongError(f"{silent.words}{name}")
    if not silent.unlisted and set(value) - set(checks) - set(others):
        raise WrongError(f"{silent.words}other members")


def fault(event: Json, silent: Silent) -> str | None:
    """Return what is wrong with one event."""
    kind = event.get("type") if isinstance(event, dict) else None
    if not isinstance(kind, str) or kind not in EVENTS:
        return UNKNOWN
    event = members(event, silent)
    try:
        check_members(event, {**COMMON, **EVENTS[kind]}, silent)
    except WrongError as wrong:
        return str(wrong)
    for name in (*REQUIRED, *NEEDED.get(kind, ())):
        if name not in event:
            return f"{silent.words}{name}"
    if kind == "identify" and not (event.get("email") or event.get("userId")):
        return f"{silent.words}email or userId"
    return None
