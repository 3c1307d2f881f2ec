"""`mockserver report`: what became of a session, and whether a pipeline may go on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from mockserver.errors import SettingsError

EPILOG: Final = """\b
Examples:
  mockserver report http://127.0.0.1:8207 --session pk_ci
  mockserver report http://mockserver:8207 --session pk_ci --fail-on lost --fail-on duplicate --junit report.xml
  mockserver report http://127.0.0.1:8207 --session pk_ci --json

What a fault step refused was asked for and does not count as refused.

The JUnit file has one test case for each protocol and type of events (classname mockserver.PROTOCOL, name TYPE), and
one for each kind of request that was refused without events; so names stay the same from run to run.

Exit codes: 0 passed, 1 events were refused or --fail-on found something, 2 usage, 3 no mockserver at URL.
"""


@click.command(epilog=EPILOG)
@click.argument("url", envvar="MOCKSERVER_REPORT_URL")
@click.option("--session", "name", required=True, metavar="S", help="The session: the key the client was given.")
@click.option(
    "--fail-on",
    "gates",
    multiple=True,
    type=click.Choice(["warning", "lost", "duplicate"]),
    help="Fail on this too: warnings, events that were never delivered (with --final), or events that came again after "
    "they were acknowledged. May be repeated.",
)
@click.option(
    "--final", is_flag=True, help="No more attempts will come: what is pending is lost. --fail-on lost implies it."
)
@click.option("--json", "as_json", is_flag=True, help="Print the complete report as JSON.")
@click.option(
    "--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write JUnit XML to this file."
)
@click.option("--admin-token", metavar="TOKEN", help="The token the server was started with.")
@click.pass_context
def command(
    ctx: click.Context,
    url: str,
    name: str,
    gates: Sequence[str],
    final: bool,
    as_json: bool,
    junit: Path | None,
    admin_token: str | None,
) -> None:
    """Print what became of the session S of the server at URL, and fail when events were refused."""
    from mockserver.client import session_report as report
    from mockserver.client.blocking import Session
    from mockserver.client.calls import Target
    from mockserver.client.connections import Connections

    try:
        connections = Connections(Target(url, admin_token))
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        made = report.read_report(Session(name, connections), final=final or "lost" in gates)
    finally:
        connections.close()
    failures = made.failures([gate for gate in report.GATES if gate in gates])
    click.echo(json.dumps(report.as_json(made, failures), indent=2) if as_json else report.as_text(made, failures))
    if junit is not None:
        from mockserver.client.session_junit import junit as xml

        try:
            junit.write_bytes(xml(made, failures))
        except OSError as error:
            raise SettingsError(f"--junit: {error}") from None
    if not made.counts.requests:
        click.echo(f"no request came to session {name}: is it the key the client was given?", err=True)
    ctx.exit(1 if failures else 0)
