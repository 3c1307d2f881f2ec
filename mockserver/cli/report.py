"""`mockserver report`: the verdict for a session, as text and as an exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from mockserver.cli import parameters
from mockserver.cli.parameters import FILE, FINDINGS, STDOUT
from mockserver.cli.session_options import Server, server_argument, session_flag

FORMATS: Final = ("text", "json", "junit", "markdown", "html", "github")
EPILOG: Final = """\b
Examples:
  mockserver report http://127.0.0.1:8207 --session pk_ci
  mockserver report http://mockserver:8207 --session pk_ci --fail-on lost --fail-on duplicate --junit report.xml
  mockserver report http://127.0.0.1:8207 --session pk_ci --min-events 10
  mockserver report http://127.0.0.1:8207 --session pk_ci --junit -
  mockserver report http://127.0.0.1:8207 --session pk_ci --format html --out report.html
  mockserver report http://127.0.0.1:8207 --session pk_ci --format markdown >> "$GITHUB_STEP_SUMMARY"

A session without events fails: nothing was checked. So does one whose refused requests, or with --fail-on any
requests, were evicted from the journal.

Events that a fault step refused on purpose do not count as refused.

With --conformance, the rules about clients are judged too, each is a test case of the JUnit file (classname
mockserver.PROTOCOL.rules), and a broken one of the level must fails the verdict. See `mockserver exercise`.

The JUnit file has one test case per protocol and event type (classname mockserver.PROTOCOL, name TYPE), and one per
kind of request that was refused as a whole. The names are the same in every run. Missing evidence is the test case
mockserver.session evidence. With --junit - the XML is the only output on stdout, and the text goes to stderr.

The HTML file has no scripts and needs nothing else; it shows each refusal with its reason and the deliveries as a
picture. Markdown is for the summary of a job, github prints workflow commands that annotate the run.

Exit code 0: passed; 1: refused events, no events or a --fail-on condition; 2: usage error; 3: no mockserver at URL.
"""


@click.command(epilog=EPILOG)
@session_flag()
@click.option(
    "--fail-on",
    "gates",
    multiple=True,
    type=click.Choice(["warning", "lost", "duplicate", "unused-fault"]),
    help="Also fail on warnings, on events that were never delivered (lost; implies --final), on events that were sent "
    "again after they were acknowledged or are stored twice (duplicate), or on fault steps that affected no request "
    "(unused-fault). May be repeated.",
)
@click.option("--final", is_flag=True, help="No more attempts will follow: count pending events as lost.")
@click.option(
    "--min-events",
    type=click.IntRange(min=0),
    metavar="N",
    help="Fail if fewer events were received, by default if none was. An event that was sent again counts once.",
)
@click.option("--allow-empty", is_flag=True, help="Pass if no events were received, unless --min-events requires some.")
@click.option(
    "--conformance", is_flag=True, help="Also judge the rules about clients, and fail on broken ones of the level must."
)
@click.option("--format", type=click.Choice(FORMATS), default="text", show_default=True, help="Format of the report.")
@click.option("--out", type=FILE, default=STDOUT, metavar="FILE", help="Write the report to this file, not to stdout.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--junit", type=FILE, metavar="FILE", help="Write JUnit XML to this file; - for stdout.")
@server_argument("report")
@click.pass_context
def command(
    ctx: click.Context,
    server: Server,
    name: str,
    gates: Sequence[str],
    final: bool,
    min_events: int | None,
    allow_empty: bool,
    conformance: bool,
    format: str,
    out: Path,
    as_json: bool,
    junit: Path | None,
) -> None:
    """Print the verdict for session S.

    URL is the address of the server. The exit code is 1 if events were refused, or if none were received.
    """
    from mockserver.client import report_formats
    from mockserver.client.session_report import Report

    if as_json and format not in ("text", "json"):
        raise click.UsageError(f"--json and --format {format} exclude each other")
    chosen = "json" if as_json else format
    if junit == STDOUT and out == STDOUT and chosen != "text":
        flag = "--json" if as_json else f"--format {chosen}"
        raise click.UsageError(f"{flag} and --junit - both write to stdout")
    with server.session(name) as session:
        report = Report(
            session,
            gates,
            final=final or "lost" in gates,
            min_events=min_events,
            allow_empty=allow_empty,
            conformance=conformance,
        )
    if out != STDOUT:
        parameters.write_whole("--out", out, report_formats.FORMATS[chosen](report))
    elif chosen == "json":
        parameters.echo_json(report.json())
    elif chosen == "text":
        click.echo(report.text(), err=junit == STDOUT)
    else:
        click.echo(report_formats.FORMATS[chosen](report), nl=False)
    if junit == STDOUT:
        click.echo(report.junit(), nl=False)
    elif junit is not None:
        parameters.write("--junit", junit, report.junit())
    ctx.exit(FINDINGS if report.failures else 0)
