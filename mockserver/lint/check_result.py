"""What `check` found in files: problems, and how much was checked; as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace

from mockserver.contract.server_rules import SERVER_RULES
from mockserver.core.findings import Finding
from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.printable import printable
from mockserver.lint.comparison import Difference
from mockserver.lint.traffic import Skip
from mockserver.recording.export import redacted_rows
from mockserver.recording.redact import Redactor


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding about a file: `place` is where in the file, `event` which event of a request it is about.

    `file` is empty for a finding about all files together.
    """

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

    def without_secrets(self, redactor: Redactor) -> Problem:
        """Return the problem without the secrets of the file, as outputs of `check` are shared."""
        return replace(self, finding=Finding(**redacted_rows(self.finding.as_json(), redactor)))

    def as_json(self) -> dict[str, Json]:
        """Return the problem as one flat object, which can be written as UTF-8 whatever the file holds."""
        own = {name: getattr(self, name) for name in ("file", "place", "protocol", "operation", "revision", "event")}
        problem: dict[str, Json] = without_surrogates({**own, **self.finding.as_json()})
        return problem

    def text(self) -> str:
        """Return the problem as two printable lines, whatever the file holds."""
        finding = self.finding
        event = "" if self.event is None else f"event {self.event}"
        where = " ".join(filter(None, (self.file, self.place, event, finding.pointer)))
        message = ": ".join(filter(None, (where, finding.severity, finding.message)))
        return f"{printable(message)}\n    {printable(f'{finding.rule} [{finding.source}]')}"


@dataclass(slots=True)
class CheckResult:
    """What was found in some files, and how much was checked.

    `skipped` counts the requests that no contract is about, `unrecorded` those whose body the file lacks,
    `unchecked_replies` the replies that were not recorded, or that a fault step made.
    """

    problems: list[Problem] = field(default_factory=list)
    requests: int = 0
    events: int = 0
    patches: int = 0
    skipped: Counter[Skip] = field(default_factory=Counter)
    unrecorded: int = 0
    replies: int = 0
    unchecked_replies: int = 0

    @property
    def errors(self) -> int:
        """The number of errors."""
        return sum(problem.is_error for problem in self.problems)

    @property
    def clean(self) -> bool:
        """Whether there are no errors."""
        return self.errors == 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing was checked and nothing was found."""
        return not (self.requests or self.patches or self.problems)

    def add(self, other: CheckResult) -> None:
        """Add what was found in other files."""
        for member in fields(self):
            value, added = getattr(self, member.name), getattr(other, member.name)
            setattr(self, member.name, value + added)

    def as_json(self) -> dict[str, Json]:
        """Return the result as one object."""
        return {
            "clean": self.clean,
            "requests": self.requests,
            "events": self.events,
            "patches": self.patches,
            "skipped": self.skipped.total(),
            "skipped_to": {str(skip): count for skip, count in self.skipped.items()},
            "bodies_not_recorded": self.unrecorded,
            "replies": self.replies,
            "replies_not_checked": self.unchecked_replies,
            "findings": [problem.as_json() for problem in self.problems],
        }

    def summary(self) -> str:
        """Return in one line what was checked, how many problems there are, and what was not checked."""
        seen = f"{counted(self.requests, 'request')}, {counted(self.events, 'event')}"
        warnings = len(self.problems) - self.errors
        found = f"{counted(self.errors, 'error')}, {counted(warnings, 'warning')}"
        other = {"contract patch": self.patches, "reply": self.replies}
        checked = [f"{counted(count, noun)} checked" for noun, count in other.items() if count]
        return "; ".join([f"{seen}: {found}", *checked, *self.not_checked()])

    def not_checked(self) -> Iterator[str]:
        """Yield in words what the files hold that was not checked."""
        for skip, count in self.skipped.items():
            yield f"skipped {counted(count, 'request')} to {skip}"
        if self.unrecorded:
            yield f"{counted(self.unrecorded, 'body')} not recorded"
        if self.unchecked_replies:
            yield f"{counted(self.unchecked_replies, 'reply')} not checked"


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
    plural = {"body": "bodies", "reply": "replies", "contract patch": "contract patches"}.get(noun, f"{noun}s")
    return f"{count} {noun if count == 1 else plural}"
