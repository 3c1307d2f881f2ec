"""`mockserver check` without the command line: files are read, and each item is judged under its contract."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, Patch
from mockserver.core.body import RequestBody
from mockserver.core.findings import Finding
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.errors import ContractError
from mockserver.jsonkit import Json
from mockserver.lint.check_result import CheckResult, Problem, counted, difference_error, file_error
from mockserver.lint.golden_cases import Case
from mockserver.lint.guess import Guess, guesses
from mockserver.lint.items import BrokenItem, CaseItem, EmptyItem, Item, PatchItem, PayloadItem, RequestItem
from mockserver.lint.located_findings import errors_of, warnings_of
from mockserver.lint.playback import play
from mockserver.lint.readers import items_of
from mockserver.lint.replies import reply_findings
from mockserver.lint.traffic import Skip, contract_of
from mockserver.lint.wire_requests import with_example_credential
from mockserver.recording.redact import Redactor, key_prefixes, secrets_of

TO_ANY_HOST: Final = "name the API with --protocol to check its requests to any host"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """What the caller says about the files. What is None is taken from the files, or guessed.

    `patches` are contract patches with the names of their protocols. A file in which there is nothing to check is an
    error unless `allow_empty` is set, and so are fewer events than `min_events` in all files together.
    """

    protocol: str | None = None
    operation: str | None = None
    revision: str | None = None
    patches: Sequence[tuple[str, Patch]] = ()
    now_ms: int | None = None
    warnings: bool = True
    allow_empty: bool = False
    min_events: int = 0


def check(paths: Iterable[Path], library: Library, options: CheckOptions) -> CheckResult:
    """Check files against the contracts of a library."""
    checker = Checker(library, options)
    asyncio.run(checker.check(paths))
    prefixes = {prefix for name in library.protocols for prefix in key_prefixes(library.protocol(name).contract())}
    redactor = Redactor(checker.secrets, prefixes)
    checker.total.problems = [problem.without_secrets(redactor) for problem in checker.total.problems]
    return checker.total


class Checker:
    """Checks files against the contracts of a library.

    `total` is what was found in the files that are done, `result` in the one at hand.
    """

    def __init__(self, library: Library, options: CheckOptions) -> None:
        self.library = library
        self.options = options
        self.secrets: set[str] = set()
        """The secrets of the payloads and requests in all files."""
        self.total = CheckResult()
        self.result = CheckResult()

    async def check(self, paths: Iterable[Path]) -> None:
        """Check some files."""
        for path in paths:
            await self._check_file(path)
        expected, got = self.options.min_events, self.total.events
        if got < expected:
            message = f"expected at least {counted(expected, 'event')} (--min-events), got {got}"
            self._report(Item(file=""), file_error("/file", message, expected=expected, got=got))
            self._finish_file()

    async def _check_file(self, path: Path) -> None:
        for item in items_of(path):
            try:
                await self._check(item)
            except ContractError as error:
                self._report(item, file_error("/contract", str(error)))
        if self.result.is_empty:
            *others, last = sorted(self._contracts(None))
            wanted = f"expected a request to {' or '.join(filter(None, (', '.join(others), last)))}"
            hints = [TO_ANY_HOST] if self.result.skipped[Skip.HOST] and self.options.protocol is None else []
            self._report_empty(Item(file=str(path)), "; ".join([wanted, *self.result.not_checked(), *hints]))
        self._finish_file()

    def _finish_file(self) -> None:
        self.total.add(self.result)
        self.result = CheckResult()

    def _report_empty(self, item: Item, problem: str) -> None:
        if not self.options.allow_empty:
            self._report(item, file_error("/file", f"nothing to check: {problem}"))

    async def _check(self, item: Item) -> None:
        match item:
            case EmptyItem():
                self._report_empty(item, item.problem)
            case BrokenItem():
                self._report(item, file_error("/file", item.problem, pointer=item.pointer))
            case CaseItem():
                await self._check_case(item, item.case)
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

    async def _check_case(self, item: CaseItem, case: Case) -> None:
        """Play a case, and report where the replies differ from what it expects."""
        protocol = self.options.protocol or case.protocol
        if protocol not in self.library.protocols and not item.place:
            self._report(item, file_error("/file", "a golden case must be in fixtures/<protocol>/cases"))
            return
        patches = [] if case.patch is None else [Patch(name=case.file, patch=case.patch, root="/patch")]
        contract = self._contract(protocol, case.revision if protocol == case.protocol else None, patches)
        played = await play(case, contract)
        for exchange in played.exchanges:
            self._count(exchange.judged)
            for difference in exchange.differences:
                self._report(item, difference_error(difference, "/expect"), exchange.judged, place=exchange.step.place)
        for difference in played.differences:
            self._report(item, difference_error(difference), played.exchanges[-1].judged)

    def _check_request(self, item: RequestItem) -> None:
        """Judge a complete request under the protocol that it belongs to."""
        contract = contract_of(item, self._contracts(item.protocol))
        if isinstance(contract, Skip):
            self.result.skipped[contract] += 1
            return
        routed = route(RequestBody(item.request), contract)
        if routed.operation is not None and routed.operation.forms and not item.body_recorded:
            self.result.unrecorded += 1
            return
        request = with_example_credential(item.request, routed)
        judged = judge(route(RequestBody(request), contract), self._terms(item.now_ms))
        self._report_judged(item, judged)
        self._check_reply(item, judged)

    def _check_reply(self, item: RequestItem, judged: Judged) -> None:
        findings = None if item.reply is None else reply_findings(judged, item.reply)
        if findings is None:
            self.result.unchecked_replies += 1
            return
        self.result.replies += 1
        for finding in findings:
            if finding.severity == "error" or self.options.warnings:
                self._report(item, finding, judged)

    def _contracts(self, named: str | None) -> Mapping[str, Contract]:
        """Return the contracts that a request may belong to, by protocol; `named` is the protocol that it names."""
        names = self.library.protocols if self.options.protocol is None else [self.options.protocol]
        if named is not None and self.options.protocol is None:
            names = [named]
        return {name: self._contract(name) for name in names}

    def _check_payload(self, item: PayloadItem) -> None:
        """Judge a body or a single event as what it looks most like."""
        options = self.options
        best = min(self._guesses(item.payload), key=lambda guess: guess.score, default=None)
        if best is None:
            operation = options.operation or "with a request body"
            self._report(item, file_error("/file", f"no operation {operation} to check this against"))
        elif best.likely or options.operation or options.protocol:
            self._report_judged(item, best.judged, single_event=best.wrapped)
        else:
            message = "not recognized as a request or an event; set --protocol and --operation"
            self._report(item, file_error("/file", message))

    def _guesses(self, payload: Json) -> Iterator[Guess]:
        chosen = self.options.protocol
        for name in [chosen] if chosen else self.library.protocols:
            yield from guesses(payload, self._contract(name), self.options.operation, self._terms())

    def _report_judged(self, item: Item, judged: Judged, *, single_event: bool = False) -> None:
        self._count(judged)
        examples = {known.example or known.name for known in judged.contract.credentials.values()}
        self.secrets |= secrets_of(judged.request, judged.contract) - examples
        errors = errors_of(judged, single_event=single_event)
        warnings = warnings_of(judged, errors, single_event=single_event) if self.options.warnings else ()
        for event, finding in (*errors, *warnings):
            self._report(item, finding, judged, event=None if single_event else event)

    def _count(self, judged: Judged) -> None:
        self.result.requests += 1
        self.result.events += len(judged.events)

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


def _protocol(item: Item) -> str | None:
    """Return the protocol that an item names itself."""
    match item:
        case CaseItem():
            return item.case.protocol
        case RequestItem():
            return item.protocol
    return None
