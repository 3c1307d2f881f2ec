"""`mockserver exercise`: run a program once for each stimulus of a protocol, and score its client."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import FILE, FINDINGS, STDOUT, contract_files, print_json, write
from mockserver.cli.programs import environment_for, shell_code, signals_for
from mockserver.cli.score_options import broken_level, known_failures, verdict_lines
from mockserver.cli.server_options import revisions
from mockserver.errors import SettingsError
from mockserver.jsonkit.printable import printable

if TYPE_CHECKING:
    from mockserver.client.client import Session
    from mockserver.client.exercising import Run
    from mockserver.contract.contract import Contract

EPILOG: Final = """\b
Examples:
  mockserver exercise --protocol whisperr -- python drive.py
  mockserver exercise --protocol outlit --quick -- node drive.mjs
  mockserver exercise --protocol whisperr --known-failures known.txt --junit score.xml -- python drive.py

COMMAND uses the client: it sends some events, flushes, waits as long as its user would, and ends. It is run once as it
is, and then once for each stimulus, each time in a session of its own: it finds the server in MOCKSERVER_URL and a key
in MOCKSERVER_KEY. Rules that nothing exercised are not passed.

A client waits for its own back-off, so a run can take minutes; --quick leaves those runs out.

A file of known failures has the name of a rule on each line, and a reason after a #. Such a rule may be broken; one
that is kept all the same is reported.

\b
Exit code 0: no rule is broken but known ones; 1: broken rules, no requests, or a run that did not end in time;
2: usage error, or a command that cannot be run.
"""


@click.command(epilog=EPILOG, context_settings={"allow_interspersed_args": False})
@click.option("--protocol", required=True, metavar="NAME", help="Protocol whose rules are judged.")
@click.option("--quick", is_flag=True, help="Leave out what makes a client wait before it tries again.")
@known_failures
@broken_level
@click.option(
    "--events",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of different events that COMMAND makes. Without it, nobody can tell whether all of them arrive.",
)
@click.option(
    "--timeout",
    type=click.IntRange(min=1),
    default=60,
    show_default=True,
    metavar="S",
    help="Seconds that a run may take, beside what its stimulus needs.",
)
@revisions
@contract_files
@click.option("--junit", type=FILE, metavar="FILE", help="Write JUnit XML to this file, a test case for each rule.")
@click.option("--json", "as_json", is_flag=True, help="Print the score as one JSON object.")
@click.argument("program", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    protocol: str,
    quick: bool,
    known_failures: Path | None,
    level: str,
    events: int | None,
    timeout: int,
    revisions: Mapping[str, str],
    contract_patches: Sequence[Path],
    contracts: Sequence[Path],
    junit: Path | None,
    as_json: bool,
    program: Sequence[str],
) -> None:
    """Run COMMAND once for each stimulus of a protocol, and score its client by the rules."""
    from mockserver.client.exercising import exercise, merged, read_known, runs_of
    from mockserver.client.junit import Suite, document
    from mockserver.client.local import MockServer
    from mockserver.client.score_report import as_json as row_as_json
    from mockserver.client.score_report import junit_cases
    from mockserver.contract.library import library_of

    chosen = library_of(contracts).protocol(protocol)
    rules = chosen.client_rules
    if not rules.rules:
        raise click.UsageError(f"{protocol} has no rules about clients")
    known = {} if known_failures is None else read_known(known_failures, rules.rules)
    options = {"revisions": revisions, "contract_patches": contract_patches, "contracts": contracts, "no_ui": True}
    with MockServer(**options) as server:  # type: ignore[arg-type]
        key = _key(chosen.contract(revisions.get(protocol))) or server.key_for(protocol)
        runs = exercise(
            protocol,
            runs_of(rules, quick=quick),
            lambda name: server.session(f"exercise-{name}"),
            _runner(program, key, timeout),
            made=events,
            told=_tell,
        )
    score = merged(runs)
    lines, clean = verdict_lines(score, known, level, [problem for run in runs for problem in _problems(run)])
    if as_json:
        print_json(
            {
                "protocol": protocol,
                "clean": clean,
                "known_failures": known,
                "runs": [_as_json(run) for run in runs],
                "rules": [row_as_json(row) for row in score.rules],
            }
        )
    else:
        click.echo("\n".join(map(printable, lines)))
    if junit is not None:
        xml = document([Suite(name=f"mockserver exercise {protocol}", cases=junit_cases(score, known))])
        write("--junit", junit, xml) if junit != STDOUT else click.echo(xml, nl=False)
    ctx.exit(0 if clean else FINDINGS)


def _key(contract: Contract) -> str | None:
    """Return the contract's example of a key, which looks like the vendor's; None if it has none."""
    return next((each.example for each in contract.credentials.values() if each.example is not None), None)


def _runner(program: Sequence[str], key: str, timeout: int) -> Callable[[Session, int], int | None]:
    """Return what runs the program in a session. It raises SettingsError if the program cannot be run."""

    def run(session: Session, extra_ms: int) -> int | None:
        try:
            process = subprocess.Popen(program, env=environment_for(session.base_url, key), stdout=subprocess.DEVNULL)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingsError(f"cannot run {program[0]}: {reason}") from None
        with signals_for(process):
            try:
                return shell_code(process.wait(timeout + extra_ms / 1000))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None

    return run


def _tell(run: Run) -> None:
    click.echo(
        f"{run.stimulus}: {run.requests} requests, {run.events} different events, {_ending(run.exit_code)}", err=True
    )


def _ending(exit_code: int | None) -> str:
    return "did not end in time" if exit_code is None else f"exit code {exit_code}"


def _problems(run: Run) -> list[str]:
    """Return why a run says too little."""
    problems = [] if run.requests else [f"{run.stimulus}: no request came"]
    return problems + ([f"{run.stimulus}: {_ending(None)}"] if run.exit_code is None else [])


def _as_json(run: Run) -> dict[str, object]:
    return {
        "stimulus": run.stimulus,
        "exit_code": run.exit_code,
        "requests": run.requests,
        "events": run.events,
        "verdicts": {row.rule: row.verdict for row in run.score.rules},
    }
