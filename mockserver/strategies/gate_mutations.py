"""How to break what stands before a body's schemas: credentials, size, encoding, media type, JSON, query, routing.

One entry for each check a gate can be. Checks whose outcome depends on a session's settings or history, and those that
ask the schemas, have none; they are named in `OTHER_CHECKS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import BoundGate, Operation
from mockserver.core.route import OPERATIONS, SLASHES
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import render
from mockserver.jsonkit.patterns import matcher
from mockserver.jsonkit.pointer import MISSING
from mockserver.sessions.session import UNKNOWN_ENTITY
from mockserver.strategies.assembly import NO_CREDENTIAL, Parts
from mockserver.strategies.plausible import JUNK
from mockserver.strategies.samples import BreakableRule

Change = Callable[[Parts], Parts]
MEDIA_TYPES: Final = (
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json5",
    "application/vnd.api+json",
    "json",
)
NO_JSON: Final = (
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
NO_OBJECTS: Final[tuple[Json, ...]] = ([], None, 1, "text", True)
PRINTABLE: Final = tuple(text for text in JUNK if text and text.strip() == text and text.isascii())
WRONG_KEYS: Final = ("wrong_key_1", "sk_1", "wpk_1", *PRINTABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateMutation(BreakableRule):
    """One outcome of one gate, the contract's reason for it, and the changes of a good request that lead to it."""

    reason: str
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateSite:
    """A gate as one operation meets it. `early_key` says that a key in the body has been looked for before."""

    contract: Contract
    operation: Operation
    gate: BoundGate
    early_key: bool

    def mutation(self, outcome: str, *changes: Change, rule: str | None = None) -> GateMutation:
        """Return the mutation that leads to one outcome; what it breaks is the gate unless a `rule` is given."""
        reason = self.gate.reason(outcome)
        return GateMutation(rule=rule or self.gate.pointer, keyword=outcome, reason=reason, changes=changes)


def changed(**members: Json) -> Change:
    """Return a change that sets members of the parts."""
    return lambda parts: replace(parts, **members)


def with_entry(member: str, name: str, value: str) -> Change:
    """Return a change that adds a text to one of the mappings: `headers`, `params` or `query`."""
    return lambda parts: changed(**{member: {**getattr(parts, member), name: value}})(parts)


EXTRA_SLASHES: Final = (changed(after_path="/"), changed(before_path="/"))


def _text(parts: Parts) -> bytes:
    return b"{}" if parts.body is MISSING else render(parts.body)


def _size(site: GateSite) -> Iterator[GateMutation]:
    limit = site.contract.max_body
    if not site.early_key:
        changes = (
            changed(body=MISSING, raw=b" " * (limit + 1)),
            changed(padded=limit + 1),
            changed(padded=limit + 1, compress=True, encoding="gzip"),
        )
        yield site.mutation("body_too_large", *changes, rule="/protocol/limits/body/max_bytes")


def _encoding(site: GateSite) -> Iterator[GateMutation]:
    if not site.early_key:
        broken = changed(encoding="gzip"), changed(raw=b"\x1f\x8b\x08\x00", body=MISSING, encoding="gzip")
        yield site.mutation("broken_encoding", *broken)
        yield site.mutation("unsupported_encoding", changed(encoding="br"), changed(encoding="zstd"))


def _content_type(site: GateSite) -> Iterator[GateMutation]:
    types = site.contract.content_types
    if types is not None and not types.anything:
        changes = [
            changed(content_type=media_type)
            for media_type in (*MEDIA_TYPES, "json")
            if media_type not in types.accepted
        ]
        rule = "/protocol/content_types/accepted"
        yield site.mutation("content_type_invalid", *changes, changed(content_type=None), rule=rule)


def _json(site: GateSite) -> Iterator[GateMutation]:
    if not site.early_key:
        texts = [changed(raw=text, body=MISSING) for text in NO_JSON]
        texts += [
            lambda parts: replace(parts, raw=_text(parts)[:-1]),
            lambda parts: replace(parts, raw=_text(parts) + b"]"),
            lambda parts: replace(parts, raw=_text(parts)[:-1] + b",}"),
            lambda parts: replace(parts, raw=_text(parts)[:-1] + b",'note':1}"),
            lambda parts: replace(parts, raw=b"/* all */" + _text(parts)),
            lambda parts: replace(parts, raw=_text(parts)[:-1] + b',"note":NaN}'),
            lambda parts: replace(parts, raw=_text(parts)[:-1] + b',"note":"a\tb"}'),
            lambda parts: replace(parts, raw=_text(parts) + b"\n" + _text(parts)),
            lambda parts: replace(parts, raw=_text(parts).decode().encode("utf-16")),
        ]
        yield site.mutation("invalid_json", *texts)


def _object(site: GateSite) -> Iterator[GateMutation]:
    if not site.early_key:
        values = [changed(body=value) for value in NO_OBJECTS]
        wrapped = (
            lambda parts: replace(parts, body=[parts.body]),
            lambda parts: replace(parts, body=_text(parts).decode()),
        )
        yield site.mutation("not_an_object", *values, *wrapped)


def _key(site: GateSite) -> Iterator[GateMutation]:
    credentials = site.operation.credentials
    if all(credential.place != "path" for credential in credentials):
        blank = [changed(key=" ", credential=number) for number in range(len(credentials))]
        rule = credentials[0].pointer
        yield site.mutation("missing", changed(credential=NO_CREDENTIAL), *blank, rule=rule)
    for number, credential in enumerate(credentials):
        if credential.pattern is not None:
            fits = matcher(credential.pattern)
            keys = [changed(key=text, credential=number) for text in WRONG_KEYS if not fits(text)]
            yield site.mutation("malformed", *keys, rule=f"{credential.pointer}/pattern")


def _origin(site: GateSite) -> Iterator[GateMutation]:
    cors = site.operation.cors
    if cors is not None and cors.allowed_origins:
        rule = f"/protocol/cors/{cors.name}/allowed_origins"
        yield site.mutation(
            "origin_not_allowed", with_entry("headers", "origin", "https://elsewhere.invalid"), rule=rule
        )


def _query(site: GateSite) -> Iterator[GateMutation]:
    """Leave out required parameters; where one of them may be the key, all of them and the key."""
    if not site.operation.query:
        return
    if any(credential.place == "query" for credential in site.operation.credentials):
        yield site.mutation("invalid_request", changed(query={}, credential=NO_CREDENTIAL))
    else:
        blank = [with_entry("query", name, " ") for name in site.operation.query]
        yield site.mutation("invalid_request", changed(query={}), *blank)


def _project(site: GateSite) -> Iterator[GateMutation]:
    projects, rule = site.contract.projects, "/protocol/projects/known"
    if projects is not None and projects.known:
        yield site.mutation("unknown_project", with_entry("headers", projects.header, "prj_unheard_of"), rule=rule)
        if len(projects.known) > 1 and projects.default not in projects.known:
            yield site.mutation("project_required", changed(headers={}), rule=rule)


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
    """Yield every mutation of an operation's gates, and of the way to it."""
    credentials, key_seen = operation.credentials, False
    in_body = bool(credentials) and all(credential.place == "body" for credential in credentials)
    for gate in operation.gates:
        site = GateSite(contract=contract, operation=operation, gate=gate, early_key=key_seen and in_body)
        key_seen = key_seen or gate.check == "key"
        if gate.check in CHECKS:
            yield from CHECKS[gate.check](site)
    yield from _routing(contract, operation)


def _routing(contract: Contract, operation: Operation) -> Iterator[GateMutation]:
    served = {other.method for other in contract.operations.values() if other.path == operation.path}
    wrong = tuple(changed(method=method) for method in ("DELETE", "PUT", "PATCH") if method not in served)
    reason = "method_not_allowed"
    yield GateMutation(rule=OPERATIONS, keyword=reason, reason=reason, changes=wrong)
    if not contract.extra_slashes:
        reason = "unknown_path"
        yield GateMutation(rule=SLASHES, keyword=reason, reason=reason, changes=EXTRA_SLASHES)
    if operation.lookup is not None:
        reason, nobody = UNKNOWN_ENTITY, changed(params={operation.lookup: "nobody_ever_saw_me"})
        rule = f"/protocol/refusals/{operation.family.name}/{reason}"
        yield GateMutation(rule=rule, keyword=reason, reason=reason, changes=(nobody,))
