"""Environment variables: every flag has one, and an unknown variable with our prefix is an error.

The variable of `mockserver serve --ready-file` is `MOCKSERVER_SERVE_READY_FILE`. A misspelled variable would otherwise
be ignored silently. Variables that Kubernetes sets for a service named mockserver are not errors.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import click

from mockserver.errors import SettingsError

PREFIX: Final = "MOCKSERVER"

_SERVICE_LINK: Final = re.compile(
    rf"{PREFIX}(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
_LINK_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")


def name_variables(command: click.Command, prefix: str) -> None:
    """Give each flag of a command and its subcommands a variable, which takes precedence over those it has."""
    for option in command.params:
        if isinstance(option, click.Option):
            flag = max(option.opts, key=len).lstrip("-")
            option.envvar = list(dict.fromkeys([_joined(prefix, flag), *_variables(option)]))
            option.show_envvar = True
    for name, inner in _inner(command).items():
        name_variables(inner, _joined(prefix, name))


def variables(command: click.Command) -> Iterator[str]:
    """Yield the variables that `name_variables` gave a command."""
    for parameter in command.params:
        yield from _variables(parameter)
    for inner in _inner(command).values():
        yield from variables(inner)


def _variables(parameter: click.Parameter) -> Sequence[str]:
    return [parameter.envvar] if isinstance(parameter.envvar, str) else parameter.envvar or []


def _inner(command: click.Command) -> Mapping[str, click.Command]:
    return command.commands if isinstance(command, click.Group) else {}


def _joined(prefix: str, name: str) -> str:
    return f"{prefix}_{name}".upper().replace("-", "_")


def is_service_link(name: str, value: str) -> bool:
    """Tell whether Kubernetes set a variable, for a service named mockserver or mockserver-something."""
    is_address = name.endswith("_PORT") and _LINK_ADDRESS.match(value) is not None
    return is_address or _SERVICE_LINK.fullmatch(name) is not None


def take_service_links(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that Kubernetes set."""
    return [name for name, value in environ.items() if name.startswith(f"{PREFIX}_") and is_service_link(name, value)]


def check(
    environ: Mapping[str, str], commands: Sequence[str], load: Callable[[str], click.Command | None], only: str = ""
) -> None:
    """Check that each variable with our prefix belongs to a flag. Raises SettingsError that suggests the closest one.

    Only the commands that a variable names are loaded, so that an environment without our variables costs nothing.
    With `only`, variables of other commands are not checked.
    """
    for name in environ:
        if not name.startswith(f"{PREFIX}_"):
            continue
        named = [command for command in commands if name.startswith(_joined(PREFIX, command) + "_")]
        if only and named and only not in named:
            continue
        if name not in _known(named, load):
            from difflib import get_close_matches

            known = _known(commands, load)
            same = [other for other in known if other.endswith(name.removeprefix(PREFIX))]
            near = (same or get_close_matches(name, known, 1, cutoff=0.0))[0]
            raise SettingsError(f"unknown environment variable {name}; did you mean {near}? Rename or unset it.")


def _known(commands: Sequence[str], load: Callable[[str], click.Command | None]) -> list[str]:
    loaded = [command for command in map(load, commands) if command is not None]
    return [name for command in loaded for name in variables(command) if name.startswith(f"{PREFIX}_")]
