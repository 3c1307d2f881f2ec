"""`mockserver check`: validate payloads, recorded traffic, fixtures and patches against a contract."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from mockserver.cli.parameters import FINDINGS, effective_contract, load_patches, print_json, protocol_flag
from mockserver.errors import unknown

EPILOG: Final = """\b
Examples:
  mockserver check payload.json
  mockserver check --protocol whisperr --operation batch events.ndjson
  mockserver check --revision r4-2026-08 --protocol outlit recorded.har
  mockserver check fixtures/outlit/cases/accept-pageview.yaml patch.yaml --json

A .json file holds a request body, an event, a list of these, or a HAR archive. An .ndjson file holds one body or
event per line, an exported session, or a corpus. A .yaml file holds a golden case or a contract patch. Use - to read
JSON or NDJSON from stdin. What a file does not name is inferred from its path and its content.
Time windows are checked only if the file or --now gives the time of the request. Warnings do not change the exit code.

In recordings, a reply that the contract cannot give to the request is an error too. Counted, but not checked: requests
in a HAR archive that belong to no protocol, bodies and replies that were not recorded, replies made by a fault step. A
file in which there is nothing to check is an error.

Exit code 0: no errors; 1: errors, or nothing to check.
"""


@click.command(epilog=EPILOG)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
)
@protocol_flag("Protocol. Default: inferred from the file.")
@click.option("--operation", metavar="NAME", help="Operation. Default: inferred from the path or the payload.")
@effective_contract
@click.option("--now", metavar="TIME", help="Time at which the payloads were sent, for example 2026-06-14T12:00:00Z.")
@click.option("--allow-empty", is_flag=True, help="Accept files in which there is nothing to check.")
@click.option(
    "--min-events",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Fail with fewer than N events in all files.",
)
@click.option("--no-warnings", is_flag=True, help="Print errors only.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
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
    allow_empty: bool,
    min_events: int,
    no_warnings: bool,
    as_json: bool,
) -> None:
    """Validate files against the contracts, event by event."""
    from mockserver.contract.library import library_of
    from mockserver.jsonkit.formats import epoch_ms
    from mockserver.lint.checker import CheckOptions, check

    if revision is not None and protocol is None:
        raise click.UsageError("--revision requires --protocol")
    now_ms = None if now is None else epoch_ms(now)
    if now is not None and now_ms is None:
        raise click.BadParameter(f"{now!r} is not a valid RFC 3339 time", param_hint="--now")
    if len([file for file in files if str(file) == "-"]) > 1:
        raise click.UsageError("stdin can be read only once")
    library = library_of(contracts)
    patches = load_patches(library, protocol, revision, contract_patches)
    names = [protocol] if protocol else list(library.protocols)
    known = sorted({op for name in names for op in library.protocol(name).contract(revision).operations})
    if operation is not None and operation not in known:
        raise click.BadParameter(unknown("operation", operation, known), param_hint="--operation")
    options = CheckOptions(
        protocol=protocol,
        operation=operation,
        revision=revision,
        patches=patches,
        now_ms=now_ms,
        warnings=not no_warnings,
        allow_empty=allow_empty,
        min_events=min_events,
    )
    checked = check(files, library, options)
    if as_json:
        print_json(checked.as_json())
    else:
        for problem in checked.problems:
            click.echo(problem.text())
        click.echo(checked.summary())
    if not checked.clean:
        ctx.exit(FINDINGS)
