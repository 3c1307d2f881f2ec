"""`mockserver record`: run a program against a server of its own, and write what it exchanged with that."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import FILE, FINDINGS, contract_files, write_whole
from mockserver.cli.redaction_options import normalise_flag, redaction_rules
from mockserver.cli.server_options import revisions, upstreams
from mockserver.errors import SettingsError

if TYPE_CHECKING:
    from mockserver.client.local import MockServer

SESSION: Final = "recording"
"""The session of all requests of the program, whatever their keys are: its URL names it."""
BY_SIGNAL: Final = 128
"""The exit code of a program that a signal ended, less the number of that signal; so shells have it."""

EPILOG: Final = """\b
Examples:
  mockserver record --upstream whisperr=https://api.whisperr.net python app.py
  mockserver record --out fixtures/signup.ndjson npm test
  mockserver record --upstream outlit=https://app.outlit.ai --redact '/events/*/properties'

The program finds the server in MOCKSERVER_URL and a key in MOCKSERVER_KEY. With --upstream, the requests of that
protocol go on to it with the key that the program sends.

The file is a recording, without credentials and personal data. It is written when the program has ended, complete or
not at all. Without a program, it is written at Ctrl-C.

Exit code: that of the program; 1 if it ended well but no request came; 2 if the recording cannot be written.
"""


@click.command(epilog=EPILOG, context_settings={"allow_interspersed_args": False})
@upstreams("Send the requests of a protocol on to this server, and record its replies.")
@click.option(
    "--out", type=FILE, default="recording.ndjson", show_default=True, metavar="FILE", help="File for the recording."
)
@redaction_rules
@normalise_flag
@revisions
@contract_files
@click.option(
    "--key",
    envvar="MOCKSERVER_KEY",
    metavar="KEY",
    help="Key that the program finds in MOCKSERVER_KEY. Default: a well-formed one.",
)
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND]...")
@click.pass_context
def command(
    ctx: click.Context,
    upstreams: Mapping[str, str],
    upstream_timeout: float,
    out: Path,
    redact: Sequence[str],
    normalise: bool,
    revisions: Mapping[str, str],
    contract_patches: Sequence[Path],
    contracts: Sequence[Path],
    key: str | None,
    program: Sequence[str],
) -> None:
    """Run COMMAND against a server and write a recording of its requests and their replies."""
    from mockserver.client.local import MockServer

    server = MockServer(
        session=SESSION,
        upstreams=upstreams,
        upstream_timeout=upstream_timeout,
        revisions=revisions,
        contract_patches=contract_patches,
        contracts=contracts,
    )
    with server:
        code = _run(server, program, key, upstreams) if program else _until_interrupted(server)
        missing = _written(server, out, redact, normalise=normalise)
    ctx.exit(code or missing)


def _run(server: MockServer, program: Sequence[str], key: str | None, upstreams: Mapping[str, str]) -> int:
    """Run the program to its end, and return its exit code. Raises SettingsError if it cannot be run."""
    if key is None:
        key = server.key_for(next(iter(upstreams))) if upstreams else server.key
    environment = {**os.environ, "MOCKSERVER_KEY": key, "MOCKSERVER_URL": _url(server)}
    try:
        process = subprocess.Popen(program, env=environment)
    except OSError as error:
        raise SettingsError(f"cannot run {program[0]}: {error.strerror}") from None
    with _signals_for(process):
        code = process.wait()
    return BY_SIGNAL - code if code < 0 else code


def _url(server: MockServer) -> str:
    return f"{server.target.url}/_mock/s/{SESSION}"


@contextmanager
def _signals_for(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Let a program decide what SIGINT and SIGTERM mean: a terminal sends it the first one itself."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    before_term = signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, before_term)


def _until_interrupted(server: MockServer) -> int:
    """Wait for SIGINT or SIGTERM."""
    stop = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, frame: stop.set()) for number in numbers]
    click.echo(f"recording at {_url(server)} until Ctrl-C", err=True)
    stop.wait()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)
    return 0


def _written(server: MockServer, out: Path, redact: Sequence[str], *, normalise: bool) -> int:
    """Write the recording and say what is in it; return the exit code for what is missing."""
    state = server.settings()
    if not state.counts.requests:
        click.echo(f"no request came to {_url(server)}; nothing is written", err=True)
        return FINDINGS
    if state.evicted:
        raise SettingsError(f"{state.evicted} requests were evicted from the journal; record fewer at once")
    text = server.export(format="recording", redact=redact, normalise=normalise)
    write_whole("--out", out, text.encode("utf-8", "surrogatepass"))
    click.echo(_summary(text, out), err=True)
    return 0


def _summary(text: str, out: Path) -> str:
    import json

    from mockserver.core.wording import counted as number

    head, *exchanges = map(json.loads, text.splitlines())
    verdicts = [event["verdict"] for exchange in exchanges for event in exchange["events"]]
    seen = [verdict for verdict in ("accepted", "duplicate", "rejected") if verdict in verdicts]
    counted = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in seen)
    differing = [exchange["id"] for exchange in exchanges if exchange["differs"]]
    lines = [
        f"{out}: {number(len(exchanges), 'request')}, {number(len(verdicts), 'event')}"
        + (f" ({counted})" if counted else ""),
        f"{number(head['redaction']['values'], 'value')} hidden",
    ]
    if differing:
        lines.append(f"replies that the contract does not give: {', '.join(differing)}")
    return "\n".join(lines)
