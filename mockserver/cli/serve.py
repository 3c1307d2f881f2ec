"""`mockserver serve`: the server in the foreground, until it is told to stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

import click

from mockserver.cli.parameters import ByteSize, Pin, contract_files, pins
from mockserver.settings import LogFormat, LogLevel, RateMode, Settings

DEFAULTS: Final = Settings()

EPILOG: Final = """\b
Examples:
  mockserver serve --rate-limits enforce --log-level debug
  mockserver serve --port 0 --ready-file url.txt
  mockserver serve --revision outlit=r4-2026-08 --revision whisperr=classic-2026-06
  mockserver serve --contract-patch strict.yaml
  MOCKSERVER_SERVE_REVISION="outlit=r4-2026-08 apex=documented" PORT=9000 mockserver serve

The one line on stdout says where the server listens; the log goes to stderr. SIGTERM and SIGINT let requests in
flight finish; a second one does not.
"""


def _token(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("an empty token protects nothing", ctx, param)
    return value


@click.command(epilog=EPILOG)
@click.option("--host", envvar="HOST", default=DEFAULTS.host, show_default=True, help="The address to listen on.")
@click.option(
    "--port",
    envvar="PORT",
    type=click.IntRange(0, 65535),
    default=DEFAULTS.port,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the URL there once requests are taken.",
)
@click.option(
    "--revision",
    "revisions",
    type=Pin(),
    multiple=True,
    callback=pins,
    metavar="NAME=REV",
    help="Pin a protocol's revision. May be repeated.",
)
@contract_files
@click.option(
    "--rate-limits",
    type=click.Choice(get_args(RateMode)),
    default=DEFAULTS.rate_limits,
    show_default=True,
    help="What going over a rate limit means: warnings, a refusal, or nothing.",
)
@click.option(
    "--journal-limit",
    type=click.IntRange(1),
    default=DEFAULTS.journal_limit,
    show_default=True,
    help="How many requests a session keeps.",
)
@click.option(
    "--memory-limit",
    type=ByteSize(),
    default=DEFAULTS.memory_limit,
    show_default=ByteSize.text(DEFAULTS.memory_limit),
    help="How many bytes all journals may take together; KiB, MiB and GiB may be written.",
)
@click.option(
    "--max-sessions",
    type=click.IntRange(1),
    default=DEFAULTS.max_sessions,
    show_default=True,
    help="How many sessions there may be; over it the one idle for longest goes.",
)
@click.option(
    "--admin-token", callback=_token, metavar="TOKEN", help="Ask for this bearer token on the control surface."
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="A further host name the control surface is reached by. May be repeated.",
)
@click.option(
    "--log-level",
    type=click.Choice(get_args(LogLevel)),
    default=DEFAULTS.log_level,
    show_default=True,
    help="How much to log: info has refusals and new sessions, debug every request.",
)
@click.option(
    "--log-format",
    type=click.Choice(get_args(LogFormat)),
    default=DEFAULTS.log_format,
    show_default=True,
    help="Lines for people, or one JSON object a line.",
)
@click.pass_obj
def command(service_links: list[str] | None, /, **flags: Any) -> None:
    """Serve the three APIs until stopped."""
    import gc
    import logging

    gc.disable()  # what a start makes stays, so looking for garbage only takes time; the server turns it on again

    from mockserver.server import logformat
    from mockserver.server.running import leave_when_told, run_forever

    leave_when_told()
    settings = Settings(**flags)
    logformat.configure(settings)
    for name in service_links or ():
        logging.getLogger("mockserver").info("ignoring %s, which Kubernetes sets for a service of this name", name)
    run_forever(settings)
