"""What recordings teach: a patch for each protocol, what it rests on, and what it does not answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mockserver.core.wording import counted
from mockserver.jsonkit import Json, yamltext

SHOWN: Final = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One fact of a patch: its pointer, its value before and now (None where there is none), and its source."""

    pointer: str
    before: Json
    now: Json
    source: str

    def line(self) -> str:
        """Return it in one line."""
        return f"{self.pointer}: {_shown(self.before)} -> {_shown(self.now)} ({self.source})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """An exchange that the mock does not answer as recorded, or two that contradict each other, and why."""

    exchanges: tuple[str, ...]
    reason: str
    contradiction: bool = False

    def line(self) -> str:
        """Return it in one line."""
        return f"{' and '.join(self.exchanges)}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedProtocol:
    """What recordings teach of one protocol.

    `patch` is the merge patch, empty if there is nothing to change. `before` and `answered` are how many of `compared`
    exchanges the mock answers as recorded, without and with it. `notes` say what else the mock needs.
    """

    protocol: str
    revision: str
    origin: str
    patch: Mapping[str, Json]
    facts: tuple[Fact, ...]
    unanswered: tuple[Unanswered, ...]
    notes: tuple[str, ...]
    exchanges: int
    compared: int
    before: int
    answered: int

    @property
    def text(self) -> str:
        """The patch as a file for `--contract-patch`."""
        lines = [f"# learnt from what was recorded {self.origin}", *(f"# {fact.line()}" for fact in self.facts)]
        lines += [f"# not learnt: {one.line()}" for one in self.unanswered]
        comments = "\n".join(line.replace("\n", " ") for line in lines)
        written = {"protocol": self.protocol, "source": f"docs: recorded {self.origin}", "patch": dict(self.patch)}
        return f"{comments}\n{yamltext.dumps(written)}"

    def summary(self) -> list[str]:
        """Return what was learnt, in lines."""
        facts = counted(len(self.facts), "fact")
        skipped = self.exchanges - self.compared
        held = f" ({skipped} not compared)" if skipped else ""
        lines = [
            f"{self.protocol}: {self.answered} of {counted(self.compared, 'exchange')} answered as recorded, "
            f"before: {self.before}{held}; {facts} learnt"
        ]
        lines += [f"  {fact.line()}" for fact in self.facts]
        lines += [
            f"  {'contradiction' if one.contradiction else 'not learnt'}: {one.line()}" for one in self.unanswered
        ]
        return [*lines, *(f"  note: {note}" for note in self.notes)]

    def as_json(self) -> dict[str, Json]:
        """Return it as `--json` prints it."""
        return {
            "protocol": self.protocol,
            "revision": self.revision,
            "exchanges": self.exchanges,
            "compared": self.compared,
            "answered_before": self.before,
            "answered": self.answered,
            "patch": dict(self.patch),
            "facts": [
                {"pointer": fact.pointer, "before": fact.before, "now": fact.now, "source": fact.source}
                for fact in self.facts
            ],
            "unanswered": [
                {"exchanges": list(one.exchanges), "reason": one.reason, "contradiction": one.contradiction}
                for one in self.unanswered
            ],
            "notes": list(self.notes),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Learned:
    """What recordings teach, by protocol, in the order of the recordings."""

    protocols: tuple[LearnedProtocol, ...]

    @property
    def is_complete(self) -> bool:
        """Whether the mock answers every exchange as recorded."""
        return not any(one.unanswered for one in self.protocols)

    def of(self, protocol: str) -> LearnedProtocol:
        """Return what was learnt of a protocol. Raises KeyError if the recordings have nothing of it."""
        return next((one for one in self.protocols if one.protocol == protocol), None) or _missing(protocol)


def _missing(protocol: str) -> LearnedProtocol:
    raise KeyError(protocol)


def _shown(value: Json) -> str:
    text = "(none)" if value is None else yamltext.dumps(value).strip().removesuffix("...").strip().replace("\n", " ")
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def file_for(out: Path, protocol: str, count: int) -> Path:
    """Return the file for the patch of a protocol: `out`, with the name of the protocol in it if there are several."""
    return out if count == 1 else out.with_name(f"{out.stem}.{protocol}{out.suffix}")
