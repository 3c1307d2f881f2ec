"""Problems that `check` finds in files: each with its place, equal warnings once with a count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.printable import printable
from mockserver.lint.comparison import Difference
from mockserver.recording.exporting import redacted_rows
from mockserver.recording.redaction.redact import Redactor

LISTED: Final = 1000
"""Findings of one rule that are listed unless the caller says otherwise; the others are counted."""
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
