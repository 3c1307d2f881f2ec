"""Text tables: aligned columns, with a bold header on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

import click

GAP = "  "


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table; the last column is not padded."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    click.secho(_line(head, widths), bold=True)
    for row in rows:
        click.echo(_line(row, widths))


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
