"""The three pages as servers once more, each read in many ways: what a page leaves open is a question to the reader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from tests.verify.pages.readings import Reading, is_number
from tests.verify.pages.web import Answer, Asked

Json = Any
Server = Callable[[Asked, Reading], Answer]
UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
NAME: Final = re.compile(r"[a-z0-9]+(?:_[a-z0-9]+)*")
MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JSON_TYPE: Final = "application/json"


class WrongError(Exception):
    """What is wrong with a request: a text, and the status of the refusal."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


def need(condition: object, text: str, status: int = 400) -> None:
    if not condition:
        raise WrongError(text, status)


def body_of(asked: Asked, reading: Reading) -> dict[str, Json]:
    if reading.pick("content type", True, False, False):
        need(asked.headers.get("content-type", "").lower().startswith(JSON_TYPE), "send JSON", 415)
    try:
        body = json.loads(asked.body)
    except (ValueError, RecursionError):
        raise WrongError("not JSON") from None
    need(isinstance(body, dict), "not an object")
    assert isinstance(body, dict)
    return body


def listed(value: Mapping[str, Json], names: set[str], reading: Reading) -> None:
    need(not set(value) - names or reading.pick("other members", True, True, False), "a member that is not listed")


# Outlit

FIELDS: Final[Mapping[str, Mapping[str, str]]] = {
    "pageview": {"title": "text"},
    "custom": {"eventName": "name", "properties": "values"},
    "form": {"formId": "text", "formFields": "fields"},
    "identify": {"email": "mail", "userId": "text", "traits": "object"},
    "engagement": {"activeTimeMs": "duration", "totalTimeMs": "duration", "sessionId": "uuid"},
    "calendar": {
        "provider": "provider",
        "eventType": "text",
        "startTime": "time",
        "endTime": "time",
        "duration": "duration",
        "isRecurring": "flag",
        "inviteeEmail": "mail",
        "inviteeName": "text",
    },
    "stage": {"stage": "stage", "properties": "object"},
}
NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "custom": ("eventName",),
    "form": ("formId",),
    "engagement": ("activeTimeMs", "totalTimeMs", "sessionId"),
    "calendar": ("provider", "startTime"),
    "stage": ("stage",),
}
"""What somebody may take for required."""
WORDS: Final = {
    "provider": ("cal.com", "calendly", "unknown"),
    "stage": ("activated", "engaged", "paid", "churned"),
    "source": ("client", "server", "integration"),
}
UTM: Final = {"source", "medium", "campaign", "term", "content"}


def is_of(kind: str, value: Json, reading: Reading) -> bool:
    """Tell whether the member of an Outlit event is one of its kind."""
    if kind in WORDS:
        return value in WORDS[kind]
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "duration":
        return is_number(value) and (value >= 0 or reading.whether("negative durations"))
    if kind == "uuid":
        return isinstance(value, str) and (reading.whether("any session") or UUID.fullmatch(value) is not None)
    if kind == "mail":
        return reading.is_mail(value)
    if kind == "time":
        return reading.is_time(value)
    if kind == "name":
        return reading.is_text(value)
    if kind == "text":
        return isinstance(value, str)
    if not isinstance(value, dict):
        return False
    if kind == "fields" and reading.whether("fields are texts"):
        return all(isinstance(field, str) for field in value.values())
    flat = kind == "values" or reading.whether(f"{kind} is flat")
    return not flat or not any(isinstance(member, dict | list) for member in value.values())


def outlit_event(event: Json, reading: Reading) -> None:
    need(isinstance(event, dict), "Invalid event")
    kind = event.get("type")
    need(isinstance(kind, str) and kind in FIELDS, "Invalid event type")
    need(isinstance(event.get("url"), str), "url is missing")
    need(isinstance(event.get("path"), str), "path is missing")
    need("://" in event["url"] or reading.whether("any url"), "url is not absolute")
    need(event["path"].startswith("/") or reading.whether("any path"), "path has no slash")
    if reading.has(event, "timestamp"):
        time = event["timestamp"]
        need(is_number(time), "timestamp is not a number")
        need(time >= 10**11 or reading.whether("any timestamp"), "timestamp is in seconds")
        need(time == int(time) or reading.whether("fractions"), "timestamp is not an integer")
    if reading.has(event, "referrer"):
        need(isinstance(event["referrer"], str), "referrer is not a text")
    if reading.has(event, "utm"):
        need(isinstance(event["utm"], dict), "utm is not an object")
        listed(event["utm"], UTM, reading)
        need(all(isinstance(event["utm"][name], str) for name in UTM if reading.has(event["utm"], name)), "utm")
    listed(event, {"type", "timestamp", "url", "path", "referrer", "utm", *FIELDS[kind]}, reading)
    for name in NEEDED.get(kind, ()) if reading.whether("members are required") else ():
        need(reading.has(event, name), f"{name} is missing")
    for name, sort in FIELDS[kind].items():
        need(not reading.has(event, name) or is_of(sort, event[name], reading), f"{name} is wrong")
    need(kind != "identify" or any(_says(event.get(name)) for name in ("email", "userId")), "nobody is identified")


def _says(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _names(event: Json, reading: Reading) -> bool:
    """Tell whether an event of a server says who it is about."""
    if not isinstance(event, dict):
        return False
    if event.get("type") == "identify":
        return _says(event.get("email")) or _says(event.get("userId"))
    kinds = ("custom", "stage") if reading.whether("stages name somebody") else ("custom",)
    properties = event.get("properties") if event.get("type") in kinds else None
    return isinstance(properties, dict) and any(_says(properties.get(name)) for name in ("__email", "__userId"))


def outlit(asked: Asked, reading: Reading) -> Answer:
    found = re.fullmatch("/api/i/v1/([^/]+)/events", urlsplit(asked.path).path)
    if found is None or asked.method not in ("POST", "OPTIONS"):
        return Answer(status=404 if found is None else reading.pick("405", 404, 405))
    if asked.method == "OPTIONS":
        return Answer(status=204)
    try:
        need(unquote(found[1]).startswith("pk_"), "Invalid or inactive tracking configuration", 401)
        events = _outlit_events(body_of(asked, reading), reading)
    except WrongError as wrong:
        errors = [{"index": -1, "message": str(wrong)}]
        return Answer(status=wrong.status, value={"success": False, "processed": 0, "errors": errors})
    errors = []
    for index, event in enumerate(events):
        try:
            outlit_event(event, reading)
        except WrongError as wrong:
            errors.append({"index": index, "message": str(wrong)})
    count = len(events) - len(errors)
    if not errors:
        return Answer(status=reading.pick("taken", 200, 202), value={"success": True, "processed": count})
    status = 207 if count else reading.pick("none taken", 207, 400, 422)
    errors = errors[::-1] if reading.whether("last error first") else errors
    return Answer(status=status, value={"success": False, "processed": count, "errors": errors})


def _outlit_events(body: dict[str, Json], reading: Reading) -> list[Json]:
    listed(body, {"visitorId", "source", "events", "userIdentity"}, reading)
    need(reading.has(body, "source") or not reading.whether("source is required"), "source is missing")
    source = body["source"] if reading.has(body, "source") else "client"
    need(source in WORDS["source"], "source is unknown")
    asks = source == "client" or (source == "integration" and reading.whether("integrations have visitors"))
    need(reading.has(body, "visitorId") or not asks, "visitorId is missing")
    if reading.has(body, "visitorId"):
        visitor = body["visitorId"]
        need(isinstance(visitor, str), "visitorId is not a text")
        need(UUID.fullmatch(visitor) or reading.whether("any visitor"), "visitorId is not a UUID")
        need(visitor or source != "client", "visitorId is empty")
    if reading.has(body, "userIdentity"):
        user = body["userIdentity"]
        need(isinstance(user, dict), "userIdentity is not an object")
        need(user or reading.whether("nobody is a user"), "userIdentity is empty")
        need(
            all(isinstance(user[name], str) for name in ("email", "userId") if reading.has(user, name)), "userIdentity"
        )
        need(not reading.has(user, "email") or reading.is_mail(user["email"]), "userIdentity")
        listed(user, {"email", "userId"}, reading)
    events = body.get("events")
    need(isinstance(events, list), "events is not an array")
    assert isinstance(events, list)
    need(len(events) <= 100, "too many events", reading.pick("too many", 400, 413))
    need(events or reading.whether("no events"), "no events")
    senders = ("server", "integration") if reading.whether("integrations name somebody") else ("server",)
    named = source not in senders or any(_names(event, reading) for event in events)
    user = body.get("userIdentity")
    known = reading.whether("the user is an identity") and isinstance(user, dict) and any(map(_says, user.values()))
    need(named or known, "Server events require identity")
    return events


# Apex


def apex(asked: Asked, reading: Reading) -> Answer:
    if urlsplit(asked.path).path != "/api/events" or asked.method not in ("POST", "OPTIONS"):
        return Answer(status=404, value={"error": "not found"})
    if asked.method == "OPTIONS":
        return Answer(status=204)
    try:
        received = _received(body_of(asked, reading), reading)
    except WrongError as wrong:
        return Answer(status=wrong.status, value={"error": str(wrong)})
    return Answer(status=200, value={"received": received})


def _received(body: dict[str, Json], reading: Reading) -> int:
    need(reading.is_text(body.get("projectKey")), "projectKey is missing", reading.pick("no key", 400, 401))
    if "events" not in body if reading.whether("events decide") else "type" in body:
        listed(body, {"type", "visitorId", "projectKey", "url", "data", "referrer", "timestamp"}, reading)
        need(reading.is_text(body.get("visitorId")), "visitorId is missing")
        need(_is_apex_event(body, reading, full=reading.whether("urls are full")), "not an event")
        need(not reading.has(body, "referrer") or isinstance(body["referrer"], str), "referrer is not a text")
        return 1
    listed(body, {"projectKey", "userId", "events"}, reading)
    need(not reading.has(body, "userId") or isinstance(body["userId"], str), "userId is not a text")
    events = body.get("events")
    need(isinstance(events, list), "events is not an array")
    assert isinstance(events, list)
    need(events or reading.whether("no events"), "no events")
    good = [event for event in events if isinstance(event, dict) and _is_apex_event(event, reading, full=False)]
    need(len(good) == len(events) or (good and reading.whether("bad events are skipped")), "not an event")
    return len(good)


def _is_apex_event(event: Mapping[str, Json], reading: Reading, *, full: bool) -> bool:
    texts = reading.is_text(event.get("type")) and reading.is_text(event.get("url"))
    data = not reading.has(event, "data") or isinstance(event["data"], dict)
    time = not reading.has(event, "timestamp") or reading.is_time(event["timestamp"])
    return texts and data and time and (not full or "://" in event["url"])


# Whisperr


def whisperr(asked: Asked, reading: Reading) -> Answer:
    path = urlsplit(asked.path).path
    if path not in ("/v1/events/batch", "/v1/events/track") or asked.method not in ("POST", "OPTIONS"):
        return Answer(status=404, value={"error": "not found"})
    if asked.method == "OPTIONS":
        return Answer(status=204)
    try:
        need(asked.headers.get("x-api-key", "").strip(), "no key", 401)
        taken = _taken(body_of(asked, reading), path, reading, asked.now)
    except WrongError as wrong:
        return Answer(status=wrong.status, value={"error": str(wrong)})
    return Answer(
        status=reading.pick("taken", 200, 202), value=reading.pick("reply", {"ok": True}, {"accepted": taken})
    )


def _taken(body: dict[str, Json], path: str, reading: Reading, now: float) -> int:
    if path.endswith("track"):
        whisperr_event(body, reading, now)
        return 1
    events = body.get("events")
    need(isinstance(events, list), "events is not an array")
    assert isinstance(events, list)
    listed(body, {"events"}, reading)
    need(len(events) <= 500, "too many events", reading.pick("too many", 400, 413))
    need(events or reading.whether("no events"), "no events")
    wrong = []
    for event in events:
        try:
            whisperr_event(event, reading, now)
        except WrongError as error:
            wrong.append(error)
    if wrong and (len(wrong) == len(events) or not reading.whether("bad events are skipped")):
        raise wrong[0]
    return len(events) - len(wrong)


def whisperr_event(event: Json, reading: Reading, now: float) -> None:
    need(isinstance(event, dict), "not an object")
    need(reading.is_text(event.get("external_user_id")), "external_user_id is missing")
    name = event.get("event_type")
    need(isinstance(name, str) and NAME.fullmatch(name), "event_type is not snake_case")
    listed(event, {"external_user_id", "event_type", "occurred_at", "properties", "context"}, reading)
    if reading.has(event, "occurred_at"):
        time = event["occurred_at"]
        need(isinstance(time, str), "occurred_at is not a text")
        need(reading.whether("any form of a time") or MOMENT.fullmatch(time), "occurred_at has another form")
        try:
            moment = datetime.fromisoformat(time.upper())
        except ValueError:
            raise WrongError("occurred_at is not a time") from None
        ago = now - (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        need(-300 <= ago <= 30 * 86_400, "occurred_at is too far from now")
    need(not reading.has(event, "properties") or isinstance(event["properties"], dict), "properties is not an object")
    context = event.get("context")
    need(isinstance(context, dict) and reading.is_text(context.get("$message_id")), "context has no $message_id")


SERVERS: Final[Mapping[str, Server]] = {"outlit": outlit, "apex": apex, "whisperr": whisperr}
