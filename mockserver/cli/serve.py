"""`mockserver serve`: run the server in the foreground."""

from __future__ import annotations

from typing import Any, Final, get_args

import click

from mockserver.cli.parameters import FILE, STDOUT, ByteSize, ListedPath, admin_token, contract_files
from mockserver.cli.server_options import DEFAULTS, revisions, setting, upstreams
from mockserver.settings import LogFormat, LogLevel, RateMode, RecordMode, Settings, StoreSync, TlsMode

EPILOG: Final = """\b
Examples:
  mockserver serve --rate-limits enforce --log-level debug
  mockserver serve --port 0 --ready-file url.txt
  mockserver serve --revision outlit=r4-2026-08 --revision whisperr=classic-2026-06
  mockserver serve --contract-patch strict.yaml --reload
  mockserver serve --tls self-signed
  mockserver serve --upstream outlit=https://app.outlit.ai
  mockserver serve --replay signup.ndjson
  mockserver serve --store sqlite:sessions.db
  mockserver serve --workers 4 --store redis://localhost:6379
  MOCKSERVER_SERVE_REVISION="outlit=r4-2026-08 apex=documented" PORT=9000 mockserver serve

The server prints one line with its URL to stdout, and with --tls a second one with the CA file that clients need; the
CA file is beside the --ready-file if there is one. The log goes to stderr. SIGTERM or SIGINT stops the server when
the requests in progress are done; a second signal stops it at once.
"""


@click.command(epilog=EPILOG)
@setting("--host", "Address to listen on.")
@setting("--port", "Port to listen on; 0 selects a free port.", envvar="PORT", type=click.IntRange(0, 65535))
@setting(
    "--workers",
    "Number of processes that answer on the port. More than one need a --store that they share; a process that ends is "
    "replaced. --memory-limit is for each of them.",
    type=click.IntRange(1, 256),
)
@click.option("--ready-file", type=FILE, metavar="FILE", help="Write the URL to this file when the server is ready.")
@revisions
@contract_files
@click.option(
    "--reload",
    is_flag=True,
    help="Read the files of --contract-patch and --contracts again when they change. An invalid file is logged and "
    "changes nothing.",
)
@setting(
    "--rate-limits",
    "When a rate limit is exceeded: warn adds a warning, enforce refuses the request, off does not count.",
    type=click.Choice(get_args(RateMode)),
)
@setting("--journal-limit", "Maximum number of requests kept per session.", type=click.IntRange(1))
@setting(
    "--memory-limit",
    "Maximum memory for all sessions together, in bytes or with a unit (KiB, MiB, GiB): journals, ids for dedup, "
    "settings, patched contracts. When it is exceeded, the oldest requests are evicted, then sessions, first those "
    "that nobody set up or read.",
    type=ByteSize(),
    show_default=ByteSize.text(DEFAULTS.memory_limit),
)
@setting(
    "--max-sessions",
    "Maximum number of sessions. When it is exceeded, the least recently used session is evicted, first those that "
    "nobody set up or read.",
    type=click.IntRange(1),
)
@setting(
    "--store",
    "Where sessions are kept: memory, sqlite:FILE or redis://HOST. With a file, a request is answered when the file "
    "has it, and a server that is started again goes on from there. One server at a time uses a file, but many servers "
    "can use one Redis.",
    metavar="STORE",
)
@setting(
    "--store-sync",
    "How safe --store sqlite:FILE is: full waits for the disk, and survives a power loss; normal does not, and is "
    "faster: a power loss may take the newest requests, the end of the process takes none.",
    type=click.Choice(get_args(StoreSync)),
)
@setting(
    "--store-expiry",
    "Seconds after its last change for which a Redis keeps a session.",
    type=click.FloatRange(1),
)
@admin_token(
    "Require this bearer token on the control surface. Lists of processes show flags: better use the variable, or "
    "--admin-token-file."
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
@click.option("--tls-cert", type=FILE, metavar="FILE", help="Serve https with this certificate (PEM, with its chain).")
@click.option(
    "--tls-key",
    type=FILE,
    metavar="FILE",
    help="Private key of --tls-cert (PEM); not needed if it is in the same file.",
)
@upstreams(
    "Send the requests of a protocol on to this server and answer with its replies; the contract still judges them. A "
    "session can switch between the modes mock and proxy."
)
@click.option(
    "--replay",
    multiple=True,
    type=ListedPath(dir_okay=False),
    metavar="FILE",
    help="Answer each session from this recording: a request that is equal except for ids, times and hidden values "
    "gets the recorded reply. May be repeated.",
)
@setting(
    "--record-mode",
    "A request that the recording does not have: none refuses it with 404; new_episodes answers it from the upstream "
    "or the contract, and GET /_mock/sessions/S/recording has it then; all plays nothing and records every request; "
    "once is all if there is no FILE, else none.",
    type=click.Choice(get_args(RecordMode)),
)
@click.option(
    "--replay-repeats",
    is_flag=True,
    help="Play the last of equal exchanges again if such a request comes more often than it was recorded.",
)
@click.option("--no-ui", is_flag=True, help="Do not serve the live page at /_mock/ui/.")
@setting(
    "--log-level",
    "Log level: info logs new sessions and refused events, debug logs every request.",
    type=click.Choice(get_args(LogLevel)),
)
@setting("--log-format", "Log format: text, or one JSON object per line.", type=click.Choice(get_args(LogFormat)))
@click.pass_obj
def command(ignored: list[str] | None, /, **flags: Any) -> None:
    """Start the mock server."""
    import gc

    gc.disable()  # objects created at start-up stay, so collecting only costs time; the server enables it again
    try:
        _serve(ignored or [], flags)
    finally:
        gc.enable()


def _serve(ignored: list[str], flags: dict[str, Any]) -> None:
    import logging

    from mockserver.server import logs

    if flags["ready_file"] == STDOUT:
        raise click.UsageError("--ready-file needs a file; the URL is on stdout anyway")
    settings = Settings(**{**flags, "replay": tuple(flags["replay"])})
    logs.configure(settings)
    for line in ignored:
        logging.getLogger("mockserver").info("%s", line)
    if settings.workers > 1:
        from mockserver.server import workers

        workers.run_forever(settings)
    else:
        from mockserver.server.running import run_forever

        run_forever(settings)
