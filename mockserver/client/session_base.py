"""The attributes of a session that a client needs: its key and the URL of the server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from urllib.parse import quote

from mockserver.client.calls import Target


class Place(ABC):
    """The common attributes of blocking and awaitable sessions."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name of the session."""

    @property
    @abstractmethod
    def target(self) -> Target:
        """The address of the server."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name} of {self.url}>"

    @property
    def key(self) -> str:
        """The key for a client: the name of the session. See `key_for` for protocols with other kinds of keys."""
        return self.name

    @property
    def url(self) -> str:
        """The base URL for a client; its key selects the session."""
        return self.target.url

    @property
    def base_url(self) -> str:
        """The base URL for a client whose key cannot be chosen; its path selects the session."""
        return f"{self.url}/_mock/s/{quote(self.name, safe='')}"
