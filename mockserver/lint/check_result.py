"""What `check` found in files: problems, and how much was checked; as text and as JSON."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from typing import Final, NamedTuple

from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.printable import printable
from mockserver.lint.comparison import Difference
from mockserver.lint.found_files import LINK, OTHER_KIND, OTHER_NAME
from mockserver.lint.traffic import Skip
from mockserver.recording.exporting import redacted_rows
from mockserver.recording.redact import Redactor

PLURALS: Final = {
    "body": "bodies",
    "reply": "replies",
    "contract patch": "contract patches",
    "e-mail address": "e-mail addresses",
    "IP address": "IP addresses",
    OTHER_NAME: "files with other names",
    OTHER_KIND: "pipes or devices",
    LINK: "links to folders",
}
"""Plurals that are not made with an s."""
LISTED: Final = 1000
"""Findings of one rule that are listed unless the caller says otherwise; the others are counted."""
MOST_FILES: Final = 20
"""Files for each of which is told what it was judged as."""
MOST_IN_A_LINE: Final = 2
"""Kinds of requests, and of what was not checked, that are told in one line; of more, each has its own."""
_INDEX: Final = re.compile("/[0-9]+(?=/|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding about a file: `place` is where in the file, `event` which event of a request it is about.

    `file` is empty for a finding about all files together. `count` is how many equal ones there are, this included.
    """

    file: str
    place: str
    finding: Finding
    protocol: str | None = None
    operation: str | None = None
    revision: str | None = None
    event: int | None = None
    count: int = 1

    @property
    def is_error(self) -> bool:
        """Whether this is an error, and not a warning."""
        return self.finding.severity == "error"

    def without_secrets(self, redactor: Redactor) -> Problem:
        """Return the problem without the secrets of the file, as outputs of `check` are shared."""
        return replace(self, finding=Finding(**redacted_rows(self.finding.as_json(), redactor)))

    def as_json(self) -> dict[str, Json]:
        """Return the problem as one flat object, which can be written as UTF-8 whatever the file holds."""
        names = ("file", "place", "protocol", "operation", "revision", "event", "count")
        own = {name: getattr(self, name) for name in names}
        problem: dict[str, Json] = without_surrogates({**own, **self.finding.as_json()})
        return problem

    def text(self) -> str:
        """Return the problem as two printable lines, whatever the file holds."""
        finding = self.finding
        event = "" if self.event is None else f"event {self.event}"
        where = " ".join(filter(None, (self.file, self.place, event, finding.pointer)))
        equal = f" (and {self.count - 1:,} more like it)" if self.count > 1 else ""
        message = ": ".join(filter(None, (where, finding.severity, finding.message)))
        is_judged = self.protocol is not None and self.revision is not None
        judged_as = f"as {name_of(self.protocol, self.operation)}: " if is_judged else ""
        return f"{printable(message + equal)}\n    {printable(f'{judged_as}{finding.rule} [{finding.source}]')}"


class ReadAs(NamedTuple):
    """What requests of a file were judged as; `inferred` from their content, where nothing names it."""

    file: str
    protocol: str
    operation: str | None
    inferred: bool

    def text(self) -> str:
        """Return it in words."""
        name = name_of(self.protocol, self.operation)
        return f"{name} (inferred from the content)" if self.inferred else name

    def as_json(self) -> dict[str, Json]:
        """Return it as an object."""
        return {name: without_surrogates(value) for name, value in self._asdict().items()}


def _key(problem: Problem) -> tuple[str | None, ...]:
    """Return what is equal in equal problems, wherever in a file they are."""
    finding = problem.finding
    pointer = _INDEX.sub("/*", finding.pointer)
    return finding.rule, pointer, finding.message, problem.protocol, problem.operation, problem.revision


class ProblemList:
    """Problems, in the order in which they were found. Equal warnings are one problem with a count.

    `counts` are the errors and the warnings, listed or not; `unlisted` those beyond the `limit` for each rule, by
    severity and rule. A limit of 0 is none.
    """

    def __init__(self, limit: int = LISTED) -> None:
        self._limit = limit
        self._listed: list[Problem] = []
        self._equals: list[int] = []
        self._equal: dict[tuple[str | None, ...], int] = {}
        """Where equal warnings are listed."""
        self._of_rule: Counter[tuple[str, str]] = Counter()
        self.counts: Counter[str] = Counter()
        self.unlisted: Counter[tuple[str, str]] = Counter()

    def __iter__(self) -> Iterator[Problem]:
        for problem, count in zip(self._listed, self._equals, strict=True):
            yield problem if count == problem.count else replace(problem, count=count)

    def __len__(self) -> int:
        return len(self._listed)

    def append(self, problem: Problem) -> None:
        """Add a problem, or as many equal warnings as it counts."""
        finding = problem.finding
        self.counts[finding.severity] += problem.count
        index = self._index_of_equal(problem)
        if index is not None and index < len(self._listed):
            self._equals[index] += problem.count
            return
        of_rule = finding.severity, finding.rule
        if self._limit and self._of_rule[of_rule] >= self._limit:
            self.unlisted[of_rule] += problem.count
            return
        self._of_rule[of_rule] += 1
        self._listed.append(problem)
        self._equals.append(problem.count)
        if index is not None:
            self._equal[_key(problem)] = index

    def extend(self, other: ProblemList) -> None:
        """Add the problems of another file."""
        for problem in other:
            self.append(problem)
        self.counts.update(self._of_unlisted(other))
        self.unlisted += other.unlisted

    def _index_of_equal(self, problem: Problem) -> int | None:
        """Return where the warnings that are equal to a problem are listed, or will be; None for an error."""
        return None if problem.is_error else self._equal.get(_key(problem), len(self._listed))

    def _of_unlisted(self, other: ProblemList) -> Counter[str]:
        counts = Counter[str]()
        for (severity, _), count in other.unlisted.items():
            counts[severity] += count
        return counts

    def without_secrets(self, redactor: Redactor) -> None:
        """Hide the secrets of the files in all problems, as outputs of `check` are shared."""
        self._listed = [problem.without_secrets(redactor) for problem in self._listed]


@dataclass(slots=True)
class CheckResult:
    """What was found in some files, and how much was checked.

    `read_as` counts what each file holds by what it was judged as. `skipped` counts the requests that no contract is
    about, `unrecorded` those whose body the file lacks, `unchecked_replies` the replies that were not recorded, or that
    a fault step made, `skipped_files` what was left out in folders.
    """

    problems: ProblemList = field(default_factory=ProblemList)
    read_as: Counter[ReadAs] = field(default_factory=Counter)
    requests: int = 0
    events: int = 0
    patches: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)
    unrecorded: int = 0
    replies: int = 0
    unchecked_replies: int = 0
    skipped_files: Counter[str] = field(default_factory=Counter)
    interrupted: bool = False

    @property
    def errors(self) -> int:
        """The number of errors."""
        return self.problems.counts["error"]

    @property
    def clean(self) -> bool:
        """Whether there are no errors."""
        return self.errors == 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was checked and nothing was found."""
        return not (self.requests or self.patches or self.problems.counts.total())

    def add(self, other: CheckResult) -> None:
        """Add what was found in other files."""
        self.problems.extend(other.problems)
        for member in fields(self):
            if member.name not in ("problems", "skipped_files", "interrupted"):
                value, added = getattr(self, member.name), getattr(other, member.name)
                setattr(self, member.name, value + added)

    def as_json(self) -> dict[str, Json]:
        """Return the result as one object."""
        return {
            "clean": self.clean,
            "interrupted": self.interrupted,
            "requests": self.requests,
            "events": self.events,
            "patches": self.patches,
            "errors": self.errors,
            "warnings": self.problems.counts["warning"],
            "read_as": [{**read_as.as_json(), "requests": count} for read_as, count in self.read_as.items()],
            "skipped": self.skipped.total(),
            "skipped_to": {str(skip): count for skip, count in self.skipped.items()},
            "skipped_files": {reason: count for reason, count in self.skipped_files.items() if count},
            "bodies_not_recorded": self.unrecorded,
            "replies": self.replies,
            "replies_not_checked": self.unchecked_replies,
            "findings": [problem.as_json() for problem in self.problems],
            "findings_not_listed": [
                {"severity": severity, "rule": rule, "count": count}
                for (severity, rule), count in self.problems.unlisted.items()
            ],
        }

    def summary(self, *, briefly: bool = False) -> str:
        """Return in one line what was checked, what was found, and unless `briefly` what was not checked."""
        seen = f"{counted(self.requests, 'request')}, {counted(self.events, 'event')}"
        counts = self.problems.counts
        found = f"{counted(counts['error'], 'error')}, {counted(counts['warning'], 'warning')}"
        other = {"contract patch": self.patches, "reply": self.replies}
        checked = [f"{counted(count, noun)} checked" for noun, count in other.items() if count]
        ended = ["interrupted: the rest was not checked"] if self.interrupted else []
        not_checked = () if briefly else self.not_checked()
        return "; ".join([f"{seen}: {found}", *checked, *not_checked, *ended])

    def not_checked(self) -> Iterator[str]:
        """Yield in words what the files hold that was not checked."""
        for skip, count in self.skipped.items():
            yield f"skipped {counted(count, 'request')} to {skip}"
        if self.unrecorded:
            yield f"{counted(self.unrecorded, 'body')} not recorded"
        if self.unchecked_replies:
            yield f"{counted(self.unchecked_replies, 'reply')} not checked"
        for reason, count in self.skipped_files.items():
            if count:
                yield f"skipped {counted(count, reason)}"

    def lines(self) -> Iterator[str]:
        """Yield the printable lines of the result: the problems, what was judged as what, the summary."""
        yield from (problem.text() for problem in self.problems)
        for (severity, rule), count in self.problems.unlisted.items():
            yield printable(f"{counted(count, f'more {severity}')} of {rule} not listed (--limit)")
        yield from self._read_as_lines()
        not_checked = list(self.not_checked())
        if len(not_checked) > MOST_IN_A_LINE:
            yield from ("not checked:", *(f"  {text}" for text in not_checked))
        yield self.summary(briefly=len(not_checked) > MOST_IN_A_LINE)

    def _read_as_lines(self) -> Iterator[str]:
        """Yield as what the requests of each file were judged; of many files together."""
        files = dict.fromkeys(read_as.file for read_as in self.read_as)
        together = len(files) > MOST_FILES
        totals: dict[str, Counter[str]] = {}
        for read_as, count in self.read_as.items():
            name = counted(len(files), "file") if together else read_as.file
            totals.setdefault(name, Counter())[read_as.text()] += count
        for name, counts in totals.items():
            judged = [f"{counted(count, 'request')} as {text}" for text, count in counts.most_common()]
            if len(judged) > MOST_IN_A_LINE:
                yield from (printable(line) for line in (f"{name}:", *(f"  {text}" for text in judged)))
            else:
                yield printable(f"{name}: {', '.join(judged)}")


def name_of(protocol: str | None, operation: str | None) -> str:
    """Return what a request was judged as, as users write it."""
    return f"{protocol}/{operation}" if operation is not None else f"{protocol} (no operation)"


def file_error(rule: str, message: str, *, pointer: str = "", expected: Json = None, got: Json = None) -> Finding:
    """Return an error that no contract states; `rule` says what kind it is."""
    return Finding(
        rule=rule,
        severity="error",
        pointer=pointer,
        expected=expected,
        got=got,
        source=SERVER_RULES[rule].source,
        message=message,
    )


def difference_error(difference: Difference, part: str = "") -> Finding:
    """Return as an error what differs from the expectation at a pointer, `part`, of a step or a case."""
    return file_error(
        "/expect",
        difference.message,
        pointer=part + difference.pointer,
        expected=difference.expected,
        got=difference.got,
    )


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where that is right."""
    plural = PLURALS.get(noun, f"{noun}s")
    return f"{count} {noun if count == 1 else plural}"
