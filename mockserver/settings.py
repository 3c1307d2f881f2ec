"""The settings of a server. Flags, environment variables and Python keyword arguments all fill `Settings`.

Kept light (no `dataclasses`), because the health probe imports it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from mockserver.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8207
DEFAULT_PORTS: Final = MappingProxyType({"http": 80, "https": 443})
"""The port of a URL without one, by scheme."""
LONGEST_TOKEN: Final = 4096
"""Bytes of an admin token. A header line holds a little more, and a larger file was named by mistake."""

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]
LogFormat: TypeAlias = Literal["text", "json"]
RateMode: TypeAlias = Literal["warn", "enforce", "off"]
"""What happens when a rate limit is exceeded: a warning, a refusal, or no counting at all."""
TlsMode: TypeAlias = Literal["self-signed"]
StoreSync: TypeAlias = Literal["full", "normal"]
"""What a store in a file waits for before a request is answered: `full` for the disk, so that it survives a power loss;
`normal` for the operating system, so that it survives the end of the process, and a power loss may take the newest."""
ReplyMode: TypeAlias = Literal["mock", "proxy", "replay"]
"""Where the replies of a protocol come from: its contract, an upstream that each request is sent on to, a recording."""
RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all"]
"""What becomes of a request that a recording does not have, as in vcrpy: `none` refuses it; `new_episodes` answers it
from an upstream or the contract and records it; `all` does so with all requests, and plays none; `once` is `all` if
there is no recording yet, else `none`."""


class Settings(NamedTuple):
    """The settings of a server.

    `port` 0 selects a free port. `revisions` maps protocols to pinned revisions. `journal_limit` is the number of
    requests kept per session, `memory_limit` the bytes that all sessions hold together, `body_timeout` the time for a
    complete request body in seconds. With `reload`, changed files of `contract_patches` and `contracts` are
    taken while it runs. `admin_token_file` is read once, at the start. With `tls` or `tls_cert` it speaks https. Pages
    of `allowed_origins` may use the control surface. `upstreams` maps protocols to the URLs of the servers that their
    requests are sent on to, and `upstream_timeout` is the time in seconds for such a server to reply. Each session is
    answered from the recordings in `replay`, read once, at the start. With `no_ui` there is no live page. `store` is
    where sessions are kept: `memory`, `sqlite:` and the path of a file, which `store_sync` is for, or the URL of a
    Redis, which forgets a session `store_expiry` seconds after its last change.
    """

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    workers: int = 1
    """How many processes answer on the port; a server in the process of a test is always one."""
    ready_file: Path | None = None
    revisions: Mapping[str, str] = MappingProxyType({})
    contract_patches: tuple[Path, ...] = ()
    contracts: tuple[Path, ...] = ()
    reload: bool = False
    rate_limits: RateMode = "warn"
    journal_limit: int = 100_000
    memory_limit: int = 192 * 1024 * 1024
    max_sessions: int = 10_000
    no_ui: bool = False
    store: str = "memory"
    store_sync: StoreSync = "full"
    store_expiry: float = 86_400.0
    admin_token: str | None = None
    admin_token_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    tls: TlsMode | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log_level: LogLevel = "info"
    log_format: LogFormat = "text"
    body_timeout: float = 60.0
    upstreams: Mapping[str, str] = MappingProxyType({})
    upstream_timeout: float = 30.0
    replay: tuple[Path, ...] = ()
    record_mode: RecordMode = "none"
    replay_repeats: bool = False


def admin_token(text: str | None, file: Path | None = None) -> str | None:
    """Return the admin token that is given as a text or in a file. Raises SettingsError, without the token."""
    if text is not None and file is not None:
        raise SettingsError("--admin-token and --admin-token-file exclude each other; give one of them")
    try:
        if file is not None:
            with open(file, "rb") as opened:
                text = opened.read(LONGEST_TOKEN + len("\r\n") + 1).decode("utf-8", "surrogateescape")
        return None if text is None else usable_token(text)
    except OSError as error:
        raise SettingsError(f"cannot read the admin token file {file}: {error.strerror}") from None
    except ValueError as error:
        raise SettingsError(str(error) if file is None else f"{file}: {error}") from None


def usable_token(text: str) -> str:
    """Return an admin token without one newline at its end. Raises ValueError for one that no header can carry."""
    __tracebackhide__ = True
    token = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text
    problem = _token_problem(token)
    if problem:
        raise ValueError(f"the admin token {problem}")
    return token


def _token_problem(token: str) -> str:
    if not token.strip():
        return "must not be empty"
    if any("\ud800" <= char <= "\udfff" for char in token):
        return "is not valid UTF-8"
    for position, char in enumerate(token, 1):
        if not char.isprintable():
            where = f"U+{ord(char):04X} at position {position}"
            return f"has the character {where}, which a header cannot carry: use printable ASCII"
    if token != token.strip():
        return "begins or ends with a space, which a header cannot carry"
    return f"is longer than {LONGEST_TOKEN} bytes" if len(token.encode()) > LONGEST_TOKEN else ""


def url_of(host: str, port: int, *, secure: bool = False) -> str:
    """Return the URL of a server that listens on `host`; an any-address becomes loopback."""
    if host in ("0.0.0.0", ""):
        host = DEFAULT_HOST
    elif host == "::":
        host = "::1"
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


class Address(NamedTuple):
    """The parts of the URL of a server; `path` has no trailing slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """The URL, with the port only if it is not the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"


def server_address(url: str, *, session: bool = False) -> Address:
    """Return the parts of the URL of a server; without a scheme, it is http. Raises ValueError that says what to write.

    With `session`, the URL may select a session by its path. The message does not repeat credentials of the URL.
    """
    __tracebackhide__ = True
    problem, address = _problem_or_address(url.strip(" "))
    if address is not None and not session and f"{address.path}/".startswith("/_mock/"):
        problem, address = f"write it without {address.path}", None
    if address is None:
        shown = repr(url) if not url.isprintable() or not url.strip() else url
        shown = "the URL" if "@" in url else shown
        example = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
        raise ValueError(f"{shown} is not a valid URL of a server: {problem}; expected a URL such as {example}")
    return address


def _problem_or_address(url: str) -> tuple[str, Address | None]:
    if not url.isprintable() or " " in url:
        return "it contains a space or a control character", None
    if "://" not in url and url.lower().startswith(("http:", "https:")):
        return f"// is missing after {url.partition(':')[0]}:", None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url.removeprefix('//')}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return str(error), None
    if "@" in parts.netloc:
        return "credentials in a URL are not supported; write it without them", None
    if parts.scheme not in DEFAULT_PORTS:
        return "the scheme must be http or https", None
    if not host:
        return "it has no host", None
    if host.isdecimal():
        return f"{host} is not a host; to use that port, write {DEFAULT_HOST}:{host}", None
    if port == 0:
        return "a server cannot have port 0", None
    if parts.query or parts.fragment:
        return "it must not have a query or a fragment", None
    return "", Address(parts.scheme, host, port or DEFAULT_PORTS[parts.scheme], parts.path.rstrip("/"))
