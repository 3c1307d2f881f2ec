"""Faults of memory, of windows and of rates: what earlier requests, the clock and the number of requests change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from mockserver.jsonkit.formats import epoch_ms, rfc3339_ms
from mockserver.strategies.samples import Request
from mockserver.verify import Reply
from tests.verify.lies.lie import (
    Forward,
    Json,
    Lie,
    Proxy,
    edited,
    events_of,
    reading,
    replying,
    with_events,
    with_header,
)

SECOND: Final = 1000


def _id_of(event: Json) -> str:
    context = event.get("context") if isinstance(event, dict) else None
    return str(context.get("$message_id", "")) if isinstance(context, dict) else ""


def _renamed(change: Callable[[str], str]) -> Callable[[Request], Request]:
    """Know events by another id than the one they have."""

    def rename(event: Json) -> Json:
        return (
            {**event, "context": {**event["context"], "$message_id": change(_id_of(event))}} if _id_of(event) else event
        )

    def read(request: Request) -> Request:
        return with_events(request, rename) if any(map(_id_of, events_of(request))) else request

    return read


def _forgetting(most: int, *, apart: bool = False) -> Callable[[], Proxy]:
    """Remember only so many ids, in each operation its own where they are kept `apart`."""

    def make() -> Proxy:
        seen, times = list[str](), dict[str, int]()

        def send(forward: Forward, request: Request) -> Reply:
            place = request.path if apart else ""

            def known_as(name: str) -> str:
                key = f"{place} {name}"
                if key in seen:
                    seen.remove(key)
                else:
                    times[key] = times.get(key, 0) + 1
                seen.append(key)
                del seen[:-most]
                return f"{name}{place}~{times[key]}"

            return forward(_renamed(known_as)(request))

        return send

    return make


def _keyed(change: Callable[[str], str]) -> Callable[[Request], Request]:
    """Read idempotency keys otherwise."""

    def read(request: Request) -> Request:
        pairs = [
            (name, change(value) if name.lower() == "idempotency-key" else value) for name, value in request.headers
        ]
        return replace(request, headers=tuple(pairs))

    return read


def _keys_forgotten(most: int) -> Callable[[], Proxy]:
    def make() -> Proxy:
        seen, times = list[str](), dict[str, int]()

        def send(forward: Forward, request: Request) -> Reply:
            def known_as(key: str) -> str:
                if key in seen:
                    seen.remove(key)
                else:
                    times[key] = times.get(key, 0) + 1
                seen.append(key)
                del seen[:-most]
                return key if times[key] == 1 else f"{key}~{times[key]}"

            reply = forward(_keyed(known_as)(request))
            return replace(reply, body=reply.body.replace(b"~2", b""))

        return send

    return make


def _compared() -> Proxy:
    """Know an idempotency key by its body too."""

    def send(forward: Forward, request: Request) -> Reply:
        mark = f"~{len(request.body)}"
        reply = forward(_keyed(lambda key: f"{key}{mark}")(request))
        return replace(reply, body=reply.body.replace(mark.encode(), b""))

    return send


def _any_case() -> Proxy:
    """Know idempotency keys by their lower case; a reply has the one that came."""

    def send(forward: Forward, request: Request) -> Reply:
        key = next((value for name, value in request.headers if name.lower() == "idempotency-key"), "")
        reply = forward(_keyed(str.lower)(request))
        return replace(reply, body=reply.body.replace(key.lower().encode(), key.encode())) if key else reply

    return send


def _counting_once() -> Proxy:
    """Count no event whose id came before."""
    seen: set[str] = set()

    def send(forward: Forward, request: Request) -> Reply:
        reply = forward(request)
        ids = [str(event["uuid"]) for event in events_of(request) if isinstance(event, dict) and event.get("uuid")]
        again = sum(name in seen or name in ids[:at] for at, name in enumerate(ids))
        seen.update(ids)
        if not again or reply.status != 200:
            return reply
        return edited(reply, lambda body: {**body, "processed": body["processed"] - again})

    return send


def _memory() -> Iterator[Lie]:
    dedup, key = ("/protocol/dedup",), ("/protocol/idempotency/server_events",)
    for name, protocol, told, proxy in (
        ("an id is forgotten after three others", "whisperr", dedup, _forgetting(3)),
        ("an id is forgotten after 50 others", "whisperr", dedup, _forgetting(50)),
        ("each operation remembers its own ids", "whisperr", dedup, _forgetting(10**6, apart=True)),
        ("the case of an id does not count", "whisperr", dedup, reading(_renamed(str.lower))),
        ("white space around an id does not count", "whisperr", dedup, reading(_renamed(str.strip))),
        ("only the first 64 characters of an id count", "whisperr", dedup, reading(_renamed(lambda name: name[:64]))),
        (
            "only the first 20 characters of an id count",
            "whisperr",
            (*dedup, "/protocol/entities"),
            reading(_renamed(lambda name: name[:20])),
        ),
        ("the case of a key does not count", "apex", key, _any_case),
        ("a key is forgotten after 50 others", "apex", key, _keys_forgotten(50)),
        ("a key with another body is another key", "apex", key, _compared),
    ):
        yield Lie(kind="memory", name=name, protocol=protocol, told=told, proxy=proxy)
    yield Lie(
        kind="memory",
        name="a repeat is not counted",
        protocol="outlit",
        told=(*dedup, "/protocol/replies/processed/body/processed"),
        tried=dedup,
        proxy=_counting_once,
    )


def _moved(past_s: int, future_s: int) -> Callable[[Request], Request]:
    """Hold times to a window with other ends, by reading them as other times."""
    now_ms = 1_781_438_402_300

    def move(event: Json) -> Json:
        value = event.get("occurred_at") if isinstance(event, dict) else None
        moment = epoch_ms(value) if isinstance(value, str) else None
        if moment is None:
            return event
        by = past_s if moment < now_ms else future_s
        return {**event, "occurred_at": rfc3339_ms(moment + by * SECOND)}

    def read(request: Request) -> Request:
        return (
            with_events(request, move)
            if any(isinstance(event, dict) and "occurred_at" in event for event in events_of(request))
            else request
        )

    return read


def _windows() -> Iterator[Lie]:
    window = "/protocol/windows/occurred_at"
    for name, side, by in (
        ("the past begins 30 seconds early", "past_ms", (30, 0)),
        ("the past begins 45 seconds late", "past_ms", (-45, 0)),
        ("the future ends 30 seconds late", "future_ms", (0, -30)),
        ("the future ends 45 seconds early", "future_ms", (0, 45)),
        ("the future ends 10 seconds late", "future_ms", (0, -10)),
    ):
        yield Lie(kind="window", name=name, protocol="whisperr", told=(f"{window}/{side}",), proxy=reading(_moved(*by)))


def _limited(change: Callable[[Reply], Reply]) -> Callable[[], Proxy]:
    return replying(lambda request, reply: change(reply) if reply.status == 429 else reply)


def _rates() -> Iterator[Lie]:
    events, server = (
        ("/protocol/limits/rate_events", "/protocol/refusals/flat"),
        ("/protocol/limits/rate_v1", "/protocol/refusals/v1"),
    )
    for name, told, change in (
        ("503 in place of 429", events, lambda reply: replace(reply, status=503)),
        ("429 has no Retry-After", events, lambda reply: with_header(reply, "retry-after", None)),
        (
            "Retry-After is a date",
            events,
            lambda reply: with_header(reply, "retry-after", "Sun, 14 Jun 2026 12:00:03 GMT"),
        ),
        (
            "Retry-After is in milliseconds",
            server,
            lambda reply: with_header(reply, "retry-after", f"{reply.headers['retry-after']}000"),
        ),
        ("Retry-After is 0", server, lambda reply: with_header(reply, "retry-after", "0")),
    ):
        yield Lie(kind="rate", name=name, protocol="apex", told=told, proxy=_limited(change), flags={"burst": True})
    for name, rate in (("a limit of 90", 90), ("a limit of 110", 110)):
        patch = {"protocol": {"limits": {"rate_ingest": {"requests": rate}}}}

        def written(request: Request, reply: Reply) -> Reply:
            return with_header(reply, "x-ratelimit-limit", "100") if "x-ratelimit-limit" in reply.headers else reply

        yield Lie(
            kind="rate",
            name=name,
            protocol="outlit",
            told=("/protocol/limits/rate_ingest",),
            proxy=replying(written),
            patch=patch,
            flags={"burst": True},
        )


LIES: Final = [*_memory(), *_windows(), *_rates()]
