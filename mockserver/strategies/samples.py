"""What the strategies hand out: a request to send, the reply it must get, and, where it is bad, the one rule it breaks.

Both sides look the same in JSON as in the golden cases of `fixtures/`, so one reader serves both.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from mockserver.core.wire import WireRequest
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.strategies.compact import compact

SHOWN: Final = 4000
MATCH: Final = "$match"
"""In expected values `{"$match": regex}` stands for any text that matches as a whole."""


class Printer(Protocol):
    """What Hypothesis shows values with."""

    def text(self, text: str) -> None:
        """Show a text."""


class CertificateError(Exception):
    """A generated value is not what it was made to be: a mistake of the strategies, never of what is tested."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Request:
    """One request as it is to be sent.

    `path` is the raw target, query included. `json` is the body where that is compact JSON, else MISSING.
    """

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    json: Json = MISSING

    def __repr__(self) -> str:
        return f"Request({_shown(self.as_json())})"

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:
        printer.text(repr(self))

    def wire(self) -> WireRequest:
        """Return the request as the core takes it."""
        headers = tuple((name.encode(), value.encode()) for name, value in self.headers)
        return WireRequest(
            method=self.method,
            target=self.path,
            headers=headers,
            fields={name.lower(): value for name, value in reversed(headers)},
            body=self.body,
        )

    def as_json(self) -> dict[str, Json]:
        """Return the request as a golden case writes it; long repetitions become `$repeat`."""
        made: dict[str, Json] = {"method": self.method, "path": self.path, "headers": dict(self.headers)}
        if self.json is not MISSING:
            made["json"] = compact(self.json)
        elif self.body:
            try:
                made["text"] = compact(self.body.decode("utf-8"))
            except UnicodeDecodeError:
                made["base64"] = base64.b64encode(self.body).decode("ascii")
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The reply a request must get in a session that saw nothing before it (but the sample's own `before`).

    `body` is the whole JSON body; `{"$match": regex}` in it stands for a text that no contract states. `text` stands in
    its place for a reply that is no JSON. `history` points at members that depend on what the session saw before.
    """

    status: int
    body: Json = MISSING
    text: str | None = None
    history: tuple[str, ...] = ()

    def differences(self, status: int, body: bytes) -> list[str]:
        """Return how a reply differs; empty when it is the expected one."""
        found = [] if status == self.status else [f"status: expected {self.status}, got {status} with {body[:300]!r}"]
        if self.text is not None:
            return (
                found if body == self.text.encode() else [*found, f"body: expected {self.text!r}, got {body[:300]!r}"]
            )
        try:
            return found + list(differences(self.body, parsed(body)))
        except ValueError:
            return [*found, f"body: expected JSON, got {body[:300]!r}"]

    def as_json(self) -> dict[str, Json]:
        """Return the expectation as a golden case writes it."""
        content = {"json": compact(self.body)} if self.text is None else {"text": self.text}
        return {"status": self.status, **content}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sample:
    """One generated request with its expected reply.

    `before` are requests to send first. A valid sample has no `rule`. An invalid one breaks exactly the rule: `rule` is
    the pointer of the broken fact in the contract, `keyword` what of it is broken, `reason` the contract's refusal,
    `pointer` the place (in the event where `index` is set, else in the body), `value` what stands there.
    """

    protocol: str
    operation: str | None
    revision: str
    now_ms: int
    request: Request
    expect: Expected
    before: tuple[Request, ...] = ()
    events: tuple[Json, ...] = ()
    bad: tuple[Breach, ...] = ()

    def __repr__(self) -> str:
        return f"Sample({_shown(self.as_json())})"

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:
        printer.text(repr(self))

    @property
    def valid(self) -> bool:
        """Whether nothing in it is broken."""
        return not self.bad

    @property
    def breach(self) -> Breach:
        """The one broken rule. Raises IndexError for a valid sample."""
        return self.bad[0]

    def as_json(self) -> dict[str, Json]:
        """Return the sample as one line of the corpus."""
        made: dict[str, Json] = {
            "protocol": self.protocol,
            "operation": self.operation,
            "revision": self.revision,
            "valid": self.valid,
        }
        if len(self.bad) == 1:
            made.update(self.bad[0].as_json())
        elif self.bad:
            made["bad"] = [breach.as_json() for breach in self.bad]
        if self.before:
            made["before"] = [request.as_json() for request in self.before]
        return {**made, "request": self.request.as_json(), "expect": self.expect.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """One broken rule: which, where, and what the contract says about it."""

    rule: str
    keyword: str
    pointer: str
    reason: str
    index: int | None = None

    @property
    def id(self) -> str:
        """The rule with what of it is broken, where the pointer alone does not say that."""
        return self.rule if self.keyword in self.rule.split("/") else f"{self.rule}#{self.keyword}"

    def as_json(self) -> dict[str, Json]:
        """Return the breach as the corpus writes it."""
        made: dict[str, Json] = {"rule": self.rule, "keyword": self.keyword, "pointer": self.pointer}
        return made if self.index is None else {**made, "index": self.index}


def parsed(body: bytes) -> Json:
    """Return the JSON of a reply. Raises ValueError, also where it is nested too deeply to be read."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def differences(expected: Json, got: Json, place: str = "body") -> Iterator[str]:
    """Yield each place where a value is not the expected one."""
    if isinstance(expected, dict) and set(expected) == {MATCH}:
        if not (isinstance(got, str) and re.fullmatch(expected[MATCH], got)):
            yield f"{place}: expected a text that matches {expected[MATCH]!r}, got {got!r}"
    elif isinstance(expected, dict) and isinstance(got, dict):
        for name in sorted(expected.keys() | got.keys()):
            if name not in got:
                yield f"{place}/{name}: missing, expected {expected[name]!r}"
            elif name not in expected:
                yield f"{place}/{name}: not expected, got {got[name]!r}"
            else:
                yield from differences(expected[name], got[name], f"{place}/{name}")
    elif isinstance(expected, list) and isinstance(got, list) and len(expected) == len(got):
        for index, (left, right) in enumerate(zip(expected, got, strict=True)):
            yield from differences(left, right, f"{place}/{index}")
    elif type(expected) is not type(got) or expected != got:
        yield f"{place}: expected {expected!r}, got {got!r}"


def _shown(value: Json) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
