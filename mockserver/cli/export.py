"""`mockserver export`: the exchanges of a session as a file that can be kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

import click

from mockserver.cli.parameters import FILE, STDOUT, write_whole
from mockserver.cli.redaction_options import normalise_flag, redaction_rules
from mockserver.cli.session_options import Server, server_argument, session_flag

EPILOG: Final = """\b
Examples:
  mockserver export http://127.0.0.1:8207 --session pk_demo --out recorded.ndjson
  mockserver export http://127.0.0.1:8207 --session pk_demo --redact '/events/*/properties/plan'
  mockserver export http://127.0.0.1:8207 --session pk_demo --format ndjson

A recording has pseudonyms in place of credentials and personal data, equal ones for equal values. Each exchange is
judged again without what is hidden in it; if one would be judged otherwise, it is named and nothing is written.

Rules of --redact are header:NAME, query:NAME, regex:PATTERN (each text of a body that it matches), or a JSON Pointer
into bodies, in which * is any member or element.

Exit code 0: written; 2: usage error, or an exchange that cannot be recorded; 3: no mockserver at URL.
"""


@click.command(epilog=EPILOG)
@session_flag()
@click.option(
    "--format",
    type=click.Choice(["recording", "ndjson"]),
    default="recording",
    show_default=True,
    help="recording: the published format, without credentials and personal data; ndjson: exchanges as the control "
    "surface shows them, without credentials.",
)
@redaction_rules
@normalise_flag
@click.option("--out", type=FILE, default=STDOUT, metavar="FILE", help="Write to this file instead of stdout.")
@server_argument("export")
def command(
    server: Server,
    name: str,
    format: Literal["recording", "ndjson"],
    redact: Sequence[str],
    normalise: bool,
    out: Path,
) -> None:
    """Write the exchanges of session S.

    URL is the address of the server.
    """
    if redact and format != "recording":
        raise click.UsageError("--redact needs --format recording")
    if normalise and format != "recording":
        raise click.UsageError("--normalise needs --format recording")
    with server.session(name) as session:
        lines = session.export(format=format, redact=redact, normalise=normalise)
    if out == STDOUT:
        click.echo(lines.encode("utf-8", "surrogatepass"), nl=False)
    else:
        write_whole("--out", out, lines.encode("utf-8", "surrogatepass"))
