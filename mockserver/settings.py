"""The settings of a server. Flags, environment variables and Python keyword arguments all fill `Settings`.

Kept light (no `dataclasses`), because the health probe imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8207

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LogFormat: TypeAlias = Literal["text", "json"]
RateMode: TypeAlias = Literal["warn", "enforce", "off"]
"""What happens when a rate limit is exceeded: a warning, a refusal, or no counting at all."""
TlsMode: TypeAlias = Literal["self-signed"]


class Settings(NamedTuple):
    """The settings of a server.

    `port` 0 selects a free port. `revisions` maps protocols to pinned revisions. `journal_limit` is the number of
    requests kept per session, `memory_limit` the size of all journals in bytes, `body_timeout` the time for a complete
    request body in seconds. With `reload`, changed files of `contract_patches` and `contracts` are taken while it runs.
    With `tls` or `tls_cert` it speaks https. Pages of `allowed_origins` may use the control surface.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    ready_file: Path | None = None
    revisions: Mapping[str, str] = MappingProxyType({})
    contract_patches: tuple[Path, ...] = ()
    contracts: tuple[Path, ...] = ()
    reload: bool = False
    rate_limits: RateMode = "warn"
    journal_limit: int = 100_000
    memory_limit: int = 192 * 1024 * 1024
    max_sessions: int = 10_000
    admin_token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tls: TlsMode | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    body_timeout: float = 60.0


def url_of(host: str, port: int, *, secure: bool = False) -> str:
    """Return the URL of a server that listens on `host`; an any-address becomes loopback."""
    if host in ("0.0.0.0", ""):
        host = DEFAULT_HOST
    elif host == "::":
        host = "::1"
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
