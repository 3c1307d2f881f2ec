"""Who may call the control surface: no page of another site, nobody by a host name that others can make lead here.

The guards against pages rely on headers that a page cannot choose: `Host`, `Origin` and `Sec-Fetch-Site`.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from multidict import CIMultiDict, CIMultiDictProxy

from mockserver.errors import SettingsError
from mockserver.server import tls
from mockserver.settings import DEFAULT_PORTS, Settings, admin_token

OPEN_HOSTS: Final = frozenset({"localhost", "host.docker.internal"})
"""Names that lead to this machine for everybody, whatever a DNS server says."""
SAME_SITE: Final = frozenset({"none", "same-origin"})
"""Values of `Sec-Fetch-Site`: the user's own doing, such as a typed address, and pages of this server."""

_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+(?:%[\w.-]+)?\]|[\w.~-]+)(?::([0-9]{0,5}))?", re.ASCII)

RequestHeaders = CIMultiDict[str] | CIMultiDictProxy[str]


class Place(NamedTuple):
    """A host, in lower case, and a port if there is one."""

    name: str
    port: int | None


class Origin(NamedTuple):
    """An origin of pages: two are the same if all three parts are."""

    scheme: str
    name: str
    port: int


class Guard:
    """The guards of one server. Raises SettingsError for settings that cannot be meant, and an unusable token."""

    def __init__(self, settings: Settings) -> None:
        self._scheme = "https" if tls.is_on(settings) else "http"
        self._origins = frozenset(map(_allowed_origin, settings.allowed_origins))
        self._hosts = frozenset(map(_allowed_host, settings.allowed_hosts))
        self.token = admin_token(settings.admin_token, settings.admin_token_file)
        """The admin token, if there is one."""

    def cors(self, headers: RequestHeaders) -> Mapping[str, str]:
        """Return the headers that let the page that sent a request read the reply; none for other origins."""
        if not self._origins:
            return {}
        allowed = {"Access-Control-Allow-Origin": headers["Origin"]} if self._is_allowed(headers) else {}
        return {"Vary": "Origin", **allowed}

    def _is_allowed(self, headers: RequestHeaders) -> bool:
        sent = headers.getall("Origin", ())
        return len(sent) == 1 and origin(sent[0]) in self._origins

    def problem(self, headers: RequestHeaders, target: str) -> tuple[int, str] | None:
        """Return the status and the reason with which a request is refused, or None."""
        allowed = self._is_allowed(headers)
        if not allowed and not SAME_SITE.issuperset(headers.getall("Sec-Fetch-Site", ())):
            return 403, "cross-site requests to the control surface are not allowed"
        wrong = self.host_problem(headers, target)
        if wrong is not None:
            return 421, wrong
        own = place(headers["Host"])
        assert own is not None
        origins = headers.getall("Origin", ())
        if not allowed and any(origin(text) != self._own_origin(own) for text in origins):
            shown = ", ".join(origins)
            return 403, f"the origin {shown} is not allowed on the control surface; add it with --allow-origin"
        return None

    def _own_origin(self, own: Place) -> Origin:
        return Origin(self._scheme, own.name, own.port or DEFAULT_PORTS[self._scheme])

    def host_problem(self, headers: RequestHeaders, target: str) -> str | None:
        """Return why the name under which a request reached this server is not allowed, or None."""
        named = [*headers.getall("Host", ()), *_authority(target)]
        if not headers.get("Host"):
            return "the request has no Host header"
        places = [place(text) for text in named]
        if None in places:
            return f"the host {named[places.index(None)]!a} is not a valid host name or address"
        if len({self._own_origin(place) for place in places if place is not None}) > 1:
            return f"the request names different hosts: {', '.join(named)}"
        name, browser = next(place.name for place in places if place is not None), is_browser(headers)
        if self._leads_here(name) or ("." not in name and name[0] != "[" and not browser):
            return None
        for_whom = " for browsers, since a page can make such a name lead here" if "." not in name else ""
        return f"the host {named[0]} is not allowed{for_whom}; add it with --allowed-host {name}"

    def _leads_here(self, name: str) -> bool:
        """Tell whether a name is an address, a local name, or one that the settings allow."""
        if name in OPEN_HOSTS or name in self._hosts or name.endswith(".localhost"):
            return True
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return False
        return True

    def token_problem(self, headers: RequestHeaders) -> str | None:
        """Return how a request fails to show the admin token, or None. The time it takes does not tell the token."""
        scheme, _, credential = headers.get("Authorization", "").partition(" ")
        sent = credential.strip().encode("utf-8", "surrogateescape")
        if self.token is None or (scheme.lower() == "bearer" and hmac.compare_digest(sent, self.token.encode())):
            return None
        return "no bearer token" if scheme.lower() != "bearer" or not sent else "a wrong bearer token"


def place(text: str) -> Place | None:
    """Return the host and port of a `Host` header; None for what is neither a name nor an address."""
    parts = _HOST.fullmatch(text)
    port = int(parts[2]) if parts and parts[2] else None
    if parts is None or (port is not None and not 0 < port < 2**16):
        return None
    return Place(parts[1].lower(), port)


def origin(text: str) -> Origin | None:
    """Return an origin as a value to compare; None for `null` and for what is none."""
    scheme, separator, rest = text.partition("://")
    parts = place(rest)
    if not separator or scheme.lower() not in DEFAULT_PORTS or parts is None or rest.endswith(":"):
        return None
    return Origin(scheme.lower(), parts.name, parts.port or DEFAULT_PORTS[scheme.lower()])


def is_browser(headers: RequestHeaders) -> bool:
    """Tell whether a request may come from a page, which may have been loaded from another place under this name.

    Browsers send all of `Sec-Fetch-*`, but over plain http to a name only their user agent. Node's `fetch` sends
    `Sec-Fetch-Mode` alone, and an `Accept-Language` that no browser has.
    """
    fetch = {name.lower() for name in headers if name.lower().startswith("sec-fetch-")}
    by_node = fetch == {"sec-fetch-mode"} and headers.get("Accept-Language") == "*"
    return (bool(fetch) and not by_node) or "Origin" in headers or "mozilla" in headers.get("User-Agent", "").lower()


def _authority(target: str) -> list[str]:
    """Return the host that a request target in absolute form names; nothing for other forms."""
    scheme, separator, rest = target.partition("://")
    return [re.split("[/?#]", rest, maxsplit=1)[0]] if separator and "/" not in scheme else []


def _allowed_origin(text: str) -> Origin:
    """Return an origin of the settings. Raises SettingsError for what is not exactly one."""
    exact = origin(text)
    if exact is None:
        why = "any page could read and change every session" if "*" in text else "an origin is a scheme, host and port"
        raise SettingsError(f"--allow-origin {text!r}: {why}; name each origin exactly, such as http://localhost:5173")
    return exact


def _allowed_host(text: str) -> str:
    """Return a host name of the settings in lower case. Raises SettingsError for what no `Host` header can name."""
    parts = place(f"[{text}]" if text.count(":") > 1 and "[" not in text else text)
    if parts is None or text.partition("]")[2] or (":" in text and parts.name[0] != "["):
        raise SettingsError(
            f"--allowed-host {text!r}: write the name alone, such as mock.example, without scheme or port"
        )
    return parts.name
