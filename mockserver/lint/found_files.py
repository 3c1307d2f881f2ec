"""Which files `check` reads: those that are named, and in folders those whose names say that they can be checked."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from mockserver.lint.items import BrokenItem, EmptyItem, Item

LINES: Final = (".ndjson", ".jsonl")
YAML: Final = (".yaml", ".yml")
HAR: Final = ".har"
DOCUMENTS: Final = (".json", HAR)
GZIP: Final = ".gz"
HIDDEN: Final = "."

OTHER_NAME: Final = "file with another name"
OTHER_KIND: Final = "pipe or device"
LINK: Final = "link to a folder"


def suffix_of(path: Path) -> str:
    """Return the suffix that says what is in a file, lower case; `.gz` only says how it is written."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    if suffixes[-1:] == [GZIP]:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def files_of(paths: Iterable[Path], skipped: Counter[str]) -> Iterator[Path | Item]:
    """Yield the files to read, folders and what is below them in the order of their names.

    What is left out in folders is counted in `skipped`; hidden files and folders are left out without a count. What
    cannot be read there, or holds nothing to check, is an item.
    """
    for path in paths:
        if path.is_dir():
            yield from _files_below(path, skipped)
        else:
            yield path


def _files_below(folder: Path, skipped: Counter[str]) -> Iterator[Path | Item]:
    broken = list[OSError]()
    found = False
    for parent, folders, names in os.walk(folder, onerror=broken.append):
        folders[:] = sorted(name for name in folders if not name.startswith(HIDDEN))
        skipped[LINK] += sum(Path(parent, name).is_symlink() for name in folders)
        for name in sorted(names):
            if not name.startswith(HIDDEN):
                path = Path(parent, name)
                reason = _left_out(path)
                if reason is None:
                    found = True
                    yield path
                else:
                    skipped[reason] += 1
    for error in broken:
        problem = f"the folder cannot be read: {error.strerror}"
        yield BrokenItem(file=str(error.filename), problem=problem)
    if not found and not broken:
        suffixes = ", ".join((*DOCUMENTS, *LINES, *YAML))
        yield EmptyItem(file=str(folder), problem=f"the folder has no files with names in {suffixes}")


def _left_out(path: Path) -> str | None:
    """Return why a file in a folder is not read; None if it is. A link that leads nowhere is read, to say so."""
    if suffix_of(path) not in (*LINES, *YAML, *DOCUMENTS):
        return OTHER_NAME
    try:
        kind = path.stat().st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(kind) else OTHER_KIND
