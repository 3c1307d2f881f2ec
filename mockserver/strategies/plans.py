"""A contract compiled for generating: its operations, their forms, and everything that can be broken in a request."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.assembly import Assembly, Parts, path_names
from mockserver.strategies.forms import Bad, FormPlan, Kind
from mockserver.strategies.gate_mutations import GateMutation, gate_mutations, unknown_paths
from mockserver.strategies.non_schema_mutations import MEASURED
from mockserver.strategies.places import Tokens, put
from mockserver.strategies.reading import BadEvent, Reading
from mockserver.strategies.samples import Breach, Expected, Request, Sample
from mockserver.strategies.schema_mutations import Mutation
from mockserver.strategies.time_frame import Clock

NOW_MS: Final = 1_781_438_402_000
"""The clock of generated times where none is handed in: 2026-06-14T12:00:02Z, as in the golden cases."""


NOBODY: Final = Mutation(rule="/protocol/identity/batch", keyword="missing_identity", ways=())


class OperationPlan:
    """One operation. `key_gate` tells in which of its gates events are judged, for their default reasons."""

    def __init__(self, plan: Plan, operation: Operation) -> None:
        self.plan = plan
        self.operation = operation
        self.contract = plan.contract
        self.assembly = Assembly(plan.contract, operation, plan.keys)
        rules = plan.contract.protocol["gates"]
        self.gates: dict[str, Mapping[str, str]] = {
            rules[gate.name].get("check", gate.name): rules[gate.name].get("refusals", {}) for gate in operation.gates
        }
        self._typed: dict[str, list[tuple[FormPlan, list[Kind]]]] = {}
        self.gate_mutations = list(gate_mutations(plan.contract, operation))

    @cached_property
    def forms(self) -> dict[str, FormPlan]:
        """The operation's forms by name."""
        return {name: self._form(form) for name, form in self.operation.forms.items()}

    def _form(self, form: Form, typed: str | None = None) -> FormPlan:
        keys = self.assembly.body_keys()
        measured = self.reason("measures", "invalid_request")
        return FormPlan(self.contract, self.operation, form, self.plan.clock, keys, measured, typed)

    def of_type(self, type: str) -> list[tuple[FormPlan, list[Kind]]]:
        """Return the forms that take events of a type, each with the kinds meant."""
        if type not in self._typed:
            self._typed[type] = list(self._find_type(type))
        return self._typed[type]

    def _find_type(self, type: str) -> Iterator[tuple[FormPlan, list[Kind]]]:
        for form in self.forms.values():
            one = form.form
            if one.schema is None or one.type is not None:
                kinds = [kind for kind in form.kinds.values() if kind.name == type]
                if kinds:
                    yield form, kinds
            elif one.discriminator and self._takes(form, type):
                typed = self._form(one, type)
                yield typed, list(typed.kinds.values())

    def _takes(self, form: FormPlan, type: str) -> bool:
        """Tell whether a form with one schema for all takes a type: whether the smallest event may have it."""
        values = next(iter(form.kinds.values())).values
        event = put(values.host(form.form.discriminator), form.form.discriminator, type)
        return values.fits(values.root, event)

    @property
    def takes_body(self) -> bool:
        """Whether a request of this operation has a body that is looked at."""
        return bool(self.operation.forms) or "object" in self.gates

    def reason(self, gate: str, outcome: str) -> str:
        """Return what a gate calls one of its outcomes."""
        return self.gates.get(gate, {}).get(outcome, outcome)

    def parts(self, body: Json = MISSING) -> Parts:
        """Return the plainest parts of a request with this body."""
        query = {name: f"{name}_1" for name in self.operation.spec.get("query", ())}
        if body is MISSING and self.takes_body:
            body = {}
        params = {name: f"{name}_1" for name in path_names(self.operation.path)}
        return Parts(body=body, query=query, params=params, headers=self._project())

    def _project(self) -> dict[str, str]:
        """Return the header that names a project, where there are several and none is the default."""
        if "project" not in self.gates:
            return {}
        rule = self.contract.protocol["projects"]
        known: list[str] = rule["known"]
        return {rule["header"]: known[0]} if len(known) > 1 and rule["default"] not in known else {}

    def before(self, parts: Parts) -> tuple[Request, ...]:
        """Return what has to be sent first: for a read, an event that brings what it asks for into being."""
        if "lookup" not in self.operation.spec or self.contract.entity is None:
            return ()
        wanted = parts.params[self.operation.spec["lookup"]]
        for other in self.plan.operations.values():
            for form in other.forms.values():
                for kind in form.kinds.values():
                    event = put(kind.values.host(self.contract.entity), self.contract.entity, wanted)
                    body = form.body([event])
                    if not form.diagnosis.of(body, self.plan.clock.now_ms):
                        return (other.assembly.request(other.parts(body)),)
        return ()

    def sample(
        self,
        parts: Parts,
        expect: Expected,
        events: Sequence[Json] = (),
        bad: Sequence[Breach] = (),
        before: Sequence[Request] = (),
    ) -> Sample:
        """Return a sample of these parts."""
        return Sample(
            protocol=self.contract.name,
            operation=self.operation.name,
            revision=self.contract.revision,
            now_ms=self.plan.clock.now_ms,
            request=self.assembly.request(parts),
            expect=expect,
            before=tuple(before),
            events=tuple(events),
            bad=tuple(bad),
        )

    def good(self, parts: Parts, events: Sequence[Json] = ()) -> Sample:
        """Return the sample of a request that is taken."""
        told = self.assembly.told(parts, self.assembly.request(parts))
        expect = self.plan.reading.reply(self.operation, told, events, ())
        return self.sample(parts, expect, events, before=self.before(parts))

    def gated(self, parts: Parts, fault: GateMutation) -> Sample:
        """Return the sample of a request that a gate refuses; `parts` are changed already."""
        family = self.operation.family
        expect = self.plan.reading.refusal(family, fault.reason, path=self.operation.path)
        breach = Breach(rule=fault.rule, keyword=fault.keyword, pointer="", reason=fault.reason)
        return self.sample(parts, expect, bad=[breach])

    def refused(self, parts: Parts, fault: Mutation, tokens: Tokens) -> Sample:
        """Return the sample of a request whose envelope is broken."""
        reason = fault.reason or self.reason("envelope", "invalid_request")
        detail = self.plan.reading.message(fault.keyword, fault.message, tokens, ())
        expect = self.plan.reading.refusal(self.operation.family, reason, detail)
        breach = Breach(rule=fault.rule, keyword=fault.keyword, pointer=pointer.build(tokens), reason=reason)
        return self.sample(parts, expect, bad=[breach])

    def nobody(self, parts: Parts) -> Sample:
        """Return the sample of a batch that must name somebody and does not."""
        reason = self.reason("identity", NOBODY.keyword)
        expect = self.plan.reading.refusal(self.operation.family, reason)
        breach = Breach(rule=NOBODY.rule, keyword=NOBODY.keyword, pointer="", reason=reason)
        return self.sample(parts, expect, bad=[breach])

    def mixed(self, form: FormPlan, parts: Parts, events: Sequence[Json], bad: Sequence[Bad]) -> Sample:
        """Return the sample of a request some of whose events are broken."""
        told = self.assembly.told(parts, self.assembly.request(parts))
        faults = [self._bad_event(form, one) for one in bad]
        if form.form.single or form.form.policy == "atomic":
            first = faults[0]
            expect = self.plan.reading.refusal(self.operation.family, first.reason, first.message)
        else:
            expect = self.plan.reading.reply(self.operation, told, events, faults)
        breaches = [self._breach(form, one, fault.reason) for one, fault in zip(bad, faults, strict=True)]
        return self.sample(parts, expect, events, breaches)

    def _bad_event(self, form: FormPlan, bad: Bad) -> BadEvent:
        reason = bad.fault.reason or self.reason("events", "invalid_event")
        message = self.plan.reading.message(bad.fault.keyword, bad.fault.message, bad.tokens, form.prefix(bad.index))
        return BadEvent(index=bad.index, reason=reason, message=message)

    def _breach(self, form: FormPlan, bad: Bad, reason: str) -> Breach:
        """Return what a broken event breaks; the size of a member is a matter of the whole request."""
        return Breach(
            rule=bad.fault.rule,
            keyword=bad.fault.keyword,
            pointer=pointer.build(bad.tokens),
            reason=reason,
            index=None if bad.fault.keyword == MEASURED else bad.index,
        )


class Plan:
    """A compiled contract under one clock and one set of keys."""

    def __init__(self, contract: Contract, clock: Clock, keys: Mapping[str, str]) -> None:
        self.contract = contract
        self.clock = clock
        self.keys = keys
        self.reading = Reading(contract)
        self.operations = {name: OperationPlan(self, operation) for name, operation in contract.operations.items()}

    def unserved(self) -> Iterator[Sample]:
        """Yield requests to paths that nothing serves."""
        for path, family in unknown_paths(self.contract):
            breach = Breach(rule="/protocol/operations", keyword="unknown_path", pointer="", reason="unknown_path")
            yield Sample(
                protocol=self.contract.name,
                operation=None,
                revision=self.contract.revision,
                now_ms=self.clock.now_ms,
                request=Request(method="GET", path=path, headers=(), body=b""),
                expect=self.reading.refusal(family, "unknown_path"),
                bad=(breach,),
            )


@lru_cache(maxsize=64)
def plan_of(contract: Contract, now_ms: int, slack_ms: int, keys: tuple[tuple[str, str], ...]) -> Plan:
    """Return the plan of a contract, compiled once."""
    return Plan(contract, Clock(contract, now_ms, slack_ms), dict(keys))
