"""The argument and the flags of the commands that look at a running server: `report`, `export` and `tail`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mockserver import settings
from mockserver.cli import parameters

if TYPE_CHECKING:
    from mockserver.client.calls import Target
    from mockserver.client.client import Session
    from mockserver.client.connections import Connections

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server as flags name it."""

    url: str
    admin_token: str | None
    admin_token_file: Path | None
    ca_file: Path | None

    @property
    def target(self) -> Target:
        """The address of the server. Raises UsageError for a wrong flag."""
        from mockserver.client.calls import Target

        try:
            return Target(self.url, settings.admin_token(self.admin_token, self.admin_token_file), self.ca_file)
        except ValueError as error:
            raise click.UsageError(str(error)) from None

    @contextmanager
    def connected(self) -> Iterator[Connections]:
        """Return connections to the server, closed at the end of the block. Raises UsageError for a wrong flag."""
        from mockserver.client.connections import Connections

        with closing(Connections(self.target)) as connections:
            yield connections

    @contextmanager
    def session(self, name: str) -> Iterator[Session]:
        """Return a session of the server, closed at the end of the block. Raises UsageError for wrong flags."""
        from mockserver.client.client import Session

        name = valid_name(name)
        with self.connected() as connections:
            yield Session(name, connections)


def valid_name(name: str) -> str:
    """Return the name of a session in its one form. Raises UsageError if it cannot be one."""
    from mockserver.sessions.session_name import session_name

    try:
        return session_name(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def server_argument(
    command: str, default: str | None = None
) -> Callable[[Callable[..., _Result]], Callable[..., _Result]]:
    """Return the argument URL, and the flags to reach the server there, as `server`. `command` is in its variable."""
    required = default is None
    names = [f"MOCKSERVER_{command.upper()}_URL", "MOCKSERVER_URL"]
    url = click.argument("url", envvar=names, required=required, default=default)

    def add(function: Callable[..., _Result]) -> Callable[..., _Result]:
        @wraps(function)
        def with_server(
            *args: Any,
            url: str,
            admin_token: str | None,
            admin_token_file: Path | None,
            ca_file: Path | None,
            **others: Any,
        ) -> _Result:
            server = Server(url=url, admin_token=admin_token, admin_token_file=admin_token_file, ca_file=ca_file)
            return function(*args, server=server, **others)

        return url(parameters.admin_token("Admin token of the server.")(parameters.ca_file(with_server)))

    return add


def session_flag(*, required: bool = True) -> Callable[[Callable[..., _Result]], Callable[..., _Result]]:
    """Return the flag for the name of a session, as `name`."""
    help = "Name of the session: the key that the client uses."
    return click.option("--session", "name", required=required, metavar="S", help=help)
