"""`mockserver verify`: hold any server to a contract, by what it answers alone."""

from __future__ import annotations

import json
import math
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from mockserver.cli.loading import load_contract, need_hypothesis
from mockserver.cli.parameters import ProtocolName, RevisionName, contract_files
from mockserver.errors import SettingsError

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract
    from mockserver.verify import Rule, Setup
    from mockserver.verify.outcome_report import Report

FINDINGS: Final = 1
KEY, SERVER_KEY = "MOCKSERVER_VERIFY_KEY", "MOCKSERVER_VERIFY_SERVER_KEY"
STDOUT: Final = Path("-")
SHOWN: Final = 200
DRAWN: Final = 3

EPILOG: Final = """\b
Examples:
  mockserver verify --target http://127.0.0.1:8207 --protocol outlit --key pk_test
  mockserver verify --target http://127.0.0.1:8207 --protocol apex --key pk_test --server-key apex_sk_test --junit r.xml
  mockserver verify --target https://api.example.com --protocol whisperr --key wrk_1 --only /protocol/cors --rate 5
  mockserver verify --target http://127.0.0.1:8207 --protocol outlit --key pk_test --dry-run

A rule is the pointer of a fact in the contract, with what of it is tried after a #; --only and --skip take its
beginning or a glob. It sends real events: use a key made for tests. Only replies are looked at; what they cannot show
is listed as not observable. Exit codes: 0 clean, 1 findings, 3 nothing that speaks the protocol answers there.
"""


class Finite(click.FloatRange):
    """A number in a range; NaN is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


@click.command(epilog=EPILOG)
@click.option("--target", required=True, metavar="URL", help="The server, without the protocol's own paths.")
@click.option("--protocol", required=True, type=ProtocolName(), metavar="NAME", help="What it is to speak.")
@click.option("--key", required=True, metavar="KEY", help="The key that requests carry.")
@click.option("--server-key", metavar="KEY", help="The secret key of servers, where a protocol has both (Apex).")
@click.option("--revoked-key", "revoked", multiple=True, metavar="KEY", help="A well-formed key that must be refused.")
@click.option("--revision", type=RevisionName(), metavar="REV", help="The revision; without it, the base.")
@contract_files
@click.option("--examples", type=click.IntRange(min=0), default=20, show_default=True, help="Random ones for a rule.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another number gives other random examples.")
@click.option("--only", multiple=True, metavar="RULE", help="Try these rules. May be repeated.")
@click.option("--skip", multiple=True, metavar="RULE", help="Leave these rules out. May be repeated.")
@click.option(
    "--rate",
    type=Finite(min=0.001, max=1_000_000),
    default=50.0,
    show_default=True,
    help="The most requests a second.",
)
@click.option("--burst", is_flag=True, help="Also go over rate limits, and expect to be refused.")
@click.option(
    "--max_wait",
    type=Finite(min=0, max=86_400),
    default=5.0,
    show_default=True,
    help="The longest wait for one check, in seconds.",
)
@click.option("--dry-run", is_flag=True, help="List what would be sent.")
@click.option(
    "--assumed",
    type=click.Choice(["report", "ignore"]),
    default="report",
    show_default=True,
    help="What to do with deviations from facts that no source states.",
)
@click.option(
    "--json",
    "json_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report as JSON; - for stdout.",
)
@click.option(
    "--junit",
    "junit_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report as JUnit XML; - for stdout.",
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    target: str,
    protocol: str,
    revision: str | None,
    contracts: Sequence[Path],
    contract_patches: Sequence[Path],
    only: Sequence[str],
    skip: Sequence[str],
    dry_run: bool,
    assumed: Literal["report", "ignore"],
    json_file: Path | None,
    junit_file: Path | None,
    **given: Any,
) -> None:
    """Hold a server to a contract, by what it answers."""
    need_hypothesis()
    from mockserver.verify import rules_of, verify
    from mockserver.verify.outcome_report import Report
    from mockserver.verify.transport import Http

    contract, setup = load_contract(protocol, revision, contracts, contract_patches), _setup(given)
    _check_key(contract, setup)
    _check_files([file for file in (json_file, junit_file) if file is not None])
    http = Http(target, setup.rate)
    if dry_run:
        _list(rules_of(contract, setup, http), only, skip)
        return
    try:
        with _progress() as started:
            outcomes = verify(contract, setup, http, only=only, skip=skip, started=started)
    finally:
        http.close()
    keys = {setup.key: KEY} | ({setup.server_key: SERVER_KEY} if setup.server_key else {})
    report = Report(target, f"{contract.name} {contract.revision}", outcomes, keys)
    _write(report if assumed == "report" else report.without_assumed(), json_file, junit_file, ctx)


def _check_files(files: Sequence[Path]) -> None:
    """Refuse a report that could not be written before anything is sent."""
    if len(files) > 1 and files[0] == files[1]:
        raise SettingsError(f"--json and --junit both write to {files[0]}")
    for file in files:
        if file != STDOUT and not os.access(file if file.exists() else file.parent, os.W_OK):
            raise SettingsError(f"{file} cannot be written")


def _write(report: Report, json_file: Path | None, junit_file: Path | None, ctx: click.Context) -> None:
    made: dict[Path | None, Callable[[], str]] = {
        json_file: lambda: json.dumps(report.as_json(), indent=2, ensure_ascii=False),
        junit_file: lambda: report.junit().decode("utf-8").rstrip("\n"),
    }
    for file, text in made.items():
        if file is not None and file != STDOUT:
            file.write_text(text() + "\n", encoding="utf-8")
    click.echo(made.get(STDOUT, report.text)())
    if not report.clean:
        ctx.exit(FINDINGS)


def _setup(given: dict[str, Any]) -> Setup:
    from mockserver.verify import Setup

    max_wait_ms = int(given.pop("max_wait") * 1000)
    return Setup(**given, max_wait_ms=max_wait_ms, nonce=secrets.token_hex(4))


def _check_key(contract: Contract, setup: Setup) -> None:
    """Refuse a key that fits nothing before anything is sent."""
    from mockserver.verify.rule_set import keys_of

    if not any(keys_of(contract, setup).values()):
        patterns = sorted({spec.pattern for spec in contract.credentials.values() if spec.pattern is not None})
        raise SettingsError(f"--key fits no credential of {contract.name}: it must match {' or '.join(patterns)}")


@contextmanager
def _progress() -> Iterator[Callable[[int], Callable[[], None]]]:
    """Show on a terminal how many rules are done; however that ends, the terminal is left as it was."""
    with ExitStack() as shown:

        def started(count: int) -> Callable[[], None]:
            if not sys.stderr.isatty():
                return lambda: None
            bar = shown.enter_context(click.progressbar(length=count, label="rules", file=sys.stderr))
            return lambda: bar.update(1)

        yield started


def _list(rules: Sequence[Rule], only: Sequence[str], skip: Sequence[str]) -> None:
    from mockserver.strategies.sampling import draw
    from mockserver.verify import chosen
    from mockserver.verify.outcome_report import printable

    for rule in chosen(rules, only, skip):
        chance = rule.random
        drawn = [] if chance is None else [chance.probe(value) for value in draw(chance.strategy, DRAWN)]
        count = sum(len(probe.steps) for probe in (*rule.probes, *drawn))
        click.echo(f"{rule.id} ({rule.basis}): {rule.idle or f'{count} requests'}{rule.why and ': ' + rule.why}")
        for probe in (*rule.probes, *drawn):
            for step in probe.steps[:3]:
                body = step.request.body[:SHOWN].decode("utf-8", "replace")
                click.echo(printable(f"  {step.request.method} {step.request.path} {body}".rstrip()))
