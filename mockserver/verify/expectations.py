"""From samples to steps: what a reply's status, body, headers and schema must be, read from the contract once more."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.operation import Operation
from mockserver.jsonkit import Json, pointer
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.places import look, put
from mockserver.strategies.reading import Unknown, fill
from mockserver.strategies.samples import MATCH, Expected, Request, Sample, parsed
from mockserver.verify.rule import Check, Difference, Reply, Step

JSON_TYPE: Final = "application/json"
CORS: Final = "access-control-"
DIGITS: Final = Unknown("[0-9]+")
MANY: Final = 3
"""How many differences of one body are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What one reply must be: `fact` is the contract's entry for it, `schema` the name of its schema, if it has one.

    `cors` names the rules that give its CORS headers; `headers` are the others, by name in lower case.
    """

    fact: str
    expect: Expected
    schema: str | None
    media_type: str
    cors: str | None
    headers: Mapping[str, Json]


class Expectations:
    """What the contract says of replies. `rule` in its methods is the fact a request was made to try."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.protocol = contract.protocol
        self.known_headers = {name.lower() for name in _header_names(self.protocol)}

    def success(self, operation: Operation, expect: Expected, name: str | None = None) -> Wanted:
        """Return what the reply of an operation must be; its success where no `name` is given."""
        name = name or operation.spec["replies"]["success"]
        spec = self.protocol["replies"][name]
        return Wanted(
            fact=f"/protocol/replies/{name}",
            expect=expect,
            schema=spec.get("schema"),
            media_type=spec.get("content_type", JSON_TYPE),
            cors=operation.spec.get("cors"),
            headers=self._headers(operation, spec),
        )

    def refusal(
        self, family: str, reason: str, expect: Expected, operation: Operation | None, path: str, allow: str = ""
    ) -> Wanted:
        """Return what a refusal must be; without an operation, the path says whose it is."""
        answers = self.protocol["refusals"][family]
        spec = {**answers["default"], **answers.get(reason, {})}
        shape = self.protocol["shapes"][spec["shape"]]
        return Wanted(
            fact=f"/protocol/refusals/{family}/{reason}",
            expect=expect,
            schema=shape.get("schema"),
            media_type=JSON_TYPE,
            cors=self.cors_at(path) if operation is None else operation.spec.get("cors"),
            headers=self._headers(operation, spec, allow),
        )

    def cors_at(self, path: str) -> str | None:
        """Return the CORS rules of a path: those of the operations there, else of the longest prefix over it."""
        here = [one for one in self.contract.operations.values() if _fits(one.path, path)]
        if here:
            found: str | None = here[0].spec.get("cors")
            return found
        over = [one for one in self.protocol["prefixes"].values() if path.startswith(one["path"])]
        longest: Mapping[str, Json] = max(over, key=lambda one: len(one["path"]), default={})
        return longest.get("cors")

    def _headers(self, operation: Operation | None, spec: Mapping[str, Json], allow: str = "") -> dict[str, Json]:
        limit = self.protocol["limits"].get(operation.spec.get("rate"), {}) if operation is not None else {}
        templates = {**limit.get("headers", {}), **spec.get("headers", {})}
        known = {"rate_limit": limit.get("requests"), "rate_remaining": DIGITS, "rate_reset_s": DIGITS}
        known.update(retry_after_s=DIGITS, allow=allow)
        made: dict[str, Json] = dict.fromkeys(self.known_headers)
        for name, template in templates.items():
            value = fill(template, known)
            made[name.lower()] = value if isinstance(value, dict) else str(value)
        return made

    def of(self, sample: Sample) -> Wanted:
        """Return what the reply to a sample must be."""
        path = sample.request.path
        if sample.operation is None:
            family = self._family_at(path)
            return self.refusal(family, sample.breach.reason, sample.expect, None, path)
        operation = self.contract.operations[sample.operation]
        if sample.valid:
            return self.success(operation, sample.expect)
        reason = sample.breach.reason
        if sample.breach.index is not None and any(form.policy == "partial" for form in operation.forms.values()):
            names = operation.spec["replies"]
            name = names.get("partial", names["success"])
            name = names.get("failed", name) if len(sample.bad) == len(sample.events) else name
            return self.success(operation, sample.expect, name)
        if reason == "method_not_allowed":
            return self.refusal(operation.family, reason, sample.expect, None, operation.path, self.allow(operation))
        return self.refusal(operation.family, reason, sample.expect, operation, path)

    def allow(self, operation: Operation) -> str:
        """Return the methods served at an operation's path, as an `Allow` header lists them."""
        here = [one for one in self.contract.operations.values() if one.path == operation.path]
        options = ["OPTIONS"] if any("cors" in one.spec for one in here) else []
        return ", ".join(sorted(one.method for one in here) + options)

    def _family_at(self, path: str) -> str:
        over = [one for one in self.protocol["prefixes"].values() if path.startswith(one["path"])]
        longest: Mapping[str, Json] = max(over, key=lambda one: len(one["path"]), default={})
        return str(longest.get("family") or next(iter(self.protocol["refusals"])))

    def step(self, wanted: Wanted, request: Request, rule: str) -> Step:
        """Return the step that sends a request and holds the reply to what is wanted."""
        return Step(request=request, check=self.check(wanted, request, rule))

    def check(self, wanted: Wanted, request: Request, rule: str) -> Check:
        """Return the check of one reply: status and body, then schema, then headers."""

        def run(reply: Reply, earlier: Sequence[Reply]) -> Iterator[Difference]:
            fact = wanted.fact if _same_kind(reply.status, wanted.expect.status) else rule
            expect = _forget_history(wanted.expect, reply.body)
            yield from (Difference(fact, text) for text in expect.differences(reply.status, reply.body)[:MANY])
            if wanted.schema is not None and reply.status == wanted.expect.status:
                yield from self._schema(wanted.schema, reply.body)
            if _same_kind(reply.status, wanted.expect.status):
                yield from self.headers(wanted, request, reply)

        return run

    def _schema(self, name: str, body: bytes) -> Iterator[Difference]:
        try:
            fits = self.contract.replies[name].is_valid(parsed(body))
        except ValueError:
            return
        if not fits:
            yield Difference(f"/replies/{name}", f"body: does not fit the schema {name} of replies")

    def headers(self, wanted: Wanted, request: Request, reply: Reply) -> Iterator[Difference]:
        """Yield what is wrong with the headers of a reply."""
        kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != wanted.media_type:
            yield Difference(wanted.fact, f"header content-type: expected {wanted.media_type!r}, got {kind!r}")
        for name, value in wanted.headers.items():
            got = reply.headers.get(name)
            if not header_fits(value, got):
                yield Difference(wanted.fact, f"header {name}: expected {_said(value)}, got {_said(got)}")
        origin = next((value for name, value in request.headers if name.lower() == "origin"), None)
        yield from self.cors_headers(wanted.cors, origin, reply)

    def cors_headers(
        self, name: str | None, origin: str | None, reply: Reply, *, preflight: bool = False
    ) -> Iterator[Difference]:
        """Yield what is wrong with the CORS headers of a reply to an origin; without rules there are none."""
        made = {} if name is None else cors_headers(self.protocol["cors"][name], origin, preflight=preflight)
        fact = "/protocol/cors" if name is None else f"/protocol/cors/{name}"
        got = {header: value for header, value in reply.headers.items() if header.startswith(CORS)}
        for header in sorted(made.keys() | got.keys()):
            if made.get(header) != got.get(header):
                told = f"expected {_said(made.get(header))}, got {_said(got.get(header))}"
                yield Difference(fact, f"header {header}: {told}")
        varies = "origin" in {part.strip().lower() for part in reply.headers.get("vary", "").split(",")}
        if name is not None and not varies:
            yield Difference(fact, "header vary: expected 'Origin' in it")


def cors_headers(rules: Mapping[str, Json], origin: str | None, *, preflight: bool = False) -> dict[str, str]:
    """Return the CORS headers that a reply must have, as lower-case names; no others may be there."""
    allowed = rules["allowed_origins"]
    if origin is None:
        made = {f"{CORS}allow-origin": "*"} if rules["without_origin"] == "*" else {}
        if not made and not preflight:
            return {}
    elif allowed and not any(_matches(entry, origin) for entry in allowed):
        return {}
    else:
        made = {f"{CORS}allow-origin": origin}
        if rules["credentials"]:
            made[f"{CORS}allow-credentials"] = "true"
    if preflight:
        made |= {f"{CORS}allow-methods": rules["methods"], f"{CORS}allow-headers": rules["headers"]}
        made |= {f"{CORS}max-age": rules["max_age"]} if "max_age" in rules else {}
    elif "expose" in rules:
        made[f"{CORS}expose-headers"] = rules["expose"]
    return made


def _matches(entry: str, origin: str) -> bool:
    host = origin.partition("://")[2].partition(":")[0].lower()
    if entry.startswith("*."):
        return host.endswith(entry[1:].lower())
    return entry.lower() in (origin.lower(), host)


def header_fits(expected: Json, got: str | None) -> bool:
    """Tell whether a header is as expected: a text, a `$match`, or None for no such header."""
    if isinstance(expected, dict):
        return got is not None and re.fullmatch(expected[MATCH], got) is not None
    return bool(expected == got)


def _said(value: Json) -> str:
    """Say what a header is, or has to be."""
    if isinstance(value, dict):
        return f"a text that matches {value[MATCH]!r}"
    return "none" if value is None else repr(value)


def with_header(request: Request, name: str, value: str) -> Request:
    """Return the request with one header set."""
    kept = tuple(pair for pair in request.headers if pair[0].lower() != name)
    return replace(request, headers=(*kept, (name, value)))


def _same_kind(got: int, wanted: int) -> bool:
    """Tell whether a request was taken, or refused, as it should have been."""
    return (got >= 400) == (wanted >= 400)


def _forget_history(expect: Expected, body: bytes) -> Expected:
    """Take over from the reply what depends on what the target saw before, where it is of the right type."""
    try:
        got = parsed(body) if expect.history else None
    except ValueError:
        return expect
    wanted = expect.body
    for place in expect.history:
        tokens = pointer.parse(place)
        found = look(got, tokens)
        if found is not MISSING and type(found) is type(look(wanted, tokens)):
            wanted = put(wanted, tokens, found)
    return replace(expect, body=wanted)


def _header_names(protocol: Mapping[str, Json]) -> Iterator[str]:
    for limit in protocol["limits"].values():
        yield from limit.get("headers", {})
    for reasons in protocol["refusals"].values():
        for answer in reasons.values():
            yield from answer.get("headers", {})


@cache
def _path_pattern(path: str) -> re.Pattern[str]:
    parts = ("[^/]+" if part.startswith("{") else re.escape(part) for part in path.split("/"))
    return re.compile("/*" + "/".join(parts).lstrip("/") + "/?")


def _fits(template: str, path: str) -> bool:
    return _path_pattern(template).fullmatch(path.partition("?")[0]) is not None
