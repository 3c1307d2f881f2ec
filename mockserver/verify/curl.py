"""A request as a shell command, with variables in place of the keys."""

from __future__ import annotations

import base64
import gzip
import shlex
import unicodedata
from collections.abc import Mapping
from typing import Final

from mockserver.strategies.samples import Request

LONG: Final = 4000
UNSEEN: Final = ("Cc", "Cf", "Zl", "Zp")
"""Unicode categories of characters that control a terminal, are invisible or break a line."""
NO_TYPE: Final = "content-type:"
"""Without it, curl declares each body to be a form."""


def curl(target: str, request: Request, keys: Mapping[str, str]) -> str:
    """Return the command that sends a request; `keys` has the variable of each secret."""
    words = ["curl", "-i", "--path-as-is", "-X", request.method, _quoted(target.rstrip("/") + request.path, keys)]
    for name, value in request.headers:
        words += ["-H", _quoted(f"{name}: {value}", keys)]
    if not request.body:
        return " ".join(words)
    if all(name.lower() != "content-type" for name, _ in request.headers):
        words += ["-H", NO_TYPE]
    text = _text(request.body)
    if text is not None:
        return " ".join([*words, "--data-binary", _quoted(text, keys)])
    packed = base64.b64encode(gzip.compress(request.body, mtime=0)).decode("ascii")
    return f"echo {packed} | base64 -d | gunzip | " + " ".join([*words, "--data-binary", "@-"])


def _text(body: bytes) -> str | None:
    """Return a body that can be an argument: short, without control characters, without a leading @."""
    if len(body) > LONG or body.startswith(b"@"):
        return None
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if any(unicodedata.category(char) in UNSEEN and char != "\n" for char in text) else text


def _quoted(text: str, keys: Mapping[str, str]) -> str:
    quoted = shlex.quote(text)
    for key, variable in keys.items():
        if key and key in text:
            quoted = shlex.quote(text) if quoted.startswith("'") else f"'{text}'"
            quoted = quoted.replace(key, f"'\"${variable}\"'")
    return quoted
