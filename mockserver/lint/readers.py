"""Reading the files that `check` is given: which format a file has, and the items in it. Nothing is judged here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from mockserver.errors import ContractError
from mockserver.jsonkit import Json, yamltext
from mockserver.jsonkit.jsontext import NotJSONError, parse_exactly
from mockserver.lint.case_reader import case_of, case_of_corpus_line
from mockserver.lint.document_schema import FormatError
from mockserver.lint.exported_lines import exported_item, is_exported
from mockserver.lint.har import har_entries, har_item, is_har
from mockserver.lint.items import BrokenItem, CaseItem, Item, PatchItem, PayloadItem

STDIN: Final = Path("-")
LINES: Final = (".ndjson", ".jsonl")
YAML: Final = (".yaml", ".yml")
CASE_KEYS: Final = frozenset({"case", "dossier", "steps"})

Part: TypeAlias = tuple[str, Callable[[], Item]]
"""A part of a file that can be read by itself: its place, and what reads it."""


def items_of(path: Path) -> Iterator[Item]:
    """Yield the items of a file. Whatever cannot be read, the file or a part of it, is a BrokenItem."""
    file = str(path)
    try:
        for place, read in _parts(path, file):
            try:
                item = read()
            except (FormatError, NotJSONError) as error:
                item = _broken(file, place, error)
            yield item
    except (FormatError, NotJSONError, ContractError, OSError) as error:
        yield _broken(file, "", error)


def _broken(file: str, place: str, error: Exception) -> BrokenItem:
    match error:
        case FormatError():
            return BrokenItem(file=file, place=error.place, pointer=error.pointer, problem=error.problem)
        case NotJSONError():
            return BrokenItem(file=file, place=place, problem=f"is not valid JSON: {error}")
        case ContractError():  # of the YAML loader
            return BrokenItem(file=file, place=place, problem=error.problem)
    return BrokenItem(file=file, place=place, problem=f"cannot be read: {error}")


def _parts(path: Path, file: str) -> Iterator[Part]:
    if path.suffix in YAML:
        yield "", partial(_yaml_item, yamltext.load(path), path)
        return
    text = sys.stdin.buffer.read() if path == STDIN else path.read_bytes()
    if path.suffix in LINES or (path == STDIN and _is_lines(text)):
        for number, line in enumerate(text.split(b"\n"), 1):
            if line.strip():
                yield f"line {number}", partial(_line_item, line, file, f"line {number}")
    else:
        yield from _document_parts(parse_exactly(text), file)


def _document_parts(document: Json, file: str) -> Iterator[Part]:
    if is_har(document):
        for number, entry in enumerate(har_entries(document, file)):
            yield f"entry {number}", partial(har_item, entry, file, f"entry {number}")
    elif isinstance(document, list):
        for number, value in enumerate(document):
            yield f"item {number}", partial(_value_item, value, file, f"item {number}")
    else:
        yield "", partial(_value_item, document, file, "")


def _is_lines(text: bytes) -> bool:
    """Tell whether a text is NDJSON: its first line that is not empty is valid JSON, and more follows."""
    first, _, rest = text.strip().partition(b"\n")
    try:
        parse_exactly(first)
    except NotJSONError:
        return False
    return bool(rest)


def _yaml_item(document: Json, path: Path) -> Item:
    if isinstance(document, dict) and document.keys() & CASE_KEYS:
        return CaseItem(file=str(path), case=case_of(document, path))
    if isinstance(document, dict) and "patch" in document:
        return PatchItem(file=str(path))
    raise FormatError(str(path), "", "", "is neither a golden case nor a contract patch")


def _line_item(line: bytes, file: str, place: str) -> Item:
    return _value_item(parse_exactly(line), file, place)


def _value_item(value: Json, file: str, place: str) -> Item:
    """Return a corpus line, an exported exchange, or a payload, whichever a value looks like."""
    if isinstance(value, dict) and value.keys() >= {"request", "expect"}:
        return CaseItem(file=file, place=place, case=case_of_corpus_line(value, file, place))
    if is_exported(value):
        return exported_item(value, file, place)
    return PayloadItem(file=file, place=place, payload=value)
