"""Who a request's events are about, read from the contract's `identity` a second time, and how to name somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.places import Tokens, look

SENDER: Final = "source"
"""The member of a body that says who sends it; the contract's `sources` are its values."""
BATCH: Final = "batch"
PER_EVENT: Final = "per_event"
IDENTITY: Final = f"/protocol/identity/{PER_EVENT}"
"""The rule that events of some senders say themselves who they are about."""
NO_RULE: Final[Mapping[str, Json]] = {"sources": (), "pointers": ()}


class Naming:
    """The identity rules of one contract; without any, nobody needs a name."""

    def __init__(self, protocol: Mapping[str, Json], events: Sequence[str] | None) -> None:
        rules: Mapping[str, Json] = protocol.get("identity", {})
        self.batch: Mapping[str, Json] = rules.get(BATCH, NO_RULE)
        self.per_event: Mapping[str, Json] = rules.get(PER_EVENT, NO_RULE)
        self.others = [rule for name, rule in rules.items() if name not in (BATCH, PER_EVENT) and "pointers" in rule]
        self.events = tuple(events or ())

    @property
    def asks(self) -> bool:
        """Whether the contract ever asks for a name."""
        return bool(self.batch["sources"] or self.per_event["sources"])

    def nobody(self, body: Json) -> bool:
        """Tell whether a batch that must name somebody names nobody."""
        if not isinstance(body, dict) or body.get(SENDER) not in self.batch["sources"]:
            return False
        return not any(says(look(body, tokens)) for tokens, _ in self._places(body))

    def _places(self, body: Json) -> Iterator[tuple[Tokens, int | None]]:
        """Yield every place where a batch may name somebody, with the event's number where it is in one."""
        for place in self.batch["pointers"]:
            yield pointer.parse(place), None
        events = look(body, self.events)
        for index, event in enumerate(events if isinstance(events, list) else ()):
            for rule in self.others:
                if applies(rule, event):
                    for place in rule["pointers"]:
                        yield (*self.events, index, *pointer.parse(place)), index

    def places(self, body: Json) -> list[tuple[Tokens, int | None]]:
        """Return where this batch may name somebody."""
        return list(self._places(body))

    def unnamed(self, body: Json, event: Json) -> bool:
        """Tell whether an event that must name somebody itself does not."""
        if not isinstance(body, dict) or body.get(SENDER) not in self.per_event["sources"]:
            return False
        return applies(self.per_event, event) and not any(says(look(event, place)) for place in self.own_places())

    def own_places(self) -> list[Tokens]:
        """Return where an event that must do so may name somebody."""
        return [pointer.parse(place) for place in self.per_event["pointers"]]


def applies(rule: Mapping[str, Json], event: Json) -> bool:
    """Tell whether an identity rule is about this event."""
    return isinstance(event, dict) and ("types" not in rule or event.get("type") in rule["types"])


def says(value: Json) -> bool:
    """Tell whether a value names somebody: a text that is not blank, an object with such a member, any other value."""
    if value is MISSING or value is None:
        return False
    if isinstance(value, str):
        return bool(value.strip())
    return any(says(member) for member in value.values()) if isinstance(value, dict) else True
