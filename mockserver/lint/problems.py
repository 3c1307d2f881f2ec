"""What `check` reports: one problem for each finding, and the result for all files."""

from __future__ import annotations

from dataclasses import dataclass, field

from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.lint.comparison import Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding about a file: `place` is where in the file, `event` which event of a request it is about."""

    file: str
    place: str
    finding: Finding
    protocol: str | None = None
    operation: str | None = None
    revision: str | None = None
    event: int | None = None

    @property
    def is_error(self) -> bool:
        """Whether this is an error, and not a warning."""
        return self.finding.severity == "error"

    def as_json(self) -> dict[str, Json]:
        """Return the problem as one flat object, which can be written as UTF-8 whatever the file holds."""
        own = {name: getattr(self, name) for name in ("file", "place", "protocol", "operation", "revision", "event")}
        problem: dict[str, Json] = without_surrogates({**own, **self.finding.as_json()})
        return problem

    def text(self) -> str:
        """Return the problem as lines of text, which can be written as UTF-8 whatever the file holds."""
        finding = self.finding
        event = "" if self.event is None else f"event {self.event}"
        where = " ".join(filter(None, (self.file, self.place, event, finding.pointer)))
        text: str = without_surrogates(
            f"{where}: {finding.severity}: {finding.message}\n    {finding.rule} [{finding.source}]"
        )
        return text


@dataclass(slots=True)
class CheckResult:
    """What was found in some files, and how much was checked. `skipped` requests went to other hosts."""

    problems: list[Problem] = field(default_factory=list)
    requests: int = 0
    events: int = 0
    skipped: int = 0

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(problem.is_error for problem in self.problems)

    @property
    def clean(self) -> bool:
        """Whether there are no errors."""
        return self.errors == 0

    def summary(self) -> str:
        """Return in one line what was checked and how many problems there are."""
        seen = f"{_counted(self.requests, 'request')}, {_counted(self.events, 'event')}"
        warnings = len(self.problems) - self.errors
        skipped = f"; skipped {_counted(self.skipped, 'request')} to other hosts" if self.skipped else ""
        return f"{seen}: {_counted(self.errors, 'error')}, {_counted(warnings, 'warning')}{skipped}"


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


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
