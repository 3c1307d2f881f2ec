"""What is kept of a session after a failed test: its report and its exchanges, as files without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from mockserver.client.client import Session
from mockserver.client.report_formats import FORMATS
from mockserver.client.session_report import Report

FILES: Final = {"report.html": "html", "report.json": "json"}
EXCHANGES: Final = "exchanges.ndjson"
LONGEST: Final = 80
"""Characters of the readable part of a folder's name; a digest tells tests with equal ones apart."""


def artifacts_of(session: Session) -> dict[str, bytes]:
    """Return the files of a session by name. Raises UnreachableError, ControlError."""
    report = Report(session)
    files = {name: FORMATS[format](report) for name, format in FILES.items()}
    return {**files, EXCHANGES: session.export().encode("utf-8", "surrogatepass")}


def folder_name(test: str) -> str:
    """Return a name for the folder of a test that every file system takes, another one for each test."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", test).strip("-")[-LONGEST:].strip("-")
    digest = blake2b(test.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{readable}-{digest}"


def keep(root: Path, test: str, sessions: Sequence[Mapping[str, bytes]]) -> Path:
    """Write the files of a test's sessions into a folder of their own, and return it. Raises OSError."""
    folder = root / folder_name(test)
    for number, files in enumerate(sessions, 1):
        place = folder if number == 1 else folder / f"session-{number}"
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (place / name).write_bytes(content)
    return folder
