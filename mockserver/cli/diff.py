"""`mockserver diff`: what a client or a server does otherwise in a new recording than in an old one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from mockserver.cli.parameters import FINDINGS, contract_folders, echo_json, json_text

RECORDING: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

EPILOG: Final = """\b
Examples:
  mockserver diff fixtures/signup.ndjson recording.ndjson
  mockserver diff old.ndjson new.ndjson --json
  mockserver diff old.ndjson new.ndjson --ignore batches --ignore order

Told are members, headers and parameters that come and go, types and values, statuses, verdicts and rules, requests and
events that come and go, their order, attempts and batches, and the version of the client. Each difference is told once,
the most important first, with the exchange in which each recording shows it. Ids, times, durations, ports and
pseudonyms never count, nor do values that are another one in each event.

Both files must be recordings (mockserver record, mockserver export); a normalised one is read like any other.

Exit code 0: no differences; 1: differences, or nothing to compare; 2: usage error, or a file that is not a recording.
"""


@click.command(epilog=EPILOG)
@click.argument("old", type=RECORDING)
@click.argument("new", type=RECORDING)
@click.option(
    "--ignore", multiple=True, metavar="KIND", help="Kind of difference that does not count. May be repeated."
)
@contract_folders
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def command(
    ctx: click.Context, old: Path, new: Path, ignore: Sequence[str], contracts: Sequence[Path], as_json: bool
) -> None:
    """Compare the recordings OLD and NEW."""
    from mockserver.contract.library import library_of
    from mockserver.errors import unknown
    from mockserver.recording.drift import drift_report
    from mockserver.recording.drift.differences import KINDS
    from mockserver.recording.drift.drift import drift, without
    from mockserver.recording.recordings import read_recording

    for kind in ignore:
        if kind not in KINDS:
            raise click.BadParameter(unknown("kind", kind, KINDS), param_hint="--ignore")
    recordings = [read_recording(file) for file in (old, new)]
    found = without(drift(recordings[0], recordings[1], library_of(contracts)), ignore)
    if as_json:
        echo_json(json_text(drift_report.as_json(found)))
    else:
        for line in drift_report.lines(found):
            click.echo(line)
    if found.differences or not any(recording.exchanges for recording in recordings):
        ctx.exit(FINDINGS)
