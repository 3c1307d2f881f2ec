"""Flags that have one value for each protocol."""

from __future__ import annotations

from collections.abc import Mapping

import click
import pytest
from click.testing import CliRunner, Result

from mockserver.cli.server_options import revisions, upstreams


@click.command
@revisions
@upstreams("Send on.")
def shown(revisions: Mapping[str, str], upstreams: Mapping[str, str], upstream_timeout: float) -> None:
    """Print the values."""
    click.echo(f"{dict(revisions)} {dict(upstreams)} {upstream_timeout:g}")


def told(*arguments: str) -> Result:
    return CliRunner().invoke(shown, list(arguments))


def test_each_protocol_has_its_value() -> None:
    flags = ("--revision", "outlit=r1", "--upstream", "apex=http://a.test?b=c", "--upstream", "outlit=http://b.test")
    assert told(*flags).output == "{'outlit': 'r1'} {'apex': 'http://a.test?b=c', 'outlit': 'http://b.test'} 30\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--revision", "outlit"], "expected PROTOCOL=REVISION, for example outlit=r4-2026-08, got 'outlit'"),
        (["--revision", "outlit=r1", "--revision", "outlit=r2"], "two revisions for the same protocol"),
        (["--upstream", "outlit="], "expected PROTOCOL=URL, for example outlit=https://app.outlit.ai, got 'outlit='"),
        (["--upstream", "https://ada:S3CRET@a.test/?a=S3CRET"], "got 'https'"),
        (["--upstream", "apex=http://ada:S3CRET@a", "--upstream", "apex=http://b"], "two upstreams for the same"),
    ],
)
def test_wrong_value_is_told_without_its_url(arguments: list[str], problem: str) -> None:
    ended = told(*arguments)
    text = " ".join(ended.output.split())
    assert ended.exit_code == 2
    assert problem in text
    assert "S3CRET" not in text
