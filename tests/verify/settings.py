"""Settings to hunt under: what a contract says and its own replies do not show, a user's patch may bring to light."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

Json = Any
SharedHead = tuple[Json, tuple[str, ...]]
RATED: Final = {"requests": 5, "window_ms": 60000, "starts": "first_request", "source": "assumed: a rate to try"}
NEW: Final = frozenset({"rate_all", "refusals", "minLength"})
"""What settings add, where a contract has no such thing."""
RATED_OPERATIONS: Final = ("batch", "track", "identify", "user", "user_state", "messages", "message")
SETTINGS: Final[Mapping[str, Mapping[str, SharedHead]]] = {
    "outlit": {
        "strict": (
            {
                "content_types": {"anything": False},
                "cors": {
                    "ingest": {"allowed_origins": ["*.example.com"]},
                    "bootstrap": {"allowed_origins": ["https://app.example.com"]},
                },
            },
            (),
        ),
        "another shape": (
            {
                "cors": {"ingest": {"allowed_origins": ["*.example.com"]}},
                "refusals": {"ingest": {"origin_not_allowed": {"shape": "overview"}}},
            },
            ("/protocol/cors",),
        ),
        "atomic": ({"operations": {"events": {"forms": {"batch": {"policy": "atomic"}}}}}, ()),
        "reasons of their own": (
            {
                "gates": {
                    "allowed_key": {"refusals": {"unknown": "origin_not_allowed"}},
                    "encoding": {
                        "refusals": {"broken_encoding": "body_too_large", "unsupported_encoding": "body_too_large"}
                    },
                    "envelope": {"refusals": {"invalid_request": "internal"}},
                },
            },
            ("/protocol/gates", "/requests", "/protocol/credentials"),
        ),
        "repeats counted": ({"replies": {"processed": {"body": {"processed": "${accepted}"}}}}, ("/protocol/dedup",)),
    },
    "apex": {
        "unknown project": ({"projects": {"known": ["prj_mock", "prj_other"]}}, ()),
        "project required": ({"projects": {"known": ["prj_one", "prj_other"]}}, ("/protocol/projects",)),
        "reasons of their own": (
            {
                "gates": {
                    "server_allowed_key": {"refusals": {"unknown": "body_too_large"}},
                    "allowed_key": {"refusals": {"unknown": "body_too_large"}},
                    "size": {"refusals": {"body_too_large": "not_an_object"}},
                    "encoding": {
                        "refusals": {"broken_encoding": "not_an_object", "unsupported_encoding": "not_an_object"}
                    },
                }
            },
            ("/protocol/gates", "/protocol/limits/body"),
        ),
        "atomic": ({"operations": {"server_events": {"forms": {"batch": {"policy": "atomic"}}}}}, ("/events",)),
        "no keys": (
            {
                "operations": {
                    "events": {
                        "credentials": ["query_key"],
                        "gates": ["size", "encoding", "json", "object", "envelope", "events"],
                    },
                    "identity_stitch": {
                        "credentials": ["query_key"],
                        "gates": ["size", "encoding", "json", "object", "envelope"],
                    },
                }
            },
            ("/requests", "/events"),
        ),
        "origins": ({"cors": {"public": {"allowed_origins": ["*.example.com"]}}}, ()),
    },
    "whisperr": {
        "rated": (
            {
                "limits": {"rate_all": RATED},
                "operations": {name: {"rate": "rate_all"} for name in RATED_OPERATIONS},
            },
            ("/protocol/limits/rate_all", "/protocol/gates"),
        ),
    },
    "apex documented": {
        "no key gate": (
            {
                "operations": {
                    "events": {
                        "credentials": [],
                        "gates": ["size", "encoding", "json", "object", "envelope", "events"],
                    },
                }
            },
            ("/requests", "/events"),
        ),
    },
    "r4-2026-08": {
        "texts of their own": (
            {"messages": {"minLength": {"value": "Too short: ${field}", "source": "assumed: a text to try"}}},
            ("/requests", "/events"),
        ),
    },
    "async-2026-10": {
        "atomic": ({"operations": {"batch": {"forms": {"batch": {"policy": "atomic"}}}}}, ()),
        "named in replies": (
            {"replies": {"tracked": {"body": {"event": {"id": "${event_id}", "of": "${external_id}"}}}}},
            (),
        ),
    },
}
"""By protocol, revision, or both where protocols share the name of a revision: patches a user may set, under which more
of a contract can be seen; with the rules to hunt with, if not all."""


def settings_of(protocol: str, revision: str) -> Iterator[SharedHead]:
    """Yield the settings of a protocol, then those of one revision only."""
    for name in (protocol, revision, f"{protocol} {revision}"):
        yield from SETTINGS.get(name, {}).values()
