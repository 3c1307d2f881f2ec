"""Errors name the file, the place and the call, and have an exit code; an unknown name gets a suggestion."""

from __future__ import annotations

import errno
import os
import ssl
from typing import Any

import pytest

from mockserver import MockServer
from mockserver.errors import (
    ContractError,
    ControlError,
    MockServerError,
    SettingsError,
    UnreachableError,
    reason_of,
    unknown,
)

NAMES = ["policy", "pattern", "r4-2026-08"]


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


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("polcy", 'unknown key "polcy", did you mean "policy"?'),
        ("r4", 'unknown key "r4", did you mean "r4-2026-08"?'),
        ("POLICY", 'unknown key "POLICY", did you mean "policy"?'),
        ("R4", 'unknown key "R4", did you mean "r4-2026-08"?'),
        ("zzz", 'unknown key "zzz"; available: policy, pattern, r4-2026-08'),
        ("", 'unknown key ""; available: policy, pattern, r4-2026-08'),
    ],
)
def test_message_suggests_the_closest_name_when_there_is_one(name: str, message: str) -> None:
    assert unknown("key", name, NAMES) == message


def test_message_says_none_when_nothing_is_available() -> None:
    assert unknown("query parameter", "x", []) == 'unknown query parameter "x"; available: none'


@pytest.mark.parametrize(
    ("step", "message", "member"),
    [
        ({"repl": {"status": 503}}, 'unknown key "repl", did you mean "reply"?', "/repl"),
        ({"match": {"tpe": "custom"}, "delay_ms": 1}, 'unknown key "tpe", did you mean "type"?', "/match/tpe"),
        ({"reply": {"status": 503, "zzz": 1}}, 'unknown key "zzz"; available: status, headers, body', "/reply/zzz"),
    ],
)
def test_control_surface_suggests_a_key_when_one_is_misspelled(
    step: dict[str, object], message: str, member: str
) -> None:
    with MockServer() as server, pytest.raises(ControlError, match="400") as caught:
        server.faults.add(**step)  # type: ignore[arg-type]
    assert caught.value.detail == f"{member}: {message}"
    assert caught.value.member == member


def tls_error(kind: type[ssl.SSLError] = ssl.SSLError, **members: Any) -> ssl.SSLError:
    error = kind(1, "[SSL] failed (_ssl.c:1006)")
    for name, member in members.items():
        setattr(error, name, member)
    return error


NOT_TRUSTED = {"reason": "CERTIFICATE_VERIFY_FAILED", "verify_message": "no issuer"}
MISMATCH = {"reason": "CERTIFICATE_VERIFY_FAILED", "verify_code": 62, "verify_message": "Hostname mismatch"}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)), "Connection refused"),
        (ValueError("too long "), "too long"),
        (TimeoutError(), "TimeoutError"),
        (tls_error(reason="WRONG_VERSION_NUMBER"), "the server does not speak TLS there; use an http:// URL"),
        (
            tls_error(ssl.SSLCertVerificationError, **NOT_TRUSTED),
            "the certificate is not trusted: no issuer; name its CA file (--ca-file, ca_file)",
        ),
        (tls_error(ssl.SSLCertVerificationError, **MISMATCH), "the certificate is not trusted: Hostname mismatch"),
        (tls_error(reason="TLSV1_ALERT_INTERNAL_ERROR"), "[SSL] failed (_ssl.c:1006)"),
    ],
)
def test_reason_says_what_to_do_when_tls_fails(error: Exception, text: str) -> None:
    assert reason_of(error) == text
