"""The command line: a thin skin over library functions."""

from __future__ import annotations

from pathlib import Path

import click

from mockserver import __version__
from mockserver.errors import MockServerError
from mockserver.settings import DEFAULT_HOST, DEFAULT_PORT, Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "MOCKSERVER"})
@click.version_option(__version__, prog_name="mockserver")
def main() -> None:
    """Mock and contract-test the Outlit, Apex and Whisperr event-ingestion APIs."""


@main.command()
@click.option("--host", default=DEFAULT_HOST)
@click.option("--port", default=DEFAULT_PORT, type=int)
@click.option("--ready-file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--rate-limits", type=click.Choice(["advise", "enforce", "off"]), default="advise")
@click.option("--log-level", default="info")
def serve(host: str, port: int, ready_file: Path | None, rate_limits: str, log_level: str) -> None:
    """Serve the three APIs until stopped."""
    import logging
    import sys

    from mockserver.server.running import run_forever

    logging.basicConfig(stream=sys.stderr, level=log_level.upper(), format="%(levelname)s %(name)s %(message)s")
    try:
        run_forever(Settings(host=host, port=port, ready_file=ready_file, rate_limits=rate_limits))  # type: ignore[arg-type]
    except (MockServerError, OSError) as error:
        raise click.ClickException(str(error)) from None
