"""Scripts for many sessions at once, each drawn from a seed, and a model of what must come of them.

The model knows the rules of this test only: what a fault step does to a request, and that an id is stored once.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

from mockserver.jsonkit.formats import rfc3339_ms

DAY_MS = 86_400_000
WISHES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a protocol is spoken: where an event holds what is ours, how one is made and known, how a batch is sent."""

    protocol: str
    ok: int
    dedup: bool
    ours: str
    event: Callable[[dict[str, Any], str, int, bool], dict[str, Any]]
    path: str
    body: Callable[[str, list[Any]], dict[str, Any]]
    id_of: Callable[[Any], str | None] = lambda event: None


def _whisperr(ours: dict[str, Any], id: str, now_ms: int, good: bool) -> dict[str, Any]:
    return {
        "external_user_id": "user_1",
        "event_type": "feature_used" if good else "Feature Used",
        "occurred_at": rfc3339_ms(now_ms),
        "properties": ours,
        "context": {"$message_id": id},
    }


def _outlit(ours: dict[str, Any], id: str, now_ms: int, good: bool) -> dict[str, Any]:
    kind = {"type": "custom", "eventName": "feature_used"} if good else {"type": "purchase"}
    return {**kind, "url": "https://example.com/", "path": "/", "timestamp": now_ms, "uuid": id, "properties": ours}


def _apex(ours: dict[str, Any], id: str, now_ms: int, good: bool) -> dict[str, Any]:
    place = {"url": "/pricing"} if good else {}
    return {"type": "click", **place, "timestamp": rfc3339_ms(now_ms), "data": ours}


DIALECTS = (
    Dialect(
        protocol="whisperr",
        ok=202,
        dedup=True,
        ours="properties",
        event=_whisperr,
        path="/v1/events/batch",
        body=lambda key, events: {"events": events},
        id_of=lambda event: event["context"]["$message_id"],
    ),
    Dialect(
        protocol="outlit",
        ok=200,
        dedup=True,
        ours="properties",
        event=_outlit,
        path="/api/i/v1/{key}/events",
        body=lambda key, events: {"visitorId": str(UUID(int=1)), "source": "client", "events": events},
        id_of=lambda event: event["uuid"],
    ),
    Dialect(
        protocol="apex",
        ok=200,
        dedup=False,
        ours="data",
        event=_apex,
        path="/api/events",
        body=lambda key, events: {"projectKey": key, "events": events},
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What one kind of step does: the events are stored or not, and the client is told a status, or nothing (0)."""

    step: Mapping[str, Any]
    stored: bool = True
    told: int | None = None


def _effects(dice: random.Random, *, repeatable: bool) -> list[Effect]:
    status = partial(dice.choice, (429, 500, 503))
    refused, disowned = status(), status()
    late = {"when": "after_commit"}
    cuts = [
        Effect(step={"connection": how, **when}, stored=bool(when), told=0)
        for how in ("reset", "drop", "malformed")
        for when in ({}, late)
    ]
    chance = {"reply": {"status": refused}, "probability": 0.5, "seed": dice.randrange(1000)}
    return [
        *cuts,
        Effect(step={"connection": "truncate", **late}),
        Effect(step={"reply": {"status": refused}}, stored=False, told=refused),
        Effect(step={"reply": {"status": disowned}, **late}, told=disowned),
        Effect(step={"delay_ms": {"min": 0, "max": 10, "seed": dice.randrange(1000)}}),
        *([Effect(step=chance, stored=False, told=refused)] if repeatable else []),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One request: events that all wish for the same, and are all good or all bad."""

    events: list[Any]
    wish: str
    good: bool


@dataclass(slots=True, kw_only=True)
class Script:
    """What one session does, and what must come of it.

    ``lanes`` requests are open at a time; with more than one the steps last for ever, so that their turn does not
    matter. ``offset_ms`` is how far its clock is from real time.
    """

    session: str
    dialect: Dialect
    lanes: int
    offset_ms: int
    steps: list[dict[str, Any]]
    effects: dict[str, Effect]
    sendings: list[Sending] = field(default_factory=list)
    told: list[int] = field(default_factory=list)
    verdicts: list[tuple[str, str]] = field(default_factory=list)
    left: dict[str, int | None] = field(default_factory=dict)

    def mark(self, event: Any) -> str:
        """Return the name by which this test knows an event again."""
        mark: str = event[self.dialect.ours]["mark"]
        return mark


def script(number: int, session: str, now_ms: int, seed: int, requests: int) -> Script:
    """Draw the script of one session, with so many requests. No two clocks are within forty days of each other."""
    dice = random.Random(f"{seed}-{number}")
    dialect = DIALECTS[number % len(DIALECTS)]
    lanes = 1 if number % 4 else 4
    chosen = dice.sample(_effects(dice, repeatable=lanes == 1), WISHES)
    effects = {f"wish-{n}": effect for n, effect in enumerate(chosen)}
    uses = {wish: dice.randrange(requests // 40, requests // 5) for wish in effects} if lanes == 1 else {}
    made = Script(
        session=session,
        dialect=dialect,
        lanes=lanes,
        offset_ms=(number - 32) * 40 * DAY_MS + dice.randrange(DAY_MS),
        effects=effects,
        left={wish: uses.get(wish) for wish in effects},
        steps=[
            {
                "match": {"protocol": dialect.protocol, "where": {f"/{dialect.ours}/wish": wish}},
                **({"times": uses[wish]} if wish in uses else {}),
                **effect.step,
            }
            for wish, effect in effects.items()
        ],
    )
    for request in range(requests):
        made.sendings.append(_sending(made, request, now_ms, dice))
    _foretell(made)
    return made


def _sending(made: Script, request: int, now_ms: int, dice: random.Random) -> Sending:
    """Return one request, with new events of which many wish for a fault, or an earlier request once more."""
    if made.lanes == 1 and request and dice.random() < 0.1:
        return dice.choice(made.sendings)
    wish = dice.choice([*made.effects, *["none"] * 4])
    good = dice.random() > 0.02
    events = [
        made.dialect.event(
            {"mark": f"{made.session}/{request}/{place}", "wish": wish},
            str(UUID(int=dice.getrandbits(128), version=4)),
            now_ms + made.offset_ms,
            good,
        )
        for place in range(dice.randrange(1, 4))
    ]
    return Sending(events=events, wish=wish, good=good)


def _foretell(made: Script) -> None:
    """Work out, request by request, what the client is told and what becomes of the events."""
    dice = {wish: random.Random(effect.step.get("seed", 0)) for wish, effect in made.effects.items()}
    stored: set[str] = set()
    for sending in made.sendings:
        effect = _struck(made, sending.wish, dice)
        status = made.dialect.ok if sending.good else 400
        made.told.append(status if effect is None or effect.told is None else effect.told)
        for event in sending.events:
            mark = made.mark(event)
            if not sending.good or (effect is not None and not effect.stored):
                verdict = "rejected"
            else:
                verdict = "duplicate" if made.dialect.dedup and mark in stored else "accepted"
                stored.add(mark)
            made.verdicts.append((mark, verdict))


def _struck(made: Script, wish: str, dice: Mapping[str, random.Random]) -> Effect | None:
    effect = made.effects.get(wish)
    left = made.left.get(wish)
    if effect is None or left == 0 or dice[wish].random() >= effect.step.get("probability", 1):
        return None
    if left is not None:
        made.left[wish] = left - 1
    return effect
