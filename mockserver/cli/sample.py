"""`mockserver sample`: valid and invalid requests generated from the contracts, with their expected replies."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import (
    STDOUT,
    effective_contract,
    load_contracts,
    need_hypothesis,
    protocol_flag,
    seed_flag,
)
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

Each line is an object {protocol, operation, revision, valid, rule?, pointer?, request, expect} in the format of the
golden cases (fixtures/README.md). Timestamps are close to 2026-06-14T12:00:02Z: set the session's clock to that time.
The same seed gives the same samples for the same version of Hypothesis. The corpus depends on neither.
"""


@click.command(epilog=EPILOG)
@protocol_flag("Protocol. Default: all protocols.")
@click.option("--operation", metavar="NAME", help="Operation of the protocol. Default: all operations.")
@click.option("--type", "kind", metavar="NAME", help="Event type. Default: all types.")
@effective_contract
@click.option("--count", type=click.IntRange(min=1), default=10, show_default=True, help="Number of samples.")
@seed_flag("samples")
@click.option("--invalid", is_flag=True, help="Generate requests that break exactly one rule.")
@click.option("--json", "as_json", is_flag=True, help="Print an indented JSON array instead of NDJSON.")
@click.option(
    "--corpus",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the complete corpus to this folder, one file per protocol. Only --contracts is used with it.",
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
    """Print sample requests with the replies that a server must send."""
    need_hypothesis()
    if corpus is not None:
        if corpus == STDOUT:
            raise click.UsageError("--corpus needs a folder: it writes several files")
        if protocol or operation or kind or revision or invalid or contract_patches:
            raise click.UsageError("--corpus writes samples of every contract; combine it with --contracts only")
        _write(corpus, contracts)
        return
    if protocol is None and (operation or kind or revision):
        raise click.UsageError("--operation, --type and --revision require --protocol")
    from mockserver.strategies.sampling import draw

    strategies = [
        _strategy(contract, operation, kind, invalid)
        for contract in load_contracts(protocol, revision, contracts, contract_patches)
    ]
    share, remainder = divmod(count, len(strategies))
    samples = [
        sample.as_json()
        for number, strategy in enumerate(strategies)
        for sample in draw(strategy, share + (number < remainder), seed)
    ]
    # In ASCII: generated texts contain control characters and Unicode line separators.
    if as_json:
        click.echo(json.dumps(samples, indent=2))
        return
    for sample in samples:
        click.echo(json.dumps(sample, separators=(",", ":")))


def _write(folder: Path, contracts: Sequence[Path]) -> None:
    from mockserver.contract.library import library_of
    from mockserver.strategies.corpus import write

    try:
        for path in write(library_of(contracts), folder):
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
