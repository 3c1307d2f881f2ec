"""`mockserver conformance`: score the client of a recording by the rules of its protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import (
    FILE,
    FINDINGS,
    STDOUT,
    contract_files,
    load_patches,
    print_json,
    protocol_flag,
    write,
)
from mockserver.cli.score_options import broken_level, known_failures, verdict_lines
from mockserver.cli.server_options import revisions
from mockserver.errors import SettingsError
from mockserver.jsonkit.printable import printable

if TYPE_CHECKING:
    from mockserver.client.results import Conformance

EPILOG: Final = """\b
Examples:
  mockserver conformance signup.ndjson
  mockserver conformance signup.ndjson --final --events 12
  mockserver conformance signup.ndjson --known-failures known.txt --junit score.xml

The recording has the requests of one client, as record and export write it. Rules that it does not exercise are not
passed; the fault steps that exercise them are shown. Rules about connections are never exercised by a recording.

\b
Exit code 0: no rule is broken but known ones; 1: broken rules, or nothing exercised; 2: usage error, or a file that is
no recording.
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@protocol_flag("Judge the rules of this protocol only. Default: all protocols in the recording.")
@click.option("--final", is_flag=True, help="The client has ended: what should have come is missing.")
@click.option("--events", type=click.IntRange(min=1), metavar="N", help="Number of different events that were made.")
@known_failures
@broken_level
@revisions
@contract_files
@click.option("--junit", type=FILE, metavar="FILE", help="Write JUnit XML to this file, a test case for each rule.")
@click.option("--json", "as_json", is_flag=True, help="Print the score as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: Path,
    protocol: str | None,
    final: bool,
    events: int | None,
    known_failures: Path | None,
    level: str,
    revisions: Mapping[str, str],
    contract_patches: Sequence[Path],
    contracts: Sequence[Path],
    junit: Path | None,
    as_json: bool,
) -> None:
    """Score the client whose requests are in the recording FILE."""
    from mockserver.client.exercising import read_known
    from mockserver.client.junit import Suite, document
    from mockserver.client.score_report import as_json as row_as_json
    from mockserver.client.score_report import junit_cases

    score = _scored(file, protocol, revisions, contract_patches, contracts, final=final, made=events)
    known = {} if known_failures is None else read_known(known_failures, [row.rule for row in score.rules])
    lines, clean = verdict_lines(score, known, level, [])
    if as_json:
        print_json({"clean": clean, "known_failures": known, "rules": [row_as_json(row) for row in score.rules]})
    else:
        click.echo("\n".join(map(printable, lines)))
    if junit is not None:
        xml = document([Suite(name=f"mockserver conformance {file.name}", cases=junit_cases(score, known))])
        write("--junit", junit, xml) if junit != STDOUT else click.echo(xml, nl=False)
    ctx.exit(0 if clean else FINDINGS)


def _scored(
    file: Path,
    protocol: str | None,
    revisions: Mapping[str, str],
    patch_files: Sequence[Path],
    folders: Sequence[Path],
    *,
    final: bool,
    made: int | None,
) -> Conformance:
    """Return the score of a recording. Raises FormatError, ContractError, SettingsError."""
    from mockserver.client.results import Conformance, RuleScore
    from mockserver.conformance.client_traffic import Traffic
    from mockserver.conformance.recorded_traffic import exchanges_of
    from mockserver.conformance.scorecard import score
    from mockserver.contract.library import library_of
    from mockserver.jsonkit.decoding import read
    from mockserver.recording.recordings import read_recording

    library, recording = library_of(folders), read_recording(file)
    names = list(dict.fromkeys(exchange.protocol for exchange in recording.exchanges))
    patches = load_patches(library, None, None, patch_files)
    contracts = {
        name: library.protocol(name).contract(
            revisions.get(name, recording.head.revision(name)),
            [patch for patched, patch in patches if patched == name],
        )
        for name in names
    }
    if protocol is not None and library.protocol(protocol).name not in names:
        raise SettingsError(f"{file} has no requests of {protocol}")
    exchanges = asyncio.run(exchanges_of(recording, contracts))
    scores = []
    for name in names if protocol is None else [protocol]:
        own = [exchange for exchange in exchanges if exchange.contract.name == name]
        last = max(exchange.received_ms for exchange in exchanges)
        rules = library.protocol(name).client_rules.rules.values()
        scores += score(rules, Traffic(exchanges=own, until_ms=last, final=final, made=made))
    return Conformance(session=file.name, rules=tuple(read(RuleScore, row.as_json()) for row in scores))
