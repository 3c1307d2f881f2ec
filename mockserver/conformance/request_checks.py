"""Checks of single requests: the request line, headers, members, sizes, and what the contract finds in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

from mockserver.conformance.client_check import Check
from mockserver.conformance.client_traffic import Sent, events_looked_at
from mockserver.errors import LONGEST_VALUE
from mockserver.jsonkit import Json, jsontext, pointer
from mockserver.jsonkit.patterns import matches
from mockserver.jsonkit.pointer import MISSING
from mockserver.jsonkit.printable import printable_json

ANY = "*"


def shown(value: Json) -> str:
    """Return a value as a sentence has it."""
    text = printable_json(jsontext.render(value).decode())
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


class RequestLine(Check):
    """Holds method and target."""

    name = "request_line"

    def see(self, sent: Sent) -> None:
        """Compare the request line."""
        request, method, target = sent.exchange.request, self.parameters.get("method"), self.parameters.get("target")
        self.case()
        if method is not None and request.method != method:
            self.fail(f"the method is {request.method}, not {method}", sent.exchange)
        elif target is not None and not matches(target, request.target):
            self.fail(f"the target {shown(request.target)} does not fit {target}", sent.exchange)


class Header(Check):
    """Holds that one of some headers is there and of a form, or that none is."""

    name = "header"

    def see(self, sent: Sent) -> None:
        """Look for the headers."""
        names, pattern = self.parameters["names"], self.parameters.get("pattern")
        found = [(name, value) for name in names for value in sent.headers(name)]
        fits = found if pattern is None else [pair for pair in found if matches(pattern, pair[1])]
        if not found and self.parameters.get("optional"):
            return
        self.case()
        if self.parameters.get("absent"):
            if fits:
                self.fail(f"the header {fits[0][0]} is sent", sent.exchange)
        elif not found:
            self.fail(f"the header {' or '.join(names)} is missing", sent.exchange)
        elif not fits:
            self.fail(f"the header {found[0][0]} does not fit {pattern}", sent.exchange)


class Member(Check):
    """Holds the form of one member of each event or body."""

    name = "member"

    @cached_property
    def _tokens(self) -> Sequence[str]:
        return pointer.parse(self.parameters["pointer"])

    def see(self, sent: Sent) -> None:
        """Look at the member in each event, or in the body."""
        for value in of_each(self, sent):
            for found in values_at(value, self._tokens):
                problem = self._problem(found)
                if found is not MISSING or "required" in self.parameters or "absent" in self.parameters:
                    self.case()
                if problem:
                    self.fail(f"{self.parameters['pointer']} {problem}", sent.exchange)

    def _problem(self, value: Json) -> str | None:
        rules = self.parameters
        if value is MISSING:
            return "is missing" if rules.get("required") else None
        if rules.get("absent"):
            return "is there"
        type_, pattern = rules.get("type"), rules.get("pattern")
        if type_ is not None and not is_of(value, type_):
            return f"is not of the type {type_}: {shown(value)}"
        if pattern is not None and not (isinstance(value, str) and matches(pattern, value)):
            return f"does not fit {pattern}: {shown(value)}"
        if "one_of" in rules and value not in rules["one_of"]:
            return f"is none of {shown(rules['one_of'])}: {shown(value)}"
        if value in rules.get("none_of", ()):
            return f"is {shown(value)}"
        if is_of(value, "number") and not rules.get("minimum", value) <= value <= rules.get("maximum", value):
            return f"is out of range: {shown(value)}"
        length = len(value) if isinstance(value, str | list | dict) else None
        if length is not None and length < rules.get("min_length", 0):
            return f"is shorter than {rules['min_length']}: {shown(value)}"
        if length is not None and length > rules.get("max_length", length):
            return f"is longer than {rules['max_length']}: {shown(value)}"
        return None


class Members(Check):
    """Holds that events or bodies have known members only."""

    name = "members"

    def see(self, sent: Sent) -> None:
        """Look for other members."""
        allowed = self.parameters["allowed"]
        for value in of_each(self, sent):
            if isinstance(value, dict):
                self.case()
                other = next((name for name in value if name not in allowed), None)
                if other is not None:
                    self.fail(f"the member {shown(other)} is not among {', '.join(allowed)}", sent.exchange)


class NoFinding(Check):
    """Holds that the contract finds nothing of some rules."""

    name = "no_finding"

    def see(self, sent: Sent) -> None:
        """Look at what the contract finds."""
        self.case()
        for severity, rule in sorted(sent.findings):
            if any(_is_below(rule, place, severity) for place in self.parameters["rules"]):
                self.fail(f"the contract has a finding: {severity} of {rule}", sent.exchange)
                return


def _is_below(rule: str, place: str, severity: str) -> bool:
    return severity == "error" if not place else rule == place or rule.startswith((f"{place}/", f"{place}#"))


class JsonBody(Check):
    """Holds that a body is one JSON object in UTF-8, without duplicate keys."""

    name = "json_body"

    def see(self, sent: Sent) -> None:
        """Parse the body."""
        if not 0 < len(sent.exchange.body) <= sent.exchange.contract.max_body:
            return  # one that is too large is not parsed
        self.case()
        duplicates: list[str] = []
        if not sent.text.text or sent.text.not_json is not None:
            self.fail(f"the body is not valid JSON: {sent.text.not_json or 'it cannot be decoded'}", sent.exchange)
            return
        value = jsontext.parse_exactly(sent.text.text, duplicates)
        if not isinstance(value, dict):
            self.fail("the body is not an object", sent.exchange)
        elif duplicates:
            self.fail(f"duplicate key {shown(duplicates[0])}", sent.exchange)


class BodySize(Check):
    """Holds the size of bodies as they are sent."""

    name = "body_size"

    def see(self, sent: Sent) -> None:
        """Compare the size."""
        size, most = len(sent.exchange.body), self.parameters["max_bytes"]
        if size:
            self.case()
        if size > most:
            self.fail(f"the body has {size} bytes, more than {most}", sent.exchange)


class BatchSize(Check):
    """Holds the number of events of a request."""

    name = "batch_size"

    def see(self, sent: Sent) -> None:
        """Compare the number."""
        size = len(sent.exchange.verdicts) or _listed(sent)
        if size is None:
            return
        least, most = self.parameters.get("min_events", 0), self.parameters.get("max_events", size)
        self.case()
        if not least <= size <= most:
            self.fail(f"the request has {size} events, not {least} to {most}", sent.exchange)


def _listed(sent: Sent) -> int | None:
    """Return how many events a request holds that was refused before anybody looked at them; None for no list."""
    operation = sent.exchange.contract.operations.get(sent.exchange.operation or "")
    for form in () if operation is None else operation.forms.values():
        listed = pointer.get(sent.text.value, form.events) if form.events is not None and not form.single else None
        if isinstance(listed, list):
            return len(listed)
    return None


class Compressed(Check):
    """Holds that large bodies are compressed."""

    name = "compressed"

    def see(self, sent: Sent) -> None:
        """Look at the encoding of a large body."""
        size = len(sent.text.text) or len(sent.exchange.body)
        if size < self.parameters["from_bytes"]:
            return
        self.case()
        if not set(sent.headers("content-encoding")) & set(self.parameters["encodings"]):
            self.fail(f"a body of {size} bytes is not compressed", sent.exchange)


def of_each(check: Check, sent: Sent) -> Iterator[Json]:
    """Yield what a check is of: the events that the rule is about, or the body."""
    if check.parameters["of"] == "event":
        yield from events_looked_at(sent, check.scope)
    elif sent.exchange.body:
        yield sent.text.value


def values_at(value: Json, tokens: Sequence[str]) -> Iterator[Json]:
    """Yield the values at a pointer, in which `*` is any member or element; MISSING where there is none."""
    if not tokens:
        yield value
    elif tokens[0] == ANY:
        inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        for member in inner:
            yield from values_at(member, tokens[1:])
    else:
        member = pointer.get(value, tokens[:1])
        if member is MISSING:
            yield MISSING
        else:
            yield from values_at(member, tokens[1:])


_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}


def is_of(value: Json, type_: str) -> bool:
    """Tell whether a value is of a JSON type."""
    if type_ in _TYPES:
        return isinstance(value, _TYPES[type_])
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and (type_ == "number" or float(value).is_integer())
