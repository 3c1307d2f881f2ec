"""The result of `check`: problems, and how much was checked; as text and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Final, NamedTuple

from mockserver.jsonkit import Json
from mockserver.jsonkit.jsontext import without_surrogates
from mockserver.jsonkit.printable import printable
from mockserver.lint.found_files import LINK, OTHER_KIND, OTHER_NAME
from mockserver.lint.problems import ProblemList, name_of
from mockserver.lint.traffic import Skip

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
MOST_FILES: Final = 20
"""Files for each of which is told what it was judged as."""
MOST_IN_A_LINE: Final = 2
"""Kinds of requests, and of what was not checked, that are told in one line; of more, each has its own."""


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


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, in the plural where that is right."""
    plural = PLURALS.get(noun, f"{noun}s")
    return f"{count} {noun if count == 1 else plural}"
