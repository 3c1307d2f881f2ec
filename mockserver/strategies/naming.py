"""Where a batch, or an event of it, can say who it is about, and what only some senders can say.

Whether it does is for the core to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.sections import IdentityRule, ReservedMembers
from mockserver.core.adapter import adapter_of
from mockserver.core.collect import BrokenRule
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.diagnosis import Diagnosis
from mockserver.strategies.places import Tokens, look
from mockserver.strategies.schema_mutations import Mutation
from mockserver.strategies.values import Values, inner

SENDER: Final = "source"
"""The member of a body that says who sends it; the contract's `senders` are its values."""
BATCH: Final = "batch"
PER_EVENT: Final = "per_event"
IDENTITY: Final = f"/protocol/identity/{PER_EVENT}"
"""The rule that events of some senders say themselves who they are about."""
NOBODY: Final = Mutation(rule=f"/protocol/identity/{BATCH}", keyword="missing_identity", ways=())
"""The mutation of a batch that must name somebody and does not."""
NAMES_NOBODY: Final = BrokenRule(NOBODY.rule, ())
RESERVED: Final = "reserved"
"""The keyword of a member that only other senders can send."""
NO_RULE: Final = IdentityRule(name="", pointers=())


class Naming:
    """Where bodies of one form can name somebody; without identity rules, nobody needs a name."""

    def __init__(self, contract: Contract, diagnosis: Diagnosis) -> None:
        rules = contract.identity
        self.batch = rules.get(BATCH, NO_RULE)
        self.per_event = rules.get(PER_EVENT, NO_RULE)
        self.others = [rule for name, rule in rules.items() if name not in (BATCH, PER_EVENT)]
        self.reserved = [*contract.reserved.values()]
        self.words = {pointer.parse(place)[-1] for rule in rules.values() for place in rule.pointers}
        """The names of the members that name somebody."""
        self.form = diagnosis.form
        self.events = self.form.events or ()
        self.nobody = diagnosis.names_nobody
        self._event_rule = adapter_of(contract.adapter).event_rules(contract)

    @property
    def asks(self) -> bool:
        """Whether the contract ever asks for a name."""
        return bool(self.batch.senders or self.per_event.senders)

    def unnamed(self, body: Json, event: Json) -> bool:
        """Tell whether an event that must name somebody itself does not."""
        violation = None if self._event_rule is None else self._event_rule(body, event)
        return violation is not None and violation.rule == IDENTITY

    def held_back(self, body: Json, event: Json) -> list[Tokens]:
        """Return the places of members that the sender of an event cannot send."""
        rules = [
            rule for rule in self.reserved if look(body, (SENDER,)) not in rule.senders and self.about(rule, event)
        ]
        places = [pointer.parse(place) for rule in rules for place in rule.pointers]
        return [place for place in places if look(event, place) is not MISSING]

    def about(self, rule: IdentityRule | ReservedMembers, event: Json) -> bool:
        """Tell whether a rule is about events like this one."""
        return isinstance(event, dict) and (rule.types is None or self.form.type_of(event) in rule.types)

    def places(self, body: Json) -> Iterator[tuple[Tokens, int | None]]:
        """Yield every place where a batch may name somebody, with the event's number where it is in one."""
        for place in self.batch.pointers:
            yield pointer.parse(place), None
        for index, event in enumerate(look(body, self.events) or ()):
            for rule in self.others:
                for place in rule.pointers if self.about(rule, event) else ():
                    yield (*self.events, index, *pointer.parse(place)), index

    def own_places(self) -> list[Tokens]:
        """Return where an event that must do so may name somebody."""
        return [pointer.parse(place) for place in self.per_event.pointers]


def identity(naming: Naming, values: Values) -> Iterator[Mutation]:
    """Yield the mutation of an event that says nowhere who it is about, where the contract asks it to."""
    places = naming.own_places()
    if places and naming.about(naming.per_event, values.least):
        edit = tuple((place, MISSING) for place in places)
        yield Mutation(rule=IDENTITY, keyword="anyOf", ways=((places[0], edit),))


def reserved(naming: Naming, values: Values) -> Iterator[Mutation]:
    """Yield the mutations of an event whose sender cannot send one of its members."""
    for rule in naming.reserved:
        places = map(pointer.parse, rule.pointers if naming.about(rule, values.least) else ())
        ways = [
            (place, ((place, edge),)) for place in places for edge in values.edges(inner(values.root, place[0]), place)
        ]
        if ways:
            yield Mutation(rule=rule.pointer, keyword=RESERVED, ways=tuple(ways))
