"""Adding exchanges to a recording: what is hidden in the new ones has the pseudonyms that the recording has for it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from mockserver import __version__
from mockserver.core.wording import counted
from mockserver.jsonkit import Json
from mockserver.recording.recorder import Known, Recorder, ordered
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.recording.replay.playing import Playback
from mockserver.recording.replay.tape import Part

_NUMBER: Final = re.compile("x([1-9][0-9]*)")


class Continuation:
    """The recording of one file and what is added to it; `rules` are what else is hidden in that."""

    def __init__(self, playback: Playback, rules: Rules) -> None:
        (self._part,) = playback.tape.parts
        self._rules = rules
        self._given = {
            live: recorded
            for live, recorded in playback.binding.known(0).items()
            if isinstance(live, str) and isinstance(recorded, str) and live != recorded
        }

    @property
    def problem(self) -> str:
        """Why nothing can be added, empty if it can: the recording was made with rules, and they are not given."""
        count = self._part.head.row["redaction"]["rules"]
        if count <= len(self._rules.texts):
            return ""
        return f"the recording was made with {counted(count, 'rule')} (redact); give them again for what is added to it"

    @property
    def normalises(self) -> bool:
        """Whether times and ids are normalised in the recording."""
        return self._part.head.normalised

    def add_to(self, known: Known) -> None:
        """Hide everywhere what the recording has other values for."""
        for live in self._given:
            known.everywhere.setdefault(live, "id")

    def recorder(self, known: Known, *, shaped: bool) -> Recorder:
        """Return what makes the lines of the new exchanges."""
        used = self._part.head.row["redaction"]["values"]
        scrubber = known.scrubber(self._rules, shaped=shaped, given=self._given, used=used)
        return Recorder(
            scrubber,
            normalise=self.normalises,
            first_ms=self._part.head.created_ms,
            lines=_last_number(self._part),
        )

    def lines(self, recorder: Recorder, new: Sequence[bytes], upstreams: Mapping[str, str]) -> list[bytes]:
        """Return the lines of the file with the new exchanges at its end; nothing else of it changes."""
        old, added = self._part.head.row, json.loads(recorder.head(upstreams, self._rules, 0))
        head: dict[str, Json] = {
            **old,
            "mockserver": __version__,
            "contracts": {**old["contracts"], **added["contracts"]},
            "upstreams": {**old["upstreams"], **added["upstreams"]},
            "redaction": {
                **old["redaction"],
                "values": added["redaction"]["values"],
                "rules": added["redaction"]["rules"],
                "kinds": dict(sum((Counter(row["redaction"].get("kinds", {})) for row in (old, added)), Counter())),
            },
        }
        return [ordered(head).encode() + b"\n", *whole_lines(self._part)[1:], *new]


def whole_lines(part: Part) -> list[bytes]:
    """Return the lines of a file, its head first."""
    return [ordered(part.head.row).encode() + b"\n", *(line + b"\n" for line in part.lines)]


def _last_number(part: Part) -> int:
    """Return the highest number in the names of exchanges."""
    names = (json.loads(line)["id"] for line in part.lines)
    return max((int(match[1]) for name in names if (match := _NUMBER.fullmatch(name))), default=0)
