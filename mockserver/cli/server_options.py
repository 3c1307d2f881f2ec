"""Flags of the commands that start a server: `serve` and `record`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from mockserver.cli.parameters import pin_names
from mockserver.settings import Settings

DEFAULTS: Final = Settings()
_Function = TypeVar("_Function", bound=Callable[..., Any])


def setting(flag: str, help: str, **more: Any) -> Callable[[_Function], _Function]:
    """Return a flag that has the default of the setting of its name."""
    default = getattr(DEFAULTS, flag.removeprefix("--").replace("-", "_"))
    return click.option(flag, default=default, help=help, **{"show_default": True, **more})


def revisions(function: _Function) -> _Function:
    """Add the flag for pinned revisions, as `revisions` by protocol; the library checks later whether they exist."""
    return click.option(
        "--revision",
        "revisions",
        multiple=True,
        callback=_by_protocol("revision", "REVISION", "outlit=r4-2026-08"),
        shell_complete=pin_names,
        metavar="NAME=REV",
        help="Pin the contract revision of a protocol. May be repeated.",
    )(function)


def upstreams(help: str) -> Callable[[_Function], _Function]:
    """Return the flags for servers to send requests on to, as `upstreams` (URLs by protocol) and `upstream_timeout`.

    The server checks later what they name.
    """
    flag = click.option(
        "--upstream",
        "upstreams",
        multiple=True,
        callback=_by_protocol("upstream", "URL", "outlit=https://app.outlit.ai"),
        metavar="NAME=URL",
        help=f"{help} May be repeated.",
    )
    timeout = setting(
        "--upstream-timeout",
        "Seconds for the complete reply of an upstream; after that the client gets a 504.",
        type=click.FloatRange(0, min_open=True),
    )
    return lambda function: flag(timeout(function))


def _by_protocol(
    noun: str, value_name: str, example: str
) -> Callable[[click.Context, click.Parameter, Sequence[str]], Mapping[str, str]]:
    """Return what reads the values of a repeated flag by protocol, each of which can have only one.

    An error does not repeat a URL, which may hold a password.
    """

    def read(ctx: click.Context, param: click.Parameter, values: Sequence[str]) -> Mapping[str, str]:
        known: dict[str, str] = {}
        for item in values:
            protocol, _, value = item.partition("=")
            if not protocol or not value or "://" in protocol:
                shown = item.partition("://")[0]
                problem = f"expected PROTOCOL={value_name}, for example {example}, got {shown!r}"
                raise click.BadParameter(problem, ctx, param)
            if known.setdefault(protocol, value) != value:
                raise click.BadParameter(f"two {noun}s for the same protocol", ctx, param)
        return known

    return read
