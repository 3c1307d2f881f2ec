"""Linting what was written or recorded: requests, events, fixtures and patches, held to a contract without a server.

`readers` says what a file holds; here it is judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mockserver.contract.contract import Contract, split_target
from mockserver.contract.library import Library, Patch
from mockserver.contract.ownership import owner
from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.body import RequestBody
from mockserver.core.findings import Finding
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.core.warnings import event_errors, event_warnings
from mockserver.core.wire import WireRequest
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import NotJSONError, render
from mockserver.lint.readers import ANY_STATUS, CREDENTIAL, Item, items_of
from mockserver.sessions.session import Session, SessionSettings
from mockserver.sessions.stores.memory import MemoryStore

WINDOWS: Final = "/protocol/windows/"
FAR_OFF: Final = 10
"""How many findings it counts as, in a guess, that a payload does not look like an operation's at all."""
LIKELY: Final = 5
"""How much a key in the body, or a type of event that only one protocol has, speaks for a guess."""
ROOM: Final = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to say of a file: `place` is where in it, `event` which event of a request, where it is one's."""

    file: str
    place: str
    finding: Finding
    protocol: str | None = None
    operation: str | None = None
    revision: str | None = None
    event: int | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the problem as one flat object."""
        own = {name: getattr(self, name) for name in ("file", "place", "protocol", "operation", "revision", "event")}
        return {**own, **self.finding.as_json()}

    def text(self) -> str:
        """Return the problem as a line for a reader."""
        finding = self.finding
        where = " ".join(filter(None, [self.place, "" if self.event is None else f"event {self.event}"]))
        told = f"{self.file}{where and ' ' + where}{finding.pointer and ' ' + finding.pointer}: {finding.message}"
        note = "" if finding.severity == "error" else " (warnings)"
        return f"{told}{note}\n    {finding.rule} [{finding.source}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the caller knows of the files: any of it may be left out, and is then told by the files or guessed."""

    protocol: str | None = None
    operation: str | None = None
    revision: str | None = None
    patches: Sequence[tuple[str, Patch]] = ()
    now_ms: int | None = None
    warnings: bool = True


@dataclass(slots=True)
class Checked:
    """What came of some files."""

    problems: list[Problem]
    requests: int = 0
    events: int = 0
    skipped: int = 0

    @property
    def clean(self) -> bool:
        """Whether nothing would be refused."""
        return all(problem.finding.severity != "error" for problem in self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    judged: Judged
    wrapped: bool
    score: int


class Checker:
    """Checks files against the contracts of a library."""

    def __init__(self, library: Library, wanted: Wanted) -> None:
        self.library = library
        self.wanted = wanted
        self.checked = Checked([])

    def check(self, path: Path) -> None:
        """Check one file."""
        try:
            items = list(items_of(path, self.library))
        except NotJSONError as error:
            self._say(Item(file=str(path)), _finding("/file", f"is no JSON: {error}"))
            return
        except (ContractError, ValueError, OSError) as error:
            self._say(Item(file=str(path)), _finding("/file", str(error)))
            return
        sessions: dict[str, tuple[MemoryStore, Session]] = {}
        for item in items:
            try:
                self._check(item, sessions)
            except ContractError as error:
                self._say(item, _finding("/contract", str(error)))

    def _check(self, item: Item, sessions: dict[str, tuple[MemoryStore, Session]]) -> None:
        if item.problem:
            self._say(item, _finding("/file", item.problem))
        elif item.status is not None:
            self._replay(item, sessions)
        elif item.request is not None:
            self._request(item)
        else:
            self._payload(item)

    def contract(self, name: str, item: Item) -> Contract:
        """Return the contract an item is held to."""
        patches = [patch for owner, patch in self.wanted.patches if owner == name]
        if item.patch is not None:
            patches.append(Patch(name=item.file, patch=item.patch, root="/patch"))
        protocol = self.library.protocol(name)
        known = item.revision if item.revision in protocol.revision_names() else None
        return protocol.contract(self.wanted.revision or known, patches)

    def _names(self, item: Item) -> list[str]:
        chosen = self.wanted.protocol or item.protocol
        return [chosen] if chosen else list(self.library.protocols)

    def _terms(self, item: Item) -> Terms:
        return Terms(now_ms=item.now_ms or self.wanted.now_ms or 0, keys=item.keys, rate_mode=item.rate_mode)

    def _replay(self, item: Item, sessions: dict[str, tuple[MemoryStore, Session]]) -> None:
        """Play a step that says which status it is answered with."""
        contract = self.contract(self._names(item)[0], item)
        if item.session not in sessions:
            store = MemoryStore(SessionSettings(), max_bytes=ROOM, max_sessions=2)
            sessions[item.session] = store, store.session("check")
        store, session = sessions[item.session]
        assert item.request is not None
        judged = judge(route(RequestBody(item.request), contract), self._terms(item))
        _, reply = asyncio.run(store.commit(session, judged, received_ms=judged.terms.now_ms))
        self._count(judged)
        if item.status not in (reply.status, ANY_STATUS):
            why = judged.refusal.detail if judged.refusal else ""
            text = f"is written to be answered {item.status}, the contract answers {reply.status}{why and ': ' + why}"
            self._say(item, _finding("/status", text, item.status, reply.status), judged)

    def _request(self, item: Item) -> None:
        """Judge a whole request under the protocol that serves its path."""
        assert item.request is not None
        for name in self._names(item):
            contract = self.contract(name, item)
            judged = route(RequestBody(item.request), contract)
            owned = owner(contract.prefixes, split_target(item.request.target)[0]) is not None
            if judged.place.operations or owned or item.protocol == name:
                request = _with_example(item.request, judged)
                self._report(item, judge(route(RequestBody(request), contract), self._terms(item)))
                return
        self.checked.skipped += 1

    def _payload(self, item: Item) -> None:
        """Judge a body, or an event alone, as what it looks most like."""
        guesses = [guess for name in self._names(item) for guess in self._guesses(item, self.contract(name, item))]
        if not guesses:
            asked = self.wanted.operation or "that takes a body"
            raise ContractError(item.file, "", f"no operation {asked} to hold this to")
        best = min(guesses, key=lambda guess: guess.score)
        if best.score >= FAR_OFF and self.wanted.operation is None and self.wanted.protocol is None:
            text = "looks like no request or event that is known; name its --protocol and --operation"
            self._say(item, _finding("/file", text))
            return
        self._report(item, best.judged, alone=best.wrapped)

    def _guesses(self, item: Item, contract: Contract) -> Iterator[_Guess]:
        asked = self.wanted.operation or item.operation
        for operation in contract.operations.values():
            if operation.forms and asked in (None, operation.name):
                yield self._guess(item, contract, operation.name, item.payload, wrapped=False)
                for form in operation.forms.values():
                    if form.events and len(form.events) == 1:
                        body = {form.events[0]: [item.payload]}
                        yield self._guess(item, contract, operation.name, body, wrapped=True)

    def _guess(self, item: Item, contract: Contract, operation: str, body: Json, *, wrapped: bool) -> _Guess:
        judged = judge(route(RequestBody(_posted(contract, operation, body)), contract), self._terms(item))
        judged.body = judged.body if judged.body is not None else body
        refused = [finding for _, finding in self._refusals(judged, alone=wrapped)]
        score = len(refused) + 2 * wrapped - (LIKELY if _holds_key(judged) else 0)
        form = judged.form
        if form is None or not isinstance(body, dict):
            score += FAR_OFF
        elif form.events is None or not form.discriminator:
            score += FAR_OFF * any("/required/" in one.rule and one.pointer.count("/") < 2 for one in refused)
            score += FAR_OFF * (form.events is None and judged.refusal is not None)
        else:
            kinds = [form.schema_for(event) is not None for event in judged.events]
            score += sum(FAR_OFF for event in judged.events if form.type_of(event) is None)
            score += FAR_OFF * (not kinds or (form.single and "events" in body)) + 3 * kinds.count(False)
            score -= LIKELY if form.schema is None and any(kinds) else 0
        return _Guess(judged=judged, wrapped=wrapped, score=score)

    def _refusals(self, judged: Judged, *, alone: bool) -> Iterator[tuple[int | None, Finding]]:
        """Yield what would be refused: the request's own findings first, then each event's."""
        own = [found for event in judged.events for found in event_errors(judged, event)]
        refusal = judged.refusal
        if refusal is not None and not alone and all(found.rule != refusal.finding.rule for found in own):
            yield None, refusal.finding
        single = judged.form is not None and judged.form.single
        for index, event in enumerate(judged.events):
            for found in event_errors(judged, event):
                if judged.terms.now_ms or not found.rule.startswith(WINDOWS):
                    yield (None if single else index), found

    def _report(self, item: Item, judged: Judged, *, alone: bool = False) -> None:
        self._count(judged)
        refused = list(self._refusals(judged, alone=alone))
        late = judged.refusal is not None and judged.refusal.finding.rule.startswith(WINDOWS)
        for index, finding in refused:
            if not (index is None and late and not judged.terms.now_ms):
                self._say(item, finding, judged, None if alone else index)
        bad = {index for index, _ in refused}
        for index, event in enumerate(judged.events if self.wanted.warnings else ()):
            if index not in bad and None not in bad:
                for finding in _once(event_warnings(judged, event)):
                    if judged.terms.now_ms or WINDOWS not in finding.rule:
                        self._say(item, finding, judged, None if alone else index)

    def _count(self, judged: Judged) -> None:
        self.checked.requests += 1
        self.checked.events += len(judged.events)

    def _say(self, item: Item, finding: Finding, judged: Judged | None = None, event: int | None = None) -> None:
        self.checked.problems.append(
            Problem(
                file=item.file,
                place=item.place,
                finding=finding,
                protocol=judged.contract.name if judged else item.protocol,
                operation=judged.operation_name if judged else item.operation,
                revision=judged.contract.revision if judged else item.revision,
                event=event,
            )
        )


def check(paths: Iterable[Path], library: Library, wanted: Wanted) -> Checked:
    """Return what there is to say of some files."""
    checker = Checker(library, wanted)
    for path in paths:
        checker.check(path)
    return checker.checked


def _holds_key(judged: Judged) -> bool:
    """Tell whether the credential stands in the payload itself."""
    name = judged.credential_name
    return name is not None and judged.contract.credentials[name].place == "body"


def _once(findings: Iterable[Finding]) -> list[Finding]:
    return list({(one.rule, one.pointer): one for one in findings}.values())


def _finding(rule: str, message: str, expected: Json = None, got: Json = None) -> Finding:
    source = SERVER_RULES[rule].source
    return Finding(rule=rule, severity="error", pointer="", expected=expected, got=got, source=source, message=message)


def _posted(contract: Contract, operation: str, body: Json) -> WireRequest:
    """Return a body as a request with the contract's own example of a key."""
    spec = contract.operations[operation]
    path, headers = spec.path, {b"content-type": b"application/json"}
    for credential in spec.credentials[:1]:
        example = credential.example or credential.name
        if credential.place == "path":
            path = path.replace("{" + credential.parameter + "}", example)
        elif credential.place == "header":
            headers[credential.parameter.lower().encode()] = example.encode()
        elif credential.place == "bearer":
            headers[b"authorization"] = f"Bearer {example}".encode()
    pairs = tuple(headers.items())
    return WireRequest(method=spec.method, target=path, headers=pairs, fields=headers, body=render(body))


def _with_example(request: WireRequest, judged: Judged) -> WireRequest:
    """Put the contract's example of a key where an export left a placeholder."""
    for credential in judged.operation.credentials if judged.operation else ():
        if judged.credential_name in (None, credential.name) and credential.example is not None:
            example = credential.example.encode()
            fields = {key: value.replace(CREDENTIAL.encode(), example) for key, value in request.fields.items()}
            headers = tuple((key, value.replace(CREDENTIAL.encode(), example)) for key, value in request.headers)
            target = request.target.replace(CREDENTIAL, example.decode())
            return replace(request, target=target, headers=headers, fields=fields)
    return request
