"""The flags for what else to hide in a recording: single rules, and files of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from mockserver.cli.parameters import ListedPath
from mockserver.errors import SettingsError

_Result = TypeVar("_Result")


def redaction_rules(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Add the flags for redaction rules, as `redact`: the rules of the flags, then those of the files."""
    rule = click.option(
        "--redact",
        multiple=True,
        metavar="RULE",
        help="What else to hide: header:NAME, query:NAME, regex:PATTERN or a JSON Pointer. May be repeated.",
    )
    file = click.option(
        "--redact-file",
        "redact_files",
        multiple=True,
        type=ListedPath(dir_okay=False),
        metavar="FILE",
        help="File with rules for --redact, one on each line; lines that begin with # are comments. May be repeated.",
    )

    @wraps(function)
    def with_rules(*args: Any, redact: Sequence[str], redact_files: Sequence[Path], **others: Any) -> _Result:
        _check("--redact", redact)
        rules = [*redact, *(rule for path in redact_files for rule in _rules_in(path))]
        return function(*args, redact=tuple(dict.fromkeys(rules)), **others)

    return rule(file(with_rules))


def normalise_flag(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """Add the flag for recordings that differ little from run to run, as `normalise`."""
    return click.option(
        "--normalise",
        is_flag=True,
        help="Number ids, and write times as offsets from the first exchange, rounded to 0.1 s.",
    )(function)


def _rules_in(path: Path) -> list[str]:
    """Return the rules in a file. Raises SettingsError if it cannot be read, and UsageError, which names the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise SettingsError(f"--redact-file: cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SettingsError(f"--redact-file: {path} is not UTF-8") from None
    rules = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    rules = [(number, rule) for number, rule in rules if rule and not rule.startswith("#")]
    for number, rule in rules:
        _check(f"--redact-file: {path} line {number}", [rule])
    return [rule for _, rule in rules]


def _check(source: str, rules: Iterable[str]) -> None:
    from mockserver.recording.redaction.redaction_rules import Rules

    try:
        Rules.of(rules)
    except ValueError as error:
        raise click.UsageError(f"{source}: {error}") from None
