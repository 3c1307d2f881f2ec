"""`mockserver ready`: a health probe. With a URL alone, or without, `mockserver.__main__` runs it without click."""

from __future__ import annotations

from typing import Final

import click

from mockserver.cli import probe

EPILOG: Final = """\b
Examples:
  mockserver ready
  mockserver ready http://127.0.0.1:8207
  mockserver ready http://mockserver:8207 --wait --timeout 60

Without a URL it asks where `mockserver serve` listens in the same environment. Exit code 0 means that the server takes
requests, 3 that it does not.
"""


@click.command(epilog=EPILOG)
@click.argument("url", required=False, envvar="MOCKSERVER_READY_URL")
@click.option("--wait", is_flag=True, help="Ask again until the server is ready or the time is up.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    show_default=f"{probe.PROBE_TIMEOUT_S:g}, with --wait {probe.WAIT_TIMEOUT_S:g}",
    help="When to give up.",
)
def command(url: str | None, wait: bool, timeout: float | None) -> None:
    """Tell whether the server at URL takes requests."""
    probe.run(url, wait=wait, timeout=timeout)
