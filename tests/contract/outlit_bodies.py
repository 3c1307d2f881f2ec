"""Bodies of Outlit requests for comparisons: valid ones, ones with an oddity, ones with many. No contract is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, Final

ODD: Final[Sequence[Any]] = (
    None,
    "",
    " ",
    "text",
    0,
    -1,
    1.5,
    1e30,
    True,
    [],
    ["a"],
    {},
    {"a": 1},
    {"a": None},
    {"a": [1]},
)
TEXTS: Final = ("Pricing", "", " ", "naïve 😀", "a" * 300)
NUMBERS: Final = (1_700_000_000_000, 0, -5, 1.5, 1e30)
URLS: Final = (
    "https://example.com/pricing?a=b#c",
    "server://usr_1",
    "server://jane@acme.com",
    "urn:a:b",
    "a:",
    "nope",
    "",
    "/pricing",
    "//example.com",
    "server://auth0|1",
    "https://exa mple.com",
    "https://example.com/ü",
    "https://example.com/%zz",
    "https://[::1]/",
)
EMAILS: Final = (
    "jane@acme.com",
    "o'brien+x@mail.example.co",
    "a@b",
    "a@b.c",
    "a..b@example.com",
    ".a@example.com",
    "a.@example.com",
    '"quoted"@example.com',
    "a@[192.0.2.1]",
    "ü@example.com",
    "a@-b.example",
    "a@b-.example",
    f"{'x' * 65}@example.com",
    "jane",
    "jane@acme.com\n",
    "a'@example.com",
    "-@example.com",
    "JANE@ACME.COM",
    "a@1.example",
    "a!b@example.com",
)
UUIDS: Final = (
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    "7d444840-9dc0-41d1-b245-5ffdce74fad2",
    "018F3C1E-7B2A-7C3D-8E4F-5A6B7C8D9E0F",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
    "00000000-0000-0000-0000-000000000001",
    "7d444840-9dc0-01d1-b245-5ffdce74fad2",
    "7d444840-9dc0-91d1-b245-5ffdce74fad2",
    "7d444840-9dc0-41d1-c245-5ffdce74fad2",
    "{7d444840-9dc0-41d1-b245-5ffdce74fad2}",
    "7d4448409dc041d1b2455ffdce74fad2",
    "7d444840-9dc0-41d1-b245-5ffdce74fad2\n",
    "visitor-123",
)
MOMENTS: Final = (
    "2024-03-15T10:00:00Z",
    "2024-03-15T10:00:00.5+01:00",
    "2024-03-15",
    "2024-03-15T10:00:00",
    "2024-02-30T10:00:00Z",
    "tomorrow",
)
OBJECTS: Final[Sequence[Any]] = (
    {},
    {"plan": "pro", "seats": 5, "trial": True, "none": None},
    {"list": [1]},
    {"nested": {"a": 1}},
    {"text": "a"},
    {"__email": "a@b.example", "__userId": None},
    {"__fingerprint": "device_1"},
)
UTM: Final[Sequence[Any]] = (
    {},
    {"source": "google", "medium": "cpc"},
    {"ref": "a"},
    {"gclid": "a"},
    {"source": 5},
    {"term": None},
)
IDENTITIES: Final[Sequence[Any]] = (
    {},
    {},
    {"email": "a@b.example", "userId": "u"},
    {"email": "a@b"},
    {"userId": ""},
    {"traits": {"a": {"b": 1}}},
    {"traits": {"a": None}},
    {"fingerprint": "f"},
    {"fingerprint": ""},
    {"customerId": "c"},
    {"customerTraits": {"a": 1}},
    {"customerDomain": "a.example"},
    {"other": 1},
)
COMMON: Final[Mapping[str, Sequence[Any]]] = {
    "timestamp": NUMBERS,
    "url": URLS,
    "path": ("/", "/pricing", "", "pricing"),
    "referrer": ("", *URLS[:6]),
    "utm": UTM,
    "uuid": UUIDS,
    "customerId": TEXTS,
    "customerTraits": OBJECTS,
    "customerDomain": TEXTS,
    "unheardOf": TEXTS,
}
USER: Final[Mapping[str, Sequence[Any]]] = {"email": EMAILS, "userId": TEXTS, "fingerprint": TEXTS}
EVENTS: Final[Mapping[str, Mapping[str, Sequence[Any]]]] = {
    "pageview": {"title": TEXTS},
    "custom": {**USER, "eventName": TEXTS, "properties": OBJECTS},
    "form": {"formId": TEXTS, "formFields": OBJECTS},
    "identify": {**USER, "traits": OBJECTS},
    "engagement": {"activeTimeMs": NUMBERS, "totalTimeMs": NUMBERS, "sessionId": UUIDS},
    "calendar": {
        "provider": ("cal.com", "calendly", "unknown", "zoom"),
        "eventType": TEXTS,
        "startTime": MOMENTS,
        "endTime": MOMENTS,
        "duration": NUMBERS,
        "isRecurring": (True, False),
        "inviteeEmail": EMAILS,
        "inviteeName": TEXTS,
    },
    "stage": {"stage": ("activated", "engaged", "inactive", "paid", "churned", "discovered"), "properties": OBJECTS},
    "billing": {
        "status": ("trialing", "paid", "churned", "past_due"),
        "stripeCustomerId": TEXTS,
        "domain": TEXTS,
        "properties": OBJECTS,
    },
    "purchase": {},
}
ENVELOPE: Final[Mapping[str, Sequence[Any]]] = {
    "visitorId": UUIDS,
    "source": ("client", "server", "integration", "pixel", "other"),
    "userIdentity": IDENTITIES,
    "customerIdentity": IDENTITIES,
    "sessionId": UUIDS,
    "fingerprint": TEXTS,
    "unheardOf": TEXTS,
}
NEEDED: Final = {
    "timestamp",
    "url",
    "path",
    "eventName",
    "activeTimeMs",
    "totalTimeMs",
    "sessionId",
    "provider",
    "stage",
    "status",
}


def bodies(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield bodies: a third of them as they should be, a third with one oddity, a third with several.

    Of those with an oddity some have no event.
    """
    random = Random(seed)
    for number in range(count):
        oddities = (0, 1, random.randint(2, 4))[number % 3]
        body = _body(random)
        for _ in range(oddities):
            _spoil(body, random)
        if oddities and random.random() < 0.02:
            body["events"] = []
        yield body


def _body(random: Random) -> dict[str, Any]:
    events = [_event(random, random.choice(tuple(EVENTS)[:-1])) for _ in range(random.choice((1, 1, 1, 2)))]
    body = {name: ENVELOPE[name][1] for name in ("userIdentity", "customerIdentity") if random.random() < 0.2}
    body |= {name: ENVELOPE[name][0] for name in ("sessionId", "fingerprint") if random.random() < 0.05}
    if random.random() < 0.6:
        return {**body, "visitorId": UUIDS[0], "source": "client", "events": events}
    return {**body, "source": random.choice(("server", "integration")), "events": events}


def _event(random: Random, type_: str) -> dict[str, Any]:
    """Return an event with what it needs and some of the rest, all of it ordinary."""
    rare = ("unheardOf", "customerDomain", "domain")
    pools = {name: pool for name, pool in {**COMMON, **EVENTS[type_]}.items() if name not in rare}
    kept = {name: pool[0] for name, pool in pools.items() if name in NEEDED or random.random() < 0.3}
    if type_ == "identify" and random.random() < 0.9:
        kept["userId"] = "u1"
    if type_ == "billing" and random.random() < 0.9:
        kept["customerId"] = "c1"
    if type_ == "custom" and random.random() < 0.7:
        kept["userId"] = "u1"
    return {"type": type_, **{name: dict(value) if isinstance(value, dict) else value for name, value in kept.items()}}


def _spoil(body: dict[str, Any], random: Random) -> None:
    """Change a body at one place: a member less, another value, a value of any kind, a member of another type."""
    inside = bool(body["events"]) and random.random() < 0.75
    holder = random.choice(body["events"]) if inside else body
    if inside and random.random() < 0.03:
        holder["type"] = random.choice((*EVENTS, 5, None))
        return
    pools = {**COMMON, **EVENTS.get(str(holder.get("type")), {})} if inside else ENVELOPE
    if random.random() < 0.05:
        pools = {name: pool for fields in EVENTS.values() for name, pool in fields.items()}
    name = random.choice(tuple(pools))
    way = random.random()
    if way < 0.15:
        holder.pop(name, None)
    elif way < 0.75:
        holder[name] = random.choice(pools[name])
    else:
        holder[name] = random.choice(ODD)
