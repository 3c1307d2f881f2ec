"""The value types of flags, and the flags that several commands share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

_UNITS: Final = {"": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
_SIZE: Final = re.compile(r"([0-9]+) ?([KMG]iB|)")

if TYPE_CHECKING:
    _Kind = click.ParamType[Any]
else:
    _Kind = click.ParamType

_Function = TypeVar("_Function", bound=Callable[..., Any])


class ByteSize(_Kind):
    """A number of bytes, with or without a binary unit."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the size in bytes."""
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value)
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is not a valid size; write 67108864, 64MiB or 1GiB", param, ctx)
        return int(found[1]) * _UNITS[found[2]]

    @staticmethod
    def text(size: int) -> str:
        """Format a size as a user would write it: in the largest unit that divides it."""
        unit = max((unit for unit, factor in _UNITS.items() if size % factor == 0), key=_UNITS.__getitem__)
        return f"{size // _UNITS[unit]}{unit}"


class Pin(_Kind):
    """A protocol and one of its revisions, for example `outlit=r4-2026-08`."""

    name = "protocol=revision"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the two names; the contract library checks later whether they exist."""
        if isinstance(value, tuple):
            return value
        protocol, _, revision = value.partition("=")
        if not protocol or not revision:
            self.fail(f"expected PROTOCOL=REVISION, for example outlit=r4-2026-08, got {value!r}", param, ctx)
        return protocol, revision

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer every revision of every protocol."""
        from mockserver.contract.library import library

        names = [
            f"{name}={revision}"
            for name, protocol in library().protocols.items()
            for revision in protocol.revision_names()
        ]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class ProtocolName(_Kind):
    """The name of a protocol; the contract library checks later whether it exists."""

    name = "protocol"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the protocols of the package."""
        from mockserver.contract.library import library

        return [CompletionItem(name) for name in library().protocols if name.startswith(incomplete)]


class RevisionName(_Kind):
    """A revision of the command's protocol; the contract library checks later whether it exists."""

    name = "revision"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the revisions of the named protocol, or of all protocols."""
        from mockserver.contract.library import library

        protocols = library().protocols
        named = [protocols[word] for word in (ctx.params.get("name"), *ctx.args) if word in protocols]
        names = [name for protocol in named or protocols.values() for name in protocol.revision_names()]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class ListedPath(click.Path):
    """A repeatable path; a variable holds several, separated by whitespace, as for every repeatable flag."""

    def __init__(self, **kind: bool) -> None:
        super().__init__(path_type=Path, **kind)

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split the value of a variable."""
        return rv.split()


def pins(ctx: click.Context, param: click.Parameter, value: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return the pinned revisions by protocol; a protocol can have only one."""
    made = dict(value)
    if len(made) < len(set(value)):
        raise click.BadParameter("two revisions for the same protocol", ctx, param)
    return made


def contract_files(function: _Function) -> _Function:
    """Add the flags for additional contracts and patches, as `contract_patches` and `contracts`."""
    folders = click.option(
        "--contracts",
        multiple=True,
        type=ListedPath(file_okay=False),
        metavar="DIR",
        help="Folder with additional protocols. May be repeated.",
    )
    patches = click.option(
        "--contract-patch",
        "contract_patches",
        multiple=True,
        type=ListedPath(dir_okay=False),
        metavar="FILE",
        help="Contract patch for one protocol, applied after its revision. May be repeated.",
    )
    return patches(folders(function))


def ca_file(function: _Function) -> _Function:
    """Add the flag for certificates to trust, as `ca_file`."""
    return click.option(
        "--ca-file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Certificates to trust besides those of the system, such as the CA file of serve --tls self-signed.",
    )(function)
