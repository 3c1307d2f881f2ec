"""Errors that are the operator's mistake, never a client's: those are refusals and travel in replies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar


class MockServerError(Exception):
    """Base of every error this package raises on purpose. `exit_code` is what a command ends with when it gets here."""

    exit_code: ClassVar[int] = 2


class ContractError(MockServerError):
    """A contract, revision or patch cannot be used; the text names the file and the JSON Pointer in it."""

    def __init__(self, file: str, pointer: str, problem: str) -> None:
        self.file = file
        self.pointer = pointer
        self.problem = problem
        super().__init__(f"{file}#{pointer or '/'}: {problem}")


class SettingsError(MockServerError):
    """A flag, environment variable or session setting has an unusable value."""


class UnreachableError(MockServerError):
    """No server answers at a URL, or what answers there is none of ours."""

    exit_code = 3


class ControlError(MockServerError):
    """A control call was refused; `status`, `detail` and, where one is to blame, the `member` say why."""

    def __init__(self, call: str, status: int, detail: str, member: str | None = None) -> None:
        self.status = status
        self.detail = detail
        self.member = member
        super().__init__(f"{call}: {status}, {detail}")


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for an unknown name: with the closest known name, or else with all of them."""
    from difflib import get_close_matches

    known = list(known)
    close = get_close_matches(name, known, 1) or [other for other in known if name and other.startswith(name)]
    hint = f', did you mean "{close[0]}"?' if close else f"; available: {', '.join(known) or 'none'}"
    return f'unknown {kind} "{name}"{hint}'
