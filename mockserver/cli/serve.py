"""`mockserver serve`: run the server in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, get_args

import click

from mockserver.cli.parameters import ByteSize, Pin, contract_files, pins
from mockserver.settings import LogFormat, LogLevel, RateMode, Settings, TlsMode

DEFAULTS: Final = Settings()

EPILOG: Final = """\b
Examples:
  mockserver serve --rate-limits enforce --log-level debug
  mockserver serve --port 0 --ready-file url.txt
  mockserver serve --revision outlit=r4-2026-08 --revision whisperr=classic-2026-06
  mockserver serve --contract-patch strict.yaml --reload
  mockserver serve --tls self-signed
  MOCKSERVER_SERVE_REVISION="outlit=r4-2026-08 apex=documented" PORT=9000 mockserver serve

The server prints one line with its URL to stdout, and with --tls a second one with the CA file that clients need; the
CA file is beside the --ready-file if there is one. The log goes to stderr. SIGTERM or SIGINT stops the server when
the requests in progress are done; a second signal stops it at once.
"""


def _token(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.strip():
        raise click.BadParameter("the token must not be empty", ctx, param)
    return value


@click.command(epilog=EPILOG)
@click.option("--host", envvar="HOST", default=DEFAULTS.host, show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    envvar="PORT",
    type=click.IntRange(0, 65535),
    default=DEFAULTS.port,
    show_default=True,
    help="Port to listen on; 0 selects a free port.",
)
@click.option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the URL to this file when the server is ready.",
)
@click.option(
    "--revision",
    "revisions",
    type=Pin(),
    multiple=True,
    callback=pins,
    metavar="NAME=REV",
    help="Pin the contract revision of a protocol. May be repeated.",
)
@contract_files
@click.option(
    "--reload",
    is_flag=True,
    help="Read the files of --contract-patch and --contracts again when they change. An invalid file is logged and "
    "changes nothing.",
)
@click.option(
    "--rate-limits",
    type=click.Choice(get_args(RateMode)),
    default=DEFAULTS.rate_limits,
    show_default=True,
    help="When a rate limit is exceeded: warn adds a warning, enforce refuses the request, off does not count.",
)
@click.option(
    "--journal-limit",
    type=click.IntRange(1),
    default=DEFAULTS.journal_limit,
    show_default=True,
    help="Maximum number of requests kept per session.",
)
@click.option(
    "--memory-limit",
    type=ByteSize(),
    default=DEFAULTS.memory_limit,
    show_default=ByteSize.text(DEFAULTS.memory_limit),
    help="Maximum memory for all journals together, in bytes or with a unit (KiB, MiB, GiB).",
)
@click.option(
    "--max-sessions",
    type=click.IntRange(1),
    default=DEFAULTS.max_sessions,
    show_default=True,
    help="Maximum number of sessions. When it is exceeded, the least recently used session is evicted.",
)
@click.option(
    "--admin-token", callback=_token, metavar="TOKEN", help="Require this bearer token on the control surface."
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="NAME",
    help="Additional host name for the control surface. May be repeated.",
)
@click.option(
    "--allow-origin",
    "allowed_origins",
    multiple=True,
    metavar="ORIGIN",
    help="Origin whose pages may use the control surface, such as http://localhost:5173. May be repeated.",
)
@click.option(
    "--tls",
    type=click.Choice(get_args(TlsMode)),
    help="Serve https with a certificate of a new CA, whose file is printed. Needs the extra mockserver[tls].",
)
@click.option(
    "--tls-cert",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Serve https with this certificate (PEM, with its chain).",
)
@click.option(
    "--tls-key",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Private key of --tls-cert (PEM); not needed if it is in the same file.",
)
@click.option(
    "--log-level",
    type=click.Choice(get_args(LogLevel)),
    default=DEFAULTS.log_level,
    show_default=True,
    help="Log level: info logs new sessions and refused events, debug logs every request.",
)
@click.option(
    "--log-format",
    type=click.Choice(get_args(LogFormat)),
    default=DEFAULTS.log_format,
    show_default=True,
    help="Log format: text, or one JSON object per line.",
)
@click.pass_obj
def command(service_links: list[str] | None, /, **flags: Any) -> None:
    """Start the mock server."""
    import gc
    import logging

    gc.disable()  # objects created at start-up stay, so collecting only costs time; the server enables it again

    from mockserver.server import logs
    from mockserver.server.running import leave_when_told, run_forever

    leave_when_told()
    settings = Settings(**flags)
    logs.configure(settings)
    for name in service_links or ():
        logging.getLogger("mockserver").info("ignoring %s, which Kubernetes sets for a service of this name", name)
    run_forever(settings)
