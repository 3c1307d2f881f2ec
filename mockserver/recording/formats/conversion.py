"""Converting a file from one format to another. What lies between is always a recording."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, TypeAlias, get_args

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch
from mockserver.jsonkit import Json, jsontext, yamltext
from mockserver.jsonkit.filetext import NotUTF8Error, utf8
from mockserver.jsonkit.jsontext import NotJSONError
from mockserver.lint.case_reader import case_of, case_of_corpus_line, case_of_line
from mockserver.lint.document_schema import FormatError
from mockserver.lint.found_files import HAR, LINES, YAML, suffix_of
from mockserver.lint.golden_cases import Case
from mockserver.lint.playback import play
from mockserver.recording.formats.case_writer import CaseWriter
from mockserver.recording.formats.cassette_reader import cassette_of
from mockserver.recording.formats.cassette_writer import CassetteWriter
from mockserver.recording.formats.har_reader import archive_of
from mockserver.recording.formats.har_writer import HarWriter
from mockserver.recording.formats.incoming import TO_ANY_HOST, Contracts, Incoming, played, recording_lines
from mockserver.recording.formats.writer import Writer, pieces_of
from mockserver.recording.recorder import ordered
from mockserver.recording.recordings import HEAD_KEY, Recording, is_recording_line, recording_of
from mockserver.recording.redaction.redaction_rules import Rules

Format: TypeAlias = Literal["recording", "har", "vcr", "case"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
MEDIA_TYPES: Final[Mapping[str, str]] = {
    "recording": "application/x-ndjson",
    "har": "application/json",
    "vcr": "application/yaml",
    "case": "application/yaml",
}
FIRST_LINE: Final = 1 << 20
"""Bytes in which the end of the first line is looked for, to tell the format of a file."""
_INTERACTIONS: Final = re.compile(rb"^interactions:", re.MULTILINE)
_STEPS: Final = re.compile(rb"^(?:steps|case):", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A file in another format. `notes` say in one line each what is not in it, and why."""

    content: bytes
    exchanges: int
    notes: list[str] = field(default_factory=list)


def format_of_name(path: Path) -> Format | None:
    """Return the format that the name of a file says it has, or None."""
    suffix = suffix_of(path)
    return "har" if suffix == HAR else "recording" if suffix in LINES else None


def format_of(content: bytes, path: Path) -> Format | None:
    """Return the format of a file with some content, or None."""
    suffix = suffix_of(path)
    if suffix == HAR:
        return "har"
    if suffix in YAML or not content.lstrip().startswith(b"{"):
        return "vcr" if _INTERACTIONS.search(content) else "case" if _STEPS.search(content) else None
    for text in (content[:FIRST_LINE].lstrip().partition(b"\n")[0], content):
        try:
            value, _ = jsontext.parse(text.strip())
        except NotJSONError:
            continue
        return _format_of_value(value)
    return None


def _format_of_value(value: Json) -> Format | None:
    if not isinstance(value, dict):
        return None
    if "log" in value:
        return "har"
    if "interactions" in value:
        return "vcr"
    if "steps" in value or "expect" in value:
        return "case"
    return "recording" if HEAD_KEY in value or is_recording_line(value) else None


def convert(
    content: bytes,
    path: Path,
    read_as: Format,
    write_as: Format,
    contracts: Contracts,
    *,
    rules: Rules,
    name: str,
    default_ms: int,
) -> Converted:
    """Return the content of a file in another format.

    `rules` say what else to hide of what comes from another tool; `name` is that of a golden case. `default_ms` is the
    time of requests that have none. Raises FormatError for what cannot be read, NotHeldError for what cannot be
    written, ContractError.
    """
    file, notes = str(path), list[str]()
    if read_as != "recording":
        try:
            incoming = _incoming(content, path, read_as, contracts, default_ms)
        except (NotJSONError, NotUTF8Error) as error:
            raise FormatError(file, "", "", f"is not valid JSON: {error}") from None
        notes = [*incoming.left.lines(), *incoming.notes]
        if not incoming.exchanges:
            *others, last = contracts.names
            wanted = " or ".join(filter(None, (", ".join(others), last)))
            hints = [TO_ANY_HOST] if incoming.left.counts and len(contracts.names) > 1 and read_as != "case" else []
            raise FormatError(file, "", "", "; ".join([f"has no request to {wanted} to record", *notes, *hints]))
        content = b"".join(recording_lines(incoming, rules, contracts.all().values()))
    recording = recording_of(content, file)
    others = recording.head.row["contracts"].keys() - set(contracts.names)
    if others:
        recording, left = _only(recording, contracts.names)
        notes.append(f"exchanges of {', '.join(sorted(others))}: {left}")
        content = b"".join(ordered(row).encode() + b"\n" for row in _rows(recording))
    if write_as == "recording":
        return Converted(content=content, exchanges=len(recording.exchanges), notes=notes)
    writer = writer_for(write_as, contracts_of(recording, contracts), name)
    text = "".join(pieces_of(recording, writer))
    return Converted(content=text.encode(), exchanges=len(recording.exchanges), notes=[*notes, *writer.losses()])


def _only(recording: Recording, names: Iterable[str]) -> tuple[Recording, int]:
    """Return what of a recording belongs to some protocols, and how many exchanges do not."""
    chosen, row = set(names), dict(recording.head.row)
    row.pop("normalised", None)  # times were put back
    for name in ("contracts", "upstreams"):
        row[name] = {protocol: value for protocol, value in row[name].items() if protocol in chosen}
    kept = tuple(exchange for exchange in recording.exchanges if exchange.protocol in chosen)
    return Recording(replace(recording.head, row=row), kept), len(recording.exchanges) - len(kept)


def _rows(recording: Recording) -> Iterator[Mapping[str, Json]]:
    yield recording.head.row
    yield from (exchange.row for exchange in recording.exchanges)


def name_of(path: Path) -> str:
    """Return the name of a golden case in a file: that of the file, without its suffix."""
    return path.stem if path.suffix else "recording"


def contracts_of(recording: Recording, contracts: Contracts) -> Mapping[str, Contract]:
    """Return the contracts that judged a recording, by protocol."""
    return {name: contracts.of(name, recording.head.revision(name)) for name in recording.head.row["contracts"]}


def writer_for(format: Format, contracts: Mapping[str, Contract], name: str) -> Writer:
    """Return the writer of a format; `name` is that of a golden case."""
    if format == "case":
        return CaseWriter(contracts, name)
    hosts = {protocol: contract.host for protocol, contract in contracts.items()}
    return HarWriter(hosts) if format == "har" else CassetteWriter(hosts)


def _incoming(content: bytes, path: Path, read_as: Format, contracts: Contracts, default_ms: int) -> Incoming:
    file = str(path)
    if read_as == "case":
        return _of_cases(content, path, contracts)
    if read_as == "vcr":
        return played(cassette_of(content, file), file, contracts, default_ms)
    return played(archive_of(jsontext.parse(utf8(content))[0], file), file, contracts, default_ms)


def _of_cases(content: bytes, path: Path, contracts: Contracts) -> Incoming:
    """Play golden cases, each in a session of its own."""
    incoming, differing, cases = Incoming(str(path)), 0, list[Case]()
    for case in _cases(content, path):
        if case.protocol in contracts.names:
            cases.append(case)
        else:
            incoming.left.add("cases of other protocols", case.protocol)
    for case in cases:
        patches = [] if case.patch is None else [Patch(name=case.file, patch=case.patch, root="/patch")]
        result = asyncio.run(play(case, contracts.of(case.protocol, case.revision, patches)))
        for exchange in result.exchanges:
            place = exchange.step.place
            named = place if len(cases) == 1 or place.startswith("line ") else f"case {case.name} {place}"
            incoming.exchanges.append((exchange.view.exchange, named))
            differing += bool(exchange.differences)
    if differing:
        incoming.notes.append(f"replies of the contract that are not what the case expects: {differing}")
    if len(cases) > 1:
        incoming.notes.append(f"cases, each played in a session of its own: {len(cases)}")
    return incoming


def _cases(content: bytes, path: Path) -> Iterator[Case]:
    """Yield the golden cases and corpus lines of a file. Raises FormatError, NotJSONError, ContractError."""
    file = str(path)
    if not content.lstrip().startswith(b"{"):
        yield case_of(yamltext.loads(content, file), path)
        return
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            place = f"line {number}"
            try:
                value = jsontext.parse_exactly(line)
            except NotJSONError as error:
                raise FormatError(file, place, "", f"is not valid JSON: {error}") from None
            is_line = isinstance(value, dict) and "expect" in value
            yield case_of_corpus_line(value, file, place) if is_line else case_of_line(value, file, place)
