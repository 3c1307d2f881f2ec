"""Wrong words and files on the command line: one line that names what is wrong, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli.main import main

PAYLOAD = "payload.json"
VERIFY = ("verify", "--target", "http://127.0.0.1:1", "--protocol", "outlit", "--key", "pk_1")
WITH_PATCHES = {
    "serve": ("serve", "--port", "0"),
    "check": ("check", PAYLOAD),
    "sample": ("sample",),
    "verify": VERIFY,
    "print": ("contracts", "print", "outlit"),
    "explain": ("contracts", "explain", "outlit", "/protocol"),
}
FILES = {"none.yaml": None, "empty.yaml": b"", "binary.yaml": b"\xff\xfe\x00", "bad.yaml": b"a: [1", "list.yaml": b"[]"}


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / PAYLOAD).write_text('{"type":"pageview"}')
    for name, content in FILES.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)


def error_of(*words: str, exit_code: int = 2) -> str:
    """Run a command that must fail; return its error, which is one line."""
    result = CliRunner().invoke(main, words)
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    (error,) = [line for line in result.output.splitlines() if line.startswith("Error: ")]
    assert result.output.rstrip().endswith(error)
    return error


@pytest.mark.parametrize("command", WITH_PATCHES)
@pytest.mark.parametrize("file", [*FILES, "folder"])
def test_patch_is_named_when_it_cannot_be_read(command: str, file: str) -> None:
    assert file in error_of(*WITH_PATCHES[command], "--contract-patch", file)


@pytest.mark.parametrize("command", WITH_PATCHES)
@pytest.mark.parametrize("folder", ["none", "empty.yaml"])
def test_folder_of_contracts_is_named_when_it_cannot_be_read(command: str, folder: str) -> None:
    assert folder in error_of(*WITH_PATCHES[command], "--contracts", folder)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("check", PAYLOAD, "--protocol", "outlet"), 'unknown protocol "outlet", did you mean "outlit"?'),
        (("sample", "--protocol", "outlet"), 'unknown protocol "outlet", did you mean "outlit"?'),
        ((*VERIFY, "--protocol", "outlet"), 'unknown protocol "outlet", did you mean "outlit"?'),
        (("contracts", "print", "outlet"), 'unknown protocol "outlet", did you mean "outlit"?'),
        (("serve", "--port", "0", "--revision", "outlet=x"), 'unknown protocol "outlet", did you mean "outlit"?'),
        (("serve", "--port", "0", "--revision", "outlit=r9"), 'unknown revision "r9"; available: '),
        ((*VERIFY, "--revision", "r9"), 'unknown revision "r9"; available: '),
        (("sample", "--protocol", "outlit", "--revision", "r9"), 'unknown revision "r9"; available: '),
        (("sample", "--protocol", "outlit", "--type", "custm"), 'unknown event type "custm", did you mean "custom"?'),
        (("sample", "--protocol", "outlit", "--operation", "evnts"), "no operation 'evnts'; available: events"),
        (("sample", "--corpus", "empty.yaml"), "'--corpus'"),
        (("check", "none.json"), "'none.json' does not exist"),
        (("check", "folder"), "'folder' is a directory"),
        (("report", "no url", "--session", "s"), "http://127.0.0.1:8207"),
        (("report", "http://127.0.0.1:1", "--session", "s", "--junit", "folder"), "'--junit'"),
        (("verify", "--target", "ftp://a", *VERIFY[3:]), "the scheme must be http or https"),
        ((*VERIFY, "--timeout", "0"), "'--timeout'"),
        ((*VERIFY, "--timeout", "nan"), "'--timeout'"),
        ((*VERIFY, "--header", "Name"), "'--header'"),
        (("serve", "--port", "99999"), "'--port'"),
        (("serve", "--port", "0", "--ready-file", "folder"), "'--ready-file'"),
        (("serve", "--port", "0", "--ready-file", "no/such/file"), "ready file no/such/file"),
        (("serve", "--memory-limit", "x"), "'--memory-limit'"),
        (("serve", "--host", "no-such-host.invalid", "--port", "0"), "--host"),
        (("contracts", "explain", "outlit", "/nope"), "/nope: no fact at this pointer"),
        (("nope",), 'unknown command "nope"; available: serve'),
        *(((command, "--nope"), "--nope") for command in ("serve", "ready", "check", "sample", "verify", "report")),
    ],
)  # fmt: skip
def test_word_is_named_when_it_is_wrong(words: tuple[str, ...], problem: str) -> None:
    assert problem in error_of(*words)


@pytest.mark.parametrize(
    "words", [VERIFY, ("ready", "http://127.0.0.1:1"), ("report", "http://127.0.0.1:1", "--session", "s")]
)
def test_target_is_named_when_it_is_away(words: tuple[str, ...]) -> None:
    assert "http://127.0.0.1:1" in error_of(*words, exit_code=3)
