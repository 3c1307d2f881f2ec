"""`mockserver export`: the exchanges of a session as a file that can be kept."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from mockserver.cli.parameters import FINDINGS, STDOUT, write_whole
from mockserver.cli.redaction_options import normalise_flag, redaction_rules
from mockserver.cli.session_options import Server, server_argument, session_flag
from mockserver.errors import SettingsError

if TYPE_CHECKING:
    from mockserver.client.connections import Connections
    from mockserver.client.session_calls import ExportFormat

EPILOG: Final = """\b
Examples:
  mockserver export http://127.0.0.1:8207 --session pk_demo --out recorded.ndjson
  mockserver export http://127.0.0.1:8207 --session pk_demo --redact '/events/*/properties/plan'
  mockserver export http://127.0.0.1:8207 --session pk_demo --format har --out recorded.har
  mockserver export http://127.0.0.1:8207 --all --out recordings/

A recording has pseudonyms in place of credentials and personal data, equal ones for equal values. Each exchange is
judged again without what is hidden in it; if one would be judged otherwise, it is named and nothing is written.

Formats: recording, har (HAR 1.2), vcr (cassette of vcrpy), case (golden case of check), all without credentials and
personal data; ndjson (exchanges as the control surface shows them, without credentials). What har, vcr or case cannot
hold is counted on stderr.

With --all, each session that has requests is a file of its own in the folder --out, named after the session; the name
is shortened if it may be a key.

Rules of --redact are header:NAME, query:NAME, regex:PATTERN (each text of a body that it matches), or a JSON Pointer
into bodies, in which * is any member or element.

Exit code 0: written; 1: no session has requests (--all); 2: usage error, or an exchange that cannot be recorded;
3: no mockserver at URL.
"""

SUFFIXES: Final[Mapping[str, str]] = {
    "recording": ".ndjson",
    "har": ".har",
    "vcr": ".yaml",
    "case": ".yaml",
    "ndjson": ".ndjson",
}
_UNSAFE: Final = re.compile("[^A-Za-z0-9._-]+")


class Export(NamedTuple):
    """How sessions are written."""

    format: ExportFormat
    redact: Sequence[str]
    normalise: bool


@click.command(epilog=EPILOG)
@session_flag(required=False)
@click.option("--all", "every", is_flag=True, help="Write every session of the server, each as a file in --out.")
@click.option(
    "--format",
    type=click.Choice(["recording", "har", "vcr", "case", "ndjson"]),
    default="recording",
    show_default=True,
    help="Format of the file, see below.",
)
@redaction_rules
@normalise_flag
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=STDOUT,
    metavar="FILE",
    help="Write to this file instead of stdout; with --all, the folder for the files.",
)
@server_argument("export")
@click.pass_context
def command(
    ctx: click.Context,
    server: Server,
    name: str | None,
    every: bool,
    format: ExportFormat,
    redact: Sequence[str],
    normalise: bool,
    out: Path,
) -> None:
    """Write the exchanges of session S, or of all sessions.

    URL is the address of the server.
    """
    if redact and format == "ndjson":
        raise click.UsageError("--redact needs another --format than ndjson")
    if normalise and format != "recording":
        raise click.UsageError("--normalise needs --format recording")
    if every == (name is not None):
        raise click.UsageError("one of --session and --all is required")
    if name is not None:
        _write_one(server, name, Export(format, redact, normalise), out)
    elif out == STDOUT or out.is_file():
        raise click.UsageError("--all writes a file for each session; name a folder for them with --out")
    else:
        ctx.exit(_write_all(server, Export(format, redact, normalise), out))


def _write_one(server: Server, name: str, export: Export, out: Path) -> None:
    if out.is_dir():
        raise click.UsageError(f"--out: {out} is a folder; name a file, or export all sessions with --all")
    with server.session(name) as session:
        content = _exported(session.connections, session.name, export, out)
    if out == STDOUT:
        click.echo(content, nl=False)
    else:
        write_whole("--out", out, content)


def _write_all(server: Server, export: Export, folder: Path) -> int:
    """Write all sessions, or none if one of them cannot be written; return the exit code."""
    from mockserver.client.session_calls import server_sessions

    files: dict[Path, bytes] = {}
    with server.connected() as connections:
        for row in connections.run(server_sessions())["sessions"]:
            if row["requests"]:
                file = _unused(folder, _file_name(row["session"]), SUFFIXES[export.format], files)
                files[file] = _exported(connections, row["session"], export, file)
    if not files:
        click.echo("no session has requests; nothing is written", err=True)
        return FINDINGS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--out: cannot make the folder {folder}: {error.strerror}") from None
    for file, content in files.items():
        write_whole("--out", file, content)
        click.echo(f"wrote {file}", err=True)
    return 0


def _exported(connections: Connections, name: str, export: Export, file: Path) -> bytes:
    """Return the content of a file, after telling what its format cannot hold."""
    from mockserver.client.session_calls import exported

    text, left_out = connections.run(exported(name, export.format, export.redact, normalise=export.normalise))
    for line in left_out:
        click.echo(f"not in {export.format if file == STDOUT else file}: {line}", err=True)
    if export.format == "case" and file != STDOUT:  # a golden case has the name of its file
        text = f"case: {json.dumps(file.stem, ensure_ascii=False)}\n{text.partition(chr(10))[2]}"
    return text.encode("utf-8", "surrogatepass")


def _file_name(session: str) -> str:
    """Return the name of a session as that of a file, without a key."""
    from mockserver.recording.redaction.secret_names import is_random
    from mockserver.sessions.session_name import shorten

    return _UNSAFE.sub("-", shorten(session) if is_random(session) else session).strip(".-") or "session"


def _unused(folder: Path, name: str, suffix: str, taken: Collection[Path]) -> Path:
    """Return a file in a folder that no other session has."""
    for number in count(1):
        file = folder / f"{name}{'' if number == 1 else f'-{number}'}{suffix}"
        if file not in taken:
            return file
    raise AssertionError("there is always a larger number")
