"""Recordings of tests: a session is answered from one; what it records is written, whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final

from mockserver.client.client import Session
from mockserver.errors import SettingsError
from mockserver.settings import RecordMode

__tracebackhide__: Final = True  # of pytest: an error shows the line of the test, not those in here

MOST_SHOWN: Final = 5
"""Requests that a recording does not have, of which each is described."""
NAME_LENGTH: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingFile:
    """The recording of a test, and what becomes of a request that it does not have; `redact` is what else to hide."""

    path: Path
    record: RecordMode = "none"
    repeats: bool = False
    redact: tuple[str, ...] = ()

    def play(self, session: Session) -> None:
        """Answer a session from the file. Raises SettingsError, ControlError for one that cannot be used."""
        content = b""
        if self.path.exists():
            content = _content(self.path)
        elif self.record == "none":
            raise SettingsError(
                f'there is no recording {self.path}; to make it, run the test once with record="once", or with '
                "--mockserver-record-mode once"
            )
        session.replay(content, record=self.record, repeats=self.repeats)

    def keep(self, session: Session) -> bool:
        """Write what the session recorded; return whether there was something. Raises SettingsError, ControlError."""
        replay = session.settings().replay
        if replay is None or replay.record == "none" or not replay.new or replay.unmatched:
            return False
        write_whole(self.path, session.recording(redact=self.redact).encode("utf-8", "surrogatepass"))
        return True


def unmatched(session: Session) -> str:
    """Describe the requests that were refused because the recording does not have them; empty if there are none."""
    replay = session.settings().replay
    if replay is None or not replay.unmatched:
        return ""
    rows = [row for row in session.requests() if row.reply_from == "unmatched"]
    lines = [
        f"{replay.unmatched} requests are not in the recording:"
        if replay.unmatched > 1
        else "a request is not in the recording:"
    ]
    for row in rows[:MOST_SHOWN]:
        finding = session.request(row.id).findings[0]
        lines.append(f"  {row.id} {row.method} {row.path}: {finding.message}")
        found = finding.got["differences"] if isinstance(finding.got, dict) else ()
        lines += [f"    {each['pointer'] or '/'}: recorded {each['expected']!r}, now {each['got']!r}" for each in found]
    if len(rows) > MOST_SHOWN:
        lines.append(f"  … and {len(rows) - MOST_SHOWN} more")
    lines.append(
        'if the change is meant, record again: record="new_episodes" adds requests, record="all" replaces them'
    )
    return "\n".join(lines)


def keep_in(folder: Path, test: str, session: Session, attempt: int = 1, redact: Sequence[str] = ()) -> Path | None:
    """Write a recording of a session into a folder, named after its test; None if no request came.

    Raises SettingsError, ControlError.
    """
    if not session.settings().counts.requests:
        return None
    path = folder / file_name(test, attempt)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make the folder {folder}: {error.strerror}") from None
    write_whole(path, session.export(format="recording", redact=redact).encode("utf-8", "surrogatepass"))
    return path


def file_name(test: str, attempt: int = 1) -> str:
    """Return the name of the file for a test; it is the same in every run, and another one for each test."""
    words = re.sub("[^A-Za-z0-9._-]+", "_", test.rpartition("/")[2]).strip("_.")
    digest = blake2b(test.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    again = f"-{attempt}" if attempt > 1 else ""
    return f"{words[:NAME_LENGTH]}-{digest}{again}.ndjson"


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"cannot read the recording {path}: {error.strerror}") from None


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there complete or not at all. Raises SettingsError."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(path)
    except OSError as error:
        with suppress(OSError):
            partial.unlink()
        raise SettingsError(f"cannot write the recording {path}: {error.strerror}") from None
