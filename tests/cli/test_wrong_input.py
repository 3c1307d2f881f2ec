"""Wrong words and files on the command line: one line that names what is wrong, and the exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver.cli.main import main
from mockserver.cli.parameters import write
from mockserver.errors import SettingsError

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
LONG_NAME = "n" * 300 + ".yaml"
"""Longer than a file system takes, which a test can do as root too: it stands for all that cannot be opened."""
FULL = Path("/dev/full")
DEEP = (
    b"protocol: outlit\npatch: {events: {custom: "
    + b"{type: object, properties: {a: " * 240
    + b"{type: string}"
    + b"}}" * 240
    + b"}}"
)
FILES = {
    "deep.yaml": DEEP,
    LONG_NAME: None,
    "none.yaml": None,
    "empty.yaml": b"",
    "binary.yaml": b"\xff\xfe\x00",
    "bad.yaml": b"a: [1",
    "list.yaml": b"[]",
}


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
@pytest.mark.parametrize("folder", ["none", "empty.yaml", LONG_NAME])
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
        (("sample", "--corpus", "-"), "--corpus needs a folder"),
        (("ready", "https://127.0.0.1:1", "--ca-file", "none.pem"), "cannot read the CA file none.pem: No such file"),
        (("ready", "https://127.0.0.1:1", "--ca-file", PAYLOAD), f"the CA file {PAYLOAD} has no certificate in PEM"),
        (("check", "none.json"), "'none.json' does not exist"),
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


def test_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    """As `--contract-patch <(…)` gives one in a shell."""
    reading, writing = os.pipe()
    os.write(writing, b"protocol: outlet\npatch: {}\n")
    os.close(writing)
    try:
        assert 'unknown protocol "outlet"' in error_of("contracts", "list", "--contract-patch", f"/dev/fd/{reading}")
    finally:
        os.close(reading)


@pytest.mark.skipif(not FULL.is_char_device(), reason="this system has no device that is always full")
@pytest.mark.parametrize("words", [("contracts", "list"), ("check", "--json", PAYLOAD)])
def test_output_that_cannot_be_written_is_told_in_one_line(words: tuple[str, ...]) -> None:
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "mockserver", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert ended.returncode == 2
    assert ended.stderr == "Error: cannot write the output: No space left on device\n"


def test_flag_is_named_when_its_file_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"^--junit: cannot write {tmp_path}: Is a directory$"):
        write("--junit", tmp_path, b"")


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "ascii", "utf-8"])
def test_output_has_escapes_for_what_its_encoding_lacks(tmp_path: Path, encoding: str) -> None:
    name = "caf\u00e9 \U0001f600"
    (tmp_path / PAYLOAD).write_text(json.dumps({"type": name, "url": "https://example.com/", "path": "/"}))

    def output(*words: str) -> str:
        ended = subprocess.run(
            [sys.executable, "-m", "mockserver", "check", "--protocol", "outlit", *words, PAYLOAD],
            env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (1, b"")
        return ended.stdout.decode("utf-8" if encoding == "ascii" else encoding)  # click writes UTF-8 for ASCII

    assert "caf" in output()
    (got,) = [finding["got"] for finding in json.loads(output("--json"))["findings"] if finding["pointer"] == "/type"]
    assert got == name


@pytest.mark.parametrize("words", [("print",), ("print", "--json"), ("explain", "/events/custom")])
def test_patch_that_is_nested_as_deeply_as_allowed_is_printed(tmp_path: Path, words: tuple[str, ...]) -> None:
    schema = "{type: string}"
    for _ in range(46):
        schema = f"{{type: object, properties: {{a: {schema}}}}}"
    patch = f"protocol: outlit\npatch: {{events: {{custom: {{properties: {{x: {schema}}}}}}}}}"
    (tmp_path / "nested.yaml").write_text(patch)
    command, *more = words
    result = CliRunner().invoke(main, ["contracts", command, "outlit", *more, "--contract-patch", "nested.yaml"])
    assert result.exit_code == 0, result.output


def test_case_that_is_nested_too_deeply_is_an_error_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "case.yaml").write_text(f"case: case\nsteps: {'[' * 900}{']' * 900}")
    result = CliRunner().invoke(main, ["check", "case.yaml"])
    assert (result.exit_code, "case.yaml: error: nested deeper than 100 levels" in result.output) == (1, True)
