"""`mockserver check`: validate payloads, recorded traffic, fixtures and patches against a contract."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mockserver.cli.parameters import FINDINGS, effective_contract, load_patches, print_json, protocol_flag
from mockserver.errors import unknown
from mockserver.jsonkit.printable import printable

if TYPE_CHECKING:
    from mockserver.lint.progress import Progress

INTERRUPTED: Final = 130
"""The exit code after Ctrl-C."""

CLEARED: Final = "\r\x1b[K"
"""Makes the line of a terminal empty."""

EPILOG: Final = """\b
Examples:
  mockserver check payload.json
  mockserver check --protocol whisperr --operation batch events.ndjson
  mockserver check --revision r4-2026-08 --protocol outlit recorded.har
  mockserver check recordings/ events.ndjson.gz --min-events 100
  mockserver check fixtures/outlit/cases/accept-pageview.yaml patch.yaml --json

A .json file holds a request body, an event, a request as in a golden case, a list of these, or a HAR archive. An
.ndjson file holds one of these per line, an exported session, or a corpus. A .yaml file holds a golden case or a
contract patch. All except .yaml can be compressed with gzip. Of a folder, all files with these names are read, also in
folders inside; hidden files and links to folders are not. Use - to read JSON or NDJSON from stdin.

A request belongs to the protocol that serves its path, a payload without a request to the operation whose members it
has. The output says what each file was checked as. If several operations are almost equally likely, that is an error:
name the right one with --protocol and --operation. Time windows are checked only if the file or --now gives the time
of the request.

In recordings, a reply that the contract cannot give to the request is an error too, or a warning if its status is 500
or more. It may be that of a server with another history (repeats, rate limits, revoked keys), but not take an event for
new that the recording calls a repeat. How often a status comes, and what upstreams store, is not judged. Values that
servers make up are compared by their form. Counted, but not checked: requests
in a HAR archive that belong to no protocol, bodies and replies that were not recorded, replies made by a fault step. A
file in which there is nothing to check is an error. Equal warnings are printed once with their number.
Progress goes to stderr if that is a terminal, or with --progress.

\b
Exit code 0: no errors (warnings do not count); 1: errors, files that cannot be read, or nothing to check;
2: usage error, such as a file that does not exist; 130: interrupted, after the findings so far are printed.
"""


class CheckedPath(click.Path):
    """A file or folder that exists, or - for stdin. Whether it can be read is told with the other findings."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, allow_dash=True, readable=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        if str(value) != "-" and not os.path.lexists(value):
            self.fail(f"{str(value)!r} does not exist", param, ctx)
        return super().convert(value, param, ctx)


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=CheckedPath())
@protocol_flag("Protocol. Default: that of the host or path, else inferred from the members.")
@click.option(
    "--operation", metavar="NAME", help="Operation. Default: that of the path, else inferred from the members."
)
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
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    metavar="N",
    help="List at most N findings of one rule, and count the others; 0: list all.",
)
@click.option(
    "--progress/--no-progress", default=None, help="Tell on stderr how much is read. Default: only on a terminal."
)
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
    limit: int,
    progress: bool | None,
    as_json: bool,
) -> None:
    """Validate files, and those in folders, against the contracts, event by event."""
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
        limit=limit,
    )
    with _telling(progress) as told:
        checked = check(files, library, options, told)
    if as_json:
        print_json(checked.as_json())
    else:
        for line in checked.lines():
            click.echo(line)
    if checked.interrupted:
        ctx.exit(INTERRUPTED)
    if not checked.clean:
        ctx.exit(FINDINGS)


@contextmanager
def _telling(wanted: bool | None) -> Iterator[Progress]:
    """Tell on stderr how much is read: in one line that changes on a terminal, else in lines now and then."""
    from mockserver.lint.progress import Progress

    in_place = on_terminal()
    if not (in_place if wanted is None else wanted):
        yield Progress(None)
        return

    def say(text: str) -> None:
        sys.stderr.write(f"{CLEARED}{printable(text)}" if in_place else f"{printable(text)}\n")
        sys.stderr.flush()

    yield Progress(say, 0.2 if in_place else 5.0)
    if in_place:
        sys.stderr.write(CLEARED)


def on_terminal() -> bool:
    """Return whether stderr is a terminal."""
    return sys.stderr.isatty()
