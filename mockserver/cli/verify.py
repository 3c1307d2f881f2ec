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
from typing import TYPE_CHECKING, Any, Final

import click

from mockserver.cli import parameters
from mockserver.errors import SettingsError, UnreachableError, unknown

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract
    from mockserver.verify import Rule, Setup

KEY, SERVER_KEY = "MOCKSERVER_VERIFY_KEY", "MOCKSERVER_VERIFY_SERVER_KEY"
SHOWN: Final = 200
DRAWN: Final = 3
INTERRUPTED: Final = 130
INTERNAL: Final = 4
BASES: Final = ("docs", "spec", "sdk", "inferred", "assumed", "patch")

EPILOG: Final = """\b
Examples:
  mockserver verify --target http://127.0.0.1:8207 --protocol outlit --key pk_test
  mockserver verify --target http://127.0.0.1:8207 --protocol apex --key pk_test --server-key apex_sk_test --junit r.xml
  mockserver verify --target https://api.example.com --protocol whisperr --key wrk_1 --only /protocol/cors --rate 5
  mockserver verify --target http://127.0.0.1:8207 --protocol outlit --key pk_test --revision documented --basis docs
  mockserver verify --target http://127.0.0.1:8207 --protocol outlit --key pk_test --dry-run

A rule is the JSON Pointer of a fact in the contract; some have the name of a check after a #. --only and --skip take
the start of a rule or a glob pattern. Real events are sent: use a test key. Only replies are examined; rules that no
reply can show are listed as not observable.


The text begins with what is wrong: one line for each broken fact, the most authoritative basis first. Each has its own
basis: docs (the vendor's pages), spec (published specifications), sdk (code of clients), inferred or assumed.


Requests have the User-Agent mockserver-verify/VERSION, and ids begin with mockserver-verify- where the contract lets
them. Accepted events stay on the target.


Exit code 0: no deviations; 1: deviations, or nothing was checked; 2: usage error; 3: the target is unreachable, does
not speak the protocol or stopped answering; 4: an error in mockserver; 130: interrupted. The report has what was found.
"""


class Finite(click.FloatRange):
    """A number in a range, and not NaN."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number", param, ctx)
        return number


class Bases(parameters.ValueType):
    """Names of bases, separated by commas; the facts of patches are among them in any case."""

    name = "bases"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[str]:
        """Return the bases."""
        if isinstance(value, frozenset):
            return value
        names = [name.strip() for name in str(value).split(",")]
        for name in names:
            if name not in BASES:
                self.fail(unknown("basis", name, BASES[:-1]), param, ctx)
        return frozenset({*names, "patch"})


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
@click.option(
    "--basis",
    "bases",
    type=Bases(),
    metavar="BASES",
    help="Bases of the facts that count, separated by commas: docs, spec, sdk, inferred, assumed. Facts of your own "
    "contract patches always count.  [default: all]",
)
@click.option(
    "--operation", "operations", multiple=True, metavar="NAME", help="Check only this operation. May be repeated."
)
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
@click.option(
    "--max-requests",
    type=click.IntRange(min=1),
    metavar="N",
    help="End the run after so many requests, and report what was found.",
)
@click.option(
    "--volume",
    type=parameters.ByteSize(),
    default="48MiB",
    show_default=True,
    metavar="SIZE",
    help="Maximum size of all bodies of 256KiB or more together.",
)
@click.option("--dry-run", is_flag=True, help="List the requests, and how much they send, without sending them.")
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
    bases: frozenset[str] | None,
    json_file: Path | None,
    junit_file: Path | None,
    max_wait: float,
    timeout: float,
    **setup_flags: Any,
) -> None:
    """Verify a server against a contract by its replies."""
    parameters.need_hypothesis()
    from mockserver.verify import Runner, Setup, rules_of
    from mockserver.verify.outcome_report import Report
    from mockserver.verify.rules import in_scope
    from mockserver.verify.run_results import narrowed
    from mockserver.verify.runner import run
    from mockserver.verify.transport import Http

    (contract,) = parameters.load_contracts(protocol, revision, contracts, contract_patches)
    setup = Setup(
        **setup_flags,
        max_wait_ms=int(max_wait * 1000),
        nonce=secrets.token_hex(4),
        bases=frozenset(BASES) if bases is None else bases,
    )
    _check_key(contract, setup)
    _check_headers(contract, headers)
    _check_files([file for file in (json_file, junit_file) if file is not None])
    http = Http(target, setup.rate, headers=headers, timeout=timeout, ca_file=ca_file)
    if dry_run:
        _list(in_scope(rules_of(contract, setup, http), contract, setup), only, skip)
        return
    http.connect()
    runner, exit_code = Runner(contract, setup, http), 0
    with ExitStack() as stack:
        stack.callback(http.close)
        try:
            run(runner, only, skip, partial(_progress, stack))
        except (UnreachableError, KeyboardInterrupt) as error:
            if not runner.began:
                raise
            exit_code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else error.exit_code
    keys = {setup.key: KEY} | ({setup.server_key: SERVER_KEY} if setup.server_key else {})
    outcomes = narrowed(runner.results(), only, skip)
    name = f"{contract.name} {contract.revision}"
    report = Report(target, name, outcomes, keys, headers, runner.notes(), runner.bytes)
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
    for problem in runner.errors:
        click.echo(f"Error in mockserver; please report it: {problem}", err=True)
    ctx.exit(
        exit_code or (INTERNAL if runner.errors else 0 if report.clean and report.checked else parameters.FINDINGS)
    )


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
    """Print the probes of each rule, one after the other as they are made, and how much is sent in all."""
    from mockserver.core.wording import counted
    from mockserver.jsonkit.printable import printable
    from mockserver.strategies.sampling import draw
    from mockserver.verify import Probe, chosen
    from mockserver.verify.rule import LARGE

    requests = sent = large = 0
    for rule in chosen(rules, only, skip):
        probes = list[Probe]()
        for probe in rule.built():
            requests += len(probe.steps)
            sizes = [len(step.request.body) for step in probe.steps]
            sent, large = sent + sum(sizes), large + sum(size for size in sizes if size >= LARGE)
            probes.append(probe.shown(SHOWN))
        if rule.random is not None:
            probes += [rule.random.probe(sample).shown(SHOWN) for sample in draw(rule.random.strategy(), DRAWN)]
        count = sum(len(probe.steps) for probe in probes)
        click.echo(f"{rule.id} ({rule.basis}): {rule.idle or counted(count, 'request')}{rule.why and ': ' + rule.why}")
        for probe in probes:
            for step in probe.steps[:3]:
                body = step.request.body.decode("utf-8", "replace")
                click.echo(printable(f"  {step.request.method} {step.request.path} {body}".rstrip()))
    text = f"{counted(requests, 'request')} and random ones, {sent / 1e6:.1f} MB"
    click.echo(f"{text}, of which bodies of 256KiB or more are {large / 1e6:.1f} MB; --volume limits those")
