"""Which facts a good request makes use of: why it must be accepted, beyond what was accepted before."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mockserver.contract.contract import Contract, split_target
from mockserver.contract.fidelity import BASES, is_stated
from mockserver.contract.operation import Operation
from mockserver.contract.provenance import SOURCE
from mockserver.contract.schema import POINTER, source_of
from mockserver.core.body import RequestBody
from mockserver.core.gates import media_type
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import SLASHES, route
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.naming import BATCH
from mockserver.strategies.samples import Request
from mockserver.verify.doubts import SHOWN, Doubts, Use
from mockserver.verify.evidence import Evidence
from mockserver.verify.replies.reply_facts import MEDIA_TYPES, OTHER_MEDIA_TYPES, Fact, ReplyFacts, weakest
from mockserver.verify.rule import LARGE

ALL_BASES: Final = frozenset(BASES)
KEPT: Final = 16 * 1024
"""Bodies of so many bytes use nothing that smaller ones do not."""
ANY_CASE: Final = "inferred: RFC 9110 §8.3.1, a media type may have parameters and is the same in either case"
GENERAL: Final = re.compile("/protocol/operations/[^/]+|/events/[^/]+")
"""Facts that every request of an operation, or with events of a type, tries."""
EVENT_TYPE: Final = re.compile("/events/[^/]+")
EMPTY: Final = "inferred: nothing says how few items there may be"
FREE: Final = "inferred: the members of a free-form object can be of any kind"


def judged_by(contract: Contract, request: Request, now_ms: int) -> Judged:
    """Return how a contract judges a request when any key is known."""
    return judge(route(RequestBody(request.wire()), contract), Terms(now_ms=now_ms))


class AcceptedFacts:
    """What a target accepted so far, by operation; and why it should accept what it refuses."""

    def __init__(
        self,
        contract: Contract,
        facts: ReplyFacts,
        now_ms: int,
        evidence: Evidence,
        bases: frozenset[str],
    ) -> None:
        self._contract = contract
        self._bases = bases
        self._doubts = Doubts(contract, facts)
        self._facts = facts
        self._now_ms = now_ms
        self._ledger = evidence

    def accepted(self, request: Request) -> None:
        """Remember that a request was accepted; what it uses is worked out when a request is refused."""
        if len(request.body) < KEPT:
            self._ledger.accepted.setdefault(id(request), request)

    def reason(self, request: Request, tried: Fact) -> Fact:
        """Return the fact for which a refused request should be accepted.

        Of those that no accepted request used it is the type of an event, else the least authoritative; `tried` where
        there is none, or where that is still less authoritative and not just what every request of its kind tries.
        Where only facts of some bases count, one that does not is the reason before all others.
        """
        new = self._new(request)
        uncounted = self._uncounted(new)
        if uncounted is not None:
            return uncounted
        types = [fact for fact in new if EVENT_TYPE.fullmatch(fact.name)]
        if types:
            return types[0]
        general = bool(GENERAL.fullmatch(tried.name)) or "#" in tried.name
        candidates = new if general and new else [tried, *new]
        return weakest(*reversed(candidates))

    def uncounted(self, request: Request) -> Fact | None:
        """Return a fact that does not count, and for which a server may refuse a request; None where there is none."""
        return None if self._bases >= ALL_BASES else self._uncounted(self._new(request))

    def _uncounted(self, new: Sequence[Fact]) -> Fact | None:
        uncounted = [fact for fact in new if fact.basis not in self._bases]
        return weakest(*uncounted) if uncounted else None

    def _new(self, request: Request) -> list[Fact]:
        """Return the facts that a request uses as no accepted one did."""
        operation, uses = self._uses(request)
        for earlier in self._ledger.accepted.values():
            name, known = self._uses(earlier)
            self._ledger.known_uses.setdefault(name, set()).update((fact.name, value) for fact, value in known)
        self._ledger.accepted.clear()
        known_uses = self._ledger.known_uses.get(operation, set())
        return [fact for fact, value in uses if (fact.name, value) not in known_uses]

    def _uses(self, request: Request) -> tuple[str, list[Use]]:
        judged = judged_by(self._contract, request, self._now_ms)
        if judged.operation is None:
            return "", []
        uses = [*self._of_events(judged), *self._of_transport(judged, judged.operation, request)]
        doubts = () if self._bases >= ALL_BASES else self._doubts.of(judged)
        return judged.operation.name, [*uses, *(use for use in doubts if use[0].basis not in self._bases)]

    def _of_transport(self, judged: Judged, operation: Operation, request: Request) -> Iterator[Use]:
        """Yield what a request uses beside its body."""
        headers = {name.lower(): value for name, value in request.headers}
        place = judged.place
        slashes = {"leading_slashes": place.leading_slashes, "trailing_slash": place.trailing_slash}
        for name, there in slashes.items():
            stated = (SLASHES, f"/warnings/transport/{name}")
            known = next((place for place in stated if is_stated(self._contract, place)), None)
            if there:
                fact = Fact(f"{operation.pointer}#{name}", "assumed: this server takes such paths")
                yield fact if known is None else self._facts.fact(known), ""
        if judged.credential_name is not None and len(operation.credentials) > 1:
            yield self._facts.fact(f"/protocol/credentials/{judged.credential_name}"), ""
        if "content-encoding" in headers:
            gate = operation.gate("encoding")
            yield (
                self._facts.behavior("gzip") or self._facts.fact(operation.pointer if gate is None else gate.pointer),
                headers["content-encoding"].lower(),
            )
        if request.body:
            yield from self._of_media_type(operation, headers.get("content-type"))
        if "origin" in headers and operation.cors is not None:
            yield self._facts.fact(f"/protocol/cors/{operation.cors.name}/allowed_origins"), headers["origin"]
        if operation.idempotency is not None and operation.idempotency.header.lower() in headers:
            yield self._facts.fact(f"/protocol/idempotency/{operation.idempotency.name}"), ""
        projects = self._contract.projects
        if projects is not None and projects.header.lower() in headers:
            yield self._facts.fact("/protocol/projects/known"), ""
        if len(request.body) >= LARGE:
            yield self._facts.fact("/protocol/limits/body/max_bytes"), ""
        keys = {credential.parameter for credential in operation.credentials if credential.place == "path"}
        for name, value in place.params.items():
            if name not in keys:
                yield self._facts.fact(f"{operation.pointer}/path"), value[:SHOWN]
        query = split_target(request.path)[1]
        if query:
            stated_at = f"{operation.pointer}/query" if operation.query else f"{operation.pointer}/path#query"
            yield self._facts.fact(stated_at), query[:SHOWN]

    def _of_media_type(self, operation: Operation, header: str | None) -> Iterator[Use]:
        types = self._contract.content_types
        accepted = ("application/json",) if types is None else types.accepted
        plain = media_type(header)
        listed = operation.pointer if types is None else MEDIA_TYPES
        if plain not in accepted:
            anything = types is not None and OTHER_MEDIA_TYPES
            behavior = self._facts.behavior("any_content_type")
            yield behavior or self._facts.fact(anything or operation.pointer), header or ""
        elif header != plain:
            yield Fact(f"{listed}#written-otherwise", ANY_CASE), header or ""

    def _of_events(self, judged: Judged) -> Iterator[Use]:
        """Yield what the body and the events in it use."""
        form = judged.form
        if form is None:
            return
        if form.request is not None and not form.single:
            yield from self._in(form.request.body, judged.body)
        for event in {repr(event)[:2000]: event for event in judged.events}.values():
            schema = form.schema_for(event)
            if schema is not None:
                yield Fact(schema.body[POINTER], schema.body[SOURCE]), ""
                yield from self._in(schema.body, event)
        yield from self._of_identity(judged)

    def _of_identity(self, judged: Judged) -> Iterator[Use]:
        """Yield what says whom the events of a sender are about that must name somebody."""
        senders = self._facts.of_sender(judged)
        yield from ((fact, "") for fact in senders)
        for rule in self._contract.identity.values() if senders else ():
            for value in [judged.body] if rule.name == BATCH else judged.events:
                for place in rule.pointers:
                    if pointer.get(value, pointer.parse(place)) is MISSING:
                        continue
                    yield self._facts.fact(f"{rule.pointer}/pointers/{pointer.escape(place)}"), ""
                    kind = value.get("type") if isinstance(value, dict) else None
                    if rule.types is not None and kind in rule.types:
                        yield self._facts.fact(f"{rule.pointer}/types/{kind}"), ""

    def _in(self, schema: Mapping[str, Json], value: Json) -> Iterator[Use]:
        """Yield what a value uses of a schema."""
        if isinstance(value, list):
            unsaid = not value and "minItems" not in schema
            stated = Fact(schema[POINTER], schema[SOURCE])
            yield Fact(f"{stated.name}#empty", EMPTY) if unsaid else stated, f"{len(value)} items"
            for item in value if isinstance(schema.get("items"), dict) else ():
                yield from self._in(schema["items"], item)
        if not isinstance(value, dict):
            return
        members, others = schema.get("properties", {}), schema.get("additionalProperties")
        for name, member in value.items():
            if name in members:
                yield from self._member(members[name], member)
            elif isinstance(others, dict):
                yield from self._in(others, member)
            elif members:
                fact = self._facts.behavior("unknown_members")
                yield fact or Fact(f"{schema[POINTER]}#unknown-members", FREE), name[:SHOWN]
            elif isinstance(member, dict | list):
                fact = self._facts.behavior("nested_values") or self._facts.behavior("inside_data")
                yield fact or Fact(f"{schema[POINTER]}#nested", FREE), repr(member)[:SHOWN]
            else:
                yield Fact(schema[POINTER], schema[SOURCE]), repr((name, member))[:SHOWN]

    def _member(self, schema: Mapping[str, Json], value: Json) -> Iterator[Use]:
        allowed = (*schema.get("enum", ()), schema.get("type", ""))
        if value is None and self._contract.nulls_absent and None not in allowed and "null" not in allowed[-1]:
            yield self._facts.fact("/protocol/nulls/members"), schema[POINTER]
        elif isinstance(value, dict | list):
            yield Fact(schema[POINTER], schema[SOURCE]), ""
            yield from self._in(schema, value)
        elif isinstance(value, str) and value in schema.get("enum", ()):
            place = f"{schema[POINTER]}/enum/{value.replace('~', '~0').replace('/', '~1')}"
            yield Fact(place, source_of(schema, "enum", value)), ""
        else:
            yield Fact(schema[POINTER], schema[SOURCE]), repr(value)[:SHOWN]
