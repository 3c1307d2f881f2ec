"""`mockserver ready`: a health probe. With at most a URL, `mockserver.__main__` runs it without click."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from mockserver.cli import probe
from mockserver.cli.parameters import ca_file

EPILOG: Final = """\b
Examples:
  mockserver ready
  mockserver ready http://127.0.0.1:8207
  mockserver ready http://mockserver:8207 --wait --timeout 60
  mockserver ready https://127.0.0.1:8207 --ca-file ca.pem

Without URL, the server in MOCKSERVER_URL is probed, or else the address that `mockserver serve` uses in the same
environment.

Exit code 0: ready; 3: not ready.
"""


@click.command(epilog=EPILOG)
@click.argument("url", required=False, envvar=["MOCKSERVER_READY_URL", "MOCKSERVER_URL"])
@click.option("--wait", is_flag=True, help="Retry until the server is ready or the timeout has passed.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    show_default=f"{probe.PROBE_TIMEOUT_S:g}, with --wait {probe.WAIT_TIMEOUT_S:g}",
    help="Timeout in seconds.",
)
@ca_file
def command(url: str | None, wait: bool, timeout: float | None, ca_file: Path | None) -> None:
    """Check whether the server at URL is ready."""
    probe.run(url, wait=wait, timeout=timeout, ca_file=ca_file)
