"""`mockserver learn`: the smallest contract patch with which the mock answers as a recorded server did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import (
    FILE,
    FINDINGS,
    STDOUT,
    ListedPath,
    contract_files,
    print_json,
    protocol_flag,
    write_whole,
)
from mockserver.cli.server_options import revisions
from mockserver.jsonkit.printable import printable

if TYPE_CHECKING:
    from mockserver.recording.learning.learned import Learned

EPILOG: Final = """\b
Examples:
  mockserver learn signup.ndjson --out real.yaml
  mockserver learn signup.ndjson billing.ndjson --protocol whisperr > real.yaml
  mockserver serve --contract-patch real.yaml

Each recorded request is played again. Where the server answered otherwise than the contract, facts of the contract are
changed, as few as possible, until the mock answers as recorded. Each change names the exchanges that it was learnt
from. A limit that lies between what was taken and what was refused is chosen, and its source says between what.

No change makes the answer to another recorded request worse. Replies that no fact gives are listed, and so are
exchanges that contradict each other, of which nothing is learnt. Ids, times and hidden values are not compared.

A patch is for one protocol. If the recordings have several, --out real.yaml writes real.outlit.yaml, real.whisperr.yaml
and so on.

\b
Exit code 0: with the patch, the mock answers every request as recorded; 1: it does not, or recordings contradict
themselves; 2: usage error, or a file that is not a recording.
"""


@click.command(epilog=EPILOG)
@click.argument("recordings", nargs=-1, required=True, type=ListedPath(exists=True, dir_okay=False))
@click.option("--out", type=FILE, default=STDOUT, metavar="FILE", help="Write the patch to this file, not to stdout.")
@protocol_flag("Learn of this protocol only. Default: all protocols in the recordings.")
@revisions
@contract_files
@click.option("--json", "as_json", is_flag=True, help="Print what was learnt as one JSON object, not the patch.")
@click.pass_context
def command(
    ctx: click.Context,
    recordings: Sequence[Path],
    out: Path,
    protocol: str | None,
    revisions: Mapping[str, str],
    contract_patches: Sequence[Path],
    contracts: Sequence[Path],
    as_json: bool,
) -> None:
    """Write the smallest contract patch with which the mock answers as the server in RECORDINGS did."""
    from mockserver.recording.learning.lessons import learn

    learned = learn(
        *recordings,
        protocol=protocol,
        revisions=revisions,
        contract_patches=contract_patches,
        contracts=contracts,
    )
    if as_json:
        print_json({"protocols": [one.as_json() for one in learned.protocols]})
    if out != STDOUT or not as_json:
        _write(learned, out)
    for one in learned.protocols:
        for line in one.summary():
            click.echo(printable(line), err=True)
    if not learned.is_complete:
        ctx.exit(FINDINGS)


def _write(learned: Learned, out: Path) -> None:
    """Write the patches there are. Raises UsageError for several on stdout, SettingsError for a file."""
    from mockserver.recording.learning.learned import file_for

    changed = [one for one in learned.protocols if one.patch] or list(learned.protocols[:1])
    if out == STDOUT and len(changed) > 1:
        names = ", ".join(one.protocol for one in changed)
        raise click.UsageError(f"there are patches for {names}: name one with --protocol, or a file with --out")
    for one in changed:
        if out == STDOUT:
            click.echo(one.text, nl=False)
        else:
            write_whole("--out", file_for(out, one.protocol, len(changed)), one.text.encode())
