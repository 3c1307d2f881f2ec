"""How to break what stands before a body's schemas: credentials, size, encoding, media type, JSON, query, routing.

One entry for each check a gate can be. Checks whose outcome depends on a session's settings or history, and those that
ask the schemas, have none; they are named in `OTHER_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import matcher
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.assembly import NO_CREDENTIAL, Parts
from mockserver.strategies.plausible import JUNK
from mockserver.strategies.samples import Breach
from mockserver.strategies.schema_mutations import Mutation

Change = Callable[[Parts], Parts]
NO_OBJECTS: Final[tuple[Json, ...]] = ([], None, 1, "text", True)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMutation:
    """One outcome of one gate, and the changes of a good request that lead to it."""

    rule: str
    keyword: str
    reason: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSite:
    """A gate as one operation meets it. `early_key` says that a key in the body has been looked for before."""

    contract: Contract
    operation: Operation
    name: str
    reasons: Mapping[str, str]
    early_key: bool

    def fault(self, rule: str, outcome: str, *changes: Change) -> GateMutation:
        """Return the fault of one outcome."""
        reason = self.reasons.get(outcome, outcome)
        return GateMutation(rule=rule, keyword=outcome, reason=reason, changes=changes)

    @property
    def rule(self) -> str:
        """The gate's own pointer."""
        return f"/protocol/gates/{self.name}"


def rule_id(fault: Mutation | GateMutation) -> str:
    """Return a fault's rule, with what of it is broken where the pointer does not say that."""
    return Breach(rule=fault.rule, keyword=fault.keyword, pointer="", reason="").id


def changed(**members: Json) -> Change:
    """Return a change that sets members of the parts."""
    return lambda parts: replace(parts, **members)


def headed(name: str, value: str) -> Change:
    """Return a change that adds a header."""
    return lambda parts: replace(parts, headers={**parts.headers, name: value})


def _text(parts: Parts) -> bytes:
    return b"{}" if parts.body is MISSING else render(parts.body)


def _size(site: GateSite) -> Iterator[GateMutation]:
    limit = site.contract.max_body
    if not site.early_key:
        rule = "/protocol/limits/body/max_bytes"
        yield site.fault(
            rule,
            "body_too_large",
            changed(body=MISSING, raw=b" " * (limit + 1)),
            changed(padded=limit + 1),
            changed(padded=limit + 1, compress=True, encoding="gzip"),
        )


def _encoding(site: GateSite) -> Iterator[GateMutation]:
    if not site.early_key:
        broken = [changed(encoding="gzip"), changed(raw=b"\x1f\x8b\x08\x00", body=MISSING, encoding="gzip")]
        yield site.fault(site.rule, "broken_encoding", *broken)
        yield site.fault(site.rule, "unsupported_encoding", changed(encoding="br"), changed(encoding="zstd"))


def _content_type(site: GateSite) -> Iterator[GateMutation]:
    rule = site.contract.protocol["content_types"]
    kinds = ("text/plain", "application/x-www-form-urlencoded", "application/json5", "application/vnd.api+json", "json")
    if not rule["anything"]:
        changes = [changed(content_type=kind) for kind in kinds if kind not in rule["accepted"]]
        yield site.fault(
            "/protocol/content_types/accepted", "content_type_invalid", *changes, changed(content_type=None)
        )


def _json(site: GateSite) -> Iterator[GateMutation]:
    if not site.early_key:
        texts = (
            b"",
            b"{",
            b"{'a': 1}",
            b"not json",
            b'{"a": 1,}',
            b'{"a": NaN}',
            b"\xff\xfe{}",
            b"\xef\xbb\xbf{}",
            b"{}{}",
        )
        whole = [changed(raw=text, body=MISSING) for text in texts]
        yield site.fault(site.rule, "invalid_json", *whole, _cut, lambda parts: replace(parts, raw=_text(parts) + b"]"))


def _cut(parts: Parts) -> Parts:
    return replace(parts, raw=_text(parts)[:-1])


def _object(site: GateSite) -> Iterator[GateMutation]:
    if not site.early_key:
        whole = [changed(body=value) for value in NO_OBJECTS]
        yield site.fault(site.rule, "not_an_object", *whole, lambda parts: replace(parts, body=[parts.body]))


def _key(site: GateSite) -> Iterator[GateMutation]:
    specs = site.contract.protocol["credentials"]
    names = site.operation.credentials
    blank = [changed(key=" ", credential=number) for number, name in enumerate(names) if specs[name]["in"] != "path"]
    if not any(specs[name]["in"] == "path" for name in names):
        rule = f"/protocol/credentials/{names[0]}"
        yield site.fault(rule, "missing", changed(credential=NO_CREDENTIAL), *blank)
    for number, name in enumerate(names):
        if "pattern" in specs[name]:
            fits = matcher(specs[name]["pattern"])
            texts = [
                text for text in ("wrong_key_1", "sk_1", *JUNK) if text.strip() == text and text.isascii() and text
            ]
            keys = [changed(key=text, credential=number) for text in texts if not fits(text)]
            yield site.fault(f"/protocol/credentials/{name}/pattern", "malformed", *keys)


def _origin(site: GateSite) -> Iterator[GateMutation]:
    name = site.operation.spec.get("cors")
    if name is not None and site.contract.protocol["cors"][name]["allowed_origins"]:
        rule = f"/protocol/cors/{name}/allowed_origins"
        yield site.fault(rule, "origin_not_allowed", headed("origin", "https://elsewhere.invalid"))


def _query(site: GateSite) -> Iterator[GateMutation]:
    wanted = site.operation.spec.get("query", ())
    if wanted:
        blank = [lambda parts, n=name: replace(parts, query={**parts.query, n: " "}) for name in wanted]
        gone = changed(query={}, credential=NO_CREDENTIAL) if _by_query(site) else changed(query={})
        yield site.fault(site.rule, "invalid_request", gone, *([] if _by_query(site) else blank))


def _by_query(site: GateSite) -> bool:
    specs = site.contract.protocol["credentials"]
    return any(specs[name]["in"] == "query" for name in site.operation.credentials)


def _project(site: GateSite) -> Iterator[GateMutation]:
    rule = site.contract.protocol["projects"]
    known, header = rule["known"], rule["header"]
    if known:
        unknown = headed(header, "prj_unheard_of")
        yield site.fault("/protocol/projects/known", "unknown_project", unknown)
    if len(known) > 1 and rule["default"] not in known:
        yield site.fault("/protocol/projects/known", "project_required", changed(headers={}))


CHECKS: Final[Mapping[str, Callable[[GateSite], Iterator[GateMutation]]]] = {
    "size": _size,
    "encoding": _encoding,
    "content_type": _content_type,
    "json": _json,
    "object": _object,
    "key": _key,
    "origin": _origin,
    "query": _query,
    "project": _project,
}
OTHER_CHECKS: Final = ("allowed_key", "rate", "idempotency", "envelope", "measures", "events", "identity")
"""What a session allows, what it remembers, and what `forms` and `requests` know how to break."""


def gate_mutations(contract: Contract, operation: Operation) -> Iterator[GateMutation]:
    """Yield every fault of an operation's gates, and of the way to it."""
    specs = contract.protocol["credentials"]
    in_body = bool(operation.credentials) and all(specs[name]["in"] == "body" for name in operation.credentials)
    key_seen = False
    for gate in operation.gates:
        rule = contract.protocol["gates"][gate.name]
        check = rule.get("check", gate.name)
        reasons = rule.get("refusals", {})
        early = key_seen and in_body
        key_seen = key_seen or check == "key"
        if check in CHECKS:
            site = GateSite(contract=contract, operation=operation, name=gate.name, reasons=reasons, early_key=early)
            yield from CHECKS[check](site)
    yield from _routing(contract, operation)


def _routing(contract: Contract, operation: Operation) -> Iterator[GateMutation]:
    served = {other.method for other in contract.operations.values() if other.path == operation.path}
    others = [method for method in ("DELETE", "PUT", "PATCH") if method not in served]
    wrong = [changed(method=method) for method in others]
    yield GateMutation(
        rule="/protocol/operations", keyword="method_not_allowed", reason="method_not_allowed", changes=tuple(wrong)
    )
    if "lookup" in operation.spec:
        rule = f"/protocol/refusals/{operation.family}/unknown_entity"
        nobody = changed(params={operation.spec["lookup"]: "nobody_ever_saw_me"})
        yield GateMutation(rule=rule, keyword="unknown_entity", reason="unknown_entity", changes=(nobody,))


def unknown_paths(contract: Contract) -> Iterator[tuple[str, str]]:
    """Yield paths that a prefix of the protocol owns and nothing serves, each with its family of refusals."""
    prefixes = contract.protocol["prefixes"].values()
    for prefix in prefixes:
        path = prefix["path"].rstrip("/") + "/nothing_is_served_here"
        owners = [other for other in prefixes if path.startswith(other["path"])]
        if owners:
            owner = max(owners, key=lambda other: len(other["path"]))
            yield path, owner.get("family") or next(iter(contract.protocol["refusals"]))
