"""Environment variables: every flag has one, and an unknown variable of a command is an error.

The variable of `mockserver serve --ready-file` is `MOCKSERVER_SERVE_READY_FILE`. A misspelled variable would otherwise
be ignored silently. Other variables with our prefix belong to somebody else: Docker and Kubernetes set some for a
container or service named mockserver, and there are other products of that name. They are ignored with a message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import click

from mockserver.errors import SettingsError

PREFIX: Final = "MOCKSERVER"

_SERVICE_LINK: Final = re.compile(
    rf"{PREFIX}(_\w+)?_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?|ENV_\w+)"
)
URL: Final = f"{PREFIX}_URL"
"""The server that client commands and pytest use."""
KEY: Final = f"{PREFIX}_KEY"
"""The key that `record` gives its program, or takes for it."""
PLUGIN: Final = f"{PREFIX}_PYTEST_"
"""The prefix of the variables of the pytest plugin, which checks them itself."""

_LINK_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")
_LINK_NAME: Final = re.compile(r"/[\w.-]+/[\w.-]+")


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
    """Tell whether Kubernetes or Docker set a variable, for a service named mockserver or mockserver-something."""
    if _SERVICE_LINK.fullmatch(name):
        return True
    if name.endswith("_NAME"):
        return _LINK_NAME.fullmatch(value) is not None
    return name.endswith("_PORT") and _LINK_ADDRESS.match(value) is not None


def take_service_links(environ: Mapping[str, str]) -> list[str]:
    """Return the names of the variables that Kubernetes or Docker set."""
    ours = f"{PREFIX}_"
    return [name for name, value in environ.items() if name.startswith(ours) and is_service_link(name, value)]


def check(
    environ: Mapping[str, str], commands: Sequence[str], load: Callable[[str], click.Command | None], only: str = ""
) -> list[str]:
    """Check that each variable that names a command belongs to a flag, and return the others with our prefix.

    Raises SettingsError that suggests the closest variable. Only the commands that a variable names are loaded, so
    that an environment without our variables costs nothing. With `only`, variables of other commands are not checked.
    """
    foreign: list[str] = []
    for name in environ:
        if not name.startswith(f"{PREFIX}_") or name.startswith(PLUGIN):
            continue
        named = [command for command in commands if name.startswith(_joined(PREFIX, command) + "_")]
        if not named:
            foreign.append(name)
        elif (not only or only in named) and name not in _known(named, load):
            from difflib import get_close_matches

            known = _known(commands, load)
            same = [other for other in known if other.endswith(name.removeprefix(PREFIX))]
            near = (same or get_close_matches(name, known, 1, cutoff=0.0))[0]
            raise SettingsError(f"unknown environment variable {name}; did you mean {near}? Rename or unset it.")
    return foreign


def ignored(foreign: Sequence[str], load: Callable[[str], click.Command | None]) -> list[str]:
    """Return the message about variables that are not ours, as at most one line; it suggests variables of `serve`."""
    if not foreign:
        return []
    meant = [name.replace(PREFIX, f"{PREFIX}_SERVE", 1) for name in foreign]
    hints = [name for name in _known(["serve"], load) if name in meant]
    hint = f"; did you mean {', '.join(hints)}?" if hints else ""
    return [f"ignoring {', '.join(foreign)}: this command has no such variable{hint}"]


def take_port(environ: Mapping[str, str]) -> list[str]:
    """Return PORT if its value is not a number: another program set it, for a purpose of its own."""
    port = environ.get("PORT", "").strip()
    return ["PORT"] if port and not (port.isascii() and port.isdecimal()) else []


def _known(commands: Sequence[str], load: Callable[[str], click.Command | None]) -> list[str]:
    loaded = [command for command in map(load, commands) if command is not None]
    return [name for command in loaded for name in variables(command) if name.startswith(f"{PREFIX}_")]
