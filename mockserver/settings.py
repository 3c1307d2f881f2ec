"""One frozen value holds every setting; flags, environment, fixture options and keywords are ways to fill it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from mockserver.addresses import DEFAULT_HOST, DEFAULT_PORT

if TYPE_CHECKING:
    from mockserver.core.model import RateMode

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LogFormat: TypeAlias = Literal["text", "json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server runs.

    `port` 0 takes a free one. `revisions` pins a revision by protocol. `journal_limit` is in requests per session,
    `memory_limit` in bytes over all sessions, `body_timeout` in seconds for a whole request body.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    ready_file: Path | None = None
    revisions: Mapping[str, str] = field(default_factory=dict)
    contract_patches: tuple[Path, ...] = ()
    contracts: tuple[Path, ...] = ()
    rate_limits: RateMode = "advise"
    journal_limit: int = 100_000
    memory_limit: int = 192 * 1024 * 1024
    max_sessions: int = 10_000
    admin_token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    body_timeout: float = 60.0
