"""`mockserver record`: run a program against a server of its own, and write what it exchanged with that."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import FILE, FINDINGS, ByteSize, contract_files, write_whole
from mockserver.cli.programs import SIGNALS, environment_for, handling, shell_code, signals_for
from mockserver.cli.redaction_options import normalise_flag, redaction_rules
from mockserver.cli.server_options import revisions, upstreams
from mockserver.errors import SettingsError
from mockserver.jsonkit.printable import printable

if TYPE_CHECKING:
    from mockserver.cli.recording_progress import RecordingProgress
    from mockserver.cli.recording_server import RecordingServer

SESSION: Final = "recording"
"""The session of all requests of the program, whatever their keys are: its URL names it."""
MEMORY: Final = 1024**3
"""Bytes that the requests and replies of a recording may take before they are written."""
EPILOG: Final = """\b
Examples:
  mockserver record --upstream whisperr=https://api.whisperr.net -- python app.py
  mockserver record --out fixtures/signup.ndjson -- npm test
  mockserver record --upstream outlit=https://app.outlit.ai --redact-file redact.txt

The program finds the server in MOCKSERVER_URL and a key in MOCKSERVER_KEY. With --upstream, the requests of that
protocol go on to it with the key that the program sends.

Progress is on stderr: a line for each request, or on a terminal one line that counts. At the end, the command tells
what was seen, refused and hidden, and where the upstream and the contract differ.

The file is a recording, without credentials and personal data. It is written when the program has ended, complete or
not at all. Without a program, it is written at Ctrl-C.

Exit code: that of the program (128 + N if signal N ended it); 1 if it ended well but no request came; 2 if it cannot
be run, the memory limit ended it, or the recording cannot be written.
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
    help="Key that the program finds in MOCKSERVER_KEY. Default: one that is well-formed for the upstream, or for most "
    "protocols.",
)
@click.option(
    "--memory-limit",
    type=ByteSize(),
    default=MEMORY,
    show_default=ByteSize.text(MEMORY),
    help="Memory for requests and replies. When it is reached, the program is ended and what there is is written.",
)
@click.option("--quiet", is_flag=True, help="Tell nothing but errors, and without COMMAND the URL.")
@click.argument("program", nargs=-1, type=click.UNPROCESSED, metavar="[-- COMMAND...]")
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
    memory_limit: int,
    quiet: bool,
    program: Sequence[str],
) -> None:
    """Run COMMAND against a server and write a recording of its requests and their replies."""
    from mockserver.cli.recording_progress import RecordingProgress, mode_of
    from mockserver.cli.recording_server import MOST_REQUESTS, RecordingServer

    _check_writable(out)
    _log_errors_only()
    server = RecordingServer(
        session=SESSION,
        upstreams=upstreams,
        upstream_timeout=upstream_timeout,
        revisions=revisions,
        contract_patches=contract_patches,
        contracts=contracts,
        memory_limit=memory_limit,
        journal_limit=MOST_REQUESTS,
    )
    with server:
        run = _Run(server, program, _key(server, key, upstreams) if program else "")
        progress = RecordingProgress(mode_of(quiet=quiet), run.end_if_full)
        server.watch(progress)
        try:
            code = run.program() if program else run.until_interrupted()
            with suppress(KeyboardInterrupt):
                server.settle(upstream_timeout)
        finally:
            progress.close()
    missing = _written(server, out, partial(_lines, server, redact, progress, normalise=normalise), quiet=quiet)
    if run.is_full:
        raise SettingsError("the memory limit was reached, and the recording ends there; --memory-limit sets it")
    ctx.exit(code or missing)


def _key(server: RecordingServer, key: str | None, upstreams: Mapping[str, str]) -> str:
    if key is not None:
        return key
    return server.key_for(next(iter(upstreams))) if upstreams else server.any_key()


class _Run:
    """What is recorded: a program, or whatever comes until a signal. `is_full` says that the memory limit ended it."""

    def __init__(self, server: RecordingServer, arguments: Sequence[str], key: str) -> None:
        self._server = server
        self._arguments = arguments
        self._environment = environment_for(server.program_url, key)
        self._end: Callable[[], None] = lambda: None
        self.is_full = False

    def end_if_full(self) -> None:
        """End it before a request would be forgotten."""
        if not self.is_full and self._server.is_full:
            self.is_full = True
            self._end()

    def program(self) -> int:
        """Run the program to its end, and return its exit code. Raises SettingsError if it cannot be run."""
        try:
            process = subprocess.Popen(self._arguments, env=self._environment)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SettingsError(f"cannot run {self._arguments[0]}: {reason}") from None
        self._end = process.terminate
        with signals_for(process):
            code = process.wait()
        return shell_code(code)

    def until_interrupted(self) -> int:
        """Wait for SIGINT, SIGTERM or the end of the terminal."""
        stop = threading.Event()
        self._end = stop.set
        with handling((signal.SIGINT, *SIGNALS), lambda number: stop.set()):
            click.echo(f"recording at {self._server.program_url} until Ctrl-C", err=True)
            stop.wait()
        return 0


def _log_errors_only() -> None:
    """Log bugs of the server; what upstreams and clients do wrong is in the lines of progress and in the summary."""
    import logging

    from mockserver.server.lines import LineHandler

    handler = LineHandler(sys.stderr)
    handler.setLevel(logging.ERROR)
    logging.getLogger("mockserver").addHandler(handler)


def _check_writable(out: Path) -> None:
    """Check that the file can be written, before a program runs in vain. Raises SettingsError."""
    try:
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise SettingsError(f"--out: cannot write {out}: {error.strerror}") from None


def _lines(
    server: RecordingServer, redact: Sequence[str], progress: RecordingProgress, *, normalise: bool
) -> list[bytes]:
    """Return the lines of the recording, and tell how many are made."""
    from mockserver.recording.redaction.redaction_rules import Rules

    total, now_ms = len(server.session_state.journal), time.time_ns() // 1_000_000
    progress.writing(0, total)
    return server.lines(Rules.of(redact), now_ms, lambda done: progress.writing(done, total), normalise=normalise)


def _written(server: RecordingServer, out: Path, made: Callable[[], list[bytes]], *, quiet: bool) -> int:
    """Write the recording and say what is in it; return the exit code for what is missing."""
    from mockserver.recording.summary import summary_lines

    session = server.session_state
    if not session.journal:
        _say_that_nothing_came(server)
        return FINDINGS
    if session.evicted:
        raise SettingsError(f"{session.evicted} requests did not fit into the memory limit; raise --memory-limit")
    lines = made()
    _write_safely(out, b"".join(lines))
    if not quiet:
        first, *others = summary_lines(lines)
        click.echo("\n".join([printable(f"{out}: {first}"), *others]), err=True)
    return 0


def _write_safely(out: Path, content: bytes) -> None:
    """Write the file; where that fails, a file among the temporary ones, so that nothing is lost."""
    try:
        write_whole("--out", out, content)
    except SettingsError as error:
        try:
            descriptor, name = tempfile.mkstemp(suffix=".ndjson", prefix="recording-")
            with open(descriptor, "wb") as file:
                file.write(content)
        except OSError:
            raise error from None
        raise SettingsError(f"{error}; the recording is in {name}") from None


def _say_that_nothing_came(server: RecordingServer) -> None:
    unseen = server.app.unseen.as_json()
    click.echo(f"no request came to {server.program_url}; nothing is written", err=True)
    if unseen["count"]:
        click.echo(printable(f"but something came that is no request to a protocol: {unseen['reason']}"), err=True)
