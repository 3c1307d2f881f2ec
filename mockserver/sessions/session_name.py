"""What the name of a session may be. Every way to name one, a key included, goes through `session_name`."""

from __future__ import annotations

import os
import re
import unicodedata
from hashlib import blake2b
from typing import Final

DEFAULT_SESSION: Final = "default"
"""The session of requests that name none."""

MAX_NAME_BYTES: Final = 200
"""The length of a name in UTF-8: names are kept for each session and shown in every row, log line and file name."""

_MAX_BEFORE_NFC: Final = 4 * MAX_NAME_BYTES
"""Characters that are normalized at most, because NFC takes quadratic time for hostile texts."""

_REFUSED: Final = {
    "Cc": "a control character",
    "Cf": "an invisible format character",
    "Cs": "a lone surrogate",
    "Zl": "a line separator",
    "Zp": "a paragraph separator",
}
"""Kinds of characters that no name contains, by Unicode category: a name is shown in terminals, logs and reports."""


_PUBLIC_BEGINNING: Final = re.compile("[a-z]{1,5}_")
"""What every key of a kind begins with, such as `pk_`."""

_SHOWN: Final = 4
"""Characters of the start and of the end of a name that are shown at most."""

_SHORTEST: Final = 6
"""Of a shorter name, nothing is shown beside its public beginning."""

_SALT: Final = os.urandom(16)
"""What tags are made with, so that they tell nothing about a key outside this process."""


class SessionNameError(ValueError):
    """A text cannot be the name of a session. The message does not repeat it, because it may be a key."""


class LongNameError(SessionNameError):
    """A name is too long."""


def session_name(text: str) -> str:
    """Return the name of a session in its one form: NFC, without white space around it. Raises SessionNameError."""
    __tracebackhide__ = True
    name = text.strip()
    if name.isascii() and name.isprintable() and len(name) <= MAX_NAME_BYTES and name not in ("", ".", ".."):
        return name  # as nearly every name is
    if len(name) <= _MAX_BEFORE_NFC:
        name = unicodedata.normalize("NFC", name)
    if not name:
        raise SessionNameError("the name of a session must not be empty")
    if len(name) > MAX_NAME_BYTES or len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise LongNameError(f"the name of a session must have at most {MAX_NAME_BYTES} bytes in UTF-8")
    if name in (".", ".."):
        raise SessionNameError(f'the name of a session must not be "{name}", which clients remove from paths')
    for character in name:
        kind = _REFUSED.get(unicodedata.category(character))
        if character == "\ufffd":
            kind = "the replacement character, which stands for bytes that are not valid text"
        if kind is not None:
            raise SessionNameError(f"the name of a session must not contain {kind} (U+{ord(character):04X})")
    return name


def shorten(name: str) -> str:
    """Return the name of a session as logs and reports show it: as it may be a key, a third of it at most is shown.

    The public beginning of a key, such as `pk_`, is shown too. The default session has no key: its name is shown.
    """
    if not name or name == DEFAULT_SESSION:
        return name
    public = _PUBLIC_BEGINNING.match(name)
    start = 0 if public is None else public.end()
    rest = len(name) - start
    if rest < _SHORTEST:
        return f"{name[:start]}…"
    return f"{name[: start + min(rest // 6, _SHOWN)]}…{name[-min(max(rest // 8, 1), _SHOWN) :]}"


def tagged(name: str) -> str:
    """Return the name of a session as the log shows it: shortened, with a tag if another name may look the same.

    The tag is the same in all lines of one process, and another one in the next process.
    """
    short = shorten(name)
    if short == name:
        return name
    tag = blake2b(name.encode("utf-8", "surrogatepass"), key=_SALT, digest_size=2).hexdigest()
    return f"{short}#{tag}"
