"""Exchanges as the lines of a recording. Each is judged again as it is written, and must be judged as it was before.

`recording.schema.json` is the format. A recording is written whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from mockserver import __version__
from mockserver.contract.contract import Contract
from mockserver.core.model import Judged, Verdict
from mockserver.errors import MockServerError
from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.lint.replies import reply_findings
from mockserver.recording.normalisation.moments import STEP_MS, has_token
from mockserver.recording.normalisation.normalised import ids_of, normalised
from mockserver.recording.recorded_body import RecordedBody, stable
from mockserver.recording.redaction.find_secrets import key_prefixes
from mockserver.recording.redaction.pseudonyms import NONE_GIVEN, Kind, Pseudonyms
from mockserver.recording.redaction.redact import Redactor
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.recording.redaction.scrubbed import Scrubbed, decompressed, hidden_everywhere, recorded_reply_body
from mockserver.recording.redaction.scrubber import Scrubber
from mockserver.sessions.exchange import HANDED_THROUGH, Exchange
from mockserver.sessions.views import View

VERSION: Final = 1
"""The version of the format."""
FORMAT: Final = "recording"

Identity = tuple[str, int, object]


class UnfaithfulError(MockServerError):
    """An exchange would be judged otherwise without what is hidden in it. The message names it by its request."""

    def __init__(self, request: str, problem: str) -> None:
        self.request = request
        self.problem = problem
        super().__init__(f"request {request} cannot be recorded: {problem}")


class Known:
    """What is hidden everywhere in a recording, and what keys begin with; collected before the first line.

    `secrets` are those of the session itself, `contracts` those whose keys are hidden beside those of the exchanges.
    With `normalise`, ids are hidden too: they are the same in each recording then.
    """

    def __init__(
        self, secrets: Iterable[str] = (), contracts: Iterable[Contract] = (), *, normalise: bool = False
    ) -> None:
        self.normalise = normalise
        self.everywhere: dict[str, Kind] = dict.fromkeys(sorted(secrets), "credential")
        self.contracts = dict.fromkeys(contracts)

    def add(self, exchange: Exchange) -> None:
        """Collect from an exchange. The time grows with its body."""
        self.contracts[exchange.contract] = None
        for value, kind in hidden_everywhere(exchange):
            if value.strip():
                self.everywhere.setdefault(value, kind)
        if self.normalise:
            for id in ids_of(exchange):
                self.everywhere.setdefault(id, "id")

    def scrubber(
        self, rules: Rules, *, shaped: bool, given: Mapping[str, str] = NONE_GIVEN, used: int = 0, kept: bool = False
    ) -> Scrubber:
        """Return what hides the values; with `shaped` character by character. See `Pseudonyms` for the others."""
        prefixes = {prefix for contract in self.contracts for prefix in key_prefixes(contract)}
        headers = {contract.projects.header.lower() for contract in self.contracts if contract.projects is not None}
        secrets = [value for value, kind in self.everywhere.items() if kind == "credential"]
        return Scrubber(
            Pseudonyms(prefixes, id_prefixes=self._id_prefixes(), shaped=shaped, given=given, used=used, kept=kept),
            Redactor(secrets, prefixes),
            self.everywhere,
            rules=rules,
            kept_headers=headers,
        )

    def _id_prefixes(self) -> set[str]:
        """Return how the ids in replies begin, which a check of the reply looks at."""
        return {prefix for contract in self.contracts for prefix in contract.id_prefixes.values()}


class _Judged:
    """An exchange with what was found in it, found once."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.findings = list(self.view.findings())
        self.rows = list(self.view.event_rows())

    def summary(self) -> list[Json]:
        """Return what has to stay as it is: the operation, the rules of the request, verdicts and rules of events."""
        rules = [f"{finding.severity} {finding.rule}" for finding in self.findings]
        events = [
            [row["verdict"], *(f"{finding['severity']} {finding['rule']}" for finding in row["findings"])]
            for row in self.rows
        ]
        return [self.view.judged.operation_name, rules, *events]


class Recorder:
    """Makes the lines of one recording, in the order of its exchanges.

    With `normalise`, times are offsets from the first exchange. A recording that is continued has so many `lines`
    already, and the session time of its first exchange.
    """

    def __init__(
        self, scrubber: Scrubber, *, normalise: bool = False, first_ms: int | None = None, lines: int = 0
    ) -> None:
        self._scrubber = scrubber
        self._normalise = normalise
        self._first_ms = first_ms
        self._lines = lines
        self._after: dict[Identity, Identity] = {}
        self._before: dict[Identity, Identity] = {}
        self.contracts: dict[str, Contract] = {}
        self.proxied: set[str] = set()

    def line(self, exchange: Exchange) -> bytes:
        """Return the line of an exchange. Raises UnfaithfulError if what is hidden changes how it is judged."""
        original, scrubbed = _Judged(View(exchange)), Scrubbed(exchange, self._scrubber)
        judged_before = original.summary()
        problem = "there is no body"
        for body in scrubbed.bodies():
            made = _Judged(View(scrubbed.with_body(body)))
            judged_after = made.summary()
            if judged_after != judged_before:
                problem = f"it would be judged otherwise: {_difference(judged_before, judged_after)}"
            elif (clash := self._clash(original.view.judged, made.view.judged)) is not None:
                problem = clash
            else:
                row = self._row(made, body)
                if self._normalise:
                    row = self._normalised(row, made.view, judged_before)
                return ordered(row).encode() + b"\n"
        raise UnfaithfulError(original.view.id, problem)

    def _normalised(self, row: dict[str, Json], view: View, judged: list[Json]) -> dict[str, Json]:
        """Return a row with offsets for times, which is judged as before. Raises UnfaithfulError."""
        if has_token(row):
            raise UnfaithfulError(view.id, "it has a text that reads like a time of a normalised recording")
        return normalised(row, view.exchange, self._first, lambda other: _Judged(other).summary() == judged)

    def head(self, upstreams: Mapping[str, str], rules: Rules, now_ms: int) -> bytes:
        """Return the first line of the recording, after all others were made; `now_ms` is for one without exchanges."""
        first = now_ms if self._first_ms is None else self._first_ms
        head: dict[str, Json] = {
            FORMAT: VERSION,
            "created": rfc3339_ms(first),
            "mockserver": __version__,
            "contracts": {
                name: {"revision": contract.revision, "hash": contract.digest}
                for name, contract in sorted(self.contracts.items())
            },
            "upstreams": {
                name: self._shown_url(url) for name, url in sorted(upstreams.items()) if name in self.proxied
            },
            "redaction": {
                "values": self._scrubber.hidden,
                "kinds": dict(self._scrubber.kinds),
                "rules": len(rules.texts),
            },
        }
        if self._normalise:
            head["normalised"] = {"step_ms": STEP_MS}
        return ordered(head).encode() + b"\n"

    @property
    def _first(self) -> int:
        assert self._first_ms is not None, "the row that is written is the first one, or after it"
        return self._first_ms

    def _shown_url(self, url: str) -> str:
        """Return the URL of an upstream without what may be a key in its path."""
        scheme, sign, rest = url.partition("://")
        host, slash, path = rest.partition("/")
        return f"{scheme}{sign}{host}{slash}" + "/".join(map(self._scrubber.text, path.split("/")))

    def _row(self, made: _Judged, body: RecordedBody) -> dict[str, Json]:
        view, exchange, head = made.view, made.view.exchange, made.view.exchange.shared.head
        self._first_ms = exchange.now_ms if self._first_ms is None else self._first_ms
        self._lines += 1
        self.contracts[exchange.contract.name] = exchange.contract
        origin = exchange.override.origin
        if origin in ("upstream", "proxy"):
            self.proxied.add(exchange.contract.name)
        headers = [[name.decode("latin-1"), value.decode("utf-8", "replace")] for name, value in head.headers]
        request: dict[str, Json] = {"method": head.method, "path": head.target, "headers": headers, "body": body}
        if head.truncated or head.late:
            request["incomplete"] = "late" if head.late else "truncated"
        row: dict[str, Json] = {
            "id": f"x{self._lines}",
            "protocol": exchange.contract.name,
            "operation": exchange.operation,
            "at_ms": exchange.now_ms - self._first_ms,
            "request": request,
            "reply": _reply_row(view),
            "findings": [_finding_row(finding.as_json()) for finding in made.findings],
            "events": [_event_row(row) for row in made.rows],
            "differs": _differences(view) if origin in HANDED_THROUGH else [],
        }
        if exchange.override.fault is not None:
            row["fault"] = {name: value for name, value in exchange.override.fault.items() if name != "remaining"}
        return row

    def _clash(self, before: Judged, after: Judged) -> str | None:
        """Return why two ids that were equal are no longer, or the other way round; None if that is not so."""
        had, has = _identities(before), _identities(after)
        if len(had) != len(has):
            return "it has other ids"
        for old, new in zip(had, has, strict=True):
            if self._after.setdefault(old, new) != new or self._before.setdefault(new, old) != old:
                return f"an id of its {old[0]} is no longer equal to what it was equal to"
        return None


def ordered(value: Mapping[str, Json]) -> str:
    """Return JSON on one line, with the members of the object in the order they have, and in order below it."""
    return "{" + ",".join(f"{stable(name)}:{stable(member)}" for name, member in value.items()) + "}"


def _reply_row(view: View) -> Json:
    """Return the reply that the client got; None if it got none."""
    exchange, reply = view.exchange, view.reply()
    if exchange.client_status is None:
        return None
    return {
        "status": reply.status,
        "headers": [list(pair) for pair in reply.headers],
        "body": recorded_reply_body(reply, None),
        "from": exchange.override.origin,
    }


def _event_row(row: Mapping[str, Json]) -> Json:
    return {"type": row["type"], "verdict": row["verdict"], "findings": list(map(_finding_row, row["findings"]))}


def _finding_row(finding: Mapping[str, Json]) -> Json:
    return {name: finding[name] for name in ("rule", "severity", "pointer", "message")}


def _differences(view: View) -> list[Json]:
    """Return how the reply of an upstream or a recording differs from each that the contract could give."""
    repeats = [index for index, verdict in enumerate(view.exchange.verdicts) if verdict is Verdict.DUPLICATE]
    findings = reply_findings(view.judged, decompressed(view.reply()), repeats=repeats, complete=True) or ()
    return [
        {"pointer": finding.pointer, "rule": finding.rule, "expected": finding.expected, "got": finding.got}
        for finding in findings
    ]


def _difference(before: Collection[Json], after: Collection[Json]) -> str:
    """Return the first part of two judgements that differs."""
    pairs = zip(before, after, strict=False)
    was, is_now = next(((old, new) for old, new in pairs if old != new), (len(before), len(after)))
    return f"{stable(was)} before, {stable(is_now)} after"


def _identities(judged: Judged) -> list[Identity]:
    """Return the ids by which a store tells requests and events apart, each with where it is from."""
    found: list[Identity] = []
    for kind, ids in (("dedup", judged.dedup), ("entities", judged.entities)):
        found += [(kind, 0 if id is None else 1, id) for id in ids or ()]
    if judged.idempotency is not None:
        found.append(("idempotency", 1, judged.idempotency.key))
    if judged.lookup is not None:
        found.append(("entities", 1, judged.lookup))
    return found
