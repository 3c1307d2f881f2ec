"""Errors caused by the operator. Errors caused by a client are refusals and are part of the reply."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import ClassVar, Final

LONGEST_VALUE: Final = 100
"""Number of characters that messages show of a value."""
MOST_COMPARED: Final = 500
"""Number of candidates in which the nearest one is looked for: comparing takes time."""
MOST_LISTED: Final = 20
"""Number of candidates that messages list."""

CERTIFICATE_OF_ANOTHER: Final = (62, 64)
"""Codes of OpenSSL for a certificate of another host name or address; no CA file helps."""


class MockServerError(Exception):
    """Base of every error that this package raises. `exit_code` is the exit code of a command that fails with it."""

    exit_code: ClassVar[int] = 2


class ContractError(MockServerError):
    """A contract, revision or patch is invalid; the message names the file and the JSON Pointer in it."""

    def __init__(self, file: str, pointer: str, problem: str) -> None:
        self.file = file
        self.pointer = pointer
        self.problem = problem
        super().__init__(f"{file}#{pointer or '/'}: {problem}")


class SettingsError(MockServerError):
    """A flag, environment variable or session setting has an invalid value."""


class StoreError(MockServerError):
    """The store of the sessions cannot be read or written at the moment; the message says why."""


class UnreachableError(MockServerError):
    """No server answers at a URL, or the server is not a mockserver."""

    exit_code = 3


class ControlError(MockServerError):
    """A control call was refused. `status` and `detail` say why; `member` names the invalid member or parameter."""

    def __init__(self, call: str, status: int, detail: str, member: str | None = None) -> None:
        self.status = status
        self.detail = detail
        self.member = member
        super().__init__(f"{call}: {status}, {detail}")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown name: with the closest known name, or else with all of them."""
    known = list(known)
    close = nearest(name, known)
    more = f" and {len(known) - MOST_LISTED} others" if len(known) > MOST_LISTED else ""
    listed = f"{', '.join(other[:LONGEST_VALUE] for other in known[:MOST_LISTED]) or 'none'}{more}"
    hint = f', did you mean "{close}"?' if close is not None else f"; available: {listed}"
    return f'unknown {kind} "{name if len(name) <= LONGEST_VALUE else f"{name[:LONGEST_VALUE]}…"}"{hint}'


def nearest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known name that is closest to a misspelled or shortened one, or None.

    `cutoff` is how similar they must be, from 0 to 1; upper and lower case do not matter. Long texts are near nothing,
    and only the first `MOST_COMPARED` known names are compared.
    """
    from difflib import get_close_matches

    if len(name) > LONGEST_VALUE:
        return None
    names: dict[str, str] = {}
    for other in islice(known, MOST_COMPARED):
        if len(other) <= LONGEST_VALUE:
            names.setdefault(other.lower(), other)
    name = name.lower()
    close = get_close_matches(name, names, 1, cutoff) or [other for other in names if name and other.startswith(name)]
    return names[close[0]] if close else None


def not_among(value: object, options: Iterable[object]) -> str:
    """Return the message for a value outside a list of options: with all of them, and the closest one."""
    import json

    names = [option if isinstance(option, str) else json.dumps(option) for option in options]
    close = nearest(value, names) if isinstance(value, str) else None
    hint = "" if close is None else f', did you mean "{close}"?'
    shown = json.dumps(value, ensure_ascii=False)
    shown = shown if len(shown) <= LONGEST_VALUE else f"{shown[:LONGEST_VALUE]}…"
    return f"must be one of {', '.join(names)}; got {shown}{hint}"


def reason_of(error: BaseException) -> str:
    """Return in words why there is no reply, and if it is because of TLS, what to do about it."""
    kind = getattr(error, "reason", None)  # of an ssl.SSLError
    if kind in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST"):
        return "the server does not speak TLS there; use an http:// URL"
    if kind == "CERTIFICATE_VERIFY_FAILED":
        advice = (
            ""
            if getattr(error, "verify_code", None) in CERTIFICATE_OF_ANOTHER
            else "; name its CA file (--ca-file, ca_file)"
        )
        return f"the certificate is not trusted: {getattr(error, 'verify_message', error)}{advice}"
    text = getattr(error, "strerror", None) or str(error).strip()
    return text or type(error).__name__
