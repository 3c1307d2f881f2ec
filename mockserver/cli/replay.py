"""`mockserver replay`: send the requests of a recording to any server, and compare the replies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from mockserver.cli import parameters
from mockserver.cli.parameters import FILE, FINDINGS, STDOUT
from mockserver.errors import UnreachableError

if TYPE_CHECKING:
    from mockserver.client.client import Session
    from mockserver.contract.contract import Contract
    from mockserver.contract.library import Library
    from mockserver.recording.recordings import Recording

INTERRUPTED: Final = 130

EPILOG: Final = """\b
Examples:
  mockserver replay signup.ndjson --target https://api.example.com --key wrk_test --rebase-time
  mockserver replay signup.ndjson --target http://127.0.0.1:8207 --session replayed --recorded-clock
  mockserver replay all.ndjson --target http://127.0.0.1:8207 --key whisperr=wrk_1 --key apex=pk_1 --key apex=apex_sk_1

Real events are sent: use a test key. A recording has pseudonyms for keys; --key replaces those that the recorded server
took, where the contract has them. Of several keys of a protocol, each credential gets the one that fits its pattern.

Compared are status, body, and the headers content-type, allow, location, retry-after, www-authenticate, those of CORS
and those that the contract gives. Ids, times and counts in replies may be others, but ids that were equal must be equal
again. Not sent: requests whose body is incomplete or not in the recording. Not compared: replies that the client did
not get, and those of a fault step or of this server in place of an upstream.

Times of events are days old soon. --rebase-time moves them to now, those that the contract knows; or let a mockserver
use the recorded time: --session with --recorded-clock.

\b
Exit code 0: all replies are as recorded; 1: differences, or nothing was compared; 2: usage error; 3: the target is
unreachable or stopped answering; 130: interrupted. What was found until then is printed.
"""


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--target", required=True, metavar="URL", help="Base URL of the server, without the paths of the protocol."
)
@click.option(
    "--key",
    "keys",
    multiple=True,
    envvar="MOCKSERVER_KEY",
    metavar="[NAME=]KEY",
    help="Key to send, for all protocols or for the protocol NAME. May be repeated.",
)
@click.option("--rebase-time", "rebase", is_flag=True, help="Move the times of events to now.")
@click.option("--pace", is_flag=True, help="Send as fast as it was recorded. Default: as fast as the target answers.")
@click.option("--session", "name", metavar="S", help="Session of a mockserver to send to.")
@click.option(
    "--recorded-clock", is_flag=True, help="Set the clock of --session to the recorded time before each request."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0.001, 86_400),
    default=30.0,
    show_default=True,
    help="Maximum time for a complete reply, in seconds.",
)
@parameters.contract_folders
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.option("--junit", "junit_file", type=FILE, metavar="FILE", help="Write JUnit XML to this file; - for stdout.")
@parameters.admin_token("Admin token of a mockserver, for --recorded-clock.")
@parameters.ca_file
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    file: Path,
    target: str,
    keys: Sequence[str],
    rebase: bool,
    pace: bool,
    name: str | None,
    recorded_clock: bool,
    timeout: float,
    contracts: Sequence[Path],
    as_json: bool,
    junit_file: Path | None,
    ca_file: Path | None,
    **tokens: Any,
) -> None:
    """Send the requests of the recording FILE to a server, and compare the replies."""
    from mockserver.client import replay_report
    from mockserver.client.replay_requests import Replay, Target
    from mockserver.contract.library import library_of
    from mockserver.recording.recordings import read_recording

    if recorded_clock and name is None:
        raise click.UsageError("--recorded-clock needs --session")
    if recorded_clock and rebase:
        raise click.UsageError("--rebase-time and --recorded-clock exclude each other")
    recording, library = read_recording(file), library_of(contracts)
    exit_code, results = 0, list[Any]()
    with ExitStack() as stack:
        session = None if name is None else _session(stack, target, name, ca_file, **tokens)
        replay = Replay(
            recording=recording,
            target=Target(
                url=target,
                session=None if session is None else session.name,
                timeout=timeout,
                ca_file=ca_file,
                clock=session if recorded_clock else None,
            ),
            contracts=_contracts(recording, library),
            keys=_by_protocol(keys, library),
            rebase=rebase,
            pace=pace,
        )
        try:
            results.extend(replay.run())
        except (UnreachableError, KeyboardInterrupt) as error:
            exit_code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else error.exit_code
            if isinstance(error, UnreachableError):
                click.echo(f"Error: {error}", err=True)
    report = replay_report.Report(str(file), target, tuple(results), len(recording.exchanges), sorted(replay.missing))
    if junit_file is not None and junit_file != STDOUT:
        parameters.write("--junit", junit_file, report.junit())
    if junit_file == STDOUT:
        click.echo(report.junit(), nl=False)
    if as_json:
        parameters.print_json(report.as_json())
    else:
        for line in report.lines():
            click.echo(line, err=junit_file == STDOUT)
    ctx.exit(exit_code or (0 if report.clean else FINDINGS))


def _session(
    stack: ExitStack,
    url: str,
    name: str,
    ca_file: Path | None,
    admin_token: str | None,
    admin_token_file: Path | None,
) -> Session:
    from mockserver.cli.session_options import Server

    server = Server(url=url, admin_token=admin_token, admin_token_file=admin_token_file, ca_file=ca_file)
    return stack.enter_context(server.session(name))


def _by_protocol(keys: Sequence[str], library: Library) -> Mapping[str, Sequence[str]]:
    """Return the keys of each protocol: those for it, or else those for all."""
    found: dict[str, list[str]] = {name: [] for name in library.protocols}
    for_all = list[str]()
    for given in keys:
        protocol, sign, key = given.partition("=")
        if sign and protocol in found and key:
            found[protocol].append(key)
        else:
            for_all.append(given)
    return {name: own or for_all for name, own in found.items()}


def _contracts(recording: Recording, library: Library) -> Mapping[str, Contract]:
    """Return the contracts that judged a recording; the base contract for a revision that is not known."""
    found: dict[str, Contract] = {}
    for name in {exchange.protocol for exchange in recording.exchanges} & library.protocols.keys():
        protocol, revision = library.protocol(name), recording.head.revision(name)
        found[name] = protocol.contract(revision if revision in protocol.revision_names() else None)
    return found
