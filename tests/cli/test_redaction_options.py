"""Rules of redaction from flags and files."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from mockserver.cli.redaction_options import redaction_rules


@click.command
@redaction_rules
def shown(redact: tuple[str, ...]) -> None:
    """Print the rules."""
    click.echo("\n".join(redact))


def rules_of(*arguments: str) -> Result:
    return CliRunner().invoke(shown, list(arguments))


def test_rules_of_flags_and_files_are_put_together_once(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_bytes(b"\xef\xbb\xbf# of the team\r\n\r\n  header:X-Plan\r\n/events/*/properties/plan\r\nquery:q\r\n")
    other.write_text("regex:ticket [0-9]+ of #9\n  # a comment\nquery:q")
    told = rules_of("--redact-file", str(one), "--redact", "query:first", "--redact-file", str(other))
    assert (told.exit_code, told.output.splitlines()) == (
        0,
        ["query:first", "header:X-Plan", "/events/*/properties/plan", "query:q", "regex:ticket [0-9]+ of #9"],
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"query:q\n\ncookie:x\n", "line 3: 'cookie:x' is not a valid rule: expected header:NAME"),
        (b"regex:(\n", "line 1: 'regex:(' is not a valid rule"),
        (b"query:\xff\n", "is not UTF-8"),
        (None, "cannot read "),
    ],
    ids=["other", "pattern", "bytes", "none"],
)
def test_file_that_cannot_be_used_is_named_with_the_line(tmp_path: Path, content: bytes | None, problem: str) -> None:
    path = tmp_path / "rules.txt"
    if content is not None:
        path.write_bytes(content)
    told = rules_of("--redact-file", str(path))
    assert told.exit_code != 0
    assert f"{path}" in f"{told.output} {told.exception}"
    assert problem in f"{told.output} {told.exception}"


def test_rule_of_a_flag_that_cannot_be_used_is_told() -> None:
    told = rules_of("--redact", "cookie:x")
    assert (told.exit_code, "--redact: 'cookie:x' is not a valid rule" in told.output) == (2, True)
