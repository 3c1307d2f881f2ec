"""A naive model of sessions: the contract's facts read a second time, as plainly as they can be, without the core.

It knows few kinds of requests and keeps dictionaries. What it predicts is a whole reply: status, body, the headers
that tell about rates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mockserver.contract.contract import Contract
from mockserver.strategies import Expected
from tests.strategies.naive_reading import SENTENCE, NaiveReading, RefusedEvent, Repeated, fill


@dataclass(frozen=True, kw_only=True)
class Item:
    """One event of a request: its id where it has one, whom it is about, when it happened, whether it is broken."""

    id: str | None = None
    user: str = "user_1"
    at_ms: int | None = None
    broken: bool = False


@dataclass(frozen=True, kw_only=True)
class Action:
    """One request as the model sees it."""

    protocol: str
    operation: str
    key: str
    readable: bool = True
    items: tuple[Item, ...] = ()
    once: str | None = None
    asked: str = ""


@dataclass(kw_only=True)
class Predicted:
    """What must come back, and what became of each event."""

    expect: Expected
    headers: dict[str, str]
    verdicts: list[str]


@dataclass
class ModelSession:
    """What a session remembers."""

    now_ms: int
    mode: str = "warn"
    keys: frozenset[str] | None = None
    seen: dict[str, set[str]] = field(default_factory=dict)
    users: set[str] = field(default_factory=set)
    windows: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    once: dict[tuple[str, str], int] = field(default_factory=dict)
    counts: dict[str, int] = field(
        default_factory=lambda: {"requests": 0, "accepted": 0, "duplicate": 0, "rejected": 0}
    )


class Model:
    """Predicts what a server with these contracts answers.

    `broken_keyword` says, by protocol, which member of a broken event is broken and which keyword of it.
    """

    def __init__(self, contracts: dict[str, Contract], broken_keyword: dict[str, tuple[str, str]]) -> None:
        self.protocols = {name: contract.documents["protocol"] for name, contract in contracts.items()}
        self.readings = {name: NaiveReading(contract) for name, contract in contracts.items()}
        self.broken_keyword = broken_keyword
        rules = [rule for protocol in self.protocols.values() for rule in protocol.get("idempotency", {}).values()]
        (self.held_ms,) = [rule["window_ms"] for rule in rules]

    def send(self, session: ModelSession, action: Action) -> Predicted:
        """Predict one reply and remember the request."""
        predicted = self._send(session, action)
        session.counts["requests"] += 1
        for verdict in predicted.verdicts:
            session.counts[verdict] += 1
        return predicted

    def window(self, session: ModelSession, action: Action) -> tuple[int, int] | None:
        """Return beginning and end of the rate window that requests like this one have begun."""
        name, limit = self._limit(action)
        begun = session.windows.get((action.protocol, name, action.key))
        return None if begun is None else (begun[0], begun[0] + limit["window_ms"])

    def _send(self, session: ModelSession, action: Action) -> Predicted:
        """Walk the gates in their order; the first one that refuses decides."""
        seen_events = len(action.items) if action.readable else 0
        refused = ["rejected"] * seen_events
        taken = False
        for check, reasons in self.readings[action.protocol].gates(self._spec(action)):
            reason = None
            if check == "rate":
                taken = True
                if self._over(session, action) and session.mode == "enforce":
                    reason = "rate_limited"
            elif check == "key" and "malformed" in action.key:
                reason = reasons.get("malformed", "malformed")
            elif check == "allowed_key" and session.keys is not None and action.key not in session.keys:
                reason = reasons.get("unknown", "unknown")
            elif check == "json" and not action.readable:
                reason = reasons.get("invalid_json", "invalid_json")
            if reason is not None:
                return self._refused(session, action, reason, SENTENCE, refused, taken)
        if "lookup" in self._spec(action) and action.asked not in session.users:
            return self._refused(session, action, "unknown_entity", SENTENCE, [], taken)
        return self._events(session, action, taken)

    def _spec(self, action: Action) -> Any:
        return self.protocols[action.protocol]["operations"][action.operation]

    def _refused(
        self, session: ModelSession, action: Action, reason: str, detail: Any, verdicts: list[str], taken: bool
    ) -> Predicted:
        spec = self._spec(action)
        expect = self.readings[action.protocol].refusal(spec["family"], reason, detail, spec["path"])
        headers = self._headers(session, action, taken)
        if reason == "rate_limited":
            headers.update(self._retry(session, action))
        return Predicted(expect=expect, headers=headers, verdicts=verdicts)

    def _refused_events(self, session: ModelSession, action: Action) -> list[RefusedEvent]:
        reading, spec = self.readings[action.protocol], self._spec(action)
        batched = bool(self._form(action).get("events"))
        refused = []
        for index, item in enumerate(action.items):
            place = ("events", index) if batched else ()
            member, keyword = self.broken_keyword[action.protocol]
            late = self._late(session, action, item)
            if item.broken:
                text = reading.message(keyword, None, (member,), place)
                reason = reading.reason(spec, "events", "invalid_event")
                refused.append(RefusedEvent(index=index, reason=reason, message=text))
            elif late is not None:
                text = reading.message("window", late.get("message"), (late["pointer"][1:],), place)
                refused.append(RefusedEvent(index=index, reason=late["refusal"], message=text))
        return refused

    def _late(self, session: ModelSession, action: Action, item: Item) -> Any:
        for rule in self.protocols[action.protocol].get("windows", {}).values():
            if item.at_ms is not None:
                age = session.now_ms - item.at_ms
                if age > rule["past_ms"] or -age > rule["future_ms"]:
                    return rule
        return None

    def _form(self, action: Action) -> Any:
        return next(iter(self._spec(action).get("forms", {"": {}}).values()))

    def _events(self, session: ModelSession, action: Action, taken: bool) -> Predicted:
        refused, form = self._refused_events(session, action), self._form(action)
        if refused and (form.get("policy", "atomic") == "atomic" or form.get("events") == ""):
            first = refused[0]
            verdicts = ["rejected"] * len(action.items)
            return self._refused(session, action, first.reason, first.message, verdicts, taken)
        replayed = self._replayed(session, action)
        bad = {event.index for event in refused}
        if replayed:
            verdicts = ["duplicate"] * len(action.items)
            created = False
        else:
            verdicts = self._claim(session, action, bad)
            created = self._meet(session, action, verdicts)
        expect = self._reply(action, verdicts, refused, replayed, created)
        return Predicted(expect=expect, headers=self._headers(session, action, taken), verdicts=verdicts)

    def _meet(self, session: ModelSession, action: Action, verdicts: Sequence[str]) -> bool:
        if "entities" not in self.protocols[action.protocol]:
            return False
        users = {item.user for item, verdict in zip(action.items, verdicts, strict=True) if verdict == "accepted"}
        new = users - session.users
        session.users |= users
        return bool(new)

    def _claim(self, session: ModelSession, action: Action, bad: set[int]) -> list[str]:
        knows = "dedup" in self.protocols[action.protocol]
        seen = session.seen.setdefault(action.protocol, set())
        verdicts = []
        for index, item in enumerate(action.items):
            if index in bad:
                verdicts.append("rejected")
            elif knows and item.id is not None and item.id in seen:
                verdicts.append("duplicate")
            else:
                verdicts.append("accepted")
                if item.id is not None:
                    seen.add(item.id)
        return verdicts

    def _reply(
        self, action: Action, verdicts: Sequence[str], refused: Sequence[RefusedEvent], replayed: bool, created: bool
    ) -> Expected:
        protocol, reading, spec = self.protocols[action.protocol], self.readings[action.protocol], self._spec(action)
        names = spec["replies"]
        name = names["success"]
        if replayed:
            name = names["replayed"]
        elif refused and len(refused) == len(action.items):
            name = names.get("failed", names.get("partial", name))
        elif refused:
            name = names.get("partial", name)
        template = protocol["replies"][name]
        header = protocol.get("idempotency", {}).get(spec.get("idempotency"), {}).get("header", "")
        repeated = Repeated(
            params={spec.get("lookup", ""): action.asked},
            query={},
            headers={} if action.once is None else {header.lower(): action.once},
        )
        known = {
            **reading.facts(spec, repeated),
            "errors": reading.errors(spec, template.get("item", {}), refused),
            "external_id": action.asked or (action.items[0].user if action.items else ""),
        }
        known.update(
            processed=len(verdicts) - verdicts.count("rejected"),
            accepted=verdicts.count("accepted"),
            duplicates=verdicts.count("duplicate"),
            rejected=verdicts.count("rejected"),
            batch_size=len(verdicts),
            created=created,
            duplicate="duplicate" in verdicts,
            nothing=None,
        )
        return Expected(status=template["status"], body=fill(template["body"], known))

    def _replayed(self, session: ModelSession, action: Action) -> bool:
        name = self._spec(action).get("idempotency")
        if name is None or action.once is None:
            return False
        length = self.protocols[action.protocol]["idempotency"][name]["window_ms"]
        start = session.once.get((action.key, action.once))
        if start is not None and start <= session.now_ms < start + length:
            return True
        session.once[action.key, action.once] = session.now_ms
        return False

    def _limit(self, action: Action) -> tuple[str, Any]:
        name = self._spec(action).get("rate")
        return name, self.protocols[action.protocol]["limits"].get(name, {})

    def _window(self, session: ModelSession, action: Action) -> tuple[int, int]:
        """Return when the window began that a request falls into, and how many requests it has seen."""
        name, limit = self._limit(action)
        start, used = session.windows.get((action.protocol, name, action.key), (0, 0))
        if start <= session.now_ms < start + limit["window_ms"]:
            return start, used
        if limit["starts"] == "aligned":
            return session.now_ms // limit["window_ms"] * limit["window_ms"], 0
        return session.now_ms, 0

    def _over(self, session: ModelSession, action: Action) -> bool:
        """Take a place in the window; tell whether there was none left."""
        name, limit = self._limit(action)
        if not limit or session.mode == "off":
            return False
        start, used = self._window(session, action)
        session.windows[action.protocol, name, action.key] = (start, used + 1)
        return bool(used >= limit["requests"])

    def _headers(self, session: ModelSession, action: Action, taken: bool) -> dict[str, str]:
        _, limit = self._limit(action)
        if not limit.get("headers"):
            return {}
        start, used = self._window(session, action)
        left = limit["requests"] if session.mode == "off" else max(0, limit["requests"] - used)
        values = {
            "rate_limit": limit["requests"],
            "rate_remaining": left,
            "rate_reset_s": -(-(start + limit["window_ms"]) // 1000),
        }
        return {name.lower(): str(fill(text, values)) for name, text in limit["headers"].items()}

    def _retry(self, session: ModelSession, action: Action) -> dict[str, str]:
        _, limit = self._limit(action)
        start, _ = self._window(session, action)
        wait = max(1, -(-(start + limit["window_ms"] - session.now_ms) // 1000))
        family = self.protocols[action.protocol]["refusals"][self._spec(action)["family"]]
        headers = family["rate_limited"].get("headers", {})
        return {name.lower(): str(fill(text, {"retry_after_s": wait})) for name, text in headers.items()}
