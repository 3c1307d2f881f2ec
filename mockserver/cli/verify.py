"""`mockserver verify`: verify any server against a contract by its replies alone."""

from __future__ import annotations

import math
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from mockserver.cli import parameters
from mockserver.errors import SettingsError

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract
    from mockserver.verify import Rule, Setup

KEY, SERVER_KEY = "MOCKSERVER_VERIFY_KEY", "MOCKSERVER_VERIFY_SERVER_KEY"
SHOWN: Final = 200
DRAWN: Final = 3

EPILOG: Final = """\b
Examples:
  mockserver verify --target http://127.0.0.1:8207 --protocol outlit --key pk_test
  mockserver verify --target http://127.0.0.1:8207 --protocol apex --key pk_test --server-key apex_sk_test --junit r.xml
  mockserver verify --target https://api.example.com --protocol whisperr --key wrk_1 --only /protocol/cors --rate 5
  mockserver verify --target http://127.0.0.1:8207 --protocol outlit --key pk_test --dry-run

A rule is the JSON Pointer of a fact in the contract; some have the name of a check after a #. --only and --skip take
the start of a rule or a glob pattern. Real events are sent: use a test key. Only replies are examined; rules that no
reply can show are listed as not observable.

Exit code 0: no deviations; 1: deviations; 3: the target is unreachable or does not speak the protocol.
"""


class Finite(click.FloatRange):
    """A number in a range, and not NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


@click.command(epilog=EPILOG)
@click.option(
    "--target", required=True, metavar="URL", help="Base URL of the server, without the paths of the protocol."
)
@parameters.protocol_flag("Protocol that the target implements.", required=True)
@parameters.ca_file
@click.option("--key", required=True, metavar="KEY", help="Key to send with the requests.")
@click.option("--server-key", metavar="KEY", help="Secret server key, for a protocol with two kinds of keys (Apex).")
@click.option(
    "--revoked-key",
    "revoked",
    multiple=True,
    metavar="KEY",
    help="Well-formed key that the target must refuse. May be repeated.",
)
@click.option(
    "--header",
    "headers",
    multiple=True,
    type=parameters.Header(),
    metavar="'NAME: VALUE'",
    help="Header to send with every request, for a gateway in front of the target. May be repeated; the variable has "
    "one header per line.",
)
@parameters.effective_contract
@click.option(
    "--examples", type=click.IntRange(min=0), default=20, show_default=True, help="Number of random examples per rule."
)
@parameters.seed_flag("examples")
@click.option("--only", multiple=True, metavar="RULE", help="Check only these rules. May be repeated.")
@click.option("--skip", multiple=True, metavar="RULE", help="Skip these rules. May be repeated.")
@click.option(
    "--rate",
    type=Finite(min=0.001, max=1_000_000),
    default=50.0,
    show_default=True,
    help="Maximum number of requests per second.",
)
@click.option("--burst", is_flag=True, help="Also exceed the rate limits and expect refusals.")
@click.option(
    "--max-wait",
    type=Finite(min=0, max=86_400),
    default=5.0,
    show_default=True,
    help="Maximum wait for one check, in seconds.",
)
@click.option(
    "--timeout",
    type=Finite(min=0.001, max=86_400),
    default=15.0,
    show_default=True,
    help="Maximum time for a connection, and for a complete reply, in seconds.",
)
@click.option("--dry-run", is_flag=True, help="List the requests without sending them.")
@click.option(
    "--assumed",
    type=click.Choice(["report", "ignore"]),
    default="report",
    show_default=True,
    help="Report or ignore deviations from assumed facts, which no source states.",
)
@click.option(
    "--json", "json_file", type=parameters.FILE, metavar="FILE", help="Write the report as JSON; - for stdout."
)
@click.option(
    "--junit", "junit_file", type=parameters.FILE, metavar="FILE", help="Write the report as JUnit XML; - for stdout."
)
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    target: str,
    ca_file: Path | None,
    protocol: str,
    headers: Sequence[tuple[str, str]],
    revision: str | None,
    contracts: Sequence[Path],
    contract_patches: Sequence[Path],
    only: Sequence[str],
    skip: Sequence[str],
    dry_run: bool,
    assumed: Literal["report", "ignore"],
    json_file: Path | None,
    junit_file: Path | None,
    max_wait: float,
    timeout: float,
    **setup_flags: Any,
) -> None:
    """Verify a server against a contract by its replies."""
    parameters.need_hypothesis()
    from mockserver.verify import Setup, rules_of, verify
    from mockserver.verify.outcome_report import Report
    from mockserver.verify.transport import Http

    (contract,) = parameters.load_contracts(protocol, revision, contracts, contract_patches)
    setup = Setup(**setup_flags, max_wait_ms=int(max_wait * 1000), nonce=secrets.token_hex(4))
    _check_key(contract, setup)
    _check_headers(contract, headers)
    _check_files([file for file in (json_file, junit_file) if file is not None])
    http = Http(target, setup.rate, headers=headers, timeout=timeout, ca_file=ca_file)
    if dry_run:
        _list(rules_of(contract, setup, http), only, skip)
        return
    http.connect()
    with ExitStack() as stack:
        stack.callback(http.close)
        outcomes = verify(contract, setup, http, only=only, skip=skip, started=partial(_progress, stack))
    keys = {setup.key: KEY} | ({setup.server_key: SERVER_KEY} if setup.server_key else {})
    report = Report(target, f"{contract.name} {contract.revision}", outcomes, keys, headers)
    report = report if assumed == "report" else report.without_assumed()
    if json_file is not None and json_file != parameters.STDOUT:
        text = parameters.json_text(report.as_json())
        parameters.write("--json", json_file, f"{text}\n".encode())
    if junit_file is not None and junit_file != parameters.STDOUT:
        parameters.write("--junit", junit_file, report.junit())
    if json_file == parameters.STDOUT:
        parameters.print_json(report.as_json())
    if junit_file == parameters.STDOUT:
        click.echo(report.junit(), nl=False)
    click.echo(report.text(), err=parameters.STDOUT in (json_file, junit_file))
    if not report.clean:
        ctx.exit(parameters.FINDINGS)


def _check_files(files: Sequence[Path]) -> None:
    """Check that the reports can be written, before anything is sent."""
    if len(files) > 1 and files[0] == files[1]:
        raise SettingsError(f"--json and --junit both write to {files[0]}")
    for file in files:
        if file != parameters.STDOUT and not os.access(file if file.exists() else file.parent, os.W_OK):
            raise SettingsError(f"{file} cannot be written")


def _check_key(contract: Contract, setup: Setup) -> None:
    """Check that the key is valid for the protocol, before anything is sent."""
    from mockserver.verify.rule_set import keys_of

    if not any(keys_of(contract, setup).values()):
        patterns = sorted({spec.pattern for spec in contract.credentials.values() if spec.pattern is not None})
        raise SettingsError(f"--key fits no credential of {contract.name}: it must match {' or '.join(patterns)}")


def _check_headers(contract: Contract, headers: Sequence[tuple[str, str]]) -> None:
    """Check that no header is one that the checks set themselves or leave out on purpose."""
    from mockserver.verify.rule_set import controlled_headers

    names = [name.lower() for name, _ in headers]
    for name in names:
        if name in controlled_headers(contract):
            raise SettingsError(f"--header {name}: the checks of {contract.name} control this header themselves")
        if names.count(name) > 1:
            raise SettingsError(f"--header {name}: given more than once; write one header with all values")


def _progress(stack: ExitStack, count: int) -> Callable[[], None]:
    """Show a progress bar on a terminal until the stack is closed; return the function that advances it."""
    if not sys.stderr.isatty():
        return lambda: None
    bar = stack.enter_context(click.progressbar(length=count, label="rules", file=sys.stderr))
    return lambda: bar.update(1)


def _list(rules: Sequence[Rule], only: Sequence[str], skip: Sequence[str]) -> None:
    from mockserver.core.wording import counted
    from mockserver.jsonkit.printable import printable
    from mockserver.strategies.sampling import draw
    from mockserver.verify import chosen

    for rule in chosen(rules, only, skip):
        probes = rule.probes()
        if rule.random is not None:
            probes += [rule.random.probe(sample) for sample in draw(rule.random.strategy(), DRAWN)]
        count = sum(len(probe.steps) for probe in probes)
        click.echo(f"{rule.id} ({rule.basis}): {rule.idle or counted(count, 'request')}{rule.why and ': ' + rule.why}")
        for probe in probes:
            for step in probe.steps[:3]:
                body = step.request.body[:SHOWN].decode("utf-8", "replace")
                click.echo(printable(f"  {step.request.method} {step.request.path} {body}".rstrip()))
