"""`mockserver check`: lint payloads, recorded traffic, fixtures and patches against a contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from mockserver.cli.parameters import ProtocolName, RevisionName, contract_files

FINDINGS: Final = 1
EPILOG: Final = """\b
Examples:
  mockserver check payload.json
  mockserver check --protocol whisperr --operation batch events.ndjson
  mockserver check --revision r4-2026-08 --protocol outlit recorded.har
  mockserver check fixtures/outlit/cases/accept-pageview.yaml patch.yaml --json

A .json file is a body, an event, a list of them, or a HAR; .ndjson holds one of these a line, an exported session, or
a corpus; .yaml is a golden case or a contract patch; - is stdin, JSON or lines of it. What a file does not say is
guessed from its path and its shape.
Times are held to windows only where the file, or --now, says when it was. Warnings are printed and do not change the
exit code.
Exit codes: 0 clean, 1 something would be refused.
"""


@click.command(epilog=EPILOG)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
)
@click.option("--protocol", type=ProtocolName(), metavar="NAME", help="The protocol; without it, told by the file.")
@click.option("--operation", metavar="NAME", help="The operation; without it, told by path or shape.")
@click.option("--revision", type=RevisionName(), metavar="REV", help="The revision; without it, the base.")
@contract_files
@click.option("--now", metavar="TIME", help="When payloads were sent, as 2026-06-14T12:00:00Z.")
@click.option("--no-warnings", is_flag=True, help="Leave out what would be accepted all the same.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    files: Sequence[Path],
    protocol: str | None,
    operation: str | None,
    revision: str | None,
    contracts: Sequence[Path],
    contract_patches: Sequence[Path],
    now: str | None,
    no_warnings: bool,
    as_json: bool,
) -> None:
    """Say what is wrong in files, event by event."""
    from mockserver.contract.library import Library
    from mockserver.jsonkit.formats import epoch_ms
    from mockserver.lint.checker import CheckOptions, check

    if revision is not None and protocol is None:
        raise click.UsageError("--revision needs a --protocol")
    now_ms = None if now is None else epoch_ms(now)
    if now is not None and now_ms is None:
        raise click.BadParameter(f"{now!r} is no RFC 3339 time", param_hint="--now")
    if len([file for file in files if str(file) == "-"]) > 1:
        raise click.UsageError("stdin can be read only once")
    library = Library(contracts)
    patches = [library.load_patch(path) for path in contract_patches]
    if protocol is not None:
        library.protocol(protocol).contract(revision, [patch for owner, patch in patches if owner == protocol])
    names = [protocol] if protocol else list(library.protocols)
    known = sorted({one for name in names for one in library.protocol(name).contract(revision).operations})
    if operation not in (None, *known):
        raise click.BadParameter(f"no operation {operation!r}. There are: {', '.join(known)}", param_hint="--operation")
    options = CheckOptions(
        protocol=protocol,
        operation=operation,
        revision=revision,
        patches=patches,
        now_ms=now_ms,
        warnings=not no_warnings,
    )
    checked = check(files, library, options)
    if as_json:
        counts = {"requests": checked.requests, "events": checked.events, "skipped": checked.skipped}
        findings = [problem.as_json() for problem in checked.problems]
        click.echo(json.dumps({"clean": checked.clean, **counts, "findings": findings}, indent=2, ensure_ascii=False))
    else:
        for problem in checked.problems:
            click.echo(problem.text())
        click.echo(checked.summary())
    if not checked.clean:
        ctx.exit(FINDINGS)
