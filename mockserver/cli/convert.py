"""`mockserver convert`: recordings in the formats of other tools, and files of other tools as recordings."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from mockserver.cli.parameters import FILE, STDOUT, contract_files, protocol_flag, write_whole
from mockserver.cli.redaction_options import redaction_rules
from mockserver.cli.server_options import revisions

if TYPE_CHECKING:
    from mockserver.recording.formats.conversion import Format

FORMATS: Final = ("recording", "har", "vcr", "case")

EPILOG: Final = """\b
Examples:
  mockserver convert browser.har signup.ndjson
  mockserver convert tests/cassettes/test_signup.yaml signup.ndjson
  mockserver convert signup.ndjson signup.yaml --to vcr
  mockserver convert signup.ndjson cases/signup.yaml --to case --protocol whisperr

Formats: recording (NDJSON), har (HAR 1.2), vcr (cassette of vcrpy), case (golden case of check).

The format of IN is told by its content, that of OUT by its name: .har is har, .ndjson and .jsonl are recording.

What comes from a HAR archive, a cassette or a golden case is judged by the contracts, and credentials and personal data
in it are hidden, as in an export. Golden cases are played: the replies are those of the contract. What is left out, or
cannot be held by the format of OUT, is counted on stderr.

Exit code 0: written; 2: usage error, or a file that cannot be converted, and nothing is written.
"""


@click.command(epilog=EPILOG)
@click.argument("source", type=FILE, metavar="IN")
@click.argument("target", type=FILE, metavar="OUT")
@click.option("--from", "read_as", type=click.Choice(FORMATS), help="Format of IN. Default: what its content says.")
@click.option("--to", "write_as", type=click.Choice(FORMATS), help="Format of OUT. Default: what its name says.")
@protocol_flag("Convert only the requests of this protocol; of a HAR archive or a cassette, those to any host.")
@redaction_rules
@revisions
@contract_files
def command(
    source: Path,
    target: Path,
    read_as: Format | None,
    write_as: Format | None,
    protocol: str | None,
    redact: Sequence[str],
    revisions: Mapping[str, str],
    contract_patches: Sequence[Path],
    contracts: Sequence[Path],
) -> None:
    """Write the requests and replies in file IN to file OUT, in another format.

    A - stands for stdin or stdout.
    """
    from mockserver.contract.library import library_of
    from mockserver.recording.formats import conversion
    from mockserver.recording.formats.incoming import Contracts
    from mockserver.recording.redaction.redaction_rules import Rules

    write_as = write_as or conversion.format_of_name(target)
    if write_as is None:
        raise click.UsageError(f"{target} can be of several formats; name one with --to: {', '.join(FORMATS)}")
    library = library_of(contracts)
    patches = [library.load_patch(file) for file in contract_patches]
    content, default_ms = _read(source)
    read_as = read_as or conversion.format_of(content, source)
    if read_as is None:
        raise click.UsageError(f"cannot tell the format of {source}; name it with --from: {', '.join(FORMATS)}")
    if redact and read_as == "recording":
        raise click.UsageError("--redact: the values in a recording are hidden already; export it again")
    converted = conversion.convert(
        content,
        source,
        read_as,
        write_as,
        Contracts(library, revisions, patches, protocol),
        rules=Rules.of(redact),
        name=conversion.name_of(target),
        default_ms=default_ms,
    )
    for note in converted.notes:
        click.echo(f"{source}: {note}", err=True)
    if target == STDOUT:
        click.echo(converted.content, nl=False)
    else:
        write_whole("OUT", target, converted.content)


def _read(source: Path) -> tuple[bytes, int]:
    """Return the content of a file, and the time in ms for requests without one: that of the file, or now."""
    from mockserver.errors import SettingsError
    from mockserver.jsonkit.filetext import NotUTF8Error
    from mockserver.lint.source import STDIN, UnreadableError, opened

    try:
        with opened(source) as opened_source:
            opened_source.begin()
            seconds = time.time() if source == STDIN else source.stat().st_mtime
            return opened_source.rest(), int(seconds) * 1000
    except OSError as error:
        raise SettingsError(f"cannot read {source}: {error.strerror}") from None
    except (NotUTF8Error, UnreadableError) as error:
        raise SettingsError(f"cannot read {source}: {error}") from None
