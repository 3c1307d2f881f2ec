"""Merged documents on their way to typed values: the sections of `protocol.yaml`, `warnings.yaml`, and the schemas.

`protocol.operations` refer to all the other sections; `read_operations` compiles them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import count
from typing import Final, TypeVar

import jsonschema_rs

from mockserver.contract.contract import Contract
from mockserver.contract.extension import CheckKind
from mockserver.contract.ownership import longest_first
from mockserver.contract.provenance import SCHEMA, Scope
from mockserver.contract.schema import (
    MOST_IN_CONTRACT,
    MOST_TOGETHER,
    Schema,
    UnusableSchemaError,
    annotate,
    flatten,
    patterns_together,
)
from mockserver.contract.sections import (
    CorsRules,
    Counts,
    Credential,
    DeliveryRules,
    Idempotency,
    MemberLimit,
    PersonalData,
    PersonalPlaces,
    Prefix,
    RateLimit,
    RefusalFamily,
    RefusalTemplate,
    ReplyTemplate,
    Shape,
    StoredRules,
    WarningRule,
    WarningRules,
    Window,
)
from mockserver.errors import ContractError
from mockserver.jsonkit import Json, pointer, template, violations
from mockserver.jsonkit.decoding import read, read_named
from mockserver.jsonkit.pointer import NOWHERE, Tokens

T = TypeVar("T")
JSON_TYPE: Final = "application/json"
DEFAULT: Final = "default"
ROUTING_REASONS: Final = (DEFAULT, "unknown_path", "method_not_allowed", "internal")
"""Reasons that every family answers, because they come up before an operation is reached."""


def fail(place: str, problem: str) -> ContractError:
    """Return the error for a place in the merged documents; the loader finds out which file it is in."""
    return ContractError("", place, problem)


def named(known: Mapping[str, T], name: str, place: str, description: str) -> T:
    """Return what a contract refers to by name; `{}` in the description stands for the name.

    Raises ContractError at `place` when there is no such thing.
    """
    if name not in known:
        raise fail(place, f"no {description.format(name)}")
    return known[name]


def referred(known: Mapping[str, T], spec: Mapping[str, Json], member: str, place: str, description: str) -> T | None:
    """Return what an optional member of `spec`, which stands at `place`, refers to by name; None without the member."""
    return named(known, spec[member], f"{place}/{member}", description) if member in spec else None


def need_reason(family: RefusalFamily, reason: str, place: str) -> None:
    """Raise ContractError at `place` when a family has no answer for a reason."""
    if reason != DEFAULT and reason not in family.reasons:
        raise fail(place, f"the reason {reason} is not defined under /protocol/refusals/{family.name}")


class RawContract:
    """The merged YAML documents of one protocol, and what they refer to by name. Only the compiler reads it.

    Schemas that are those of the contract `own`, from which a patch made the documents, are taken from there. `parts`
    is how many schemas stand in each, with what it uses written out.
    """

    def __init__(
        self, documents: Mapping[str, Json], checks: Mapping[str, CheckKind], own: Contract | None = None
    ) -> None:
        self.documents = documents
        self.protocol: Mapping[str, Json] = documents["protocol"]
        self.checks = checks
        self.parts: dict[str, int] = {}
        self._own = own
        self.request_schemas = self._schemas("requests")
        self.event_schemas = self._schemas("events")
        self.reply_schemas = self._schemas("replies")
        self.shapes = {
            name: Shape(name=name, body=spec["body"], schema=self._reply_schema(spec, f"/protocol/shapes/{name}"))
            for name, spec in self.section("shapes").items()
        }
        self.credentials = read_named(Credential, self.section("credentials"))
        self.families = {name: self._family(name, reasons) for name, reasons in self.section("refusals").items()}
        self.replies = {name: self._reply(name, spec) for name, spec in self.section("replies").items()}
        limits = self.section("limits").items()
        self.rates = read_named(RateLimit, {name: limit for name, limit in limits if "requests" in limit})
        self.cors = read_named(CorsRules, self.section("cors"))
        self.idempotency = read_named(Idempotency, self.section("idempotency"))
        self.windows = tuple(read_named(Window, self.section("windows")).values())

    def section(self, name: str) -> Mapping[str, Json]:
        """Return an optional section of `protocol.yaml`; empty where it is absent."""
        section: Mapping[str, Json] = self.protocol.get(name, {})
        return section

    def optional(self, kind: type[T], name: str) -> T | None:
        """Return an optional section as a value; None where it is absent."""
        return read(kind, self.protocol[name]) if name in self.protocol else None

    def routed_family(self, name: str, place: str) -> RefusalFamily:
        """Return a family that must answer whatever routing can come to. Raises ContractError at `place`."""
        family = named(self.families, name, place, "family {} under /protocol/refusals")
        for reason in ROUTING_REASONS:
            need_reason(family, reason, place)
        return family

    def prefixes(self) -> tuple[Prefix, ...]:
        """Return the protocol's prefixes, longest first; one that names no family gets the first one there is."""
        prefixes = []
        for label, spec in self.section("prefixes").items():
            place = f"/protocol/prefixes/{label}"
            first = next(iter(self.families.values()))
            family = self.routed_family(spec["family"], f"{place}/family") if "family" in spec else first
            cors = referred(self.cors, spec, "cors", place, "{} under /protocol/cors")
            prefixes.append(Prefix(protocol=self.protocol["name"], path=spec["path"], family=family, cors=cors))
        return longest_first(prefixes)

    def member_limits(self) -> dict[str, MemberLimit]:
        """Return the limits on single members by name."""
        limits = {name: limit for name, limit in self.section("limits").items() if "schema" in limit}
        for name, limit in limits.items():
            self._check_schemas([limit["schema"]], f"/protocol/limits/{name}/schema")
        return read_named(MemberLimit, limits)

    def stored_rules(self) -> StoredRules:
        """Return what the vendor does to an accepted event."""
        rules = self.section("stored")
        for name, rule in rules.get("fill", {}).items():
            place = f"/protocol/stored/fill/{name}"
            self._check_schemas(rule.get("schemas", ()), f"{place}/schemas")
            if (rule["value"] == "request_member") != ("from" in rule):
                raise fail(place, "requires from with the value request_member, and with no other")
        return read(StoredRules, rules)

    def personal(self) -> PersonalData:
        """Return the places of personal data."""
        rules = self.section("personal")
        return PersonalData(
            events=read(PersonalPlaces, rules.get("events", {})),
            bodies=read(PersonalPlaces, rules.get("bodies", {})),
            path=tuple(rules.get("path", {}).get("ids", ())),
            query=tuple(rules.get("query", {}).get("ids", ())),
        )

    def _check_schemas(self, names: Iterable[str], place: str) -> None:
        for name in names:
            named(self.event_schemas, name, place, "schema {} in events.yaml")

    def delivery_rules(self) -> DeliveryRules:
        """Return what clients make of replies; without the section only a cut connection is a reason to send again."""
        rules = self.section("delivery")
        identity = rules.get("identity", {})
        return DeliveryRules(
            retried=frozenset(rules.get("retried", {}).get("statuses", ())),
            acknowledged_by_json=rules.get("acknowledged", {}).get("by") == "json",
            counted=self._counts(rules["counted"]) if "counted" in rules else None,
            label=Tokens.of(rules["label"]["pointer"]) if "label" in rules else NOWHERE,
            label_kind=rules.get("label", {}).get("kind"),
            upserts=frozenset(rules.get("upserts", {}).get("types", ())),
            event_identity=tuple(map(Tokens.of, identity.get("event", ()))),
            request_identity=tuple(map(Tokens.of, identity.get("request", ()))),
        )

    def _counts(self, rule: Mapping[str, Json]) -> Counts:
        for name in rule["operations"]:
            named(
                self.section("operations"),
                name,
                "/protocol/delivery/counted/operations",
                "{} under /protocol/operations",
            )
        return Counts(
            operations=frozenset(rule["operations"]),
            accepted=Tokens.of(rule["accepted"]),
            rejected=Tokens.of(rule["rejected"]),
        )

    def warning_rules(self) -> WarningRules:
        """Return the warnings."""
        warnings: Mapping[str, Mapping[str, Json]] = self.documents.get("warnings", {})
        own = None if self._own is None else self._own.warnings
        known = {} if own is None else {rule.pointer: rule.schema for rule in (*own.events, *own.requests)}
        events, requests, transport = (
            {name: self._warning(level, name, rule, known) for name, rule in warnings.get(level, {}).items()}
            for level in ("events", "requests", "transport")
        )
        return WarningRules(events=tuple(events.values()), requests=tuple(requests.values()), transport=transport)

    def _warning(
        self, level: str, name: str, rule: Mapping[str, Json], known: Mapping[str, Schema | None]
    ) -> WarningRule:
        place = pointer.build(("warnings", level, name))
        schema = None
        if level != "transport":
            for operation in rule.get("operations", ()):
                named(self.section("operations"), operation, f"{place}/operations", "{} under /protocol/operations")
            for form in rule.get("forms", ()):
                named(self._forms(rule), form, f"{place}/forms", "form {} of an operation that the rule is about")
            above = Scope("rule").at(rule).below("schema")
            own = known.get(place) if self._is_own("warnings", level, name) else None
            schema = self._schema("warnings", f"{level}/{name}", rule["schema"], f"{place}/schema", {}, above, own)
        return read(WarningRule, rule, name=name, pointer=place, schema=schema)

    def _forms(self, rule: Mapping[str, Json]) -> Mapping[str, Json]:
        """Return the forms of the operations that a warning is about."""
        operations = self.section("operations")
        specs = [operations[name] for name in rule.get("operations", operations)]
        return {name: form for spec in specs for name, form in spec.get("forms", {}).items()}

    def _reply(self, name: str, spec: Mapping[str, Json]) -> ReplyTemplate:
        place = f"/protocol/replies/{name}"
        if ("body" in spec) == ("text" in spec):
            raise fail(place, "requires either body or text")
        if "errors" in template.names(spec.get("body")) and "item" not in spec:
            raise fail(place, "requires item, the template for each of its errors")
        return ReplyTemplate(
            name=name,
            status=spec["status"],
            media_type=spec.get("content_type", JSON_TYPE),
            body=spec.get("body"),
            text=spec.get("text"),
            item=spec.get("item"),
            schema=self._reply_schema(spec, place),
            headers=spec.get("headers", {}),
        )

    def _reply_schema(self, spec: Mapping[str, Json], place: str) -> Schema | None:
        return referred(self.reply_schemas, spec, "schema", place, "schema {} in replies.yaml")

    def _family(self, name: str, reasons: Mapping[str, Mapping[str, Json]]) -> RefusalFamily:
        """Return a family of refusals, each reason with the family's default merged in."""
        refusals = {
            reason: self._refusal(name, reason, {**reasons[DEFAULT], **spec}) for reason, spec in reasons.items()
        }
        return RefusalFamily(name=name, default=refusals.pop(DEFAULT), reasons=refusals)

    def _refusal(self, family: str, reason: str, spec: Mapping[str, Json]) -> RefusalTemplate:
        place = f"/protocol/refusals/{family}/{reason}"
        for member in ("status", "shape", "message"):
            if member not in spec:
                raise fail(place, f"requires {member}, here or in the default of the family")
        shape = named(self.shapes, spec["shape"], f"{place}/shape", "{} under /protocol/shapes")
        if "code" in template.names(shape.body) and "code" not in spec:
            raise fail(place, f"requires code, because the shape {shape.name} uses it")
        return read(RefusalTemplate, spec, family=family, reason=reason, shape=shape)

    def _schemas(self, document: str) -> dict[str, Schema]:
        """Return the compiled schemas of one document by name."""
        schemas: Mapping[str, Mapping[str, Json]] = self.documents.get(document, {})
        known: Mapping[str, Schema] = {}
        if self._own is not None and self._is_own(document, "shared"):
            known = self._own.schemas_in(document)
        own = {name: schema for name, schema in known.items() if self._is_own(document, name)}
        shared = {
            name: annotate(schema, f"/{document}/shared/{pointer.escape(name)}")
            for name, schema in (schemas.get("shared", {}) if schemas.keys() - own.keys() - {"shared"} else {}).items()
        }
        return {
            name: self._schema(document, name, schema, pointer.build((document, name)), shared, own=own.get(name))
            for name, schema in schemas.items()
            if name != "shared"
        }

    def _is_own(self, *tokens: str) -> bool:
        """Tell whether something is the very same as in the contract before it was patched."""
        if self._own is None:
            return False
        return pointer.get(self.documents, tokens) is pointer.get(self._own.documents, tokens)

    def _schema(
        self,
        document: str,
        name: str,
        schema: Mapping[str, Json],
        place: str,
        shared: Mapping[str, Json],
        above: Scope = SCHEMA,
        own: Schema | None = None,
    ) -> Schema:
        """Compile a schema, unless it is the `own` one of the contract before it was patched."""
        try:
            if own is not None and self._own is not None:
                self._count(place, self._own.parts[place])
                return own
            parts = count()
            flat = flatten(annotate(schema, place, above), shared, parts)
            self._count(place, next(parts))
            together = patterns_together([flat])
            if together > MOST_TOGETHER:
                raise UnusableSchemaError(
                    f"{together} patterns and formats look at one value, and at most {MOST_TOGETHER} may; "
                    "write one pattern with | instead of several"
                )
            compiled = Schema.shared(document, name, flat)
            _ = compiled.engine
        except UnusableSchemaError as error:
            raise fail(place, error.args[0]) from None
        except RecursionError:
            raise fail(place, "a shared schema uses itself, or schemas are nested too deeply") from None
        except jsonschema_rs.ValidationError as error:
            raise fail(place + pointer.build(error.instance_path), violations.describe(error)) from None
        return compiled

    def _count(self, place: str, parts: int) -> None:
        self.parts[place] = parts
        if sum(self.parts.values()) > MOST_IN_CONTRACT:
            raise UnusableSchemaError(f"the schemas of the contract have more than {MOST_IN_CONTRACT} parts")
