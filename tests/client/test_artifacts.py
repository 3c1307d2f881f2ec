"""What is kept of failed tests: files that say what happened, under names that every file system takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mockserver import MockServer
from mockserver.client.artifacts import artifacts_of, folder_name, keep
from tests.sending import send_whisperr, whisperr_event

pytest_plugins = ["pytester"]

FAILING = """
from tests.sending import send_whisperr, whisperr_event

def test_fails(mock_server):
    send_whisperr(mock_server, whisperr_event("Not Good"))
    assert False

def test_passes(mock_server):
    send_whisperr(mock_server, whisperr_event("paid"))

def test_fails_in_a_block(mock_server_sessions):
    with mock_server_sessions() as one:
        send_whisperr(one, whisperr_event("paid"))
        assert False
"""


def test_files_say_what_happened_without_secrets() -> None:
    with MockServer(session="pk_of_a_test_that_failed") as server:
        send_whisperr(server, whisperr_event("Not Good"))
        files = artifacts_of(server)
    assert sorted(files) == ["exchanges.ndjson", "report.html", "report.json"]
    assert json.loads(files["report.json"])["refused"][0]["type"] == "Not Good"
    assert json.loads(files["exchanges.ndjson"])["events_detail"][0]["verdict"] == "rejected"
    assert not [name for name, content in files.items() if server.key.encode() in content]


@pytest.mark.parametrize(
    "test",
    [
        "tests/test_a.py::test_b[x/../../y]",
        "tests/test_a.py::test_b[\x00\n<>|:*?\"']",
        "a" * 5000,
        "CON",
        "\ud800",
        "…",
        "",
    ],
)
def test_name_of_a_folder_is_safe(test: str) -> None:
    name = folder_name(test)
    assert len(name) < 100
    assert name.replace("-", "").replace("_", "").isalnum()
    assert name.isascii()
    assert name != folder_name(test + "x")


def test_sessions_of_one_test_have_folders(tmp_path: Path) -> None:
    folder = keep(tmp_path, "test_a", [{"x": b"1"}, {"x": b"2"}])
    assert [(folder / path).read_bytes() for path in ("x", "session-2/x")] == [b"1", b"2"]


@pytest.mark.parametrize("more", [(), ("-n", "2", "-p", "xdist")], ids=["alone", "xdist"])
def test_failed_tests_leave_artifacts(
    pytester: pytest.Pytester, more: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(FAILING)
    options = ("-p", "mockserver.pytest_plugin", "--mockserver-artifacts", "kept", *more)
    done = pytester.runpytest_subprocess(*options)
    done.assert_outcomes(passed=1, failed=2)
    kept = pytester.path / "kept"
    found = sorted(str(path.relative_to(kept)) for path in kept.rglob("*.*"))
    tests = [f"test_failed_tests_leave_artifacts-py-{name}" for name in ("test_fails", "test_fails_in_a_block")]
    names = [folder_name(test.replace("-py-", ".py::")) for test in tests]
    files = ["exchanges.ndjson", "report.html", "report.json"]
    expected = [f"{names[0]}/{file}" for file in files]
    expected += [f"{names[1]}/{file}" for file in files]
    assert found == sorted(expected)
    done.stdout.fnmatch_lines([f"*kept/{names[0]}*"])


def test_folder_that_cannot_be_written_is_told(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(FAILING)
    (pytester.path / "kept").write_text("a file")
    options = ("-p", "mockserver.pytest_plugin", "--mockserver-artifacts", "kept", "-k", "test_fails")
    done = pytester.runpytest_subprocess(*options)
    done.stdout.fnmatch_lines(["*cannot write to *kept: *"])
