"""What a replay found: as text, as JSON, as JUnit XML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mockserver.client import junit
from mockserver.client.replay_requests import Replayed
from mockserver.core.wording import counted
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable

CLASS: Final = "mockserver.replay"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a replay. `total` is the number of requests in the recording.

    `missing` are the credentials for which no key was given, so that a pseudonym was sent.
    """

    file: str
    target: str
    results: Sequence[Replayed]
    total: int
    missing: Sequence[str]

    @property
    def compared(self) -> int:
        """How many replies were compared."""
        return sum(_is_compared(result) for result in self.results)

    @property
    def differing(self) -> int:
        """How many replies differ."""
        return sum(bool(result.differences) for result in self.results)

    @property
    def clean(self) -> bool:
        """Whether replies were compared, and none differs."""
        return self.compared > 0 and not self.differing

    def lines(self) -> Iterator[str]:
        """Yield a line for each difference and each request that was not sent or compared, and the numbers."""
        for result in self.results:
            head = _head(result)
            for difference in result.differences:
                yield printable(f"{head}: {difference}")
            if result.skipped is not None:
                yield printable(f"{head}: not sent: {result.skipped}")
            elif result.uncompared is not None:
                yield printable(f"{head}: not compared: {result.uncompared}")
        if self.missing:
            keys = ", ".join(self.missing)
            yield printable(f"note: pseudonyms were sent for {keys}: no --key fits")
        yield self._numbers()

    def _numbers(self) -> str:
        sent = sum(result.skipped is None for result in self.results)
        alike = self.compared - self.differing
        parts = [
            f"{counted(sent, 'request')} sent",
            f"{counted(alike, 'reply').replace('replys', 'replies')} as recorded",
        ]
        parts.append(f"{self.differing} {'differs' if self.differing == 1 else 'differ'}")
        if len(self.results) > sent:
            parts.append(f"{len(self.results) - sent} not sent")
        if self.total > len(self.results):
            parts.append(f"{self.total - len(self.results)} left")
        return ", ".join(parts)

    def as_json(self) -> dict[str, Json]:
        """Return the result as the command prints it."""
        return {
            "target": self.target,
            "requests": self.total,
            "sent": sum(result.skipped is None for result in self.results),
            "compared": self.compared,
            "differing": self.differing,
            "clean": self.clean,
            "pseudonyms_sent": list(self.missing),
            "exchanges": [_as_json(result) for result in self.results],
        }

    def junit(self) -> bytes:
        """Return JUnit XML with a test case for each request."""
        return junit.document(
            [junit.Suite(name=f"replay {self.file}", cases=[_case(result) for result in self.results])]
        )


def _is_compared(result: Replayed) -> bool:
    return bool(result.differences) or (result.skipped is None and result.uncompared is None)


def _head(result: Replayed) -> str:
    request = result.exchange.request
    return f"{result.exchange.id} {request.method} {request.target.partition('?')[0]}"


def _as_json(result: Replayed) -> dict[str, Json]:
    request = result.exchange.request
    return {
        "id": result.exchange.id,
        "method": request.method,
        "path": request.target,
        "status": result.status,
        "recorded_status": None if result.exchange.reply is None else result.exchange.reply.status,
        "differences": [
            {"pointer": found.pointer, "expected": found.expected, "got": found.got, "message": found.message}
            for found in result.differences
        ],
        "skipped": result.skipped,
        "uncompared": result.uncompared,
    }


def _case(result: Replayed) -> junit.Case:
    failure = None
    if result.differences:
        text = "\n".join(map(str, result.differences))
        failure = junit.CaseFailure(kind="difference", message=str(result.differences[0]), text=text)
    skipped = result.skipped or (None if failure else result.uncompared)
    return junit.Case(classname=CLASS, name=_head(result), failure=failure, skipped=skipped)
