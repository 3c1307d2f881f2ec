"""What Outlit's two published OpenAPI files say of a request, written down fact by fact and without the contract.

`SPECIFICATIONS` has the schema of a request body by the revision that cites the file: `openapi.json@14c5b15`, written
by hand, and `openapi.json@65ae3ac`, generated from the vendor's server. `DIFFERENCES` lists where the revision is not
the file, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "number"}
OBJECT: Final[Schema] = {"type": "object"}
URI: Final[Schema] = {"type": "string", "format": "uri"}
EMAIL: Final[Schema] = {"type": "string", "format": "email"}
UUID: Final[Schema] = {"type": "string", "format": "uuid"}
MOMENT: Final[Schema] = {"type": "string", "format": "date-time"}
SOURCE: Final[Schema] = {"type": "string", "enum": ["client", "server", "integration"]}
PROVIDER: Final[Schema] = {"type": "string", "enum": ["cal.com", "calendly", "unknown"]}
NOT_EMPTY: Final[Schema] = {"type": "string", "minLength": 1}
SCALARS: Final[Schema] = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "null"]}}
TEXTS: Final[Schema] = {"type": "object", "additionalProperties": TEXT}
HEX: Final = "[0-9a-fA-F]"
STRICT_UUID: Final[Schema] = {
    **TEXT,
    "pattern": rf"\A(?:{HEX}{{8}}-{HEX}{{4}}-[1-8]{HEX}{{3}}-[89abAB]{HEX}{{3}}-{HEX}{{12}}"
    r"|00000000-0000-0000-0000-000000000000|ffffffff-ffff-ffff-ffff-ffffffffffff)\Z",
}
STRICT_EMAIL: Final[Schema] = {
    **TEXT,
    "pattern": r"\A(?!\.)(?!.*\.\.)[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}\Z",
}


def closed(**members: Schema) -> Schema:
    """Return the schema of an object that has no other members, none of them required."""
    return {"type": "object", "properties": members, "additionalProperties": False}


def body(events: Mapping[str, Schema], *, other_members: bool, **members: Schema) -> Schema:
    """Return the schema of a request with one to a hundred events, each of a type in `events`."""
    typed = [
        {**event, "properties": {**event["properties"], "type": {"const": type_}}} for type_, event in events.items()
    ]
    batch: Schema = {"type": "array", "minItems": 1, "maxItems": 100, "items": {"oneOf": typed}}
    members = {**members, "events": batch, "source": SOURCE}
    return {"type": "object", "required": ["events"], "properties": members, "additionalProperties": other_members}


def hand_written() -> Schema:
    """Return the request of `openapi.json@14c5b15`: events are open objects that need little but their type."""
    utm = closed(source=TEXT, medium=TEXT, campaign=TEXT, term=TEXT, content=TEXT)
    common = {"timestamp": NUMBER, "url": URI, "path": TEXT, "referrer": TEXT, "utm": utm}
    time = {"type": "number", "minimum": 0}

    def event(*required: str, **members: Schema) -> Schema:
        return {"type": "object", "required": ["type", *required], "properties": {**common, **members}}

    events = {
        "pageview": event(title=TEXT),
        "custom": event("eventName", eventName=TEXT, properties=OBJECT),
        "form": event(formId=TEXT, formFields=OBJECT),
        "identify": event(email=EMAIL, userId=TEXT, customerId=TEXT, traits=OBJECT, customerTraits=OBJECT),
        "engagement": event(
            "activeTimeMs", "totalTimeMs", "sessionId", activeTimeMs=time, totalTimeMs=time, sessionId=UUID
        ),
        "calendar": event(
            "provider",
            provider=PROVIDER,
            eventType=TEXT,
            startTime=MOMENT,
            endTime=MOMENT,
            duration=NUMBER,
            isRecurring={"type": "boolean"},
            inviteeEmail=EMAIL,
            inviteeName=TEXT,
        ),
        "stage": event("stage", stage={"enum": ["activated", "engaged", "inactive"]}, properties=OBJECT),
        "billing": event(
            "status",
            status={"enum": ["trialing", "paid", "churned"]},
            customerId=TEXT,
            stripeCustomerId=TEXT,
            properties=OBJECT,
        ),
    }
    return body(
        events,
        other_members=False,
        visitorId=UUID,
        userIdentity=closed(email=EMAIL, userId=TEXT, traits=OBJECT),
        customerIdentity=closed(customerId=TEXT, customerTraits=OBJECT),
    )


def generated() -> Schema:
    """Return the request of `openapi.json@65ae3ac`: events are closed objects, other members of the body are open."""
    utm = {
        "type": "object",
        "properties": dict.fromkeys(("source", "medium", "campaign", "term", "content", "ref"), TEXT),
    }
    common = {
        "uuid": STRICT_UUID,
        "timestamp": NUMBER,
        "url": URI,
        "path": TEXT,
        "referrer": TEXT,
        "utm": utm,
        "customerId": NOT_EMPTY,
        "customerTraits": SCALARS,
    }
    user = {"email": STRICT_EMAIL, "userId": NOT_EMPTY, "fingerprint": NOT_EMPTY}

    def event(*required: str, **members: Schema) -> Schema:
        needed = ["type", "timestamp", "url", "path", *required]
        return {**closed(**common, **members), "required": needed}

    events = {
        "pageview": event(title=TEXT),
        "form": event(formId=TEXT, formFields=TEXTS),
        "identify": event(**user, traits=SCALARS),
        "custom": event("eventName", **user, eventName=TEXT, properties=OBJECT),
        "calendar": event(
            "provider",
            provider=PROVIDER,
            eventType=TEXT,
            startTime=TEXT,
            endTime=TEXT,
            duration=NUMBER,
            isRecurring={"type": "boolean"},
            inviteeEmail=STRICT_EMAIL,
            inviteeName=TEXT,
        ),
        "engagement": event(
            "activeTimeMs", "totalTimeMs", "sessionId", activeTimeMs=NUMBER, totalTimeMs=NUMBER, sessionId=STRICT_UUID
        ),
    }
    return body(
        events,
        other_members=True,
        visitorId=STRICT_UUID,
        fingerprint=NOT_EMPTY,
        sessionId=STRICT_UUID,
        userIdentity=closed(**user, traits=SCALARS),
        customerIdentity=closed(customerId=NOT_EMPTY, customerTraits=SCALARS),
    )


SPECIFICATIONS: Final[Mapping[str, Schema]] = {"r3-2026-05": hand_written(), "r4-2026-08": generated()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One way in which a revision treats bodies unlike its file.

    `remedy` changes a body so that the difference does not concern it any more, and tells whether it did.
    """

    revision: str
    reason: str
    remedy: Callable[[Any], bool]


Remedy = Callable[[Any], bool]


def _events(concerned: Callable[[Any], bool], change: Callable[[Any], None], *types: str) -> Remedy:
    """Return the remedy that changes each event of some types that is concerned; of every type if none is named."""

    def remedy(body: Any) -> bool:
        events = (
            [event for event in body["events"] if isinstance(event, dict)] if isinstance(body["events"], list) else []
        )
        found = [event for event in events if (not types or event.get("type") in types) and concerned(event)]
        for event in found:
            change(event)
        return bool(found)

    return remedy


def _without(*names: str) -> Callable[[Any], bool]:
    return lambda event: not any(name in event for name in names)


def _blank(*names: str) -> Remedy:
    """Return the remedy for events whose only names are blank: they are filled in."""

    def sent(event: Any) -> list[str]:
        return [name for name in names if name in event]

    def only_blank(event: Any) -> bool:
        return bool(sent(event)) and not any(str(event[name]).strip() for name in sent(event))

    def fill(event: Any) -> None:
        event.update(dict.fromkeys(sent(event), "a@b.example"))

    return _events(only_blank, fill, "custom")


def _add(**members: str) -> Callable[[Any], None]:
    return lambda event: event.update(members)


def _texts(*names: str, types: tuple[str, ...] = ()) -> Remedy:
    """Return the remedy for members that the file leaves open: what is not a text is removed."""

    def wrong(event: Any) -> list[str]:
        return [name for name in names if name in event and not isinstance(event[name], str)]

    def remove(event: Any) -> None:
        for name in wrong(event):
            del event[name]

    return _events(lambda event: bool(wrong(event)), remove, *types)


def _visitor(body: Any) -> bool:
    missing = body.get("source", "client") == "client" and "visitorId" not in body
    if missing:
        body["visitorId"] = "7d444840-9dc0-41d1-b245-5ffdce74fad2"
    return missing


def _from_servers(remedy: Remedy) -> Remedy:
    return lambda body: body.get("source") in ("server", "integration") and remedy(body)


def _session(body: Any) -> bool:
    sent = isinstance(body.get("sessionId"), str)
    if sent:
        del body["sessionId"]
    return sent


_user = _events(_without("email", "userId"), _add(userId="u1"), "identify")
_named = _events(_without("email", "userId", "fingerprint", "customerId"), _add(userId="u1"), "custom")
_blank_name = _from_servers(_blank("email", "userId", "fingerprint", "customerId"))
_payer = _events(lambda event: not {"customerId", "stripeCustomerId"} & event.keys(), _add(customerId="c1"), "billing")
_place = _events(
    lambda event: not {"url", "path"} <= event.keys(), lambda event: event.update({"url": "a:b", "path": "/", **event})
)
_custom = _texts("email", "userId", "fingerprint", "customerId", types=("custom",))
R3: Final = "r3-2026-05"
R4: Final = "r4-2026-08"
DIFFERENCES: Final = [
    Difference(revision=revision, reason=reason, remedy=remedy)
    for revision, reason, remedy in (
        (
            R3,
            "sdk: browser 0.4.0 and later send sessionId beside the events",
            _session,
        ),
        (
            R3,
            "sdk: core 1.1.0 has a fingerprint in identify events; it is text",
            _texts("fingerprint", types=("identify",)),
        ),
        (R3, "sdk: core 1.5.1 has a uuid in events; it is text", _texts("uuid")),
        (R3, "docs: ingest.mdx@36c8c8a has these members of custom events, which are texts", _custom),
        (
            R3,
            "docs: ingest.mdx@36c8c8a requires visitorId for client tracking; the file says so in a description",
            _visitor,
        ),
        (R3, "docs: ingest.mdx@36c8c8a requires url and path", _place),
        (R3, "docs: ingest.mdx@36c8c8a requires email or userId to identify", _user),
        (R3, "docs: ingest.mdx@36c8c8a requires an identity in custom events of servers", _from_servers(_named)),
        (R3, "docs: ingest.mdx@36c8c8a requires customerId or stripeCustomerId to bill", _payer),
        (R3, "sdk: core 1.1.0 and later take blank names of a custom event for none", _blank_name),
        (R4, "sdk: core 1.1.0 and later take blank names of a custom event for none", _blank_name),
        (R4, "docs: ingest.mdx@7f5ee85 requires visitorId for client tracking", _visitor),
        (R4, "docs: ingest.mdx@7f5ee85 requires email or userId to identify", _user),
        (R4, "docs: ingest.mdx@7f5ee85 requires an identity in custom events of servers", _from_servers(_named)),
    )
]
"""Each way in which a revision is not its file, with the source that the revision follows there."""
