"""From merged documents to a `Contract`: schemas compiled, gates bound in order, every name leading somewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import jsonschema_rs

from mockserver.adapters import Adapter
from mockserver.contract.consistency import problems
from mockserver.contract.contract import Contract, Form, Operation
from mockserver.contract.schema import Schema, annotate, flatten, subschemas
from mockserver.core.events import EVENTS_GATE
from mockserver.core.gates import GATES, BoundGate, Gate, rate_of
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.jsontext import render

ROUTING_REASONS = ("default", "unknown_path", "method_not_allowed", "internal")


def compile_contract(
    *,
    documents: Mapping[str, Json],
    revision: str,
    adapter: Adapter,
    newest: Callable[[], Contract | None],
    patched: Mapping[str, str],
    where: str,
) -> Contract:
    """Compile merged documents. Raises ContractError with the file `where` and the pointer of the problem."""
    maker = _Maker(documents, adapter, where, patched)
    return Contract(
        documents=documents,
        revision=revision,
        digest=blake2b(render(documents), digest_size=16).hexdigest(),
        adapter=adapter,
        newest=newest,
        events=maker.events,
        requests=maker.requests,
        replies=maker.replies,
        warnings=maker.warnings(),
        operations=maker.operations(),
        patched=patched,
    )


class _Maker:
    def __init__(self, documents: Mapping[str, Json], adapter: Adapter, where: str, patched: Mapping[str, str]) -> None:
        self.documents = documents
        self.protocol: Mapping[str, Json] = documents["protocol"]
        self.where = where
        self.changed = {place.rpartition("/")[0]: source for place, source in patched.items()}
        self.gates = {**GATES, EVENTS_GATE.name: EVENTS_GATE, **adapter.gates}
        for place, problem in problems(documents, adapter):
            raise self.fail(place, problem)
        self.events = self._schemas("events")
        self.requests = self._schemas("requests")
        self.replies = self._schemas("replies")

    def fail(self, place: str, problem: str) -> ContractError:
        return ContractError(self.where, place, problem)

    def _schemas(self, document: str) -> dict[str, Schema]:
        named: Mapping[str, Json] = self.documents.get(document, {})
        shared = {
            name: annotate(schema, f"/{document}/shared/{pointer.escape(name)}", "", self.changed)
            for name, schema in named.get("shared", {}).items()
        }
        made: dict[str, Schema] = {}
        for name, schema in named.items():
            if name != "shared":
                made[name] = self.schema(document, name, schema, f"/{document}/{pointer.escape(name)}", shared)
        return made

    def schema(self, document: str, name: str, schema: Json, place: str, shared: Mapping[str, Json]) -> Schema:
        try:
            made = Schema(document, name, flatten(annotate(schema, place, "", self.changed), shared))
            _ = made.engine
        except KeyError as error:
            raise self.fail(place, f"unknown shared schema: {error.args[0]}") from None
        except RecursionError:
            raise self.fail(place, "a shared schema uses itself") from None
        except jsonschema_rs.ValidationError as error:
            raise self.fail(place + pointer.build(error.instance_path), error.message) from None
        return made

    def warnings(self) -> dict[str, Schema]:
        made: dict[str, Schema] = {}
        for level in ("events", "requests"):
            for name, rule in self.documents.get("warnings", {}).get(level, {}).items():
                place = f"/warnings/{level}/{pointer.escape(name)}/schema"
                schema = {"source": rule["source"], **rule["schema"]}
                made[f"{level}/{name}"] = self.schema("warnings", f"{level}/{name}", schema, place, {})
        return made

    def operations(self) -> dict[str, Operation]:
        for name, prefix in self.protocol["prefixes"].items():
            place = f"/protocol/prefixes/{name}"
            if "family" in prefix:
                self._family(prefix["family"], f"{place}/family")
            if "cors" in prefix:
                self._named("cors", prefix["cors"], f"{place}/cors")
        return {name: self._operation(name, spec) for name, spec in self.protocol["operations"].items()}

    def _operation(self, name: str, spec: Mapping[str, Json]) -> Operation:
        place = f"/protocol/operations/{name}"
        family = self._family(spec["family"], f"{place}/family")
        for reply_place, reply in spec["replies"].items():
            self._named("replies", reply, f"{place}/replies/{reply_place}")
        for section, member in (("cors", "cors"), ("idempotency", "idempotency")):
            if member in spec:
                self._named(section, spec[member], f"{place}/{member}")
        if "lookup" in spec and "{" + spec["lookup"] + "}" not in spec["path"]:
            raise self.fail(f"{place}/lookup", f"the path has no parameter {spec['lookup']}")
        if "lookup" in spec:
            self._reason("unknown_entity", family, f"{place}/lookup", needed=True)
        forms = {
            form: self._form(f"{place}/forms/{form}", form, rules) for form, rules in spec.get("forms", {}).items()
        }
        for schema in self._schemas_of(forms):
            self._check_reasons(schema.body, family, f"/{schema.document}/{schema.name}")
        for window, rule in self.protocol.get("windows", {}).items():
            self._reason(rule["refusal"], family, f"/protocol/windows/{window}/refusal", needed=bool(forms))
        gates = self._gates(spec, family, place)
        return Operation(
            name=name,
            method=spec["method"],
            path=spec["path"],
            segments=tuple(spec["path"].lstrip("/").split("/")),
            family=family,
            credentials=tuple(spec.get("credentials", ())),
            gates=gates,
            forms=forms,
            rate=rate_of(self.protocol, spec, gates),
            spec=spec,
        )

    def _schemas_of(self, forms: Mapping[str, Form]) -> Iterator[Schema]:
        for form in forms.values():
            if form.request is not None:
                yield form.request
            if form.schema is not None:
                yield form.schema
            elif form.events is not None:
                yield from form.schemas.values()

    def _gates(self, spec: Mapping[str, Json], family: str, place: str) -> tuple[BoundGate, ...]:
        declared: Mapping[str, Json] = self.protocol["gates"]
        names = spec.get("gates", list(declared))
        bound: list[BoundGate] = []
        for name in names:
            if name not in declared:
                raise self.fail(f"{place}/gates", f"the gate {name} is not declared under /protocol/gates")
            rules = declared[name]
            check = rules.get("check", name)
            if check not in self.gates:
                raise self.fail(f"/protocol/gates/{name}", f"unknown gate; available: {', '.join(sorted(self.gates))}")
            gate = self.gates[check]
            reasons: dict[str, str] = rules.get("refusals", {})
            for outcome in reasons:
                if outcome not in gate.outcomes:
                    known = ", ".join(gate.outcomes) or "none"
                    raise self.fail(
                        f"/protocol/gates/{name}/refusals/{outcome}",
                        f"unknown outcome of this gate; available: {known}",
                    )
            for outcome in gate.outcomes:
                self._reason(reasons.get(outcome, outcome), family, f"/protocol/gates/{name}", needed=True)
            bound.append(BoundGate(name=name, check=gate.check, order=rules["order"], reasons=reasons))
        bound.sort(key=lambda gate: gate.order)
        self._check_order([self.gates[declared[gate.name].get("check", gate.name)] for gate in bound], spec, place)
        return tuple(bound)

    def _check_order(self, gates: Sequence[Gate], spec: Mapping[str, Json], place: str) -> None:
        before: set[str] = set()
        for gate in gates:
            for missing in sorted(set(gate.after) - before):
                raise self.fail(f"{place}/gates", f"the gate {gate.name} requires the gate {missing} before it")
            for needed in gate.needs:
                if pointer.get(self.documents, pointer.parse(needed)) is pointer.MISSING:
                    raise self.fail(needed, f"required by the gate {gate.name}")
            before.add(gate.name)
        if "key" in before and not spec.get("credentials"):
            raise self.fail(f"{place}/credentials", "the gate key requires at least one credential")
        for form, rules in spec.get("forms", {}).items():
            wanted = {"object"} | ({"envelope"} if "request" in rules else set())
            for missing in sorted((wanted | ({"events"} if "events" in rules else set())) - before):
                raise self.fail(f"{place}/forms/{form}", f"requires the gate {missing} in the operation")

    def _form(self, place: str, name: str, rules: Mapping[str, Json]) -> Form:
        request = rules.get("request")
        if request is not None and request not in self.requests:
            raise self.fail(f"{place}/request", f"no schema {request} in requests.yaml")
        schema = rules.get("schema")
        if schema is not None and schema not in self.events:
            raise self.fail(f"{place}/schema", f"no schema {schema} in events.yaml")
        events = rules.get("events")
        if events is not None and schema is None and "discriminator" not in rules:
            raise self.fail(place, "requires schema or discriminator for its events")
        return Form(
            name=name,
            request=None if request is None else self.requests[request],
            events=None if events is None else pointer.parse(events),
            single=events == "",
            discriminator=pointer.parse(rules.get("discriminator", "")),
            type=rules.get("type"),
            schema=None if schema is None else self.events[schema],
            schemas=self.events,
            policy=rules.get("policy", "atomic"),
            types=tuple(sorted(self.events)),
            quick={} if schema is not None or events is None else _LazyEngines(self.events),
        )

    def _check_reasons(self, schema: Mapping[str, Json], family: str, place: str) -> None:
        refusal = schema.get("refusal")
        for reason in refusal.values() if isinstance(refusal, dict) else [refusal] if refusal else []:
            self._reason(reason, family, f"{place}/refusal", needed=True)
        for tokens, inner in subschemas(schema):
            self._check_reasons(inner, family, place + pointer.build(tokens))

    def _family(self, family: str, place: str) -> str:
        if family not in self.protocol["refusals"]:
            raise self.fail(place, f"no family {family} under /protocol/refusals")
        for reason in ROUTING_REASONS:
            self._reason(reason, family, place, needed=True)
        return family

    def _reason(self, reason: str, family: str, place: str, *, needed: bool) -> None:
        if needed and reason not in self.protocol["refusals"][family]:
            raise self.fail(place, f"the reason {reason} is not defined under /protocol/refusals/{family}")

    def _named(self, section: str, name: str, place: str) -> None:
        if name not in self.protocol.get(section, {}):
            raise self.fail(place, f"no {name} under /protocol/{section}")


class _LazyEngines(dict[str, Callable[[Json], bool]]):
    """Engines by event type, each built when the first event of its type comes."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        super().__init__()
        self._schemas = schemas

    def get(self, kind: str, default: Any = None) -> Any:
        """Return the engine of a type, or None for an unknown one."""
        found = super().get(kind)
        if found is None and kind in self._schemas:
            found = self[kind] = self._schemas[kind].quick_engine.is_valid
        return found
