"""The message for an unknown name: it suggests the closest one, or lists what is available."""

from __future__ import annotations

import pytest

from mockserver import ControlError, MockServer
from mockserver.errors import unknown

NAMES = ["policy", "pattern", "r4-2026-08"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("polcy", 'unknown key "polcy", did you mean "policy"?'),
        ("r4", 'unknown key "r4", did you mean "r4-2026-08"?'),
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
