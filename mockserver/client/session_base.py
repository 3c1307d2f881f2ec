"""A session as a client is told of it: its key, and where the server is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from urllib.parse import quote

from mockserver.client.calls import Target


class Place(ABC):
    """What a session has whether it is asked by blocking or by awaiting."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The session's name."""

    @property
    @abstractmethod
    def target(self) -> Target:
        """Where the server is."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of {self.url}>"

    @property
    def key(self) -> str:
        """The key to give a client: the session's name. `key_for` has those of protocols that want another kind."""
        return self.name

    @property
    def url(self) -> str:
        """The server's URL, to give a client as its base; the key tells the session."""
        return self.target.url

    @property
    def base_url(self) -> str:
        """A URL whose path tells the session, for clients whose key cannot be chosen."""
        return f"{self.url}/_mock/s/{quote(self.name, safe='')}"
