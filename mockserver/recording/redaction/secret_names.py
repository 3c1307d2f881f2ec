"""Names of headers, parameters and members that say that a value is secret: `X-Project-Key`, `api_key`, `authToken`."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from mockserver.jsonkit import Json

PLACEHOLDER: Final = "<credential>"
HARMLESS_HEADERS: Final = frozenset(
    {
        "accept",
        "accept-charset",
        "accept-encoding",
        "accept-language",
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
        "access-control-request-headers",
        "access-control-request-method",
        "allow",
        "cache-control",
        "connection",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "date",
        "dnt",
        "etag",
        "expect",
        "expires",
        "host",
        "idempotency-key",
        "keep-alive",
        "last-modified",
        "origin",
        "pragma",
        "retry-after",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "server",
        "transfer-encoding",
        "upgrade-insecure-requests",
        "user-agent",
        "vary",
        "x-content-type-options",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
        "x-request-id",
    }
)
"""Headers whose values are kept, apart from credentials in them. Of any other header, the whole value is hidden."""
WITH_SCHEME: Final = frozenset({"authorization", "proxy-authorization"})
WORD: Final = (
    "(?:key|token|secret|passw(?:or)?d|passphrase|passcode|pwd|auth(?:orization)?|credential|cookie|signature|sig"
    "|bearer|jwt)s?"
)
AFTER: Final = "(?:[_-]?(?:value|header|string|[0-9]{1,3}))?"
"""What may follow the word in a name: `apiKey2`, `api_key_value`."""
_BEFORE: Final = (
    "api|project|public|private|write|access|client|auth|refresh|session|secret|id|csrf|xsrf|user|app|account|service"
    "|master|admin|sign(?:ing)?|encryption|shared|web|sdk|live|test|license|device|push|security|pass"
)
"""What may stand before the word without a separator: `sessiontoken`."""
_NAME: Final = re.compile(rf"(?:^|[^a-z]|{_BEFORE}){WORD}{AFTER}$", re.IGNORECASE)
_CORS: Final = "access-control-"
"""What begins the names of headers for browsers, `Access-Control-Allow-Credentials` among them: none holds a secret."""
_CAMEL: Final = re.compile("(?<=[a-z0-9])(?=[A-Z])")
LONGEST_NAME: Final = 64
NAMING_MEMBERS: Final = ("name", "key", "field", "header", "type")
VALUE_MEMBERS: Final = frozenset({"value", "val", "content"})
_OF_A_HEADER: Final = re.compile("[-_]|[a-z][A-Z]|^(?:[Aa]uthorization|[Cc]ookie)$")
_SHORTEST_FOUND: Final = 8
"""A value that is secret by its name alone is hidden everywhere only from this length on, and with a digit or a
capital inside: `{"auth": "google"}` does not hide every `google`."""
LONG_NUMBER: Final = 1000
"""A smaller number below a secret name is no secret: `{"tokens": 5}`."""
LONGEST_SEARCHED: Final = 256
"""Characters of a longer secret that are searched; what follows them is hidden up to the next delimiter."""
_RANDOM: Final = re.compile(r"[0-9]|[a-z][A-Z]|[A-Z]{2}")


def is_random(value: str) -> bool:
    """Return whether a value is no plain word, so that hiding it everywhere leaves a text readable."""
    return len(value) >= LONGEST_SEARCHED or (len(value) >= _SHORTEST_FOUND and _RANDOM.search(value) is not None)


def is_secret_name(name: str) -> bool:
    """Return whether the name of a header, parameter or member says that its value is secret."""
    return _is_secret_end(name[-LONGEST_NAME:])


@lru_cache(maxsize=1024)
def _is_secret_end(name: str) -> bool:
    is_harmless = "dempotency" in name or name.lower().startswith(_CORS)
    return not is_harmless and _NAME.search(_CAMEL.sub("_", name)) is not None


def names_sibling(members: dict[str, Json]) -> bool:
    """Return whether an object names a header or field whose value, in another member, is secret."""
    names = (members.get(name) for name in NAMING_MEMBERS)
    return any(isinstance(name, str) and is_secret_name(name) for name in names)


def is_pair(items: list[Json]) -> bool:
    """Return whether a list is the name of a secret header and its value; not two words such as `["auth", "token"]`."""
    name = items[0] if len(items) == 2 else None
    return isinstance(name, str) and is_secret_name(name) and _OF_A_HEADER.search(name) is not None
