"""`mockserver sample`: good and bad requests made of the contracts, each with the reply it must get."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.loading import load_contracts, need_hypothesis
from mockserver.cli.parameters import ProtocolName, RevisionName, contract_files
from mockserver.errors import SettingsError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from mockserver.contract.contract import Contract
    from mockserver.strategies import Sample

EPILOG: Final = """\b
Examples:
  mockserver sample --protocol whisperr --count 3
  mockserver sample --protocol outlit --type custom --revision r4-2026-08 --invalid
  mockserver sample --protocol apex --operation server_events --json
  mockserver sample --corpus fixtures/corpus

A line is {protocol, operation, revision, valid, rule?, pointer?, request, expect}, written as the golden cases of
fixtures/README.md are. Times are near 2026-06-14T12:00:02Z: set the session's clock to it. The same seed gives the same
lines as long as Hypothesis is the same; the corpus does not depend on it.
"""


@click.command(epilog=EPILOG)
@click.option("--protocol", type=ProtocolName(), metavar="NAME", help="One protocol; without it, all.")
@click.option("--operation", metavar="NAME", help="One operation of the protocol.")
@click.option("--type", "kind", metavar="NAME", help="One type of events.")
@click.option("--revision", type=RevisionName(), metavar="REV", help="The revision; without it, the base.")
@contract_files
@click.option("--count", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number gives others.")
@click.option("--invalid", is_flag=True, help="Requests that break exactly one rule.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, indented, and not a line for each.")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the whole corpus there, one file for each protocol; everything but --contracts is ignored.",
)
def command(
    protocol: str | None,
    operation: str | None,
    kind: str | None,
    revision: str | None,
    contracts: Sequence[Path],
    contract_patches: Sequence[Path],
    count: int,
    seed: int,
    invalid: bool,
    as_json: bool,
    corpus: Path | None,
) -> None:
    """Print good or bad requests with the replies they must get."""
    need_hypothesis()
    if corpus is not None:
        _write(corpus, contracts)
        return
    if protocol is None and (operation or kind or revision):
        raise click.UsageError("--operation, --type and --revision need a --protocol")
    from mockserver.strategies.sampling import draw

    wanted = [
        _strategy(one, operation, kind, invalid)
        for one in load_contracts(protocol, revision, contracts, contract_patches)
    ]
    _print(
        [sample for number, one in enumerate(wanted) for sample in draw(one, _share(count, number, wanted), seed)],
        as_json,
    )


def _share(count: int, number: int, wanted: Sequence[object]) -> int:
    """Split a count among several; the first ones get what is left over."""
    return count // len(wanted) + (number < count % len(wanted))


def _write(folder: Path, contracts: Sequence[Path]) -> None:
    from mockserver.contract.library import Library
    from mockserver.strategies.corpus import write

    try:
        for path in write(Library(contracts), folder):
            click.echo(path)
    except OSError as error:
        raise SettingsError(f"--corpus {folder}: {error.strerror}") from None


def _strategy(contract: Contract, operation: str | None, kind: str | None, invalid: bool) -> SearchStrategy[Sample]:
    from mockserver import strategies

    name = contract.name
    if not invalid:
        return strategies.requests(name, operation=operation, type=kind, contract=contract)
    if kind:
        return strategies.invalid_events(name, operation=operation, type=kind, contract=contract)
    return strategies.invalid(name, operation=operation, contract=contract)


def _print(samples: Sequence[Sample], as_json: bool) -> None:
    """Print in ASCII: drawn texts hold characters that move a terminal or end a line for some readers."""
    lines = [sample.as_json() for sample in samples]
    if as_json:
        click.echo(json.dumps(lines, indent=2))
        return
    for line in lines:
        click.echo(json.dumps(line, separators=(",", ":")))
