"""`mockserver export`: the exchanges of a session as a file that can be kept."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import click

from mockserver import settings
from mockserver.cli import parameters
from mockserver.cli.parameters import FILE, STDOUT

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
@click.argument("url", envvar=["MOCKSERVER_EXPORT_URL", "MOCKSERVER_URL"])
@click.option(
    "--session", "name", required=True, metavar="S", help="Name of the session: the key that the client uses."
)
@click.option(
    "--format",
    type=click.Choice(["recording", "ndjson"]),
    default="recording",
    show_default=True,
    help="recording: the published format, without credentials and personal data; ndjson: exchanges as the control "
    "surface shows them, without credentials.",
)
@click.option(
    "--redact", multiple=True, metavar="RULE", help="What else to hide in a recording, see below. May be repeated."
)
@click.option("--out", type=FILE, default=STDOUT, metavar="FILE", help="Write to this file instead of stdout.")
@parameters.admin_token("Admin token of the server.")
@parameters.ca_file
def command(
    url: str,
    name: str,
    format: Literal["recording", "ndjson"],
    redact: Sequence[str],
    out: Path,
    admin_token: str | None,
    admin_token_file: Path | None,
    ca_file: Path | None,
) -> None:
    """Write the exchanges of session S.

    URL is the address of the server.
    """
    from mockserver.client.calls import Target
    from mockserver.client.client import Session
    from mockserver.client.connections import Connections
    from mockserver.sessions.session_name import session_name

    if redact and format != "recording":
        raise click.UsageError("--redact needs --format recording")
    try:
        name = session_name(name)
        connections = Connections(Target(url, settings.admin_token(admin_token, admin_token_file), ca_file))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    with closing(connections):
        lines = Session(name, connections).export(format=format, redact=redact).encode("utf-8", "surrogatepass")
    if out == STDOUT:
        click.echo(lines, nl=False)
    else:
        parameters.write_whole("--out", out, lines)
