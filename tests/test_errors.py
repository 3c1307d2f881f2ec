"""Errors name the file, the place and the call; each has the exit code that commands end with."""

from __future__ import annotations

import pytest

from mockserver.errors import ContractError, ControlError, MockServerError, SettingsError, UnreachableError


@pytest.mark.parametrize(
    ("error", "text", "exit_code"),
    [
        (ContractError("a.yaml", "/b/c", "is wrong"), "a.yaml#/b/c: is wrong", 2),
        (ContractError("a.yaml", "", "is wrong"), "a.yaml#/: is wrong", 2),
        (SettingsError("no such host"), "no such host", 2),
        (UnreachableError("nobody there"), "nobody there", 3),
        (ControlError("PUT /x", 400, "bad", "name"), "PUT /x: 400, bad", 2),
    ],
)
def test_error_says_what_is_wrong_where(error: MockServerError, text: str, exit_code: int) -> None:
    assert isinstance(error, MockServerError)
    assert (str(error), error.exit_code) == (text, exit_code)


def test_error_keeps_what_it_is_made_of() -> None:
    contract = ContractError("a.yaml", "/b", "is wrong")
    assert (contract.file, contract.pointer, contract.problem) == ("a.yaml", "/b", "is wrong")
    control = ControlError("PUT /x", 409, "taken")
    assert (control.status, control.detail, control.member) == (409, "taken", None)
