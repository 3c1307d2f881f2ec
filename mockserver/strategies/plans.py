"""A contract compiled for generating: its operations, their forms, and samples with the replies they must get."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Form, Operation
from mockserver.contract.request_examples import CLOCK_MS
from mockserver.core.model import Judged
from mockserver.core.route import OPERATIONS
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.lint.prediction import predict
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.assembly import Assembly, Parts
from mockserver.strategies.diagnosis import Diagnosis
from mockserver.strategies.forms import BadEvent, FormPlan, Kind
from mockserver.strategies.gate_mutations import GateMutation, gate_mutations
from mockserver.strategies.naming import NOBODY
from mockserver.strategies.non_schema_mutations import MEASURED
from mockserver.strategies.places import Tokens, look, put
from mockserver.strategies.samples import Breach, CertificateError, Request, Sample, TooLargeError
from mockserver.strategies.schema_mutations import Mutation
from mockserver.strategies.values import TimeFrame, Values

MAX_BYTES: Final = "/protocol/limits/body/max_bytes"
NOW_MS: Final = CLOCK_MS
"""The clock of generated times by default: 2026-06-14T12:00:02Z, as in the golden cases."""


class OperationPlan:
    """One operation: the forms of its bodies, the ways to break a request at its gates, samples of its requests."""

    def __init__(self, plan: Plan, operation: Operation) -> None:
        self.plan = plan
        self.operation = operation
        self.contract = plan.contract
        self.assembly = Assembly(operation, plan.keys)
        self.gate_mutations = list(gate_mutations(plan.contract, operation))
        self._typed: dict[str, list[tuple[FormPlan, list[Kind]]]] = {}

    @cached_property
    def forms(self) -> dict[str, FormPlan]:
        """The operation's forms by name."""
        return {name: self._form(form) for name, form in self.operation.forms.items()}

    def _form(self, form: Form, type: str | None = None) -> FormPlan:
        request, time_frame = self.assembly.request(self.parts()).wire(), self.plan.time_frame
        diagnosis = Diagnosis(self.contract, self.operation, form, request, time_frame.now_ms)
        return FormPlan(diagnosis, time_frame, self.assembly.body_keys(), type)

    def of_type(self, type: str) -> list[tuple[FormPlan, list[Kind]]]:
        """Return the forms that take events of a type, each with the kinds meant."""
        if type not in self._typed:
            self._typed[type] = list(self._find_type(type))
        return self._typed[type]

    def _find_type(self, type: str) -> Iterator[tuple[FormPlan, list[Kind]]]:
        for plan in self.forms.values():
            form = plan.form
            if form.schema is None or form.type is not None:
                if type in plan.kinds:
                    yield plan, [plan.kinds[type]]
            elif form.discriminator and _takes(plan, type):
                typed = self._form(form, type)
                yield typed, list(typed.kinds.values())

    @property
    def takes_body(self) -> bool:
        """Whether a request of this operation has a body that is looked at."""
        return bool(self.operation.forms) or self.operation.gate("object") is not None

    def parts(self, body: Json = MISSING) -> Parts:
        """Return the plainest parts of a request with this body."""
        query = {name: f"{name}_1" for name in self.operation.query}
        if body is MISSING and self.takes_body:
            body = {}
        params = {name: f"{name}_1" for name in self.operation.parameters()}
        return Parts(body=body, query=query, params=params, headers=self._project())

    def _project(self) -> dict[str, str]:
        """Return the header that names a project, where there are several and none is the default."""
        projects = self.contract.projects
        if projects is None or self.operation.gate("project") is None:
            return {}
        must = len(projects.known) > 1 and projects.default not in projects.known
        return {projects.header: projects.known[0]} if must else {}

    def before(self, parts: Parts) -> tuple[Request, ...]:
        """Return what has to be sent first: for a read, an event that brings what it asks for into being."""
        return () if self.operation.lookup is None else self.creating(parts.params[self.operation.lookup])

    def creating(self, name: str, *, marked: bool = False) -> tuple[Request, ...]:
        """Return the request with an event that creates an entity; `marked`, the event does not for its mark.

        The event is a repeat of none with another name. There is none where no operation takes such an event.
        """
        if self.contract.entity is None:
            return ()
        for other in self.plan.operations.values():
            for form in other.forms.values():
                for kind in form.kinds.values():
                    for event in self._creating(kind, name, marked=marked):
                        body = form.body([event])
                        if not form.diagnosis.of(body):
                            return (other.assembly.request(other.parts(body)),)
        return ()

    def _creating(self, kind: Kind, name: str, *, marked: bool) -> Iterator[Json]:
        """Yield events that name an entity, valid or not: one with an id of its own, if there are ids, and without."""
        contract, values = self.contract, kind.values
        assert contract.entity is not None
        event = put(values.host(contract.entity), contract.entity, name)
        if marked and contract.no_entity is not None:
            event = _with_text(values, event, contract.no_entity.tokens, contract.no_entity.values[0])
        if contract.dedup is not None:
            yield _with_text(values, event, contract.dedup.tokens, f"created-{name}")
        yield event

    def good(self, parts: Parts, events: Sequence[Json] = ()) -> Sample:
        """Return the sample of a request that is taken."""
        return self._sample(parts, events, before=self.before(parts))

    def gated(self, parts: Parts, mutation: GateMutation) -> Sample:
        """Return the sample of a request that a gate refuses; `parts` are changed already. Raises CertificateError."""
        sample = self._sample(parts, bad=[Breach(rule=mutation.rule, keyword=mutation.keyword, pointer="")])
        if sample.breach.reason != mutation.reason:
            raise CertificateError(f"made to be refused as {mutation.reason}: {sample!r}")
        return sample

    def refused(self, parts: Parts, mutation: Mutation, tokens: Tokens) -> Sample:
        """Return the sample of a request whose envelope is broken."""
        breach = Breach(rule=mutation.rule, keyword=mutation.keyword, pointer=pointer.build(tokens))
        return self._sample(parts, bad=[breach])

    def nobody(self, parts: Parts) -> Sample:
        """Return the sample of a batch that must name somebody and does not."""
        return self.refused(parts, NOBODY, ())

    def mixed(self, parts: Parts, events: Sequence[Json], bad: Sequence[BadEvent]) -> Sample:
        """Return the sample of a request some of whose events are broken."""
        return self._sample(parts, events, [_breach(event) for event in bad])

    def _sample(
        self, parts: Parts, events: Sequence[Json] = (), bad: Sequence[Breach] = (), before: tuple[Request, ...] = ()
    ) -> Sample:
        return self.plan.sample(self.operation, self.assembly.request(parts), events, bad, before)


def _with_text(values: Values, event: Json, tokens: Tokens, text: str) -> Json:
    """Return an event with a text at a place; unchanged where the place has no object around it."""
    event = values.with_holder(event, tokens)
    return put(event, tokens, text) if isinstance(look(event, tokens[:-1]), dict) else event


def _takes(plan: FormPlan, type: str) -> bool:
    """Tell whether a form with one schema for all takes a type: whether the smallest event may have it."""
    values, place = next(iter(plan.kinds.values())).values, plan.form.discriminator
    return values.fits(values.root, put(values.host(place), place, type))


def _breach(event: BadEvent) -> Breach:
    """Return what a broken event breaks; the size of a member is a matter of the whole request."""
    keyword = event.mutation.keyword
    index = None if keyword == MEASURED else event.index
    return Breach(rule=event.mutation.rule, keyword=keyword, pointer=pointer.build(event.tokens), index=index)


class Plan:
    """A compiled contract under one clock and one set of keys."""

    def __init__(self, contract: Contract, time_frame: TimeFrame, keys: Mapping[str, str]) -> None:
        self.contract = contract
        self.time_frame = time_frame
        self.keys = keys
        self.operations = {name: OperationPlan(self, operation) for name, operation in contract.operations.items()}

    def unserved(self) -> Iterator[Sample]:
        """Yield a request to a path below each prefix of the protocol that nothing serves."""
        breach = Breach(rule=OPERATIONS, keyword="unknown_path", pointer="")
        for prefix in reversed(self.contract.prefixes):
            path = prefix.path.rstrip("/") + "/nothing_is_served_here"
            yield self.sample(None, Request(method="GET", path=path, headers=(), body=b""), bad=[breach])

    def sample(
        self,
        operation: Operation | None,
        request: Request,
        events: Sequence[Json] = (),
        bad: Sequence[Breach] = (),
        before: tuple[Request, ...] = (),
    ) -> Sample:
        """Return a sample with the reply it must get. Raises CertificateError where something else is wrong with it."""
        now_ms = self.time_frame.now_ms
        judged, prediction = predict(self.contract, [each.wire() for each in (*before, request)], now_ms)
        self._check_size(judged, request, bad)
        return Sample(
            protocol=self.contract.name,
            operation=None if operation is None else operation.name,
            revision=self.contract.revision,
            now_ms=now_ms,
            request=request,
            form=judged.form,
            prediction=prediction,
            before=before,
            events=tuple(events),
            bad=tuple(_with_reasons(judged, bad)),
        )

    def _check_size(self, judged: Judged, request: Request, bad: Sequence[Breach]) -> None:
        """Check that a request is not refused for its size where it was made to break something else, or nothing."""
        refusal = judged.refusal
        if refusal is None or refusal.finding.rule != MAX_BYTES or any(breach.rule == MAX_BYTES for breach in bad):
            return
        problem = f"the texts and arrays that the schemas demand make a request of {len(request.body)} bytes"
        raise TooLargeError(self.contract.name, MAX_BYTES, problem)


def _with_reasons(judged: Judged, bad: Sequence[Breach]) -> Iterator[Breach]:
    """Yield the breaches with the core's reasons. Raises CertificateError where the core refuses something else."""
    reasons = {error.index: error.reason for error in judged.event_errors}
    refusal = judged.refusal
    if refusal is not None:
        right = bool(bad) and refusal.finding.rule == bad[0].rule
    else:
        right = set(reasons) == {breach.index for breach in bad} - {None}
    if not right:
        raise CertificateError(f"made to break {list(bad)}, is refused for {refusal or judged.event_errors}"[:4000])
    for breach in bad:
        if refusal is not None:
            reason = refusal.reason
        else:
            reason = UNKNOWN_ENTITY if breach.index is None else reasons[breach.index]
        yield replace(breach, reason=reason)


@lru_cache(maxsize=64)
def plan_of(contract: Contract, now_ms: int, slack_ms: int, keys: tuple[tuple[str, str], ...]) -> Plan:
    """Return the plan of a contract, compiled once."""
    return Plan(contract, TimeFrame(contract, now_ms, slack_ms), dict(keys))
