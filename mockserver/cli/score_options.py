"""What commands that score a client share: flags for known failures and levels, the lines of a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import FILE

if TYPE_CHECKING:
    from mockserver.client.results import Conformance

LEVELS: Final = ("must", "should")

known_failures = click.option(
    "--known-failures",
    type=FILE,
    metavar="FILE",
    help="Names of rules that may be broken, one on each line, with a reason after a #.",
)
broken_level = click.option(
    "--fail-on",
    "level",
    type=click.Choice(LEVELS),
    default="must",
    show_default=True,
    help="Broken rules of this level fail the run; should includes must.",
)


def verdict_lines(
    score: Conformance, known: Mapping[str, str], level: str, problems: Sequence[str]
) -> tuple[list[str], bool]:
    """Return the lines of a score with its verdict, and whether it is passed."""
    from mockserver.client.exercising import unexpected
    from mockserver.client.score_report import text_lines

    broken, kept = unexpected(score, known, level)
    lines = [*text_lines(score, known), *problems]
    lines += [f"known as broken, but kept: {row.rule}; remove it from the known failures" for row in kept]
    if not score.of("pass") and not score.failed:
        problems = [*problems, "nothing was exercised"]
    reasons = [f"{len(broken)} broken rules" if len(broken) > 1 else "1 broken rule"] if broken else []
    reasons += list(problems)
    return [*lines, f"failed: {'; '.join(reasons)}" if reasons else "passed"], not reasons
