"""`mockserver check` without the command line: files are read, and each item is judged under its contract."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, Patch
from mockserver.contract.operation import Operation
from mockserver.core.body import RequestBody
from mockserver.core.findings import Finding
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.errors import ContractError
from mockserver.jsonkit.jsontext import render
from mockserver.lint.check_result import CheckResult, ReadAs, counted
from mockserver.lint.found_files import files_of
from mockserver.lint.golden_cases import Case
from mockserver.lint.guess import DoubtError, Guesser
from mockserver.lint.items import BrokenItem, CaseItem, EmptyItem, Item, PatchItem, PayloadItem, RequestItem
from mockserver.lint.payload_names import Reading
from mockserver.lint.plain_requests import PlainRequests
from mockserver.lint.playback import play
from mockserver.lint.problems import LISTED, Problem, ProblemList, difference_error, file_error
from mockserver.lint.progress import SILENT, Progress
from mockserver.lint.readers import items_of
from mockserver.lint.replies import reply_findings
from mockserver.lint.suspects import Suspects
from mockserver.lint.traffic import Skip, contract_of
from mockserver.lint.wire_requests import request_with_body, with_example_credential
from mockserver.recording.redaction.find_secrets import key_prefixes, secrets_in, secrets_of
from mockserver.recording.redaction.redact import Redactor

TO_ANY_HOST: Final = "name the API with --protocol to check its requests to any host"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What the caller says about the files. What is None is taken from the files, or guessed.

    `patches` are contract patches with the names of their protocols. A file in which there is nothing to check is an
    error unless `allow_empty` is set, and so are fewer events than `min_events` in all files together. At most `limit`
    findings of one rule are listed, the others counted; 0 is no limit.
    """

    protocol: str | None = None
    operation: str | None = None
    revision: str | None = None
    patches: Sequence[tuple[str, Patch]] = ()
    now_ms: int | None = None
    warnings: bool = True
    allow_empty: bool = False
    min_events: int = 0
    limit: int = LISTED


def check(paths: Iterable[Path], library: Library, options: CheckOptions, progress: Progress = SILENT) -> CheckResult:
    """Check files, and those in folders, against the contracts of a library."""
    checker = Checker(library, options, progress)
    try:
        checker.check(paths)
    except KeyboardInterrupt:
        checker.stop()
    finally:
        checker.close()
    prefixes = {prefix for name in library.protocols for prefix in key_prefixes(library.protocol(name).contract())}
    checker.total.problems.without_secrets(Redactor(checker.secrets, prefixes))
    return checker.total


class _Payload(NamedTuple):
    """A payload, how it is read, and its text; `inferred` if its content alone says how to read it."""

    item: PayloadItem
    reading: Reading
    text: bytes
    inferred: bool

    @property
    def has_surrogates(self) -> bool:
        """Whether it may have lone surrogates, which are written as escapes."""
        return b"\\ud" in self.text


class Checker:
    """Checks files against the contracts of a library.

    `total` is what was found in the files that are done, `result` in the one at hand.
    """

    def __init__(self, library: Library, options: CheckOptions, progress: Progress = SILENT) -> None:
        self.library = library
        self.options = options
        self.progress = progress
        self.skipped_files: Counter[str] = Counter()
        self.secrets: set[str] = set()
        """The secrets of the payloads and requests in all files."""
        self.total = self._no_result()
        self.result = self._no_result()
        self._chosen: dict[tuple[str | None, str | None], Mapping[str, Contract]] = {}
        self._plain_requests: dict[tuple[Contract, Operation], PlainRequests] = {}
        self._suspects = Suspects(warnings=options.warnings)

    def _no_result(self) -> CheckResult:
        return CheckResult(problems=ProblemList(self.options.limit))

    def check(self, paths: Iterable[Path]) -> None:
        """Check some files and folders."""
        self.total.skipped_files = self.skipped_files
        for found in files_of(paths, self.skipped_files):
            if isinstance(found, Item):
                self._check(found)
                self._finish_file()
            else:
                self._check_file(found)
        expected, got = self.options.min_events, self.total.events
        if got < expected:
            message = f"expected at least {counted(expected, 'event')} (--min-events), got {got}"
            self._report(Item(file=""), file_error("/file", message, expected=expected, got=got))
            self._finish_file()

    def _check_file(self, path: Path) -> None:
        for item in items_of(path, self.progress.open):
            self.progress.advance(self.total.requests + self.result.requests)
            try:
                self._check(item)
            except ContractError as error:
                self._report(item, file_error("/contract", str(error)))
        if self.result.is_empty:
            *others, last = sorted(self._contracts(None))
            wanted = f"expected a request to {' or '.join(filter(None, (', '.join(others), last)))}"
            hints = [TO_ANY_HOST] if self.result.skipped[Skip.HOST] and self.options.protocol is None else []
            self._report_empty(Item(file=str(path)), "; ".join([wanted, *self.result.not_checked(), *hints]))
        self._finish_file()

    def close(self) -> None:
        """Close the loop in which cases were played."""
        if "_loop" in vars(self):
            self._loop.close()

    def stop(self) -> None:
        """Keep what was found in the file at hand, which is not read to its end."""
        self.total.interrupted = True
        self._finish_file()

    def _finish_file(self) -> None:
        self.total.add(self.result)
        self.result = self._no_result()

    def _report_empty(self, item: Item, problem: str) -> None:
        if not self.options.allow_empty:
            self._report(item, file_error("/file", f"nothing to check: {problem}"))

    def _check(self, item: Item) -> None:
        match item:
            case EmptyItem():
                self._report_empty(item, item.problem)
            case BrokenItem():
                self._report(item, file_error("/file", item.problem, pointer=item.pointer))
            case CaseItem():
                self._check_case(item, item.case)
            case RequestItem():
                self._check_request(item)
            case PayloadItem():
                self._check_payload(item)
            case PatchItem():
                protocol, patch = self.library.load_patch(Path(item.file))
                self.library.protocol(protocol).contract(None, [patch])
                self.result.patches += 1

    def _contract(self, protocol: str, revision: str | None = None, patches: Sequence[Patch] = ()) -> Contract:
        """Return the contract to check by; `revision` and `patches` are those that the file names."""
        chosen = [patch for name, patch in self.options.patches if name == protocol]
        return self.library.protocol(protocol).contract(self.options.revision or revision, [*chosen, *patches])

    def _terms(self, now_ms: int | None = None) -> Terms:
        return Terms(now_ms=now_ms or self.options.now_ms or 0)

    def _check_case(self, item: CaseItem, case: Case) -> None:
        """Play a case, and report where the replies differ from what it expects."""
        protocol = self.options.protocol or case.protocol
        if protocol not in self.library.protocols and not item.place:
            self._report(item, file_error("/file", "a golden case must be in fixtures/<protocol>/cases"))
            return
        patches = [] if case.patch is None else [Patch(name=case.file, patch=case.patch, root="/patch")]
        contract = self._contract(protocol, case.revision if protocol == case.protocol else None, patches)
        played = self._loop.run_until_complete(play(case, contract))
        for exchange in played.exchanges:
            self._count(item, exchange.judged)
            for difference in exchange.differences:
                self._report(item, difference_error(difference, "/expect"), exchange.judged, place=exchange.step.place)
        for difference in played.differences:
            self._report(item, difference_error(difference), played.exchanges[-1].judged)

    def _check_request(self, item: RequestItem) -> None:
        """Judge a complete request under the protocol that it belongs to."""
        contract = contract_of(item, self._contracts(item.protocol, item.revision))
        if isinstance(contract, Skip):
            self.result.skipped[contract] += 1
            return
        routed = route(RequestBody(item.request), contract)
        if routed.operation is not None and routed.operation.forms and not item.body_recorded:
            self.result.unrecorded += 1
            return
        request = with_example_credential(item.request, routed)
        judged = judge(route(RequestBody(request), contract), self._terms(item.now_ms))
        self.secrets |= secrets_of(request, contract) - _examples(contract)
        self._report_judged(item, judged)
        self._check_reply(item, judged)

    def _check_reply(self, item: RequestItem, judged: Judged) -> None:
        findings = None
        if item.reply is not None:
            findings = reply_findings(judged, item.reply, repeats=item.repeats, complete=item.reply_complete)
        if findings is None:
            self.result.unchecked_replies += 1
            return
        self.result.replies += 1
        for finding in findings:
            if finding.severity == "error" or self.options.warnings:
                self._report(item, finding, judged)

    def _contracts(self, named: str | None, revision: str | None = None) -> Mapping[str, Contract]:
        """Return the contracts that a request may belong to, by protocol.

        `named` is the protocol that it names, and `revision` the revision of that.
        """
        chosen = self.options.protocol or named, revision
        if chosen not in self._chosen:
            names = self.library.protocols if chosen[0] is None else [chosen[0]]
            of_file = revision if chosen[0] == named else None
            self._chosen[chosen] = {name: self._contract(name, of_file) for name in names}
        return self._chosen[chosen]

    @cached_property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which cases are played. Nothing else runs in it, so that Ctrl-C ends the check at once."""
        return asyncio.new_event_loop()

    @cached_property
    def _guesser(self) -> Guesser:
        chosen = self._contracts(None)  # the others only tell which names are common
        return Guesser({name: chosen.get(name) or known.contract() for name, known in self.library.protocols.items()})

    def _check_payload(self, item: PayloadItem) -> None:
        """Judge a body or a single event as what it looks like, or say that it cannot be told."""
        options = self.options
        try:
            reading = self._guesser.read(item.payload, options.protocol, options.operation)
        except DoubtError as doubt:
            self._report(item, file_error("/file", str(doubt)))
            return
        text = render(item.payload)
        inferred = options.protocol is None or options.operation is None
        payload = _Payload(item, reading, text, inferred)
        if reading.wrapped:
            self._check_event(payload)
        else:
            self._check_body(payload)

    def _check_event(self, payload: _Payload) -> None:
        """Judge an event without a request around it: only what the event says itself counts."""
        reading, event = payload.reading, payload.item.payload
        form, plain = reading.form, self._plain(reading.contract, reading.operation)
        body = {name: [event] for name in (form.events or ())[:1]}
        judged = plain.judged(form, body, self._terms())
        judged.request_body.lone_surrogates = payload.has_surrogates
        self.secrets |= secrets_in(event, payload.text)
        self._report_events(payload, judged, single_event=True)

    def _check_body(self, payload: _Payload) -> None:
        """Judge a body: quickly where nothing can be wrong but its events."""
        reading, body = payload.reading, payload.item.payload
        plain = self._plain(reading.contract, reading.operation)
        form = None if payload.has_surrogates or plain.trusted is False else plain.holds(body, len(payload.text))
        if form is not None and plain.trusted:
            judged = plain.judged(form, body, self._terms())
            self.secrets |= secrets_in(body, payload.text) | self._own_keys(judged)
            self._report_events(payload, judged)
            return
        request = request_with_body(reading.operation, body)
        judged = judge(route(RequestBody(request), reading.contract), self._terms())
        judged.body = judged.body if judged.body is not None else body
        self.secrets |= secrets_in(body, payload.text) | self._own_keys(judged)
        found = self._report_judged(payload.item, judged, inferred=payload.inferred)
        if form is not None and not (form.single and self._suspects.of(judged)):
            plain.trusted = all(event is not None for event in found)

    def _report_events(self, payload: _Payload, judged: Judged, *, single_event: bool = False) -> None:
        """Report what is found in the events of a request with which nothing else is wrong."""
        self._count(payload.item, judged, inferred=payload.inferred)
        form = judged.form or payload.reading.form
        for index, finding in self._suspects.findings(judged, payload.reading.operation, form):
            self._report(payload.item, finding, judged, event=None if single_event or form.single else index)

    def _plain(self, contract: Contract, operation: Operation) -> PlainRequests:
        key = contract, operation
        if key not in self._plain_requests:
            self._plain_requests[key] = PlainRequests(contract, operation)
        return self._plain_requests[key]

    def _own_keys(self, judged: Judged) -> set[str]:
        """Return the key in the body; one anywhere else is the example that was put there."""
        return {judged.credential} - _examples(judged.contract) if judged.credential is not None else set()

    def _report_judged(self, item: Item, judged: Judged, *, inferred: bool = False) -> list[int | None]:
        """Report what is found about a request and its events; returns which event each finding is about."""
        self._count(item, judged, inferred=inferred)
        found = self._suspects.all_findings(judged)
        for event, finding in found:
            self._report(item, finding, judged, event=event)
        return [event for event, _ in found]

    def _count(self, item: Item, judged: Judged, *, inferred: bool = False) -> None:
        self.result.requests += 1
        self.result.events += len(judged.events)
        self.result.read_as[ReadAs(item.file, judged.contract.name, judged.operation_name, inferred)] += 1

    def _report(
        self, item: Item, finding: Finding, judged: Judged | None = None, *, place: str = "", event: int | None = None
    ) -> None:
        problem = Problem(
            file=item.file,
            place=place or item.place,
            finding=finding,
            protocol=judged.contract.name if judged else _protocol(item),
            operation=judged.operation_name if judged else None,
            revision=judged.contract.revision if judged else None,
            event=event,
        )
        self.result.problems.append(problem)


def _examples(contract: Contract) -> set[str]:
    return {known.example or known.name for known in contract.credentials.values()}


def _protocol(item: Item) -> str | None:
    """Return the protocol that an item names itself."""
    match item:
        case CaseItem():
            return item.case.protocol
        case RequestItem():
            return item.protocol
    return None
