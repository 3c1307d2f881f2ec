"""What the strategies hand out: a request to send, the reply it must get, and, where it is bad, the one rule it breaks.

Both sides look the same in JSON as in the golden cases of `fixtures/`, so one reader serves both.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from typing import Final

from hypothesis.vendor.pretty import RepresentationPrinter

from mockserver.contract.operation import Form
from mockserver.core.wire import WireRequest
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.jsonkit.pointer import MISSING
from mockserver.jsonkit.printable import printable_body
from mockserver.lint.case_reader import COPY_NUMBER, REPEAT
from mockserver.lint.comparison import differences
from mockserver.lint.prediction import Prediction

LONG_TEXT: Final = 200
LONG_LIST: Final = 12
SHOWN: Final = 300


class CertificateError(Exception):
    """A generated value is not what it was made to be: a mistake of the strategies, never of what is tested."""


class TooLargeError(ContractError):
    """A generated request is larger than its protocol takes, because of the texts or arrays that its schemas demand."""


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
        return f"read_request({self.as_json()!r})"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
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
        written: dict[str, Json] = {"method": self.method, "path": self.path, "headers": dict(self.headers)}
        if self.json is not MISSING:
            written["json"] = compact(self.json)
        elif self.body:
            try:
                written["text"] = compact(self.body.decode("utf-8"))
            except UnicodeDecodeError:
                written["base64"] = base64.b64encode(self.body).decode("ascii")
        return written


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The reply a request must get in a session that saw nothing before it (but the sample's own `before`).

    `body` is the whole JSON body; `{"$match": regex}` in it stands for a text that no contract states. `text` stands in
    its place for a reply that is not JSON. `history` points at members that depend on what the session saw before.
    """

    status: int
    body: Json = MISSING
    text: str | None = None
    history: tuple[str, ...] = ()

    def differences(self, status: int, body: bytes) -> list[str]:
        """Return how a reply differs; empty when it is the expected one."""
        shown = printable_body(body, SHOWN)
        texts = [] if status == self.status else [f"status: expected {self.status}, got {status} with {shown}"]
        if self.text is not None:
            return (
                texts
                if body == self.text.encode()
                else [*texts, f"body: expected {printable_body(self.text.encode(), SHOWN)}, got {shown}"]
            )
        try:
            return [*texts, *(f"body{difference}" for difference in differences(self.body, parsed(body)))]
        except ValueError:
            return [*texts, f"body: expected JSON, got {shown}"]

    def as_json(self) -> dict[str, Json]:
        """Return the expectation as a golden case writes it."""
        content = {"json": compact(self.body)} if self.text is None else {"text": self.text}
        return {"status": self.status, **content}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Sample:
    """One generated request with the reply it must get.

    `before` are requests to send first. `form` is the form of the body, None where no form applies. `bad` is empty in a
    valid sample; an invalid one breaks these rules and no others. `prediction` has all of the reply, `expect` its
    status and body. Its `repr` is Python that makes the sample again, with `read_sample` of `mockserver.strategies`.
    """

    protocol: str
    operation: str | None
    revision: str
    now_ms: int
    request: Request
    form: Form | None = field(compare=False)
    prediction: Prediction
    before: tuple[Request, ...] = ()
    events: tuple[Json, ...] = ()
    bad: tuple[Breach, ...] = ()

    def __repr__(self) -> str:
        return f"read_sample({self.as_json()!r}, now_ms={self.now_ms})"

    def _repr_pretty_(self, printer: RepresentationPrinter, cycle: bool) -> None:
        printer.text(repr(self))

    @property
    def expect(self) -> Expected:
        """The status and body of the reply it must get."""
        reply = self.prediction
        return Expected(status=reply.status, body=reply.body, text=reply.text, history=reply.history)

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
        line: dict[str, Json] = {
            "protocol": self.protocol,
            "operation": self.operation,
            "revision": self.revision,
            "valid": self.valid,
        }
        if len(self.bad) == 1:
            line.update(self.bad[0].as_json())
        elif self.bad:
            line["bad"] = [breach.as_json() for breach in self.bad]
        if self.before:
            line["before"] = [request.as_json() for request in self.before]
        return {**line, "request": self.request.as_json(), "expect": self.expect.as_json()}


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakableRule:
    """A rule that can be broken: the pointer of the fact in the contract, and what of it is broken."""

    rule: str
    keyword: str

    @property
    def id(self) -> str:
        """The id of the rule as `breaches` lists it: its pointer, with the keyword unless that is part of it."""
        return self.rule if self.keyword in self.rule.split("/") else f"{self.rule}#{self.keyword}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach(BreakableRule):
    """One broken rule.

    `pointer` is the place (in the event where `index` is set, else in the body), `reason` the contract's refusal that
    answers it. Where the first bad event refuses its whole batch, all events of the batch are refused for its reason.
    """

    pointer: str
    reason: str = ""
    index: int | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the breach as the corpus writes it."""
        line: dict[str, Json] = {"rule": self.rule, "keyword": self.keyword, "pointer": self.pointer}
        return line if self.index is None else {**line, "index": self.index}


def parsed(body: bytes) -> Json:
    """Return the JSON of a reply. Raises ValueError, also where it is nested too deeply to be read."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def compact(value: Json) -> Json:
    """Return the value with `{"$repeat": ...}` for long texts of one character and long lists of equal items.

    Items may differ by their own number after a dash (`m-0`, `m-1`), which becomes `${i}`.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, list):
        return _list(value)
    if isinstance(value, dict):
        return {name: compact(member) for name, member in value.items()}
    return value


def _text(value: str) -> Json:
    if len(value) < LONG_TEXT or value.count(value[0]) != len(value):
        return value
    return {REPEAT: {"times": len(value), "text": value[0]}}


def _list(value: list[Json]) -> Json:
    if len(value) < LONG_LIST:
        return [compact(item) for item in value]
    texts = [json.dumps(item) for item in value]
    pattern = texts[0].replace('-0"', f'-{COPY_NUMBER}"')
    if all(text == pattern.replace(COPY_NUMBER, str(index)) for index, text in enumerate(texts)):
        return [{REPEAT: {"times": len(value), "value": compact(json.loads(pattern))}}]
    return [compact(item) for item in value]
