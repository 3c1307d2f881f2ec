"""Kinds of values that flags take, and the flags that several commands share."""

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
        """Return bytes."""
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(value)
        if found is None or int(found[1]) == 0:
            self.fail(f"{value!r} is no number of bytes; write 67108864, 64MiB or 1GiB", param, ctx)
        return int(found[1]) * _UNITS[found[2]]

    @staticmethod
    def text(size: int) -> str:
        """Write bytes as a user would: in the largest unit that divides them."""
        unit = max((unit for unit, factor in _UNITS.items() if size % factor == 0), key=_UNITS.__getitem__)
        return f"{size // _UNITS[unit]}{unit}"


class Pin(_Kind):
    """A protocol and one of its revisions, as `outlit=r4-2026-08`."""

    name = "protocol=revision"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Return the two names; whether there are such is for the contracts to say."""
        if isinstance(value, tuple):
            return value
        protocol, _, revision = value.partition("=")
        if not protocol or not revision:
            self.fail(f"{value!r} names no protocol and revision; write outlit=r4-2026-08", param, ctx)
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
    """A protocol's name; the contracts say whether there is such."""

    name = "protocol"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the protocols of the package."""
        from mockserver.contract.library import library

        return [CompletionItem(name) for name in library().protocols if name.startswith(incomplete)]


class RevisionName(_Kind):
    """A revision of the protocol that the command names; the contracts say whether that has it."""

    name = "revision"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Offer the revisions of the protocol, or of all while none is named."""
        from mockserver.contract.library import library

        protocols = library().protocols
        named = [protocols[word] for word in (ctx.params.get("name"), *ctx.args) if word in protocols]
        names = [name for protocol in named or protocols.values() for name in protocol.revision_names()]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class ListedPath(click.Path):
    """A path, one of several; in a variable they stand with whitespace between them, like every other value."""

    def __init__(self, **kind: bool) -> None:
        super().__init__(path_type=Path, **kind)

    def split_envvar_value(self, rv: str) -> list[str]:
        """Split the text of a variable."""
        return rv.split()


def pins(ctx: click.Context, param: click.Parameter, value: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    """Return pinned revisions by protocol; one protocol cannot have two."""
    made = dict(value)
    if len(made) < len(set(value)):
        raise click.BadParameter("a protocol is named twice, with different revisions", ctx, param)
    return made


def contract_files(function: _Function) -> _Function:
    """Add the flags that say where contracts come from, as `contract_patches` and `contracts`."""
    folders = click.option(
        "--contracts",
        multiple=True,
        type=ListedPath(file_okay=False),
        metavar="DIR",
        help="A folder of further protocols. May be repeated.",
    )
    patches = click.option(
        "--contract-patch",
        "contract_patches",
        multiple=True,
        type=ListedPath(dir_okay=False),
        metavar="FILE",
        help="A patch over the contract of one protocol, applied after its revision. May be repeated.",
    )
    return patches(folders(function))
