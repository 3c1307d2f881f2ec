"""Where a server listens by default, and how it is reached. As light as can be: the health probe imports it."""

from __future__ import annotations

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8207


def url_of(host: str, port: int) -> str:
    """Return the URL by which this machine reaches a server that listens on `host`; all addresses means loopback."""
    if host in ("0.0.0.0", ""):
        host = DEFAULT_HOST
    elif host == "::":
        host = "::1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
