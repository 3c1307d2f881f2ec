"""Recordings of tests as files: played, written whole, named after their test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockserver import MockServer, Session
from mockserver.client.recording_files import RecordingFile, file_name, keep_in, unmatched, write_whole
from mockserver.errors import ControlError, SettingsError
from tests.server.recorded import batch, event


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def session(server: MockServer) -> Iterator[Session]:
    session = server.session("wrk_files")
    yield session
    session.forget()


def test_missing_recording_is_made_once_and_played_then(session: Session, tmp_path: Path) -> None:
    file = RecordingFile(path=tmp_path / "new" / "r.ndjson", record="once")
    file.play(session)
    batch(session, event("paid", "m-1"))
    assert file.keep(session)
    assert [path.name for path in file.path.parent.iterdir()] == ["r.ndjson"]
    session.forget()
    file.play(session)
    assert batch(session, event("paid", "k-1")).status == 202
    assert not file.keep(session)
    assert batch(session, event("other", "k-1")).status == 404
    assert not file.keep(session)


def test_missing_recording_is_an_error_that_says_how_to_make_it(session: Session, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r'there is no recording .*r.ndjson; .* record="once"'):
        RecordingFile(path=tmp_path / "r.ndjson").play(session)
    (tmp_path / "r.ndjson").write_text("nonsense")
    with pytest.raises(ControlError, match="line 1"):
        RecordingFile(path=tmp_path / "r.ndjson").play(session)
    with pytest.raises(SettingsError, match="cannot read the recording"):
        RecordingFile(path=tmp_path).play(session)


def test_new_requests_are_added_to_the_file(session: Session, tmp_path: Path) -> None:
    file = RecordingFile(path=tmp_path / "r.ndjson", record="new_episodes")
    for kind in ("paid", "other"):
        session.forget()
        file.play(session)
        batch(session, event("paid", "m-1"))
        batch(session, event(kind, f"m-{kind}"))
        file.keep(session)
    rows = [json.loads(line) for line in file.path.read_text().splitlines()[1:]]
    assert [row["events"][0]["type"] for row in rows] == ["paid", "paid", "other"]


def test_requests_that_are_not_in_the_recording_are_described(session: Session, tmp_path: Path) -> None:
    assert unmatched(session) == ""
    file = RecordingFile(path=tmp_path / "r.ndjson", record="once")
    file.play(session)
    batch(session, event("paid", "m-1", properties={"plan": "pro"}))
    file.keep(session)
    session.forget()
    file.play(session)
    assert unmatched(session) == ""
    for number in range(7):
        batch(session, event("paid", f"m-{number}", properties={"plan": "team"}))
    lines = unmatched(session).splitlines()
    assert lines[0] == "7 requests are not in the recording:"
    assert lines[1].startswith("  r1 POST /v1/events/batch: the recording has no such request; the nearest is x1: ")
    assert lines[2] == "    /body/events/0/properties/plan: recorded 'pro', now 'team'"
    assert lines[-2] == "  … and 2 more"
    assert 'record="all"' in lines[-1]


def test_recording_of_a_session_is_named_after_its_test(session: Session, tmp_path: Path) -> None:
    assert keep_in(tmp_path / "kept", "tests/test_a.py::test_b[x/y]", session) is None
    batch(session, event("paid", "m-1"))
    path = keep_in(tmp_path / "kept", "tests/test_a.py::test_b[x y]", session)
    assert path is not None
    assert path.name.startswith("test_a.py_test_b_x_y-")
    assert len(path.read_text().splitlines()) == 2


def test_names_of_files_differ_by_test_and_attempt() -> None:
    names = [file_name(test, attempt) for test in ("a::b[1 2]", "a::b[1_2]", "x" * 300) for attempt in (1, 2)]
    assert len(set(names)) == len(names)
    assert all(len(name) < 110 for name in names)


def test_file_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(SettingsError, match="cannot write the recording"):
        write_whole(tmp_path / "taken", b"x")
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot write the recording"):
        write_whole(tmp_path / "file" / "r.ndjson", b"x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "taken"]
