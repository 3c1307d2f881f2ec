"""Good requests of each protocol, and patches of its contract, for those who compare how they are judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

PATCHES: Final[Mapping[str, Mapping[str, Any]]] = {
    "outlit": {
        "events": {
            "custom": {
                "additionalProperties": False,
                "properties": {
                    "eventName": {"pattern": "^[a-z_]+$", "maxLength": 20},
                    "timestamp": {"type": "number", "minimum": 0.5, "maximum": 1.9e12},
                },
            },
            "engagement": {"properties": {"activeTimeMs": {"type": "integer", "minimum": -5}}},
            "stage": {"properties": {"properties": {"minProperties": 1}}},
            "form": {"properties": {"formFields": {"additionalProperties": {"type": ["string", "null"]}}}},
        }
    },
    "apex": {
        "events": {
            "batch_event": {
                "additionalProperties": False,
                "properties": {
                    "url": {"format": "uri"},
                    "data": {
                        "properties": {
                            "n": {"type": "integer", "maximum": 7},
                            "to": {"type": "string", "format": "email"},
                        }
                    },
                },
            }
        }
    },
    "whisperr": {
        "events": {
            "event": {
                "properties": {
                    "properties": {
                        "required": ["amount"],
                        "properties": {"amount": {"type": "number", "maximum": 9007199254740992}},
                    },
                    "context": {
                        "properties": {"$mode": {"enum": ["test", "live"]}, "note": {"type": ["string", "null"]}}
                    },
                    "user": {"properties": {"channels": {"minItems": 1}}},
                }
            }
        }
    },
}
"""Patches that use what types can express, and what they cannot."""
SEEDS: Final[Mapping[str, Sequence[tuple[str, Mapping[str, str], Any]]]] = {
    "outlit": [
        (
            "/api/i/v1/pk_both/events",
            {},
            {
                "visitorId": "a1b2",
                "source": source,
                "userIdentity": {
                    "email": "a@b.example",
                    "traits": {"plan": "pro", "seats": [1, 2.5, None, {"a": True}]},
                },
                "events": [
                    {
                        "type": "pageview",
                        "url": "https://e.example/",
                        "path": "/",
                        "utm": {"source": "x"},
                        "uuid": "u1",
                    },
                    {
                        "type": "custom",
                        "url": "u",
                        "path": "",
                        "eventName": "plan_chosen",
                        "timestamp": 1795300000000,
                        "properties": {"n": 1.5, "t": "\u00e9"},
                    },
                    {
                        "type": "identify",
                        "url": "u",
                        "path": "/",
                        "email": " a",
                        "userId": "7",
                        "traits": {},
                        "uuid": "u1",
                    },
                    {
                        "type": "engagement",
                        "url": "u",
                        "path": "/",
                        "activeTimeMs": 5,
                        "totalTimeMs": 7.5,
                        "sessionId": "s",
                    },
                    {
                        "type": "stage",
                        "url": "u",
                        "path": "/",
                        "stage": "paid",
                        "properties": {"x": [[]]},
                        "timestamp": 1795300000000,
                    },
                    {
                        "type": "billing",
                        "url": "u",
                        "path": "/",
                        "status": "paid",
                        "customerId": "c",
                        "stripeCustomerId": "s",
                    },
                    {"type": "form", "url": "u", "path": "/", "formId": "f", "formFields": {"a": "1", "b": None}},
                ],
            },
        )
        for source in ("client", "server")
    ]
    + [
        (
            "/api/i/v1/pk_both/events",
            {},
            {
                "visitorId": "a1b2",
                "source": "client",
                "events": [
                    {"type": "pageview", "url": "u", "path": "/", "title": "a"},
                    {"type": "calendar", "url": "u", "path": "/", "provider": "calendly", "isRecurring": False},
                ],
            },
        ),
    ],
    "apex": [
        (
            "/api/events",
            {},
            {
                "projectKey": "pk_live_both",
                "userId": "lead",
                "events": [
                    {
                        "type": "click",
                        "url": "https://e.example/pricing",
                        "data": {"n": 1, "to": "a@b.example", "m": {"l": [1, {"k": []}]}},
                    },
                    {"type": "view", "url": "https://e.example/a?b#c", "timestamp": "2026-06-14T12:00:00.000Z"},
                    {"type": "view", "url": "https://e.example/", "timestamp": "20260614T1200Z"},
                ],
            },
        ),
        (
            "/api/v1/events",
            {"Authorization": "Bearer apex_sk_both", "Idempotency-Key": "k"},
            {"events": [{"type": "a", "visitorId": "v", "data": {"x": None}}, {"type": "b"}]},
        ),
    ],
    "whisperr": [
        (
            "/v1/events/batch",
            {"X-API-Key": "wrk_both"},
            {
                "events": [
                    {
                        "external_user_id": f"user_{index}",
                        "event_type": "payment_failed",
                        "occurred_at": f"2026-06-14T11:59:5{index}.250Z",
                        "properties": {"amount": 4900 + index, "currency": "USD", "lines": [{"sku": "a"}]},
                        "context": {"$message_id": f"m-{index % 3}", **context},
                        **({"user": {"channels": [{"channel": "email", "address": "a"}]}} if index == 1 else {}),
                    }
                    for index in range(4)
                ]
            },
        )
        for context in ({}, {"library": {"name": "web"}}, {"$mode": "test"}, {"note": None})
    ]
    + [
        (
            "/v1/events/track",
            {"X-API-Key": "wrk_both"},
            {"anonymous_id": "a", "event_type": "a_1", "context": {"$message_id": "m"}, "properties": {"amount": 1}},
        ),
        ("/v1/identify", {"X-API-Key": "wrk_both"}, {"external_user_id": "u", "traits": {"a": {"b": [1]}}}),
    ],
}
"""Good requests as clients write them."""
