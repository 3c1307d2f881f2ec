"""A client for a server that is already running."""

from __future__ import annotations

import secrets
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mockserver.client.blocking import Session
from mockserver.client.calls import Steps, Target
from mockserver.client.connections import Connections
from mockserver.client.steering_calls import general_key

if TYPE_CHECKING:
    from pathlib import Path

    from mockserver.client.asynchronous import AsyncSession


class Client(Session):
    """A client for the server at a URL, with a new session. Close it, or use it as a context manager.

    `session` is the name of the session, by default a random one. `ca_file` has the certificates to trust besides those
    of the system. Methods raise UnreachableError if there is no server.
    """

    def __init__(
        self, url: str, *, admin_token: str | None = None, session: str | None = None, ca_file: Path | str | None = None
    ) -> None:
        super().__init__(session or "", Connections(Target(url, admin_token, ca_file)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name or 'without a name yet'}>"

    @property
    def name(self) -> str:
        """The name of the session; by default a random one that most protocols accept as a key."""
        if not self._name:
            self._name = self.connections.run(_any_name())
        return self._name

    def close(self) -> None:
        """Close the connections; the session stays on the server."""
        self.connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> AsyncSession:
        from mockserver.client.asynchronous import run

        if not self._name:
            self._name = await run(self.target, _any_name())
        return self.aio

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _any_name() -> Steps[str]:
    return general_key(secrets.token_hex(8))
