"""What several commands share: flags and their value types, contracts as flags name them, command groups, JSON."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from mockserver.errors import SettingsError, unknown
from mockserver.jsonkit.printable import printable_json

FINDINGS: Final = 1
"""The exit code of a command that found errors."""
FILE: Final = click.Path(dir_okay=False, path_type=Path)
STDOUT: Final = Path("-")
"""The name of a file that stands for stdout."""
_UNITS: Final = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE: Final = re.compile(r"([0-9]+) ?([KMG]iB|)")
_HEADER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([!-~](?:[ \t!-~]*[!-~])?)[ \t]*")
"""A header line as RFC 9110 section 5 defines it, with a value in ASCII."""

if TYPE_CHECKING:
    from mockserver.contract.contract import Contract
    from mockserver.contract.library import Library, Patch
    from mockserver.jsonkit import Json

    ValueType = click.ParamType[Any]
else:
    ValueType = click.ParamType

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Value = TypeVar("_Value")


class ByteSize(ValueType):
    """A number of bytes, with or without a binary unit."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the size in bytes."""
        if isinstance(value, int):
            return value
        size = _SIZE.fullmatch(value)
        if size is None or int(size[1]) == 0:
            self.fail(f"{value!r} is not a valid size; write 67108864, 64MiB or 1GiB", param, ctx)
        return int(size[1]) * _UNITS[size[2]]

    @staticmethod
    def text(size: int) -> str:
        """Format a size as a user would write it: in the largest unit that divides it."""
        unit = max((unit for unit, factor in _UNITS.items() if size % factor == 0), key=_UNITS.__getitem__)
        return f"{size // _UNITS[unit]}{unit}"


class Header(ValueType):
    """A header as `Name: value`; its variable has one in each line."""

    name = "header"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the name and the value."""
        line = _HEADER.fullmatch(value)
        if line is None:
            name = re.split(r"[:\s]", value.strip(), maxsplit=1)[0]  # the rest may be a secret
            self.fail(f"expected 'Name: value' in printable ASCII on one line, got {name!r} and more", param, ctx)
        return line[1], line[2]

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split the value of the variable."""
        return [line for line in rv.splitlines() if line.strip()]


class ListedPath(click.Path):
    """A repeatable path; a variable holds several, separated by whitespace, as for every repeatable flag."""

    def __init__(self, **kind: bool) -> None:
        super().__init__(path_type=Path, **kind)

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split the value of a variable."""
        return rv.split()


def protocol_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the protocols of the package."""
    from mockserver.contract.library import library

    return [name for name in library().protocols if name.startswith(incomplete)]


def revision_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the revisions of the named protocol, or of all protocols."""
    from mockserver.contract.library import library

    protocols = library().protocols
    named = [protocols[word] for word in (ctx.params.get("name"), *ctx.args) if word in protocols]
    names = [name for protocol in named or protocols.values() for name in protocol.revision_names()]
    return [name for name in names if name.startswith(incomplete)]


def pin_names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer every revision of every protocol."""
    from mockserver.contract.library import library

    protocols = library().protocols.items()
    names = [f"{name}={revision}" for name, protocol in protocols for revision in protocol.revision_names()]
    return [name for name in names if name.startswith(incomplete)]


def contract_folders(function: _Function) -> _Function:
    """Add the flag for folders with additional protocols, as `contracts`."""
    folders = click.option(
        "--contracts",
        multiple=True,
        type=ListedPath(file_okay=False),
        metavar="DIR",
        help="Folder with additional protocols. May be repeated.",
    )
    return folders(function)


def contract_files(function: _Function) -> _Function:
    """Add the flags for additional contracts and patches, as `contract_patches` and `contracts`."""
    patches = click.option(
        "--contract-patch",
        "contract_patches",
        multiple=True,
        type=ListedPath(dir_okay=False),
        metavar="FILE",
        help="Contract patch for one protocol, applied after its revision. May be repeated.",
    )
    return patches(contract_folders(function))


def effective_contract(function: _Function) -> _Function:
    """Add the flags that select one effective contract of a protocol: a revision and files."""
    help = "Contract revision. Default: the base contract."
    revision = click.option("--revision", shell_complete=revision_names, metavar="REV", help=help)
    return revision(contract_files(function))


def protocol_flag(help: str, *, required: bool = False) -> Callable[[_Function], _Function]:
    """Return the flag for the name of a protocol."""
    return click.option("--protocol", required=required, shell_complete=protocol_names, metavar="NAME", help=help)


def seed_flag(noun: str) -> Callable[[_Function], _Function]:
    """Return the flag for the seed of what is generated."""
    help = f"Random seed. Use a different seed to generate different {noun}."
    return click.option("--seed", type=int, default=0, show_default=True, help=help)


def admin_token(help: str) -> Callable[[_Function], _Function]:
    """Return the flags for an admin token, as `admin_token` and `admin_token_file`."""
    flag = click.option("--admin-token", callback=_not_empty, metavar="TOKEN", help=help)
    file = click.option(
        "--admin-token-file",
        callback=_not_empty,
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the token, such as a Docker secret; a newline at its end is removed.",
    )
    return lambda function: flag(file(function))


def _not_empty(ctx: click.Context, param: click.Parameter, value: _Value) -> _Value:
    """Refuse an empty variable, which click takes for one that is not set: the server would be open."""
    names = [param.envvar] if isinstance(param.envvar, str) else param.envvar or []
    empty = next((name for name in names if os.environ.get(name) == ""), None)
    if value is None and empty is not None:
        raise click.UsageError(f"{empty} is empty: give it a value, or unset it", ctx)
    return value


def load_contracts(
    protocol: str | None, revision: str | None, folders: Sequence[Path], files: Sequence[Path]
) -> list[Contract]:
    """Load the effective contracts of one protocol, or of all for None.

    Raises ContractError, SettingsError for a patch of another protocol.
    """
    from mockserver.contract.library import library_of

    library = library_of(folders)
    chosen = library.protocols if protocol is None else {protocol: library.protocol(protocol)}
    patches = load_patches(library, protocol, revision, files)
    return [
        owner.contract(revision, [patch for patched, patch in patches if patched == name])
        for name, owner in chosen.items()
    ]


def load_patches(
    library: Library, protocol: str | None, revision: str | None, files: Sequence[Path]
) -> list[tuple[str, Patch]]:
    """Load contract patches, each with the name of its protocol, and compile the contracts that they change.

    Raises ContractError, SettingsError for a patch of another protocol than the chosen one; None is all of them.
    """
    patches = [library.load_patch(file) for file in files]
    for file, (patched, _) in zip(files, patches, strict=True):
        if protocol is not None and patched != protocol:
            raise SettingsError(f"{file} is a patch for {patched}, not for {protocol}")
    for name in dict.fromkeys(patched for patched, _ in patches):
        library.protocol(name).contract(revision, [patch for patched, patch in patches if patched == name])
    return patches


def need_hypothesis() -> None:
    """Check that Hypothesis is installed. Raises SettingsError."""
    try:
        import hypothesis  # noqa: F401
    except ImportError:
        raise SettingsError("this command needs Hypothesis: pip install 'mockserver[strategies]'") from None


def json_text(value: Json) -> str:
    """Return indented JSON that a terminal and a CI runner only show."""
    return printable_json(json.dumps(value, indent=2, ensure_ascii=False))


def print_json(value: Json) -> None:
    """Print indented JSON."""
    echo_json(json_text(value))


def echo_json(text: str) -> None:
    """Print a JSON text; escapes of JSON replace the characters that the encoding of stdout lacks."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
    click.echo(text)


def write(flag: str, file: Path, content: bytes) -> None:
    """Write a file that a flag names. Raises SettingsError that names both."""
    try:
        file.write_bytes(content)
    except OSError as error:
        raise SettingsError(f"{flag}: cannot write {file}: {error.strerror}") from None


def write_whole(flag: str, file: Path, content: bytes) -> None:
    """Write a file that a flag names, so that it is there complete or not at all. Raises SettingsError."""
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with open(partial, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise SettingsError(f"{flag}: cannot write {file}: {error.strerror}") from None
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class SuggestingGroup(click.Group):
    """A group whose error for an unknown command suggests the closest name and lists the available ones."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that `args` start with."""
        name = args[0]
        if not ctx.resilient_parsing and not name.startswith("-") and self.get_command(ctx, name) is None:
            ctx.fail(unknown("command", name, self.list_commands(ctx)))
        return super().resolve_command(ctx, args)


def ca_file(function: _Function) -> _Function:
    """Add the flag for certificates to trust, as `ca_file`."""
    return click.option(
        "--ca-file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Certificates to trust besides those of the system, such as the CA file of serve --tls self-signed.",
    )(function)
