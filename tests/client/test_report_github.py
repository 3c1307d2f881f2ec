"""Workflow commands: one for each failure, and none that a client has written."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from mockserver import MockServer, Session
from mockserver.client.report_github import MOST_ANNOTATIONS, command, github
from mockserver.client.session_report import Report
from tests.client.reported import fill, outlit

LINE = re.compile(r"::(error|warning|notice) title=[^:,\r\n]*::[^\r\n]*")


@pytest.fixture(scope="module")
def sessions() -> Iterator[dict[str, Session]]:
    with MockServer() as server:
        yield fill(server)


@pytest.mark.parametrize("name", ["empty", "good", "refused", "deliveries", "busy"])
def test_each_line_is_one_command(sessions: dict[str, Session], name: str) -> None:
    lines = github(Report(sessions[name], ("warning",))).splitlines()
    assert lines
    assert all(LINE.fullmatch(line) for line in lines)


def test_value_cannot_inject_a_command() -> None:
    line = command("error", "a,b:c\n::set-output::x", "m\r\n::error::x%0A##[group]y")
    assert line == "::error title=a%2Cb%3Ac\\n%3A%3Aset-output%3A%3Ax::m\\r\\n::error::x%250A\\x23#[group]y"


def test_passed_session_has_a_notice_and_its_warnings(sessions: dict[str, Session]) -> None:
    *warnings, notice = github(Report(sessions["good"])).splitlines()
    assert notice.startswith("::notice title=mockserver%3A session pk_r…")
    assert notice.endswith("::passed")
    assert warnings
    assert all(line.startswith("::warning title=") for line in warnings)


def test_reason_comes_before_the_event(sessions: dict[str, Session]) -> None:
    first = github(Report(sessions["refused"])).splitlines()[0]
    assert first.startswith(
        "::error title=mockserver%3A refused%2C whisperr Trial Started::event_type must match ^[a-z0-9]+"
    )


def test_number_of_annotations_is_bounded(sessions: dict[str, Session]) -> None:
    session = sessions["good"].session("pk_report_many")
    outlit(session, *("x" for _ in range(50)), type="nothing")
    lines = github(Report(session)).splitlines()
    assert len(lines) == MOST_ANNOTATIONS
    assert "41 more failures have no annotation" in lines[-1]
