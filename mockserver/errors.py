"""Errors that are the operator's mistake, never a client's: those are refusals and travel in replies."""

from __future__ import annotations


class MockServerError(Exception):
    """Base of every error this package raises on purpose."""


class ContractError(MockServerError):
    """A contract, revision or patch cannot be used; the text names the file and the JSON Pointer in it."""

    def __init__(self, file: str, pointer: str, problem: str) -> None:
        self.file = file
        self.pointer = pointer
        self.problem = problem
        super().__init__(f"{file}#{pointer or '/'}: {problem}")


class SettingsError(MockServerError):
    """A flag, environment variable or session setting has an unusable value."""
