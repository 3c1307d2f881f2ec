"""How log lines look: one line a record, whatever a client sent."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from mockserver.server.logs import JsonLines, TextLines, configure, fields
from mockserver.settings import LogFormat, Settings

CREATED = 1_781_438_400.25


def record(
    message: str, *args: object, level: int = logging.INFO, extra: Mapping[str, object] | None = None
) -> logging.LogRecord:
    entry = logging.getLogger("mockserver.requests").makeRecord(
        "mockserver.requests", level, __file__, 1, message, args, None, extra=extra
    )
    entry.created = CREATED
    return entry


def failed(level: int = logging.ERROR) -> logging.LogRecord:
    """Return the record of an exception."""
    entry = record("it broke", level=level)
    try:
        raise ValueError("no\n::error::way")
    except ValueError:
        entry.exc_info = sys.exc_info()
    return entry


def test_text_line_has_time_level_and_message() -> None:
    line = TextLines(colour=False).format(record("refused %s", "/a"))
    assert line == "2026-06-14T12:00:00.250Z info    refused /a"


@pytest.mark.parametrize(
    ("level", "shown"), [(logging.INFO, "info    worker 2: m"), (logging.WARNING, "warning worker 2: m")]
)
def test_text_line_names_the_worker_that_writes_it(level: int, shown: str) -> None:
    line = TextLines(colour=False, worker=2).format(record("m", level=level))
    assert line == f"2026-06-14T12:00:00.250Z {shown}"


def test_json_line_names_the_worker_that_writes_it() -> None:
    line = json.loads(JsonLines(worker=2).format(record("m", extra=fields(session="s"))))
    assert line["worker"] == 2
    assert line["message"] == "m"


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("a\nb", "a\\nb"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("é ok", "é ok"),
        ("\u2028", "\\u2028"),
        ("\ud800", "\\ud800"),
        ("\u202e", "\\u202e"),
        ("##vso[a]b", "\\x23#vso[a]b"),
    ],
)
def test_client_cannot_forge_a_text_line(sent: str, shown: str) -> None:
    assert TextLines(colour=False).format(record("%s", sent)).partition("info    ")[2] == shown


@pytest.mark.parametrize(
    ("level", "code"),
    [
        (logging.DEBUG, "2"),
        (logging.INFO, None),
        (logging.WARNING, "33"),
        (logging.ERROR, "31"),
        (logging.CRITICAL, "31"),
    ],
)
def test_line_is_coloured_by_its_level_on_a_terminal(level: int, code: str | None) -> None:
    plain = TextLines(colour=False).format(record("m", level=level))
    expected = plain if code is None else f"\x1b[{code}m{plain}\x1b[0m"
    assert TextLines(colour=True).format(record("m", level=level)) == expected


def test_traceback_follows_a_text_line() -> None:
    first, *rest = TextLines(colour=False).format(failed()).splitlines()
    assert first == "2026-06-14T12:00:00.250Z error   it broke"
    assert rest[0] == "  Traceback (most recent call last):"
    assert rest[-1] == r"  \x3a:error::way"


def test_json_line_is_one_object_with_the_calls_own_fields() -> None:
    line = JsonLines().format(record("a %s\nb", 1, extra=fields(session="s", status=400)))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2026-06-14T12:00:00.250Z",
        "level": "info",
        "logger": "mockserver.requests",
        "message": "a 1\nb",
        "session": "s",
        "status": 400,
    }


def test_json_line_shows_no_character_that_acts_on_a_terminal() -> None:
    line = JsonLines().format(record("%s", "\u202e\x7f\x9b31m\ud800", extra=fields(path="/\u2028")))
    assert line.isprintable()
    assert json.loads(line)["message"] == "\u202e\x7f\x9b31m\ud800"
    assert json.loads(line)["path"] == "/\u2028"


def test_json_line_holds_the_traceback() -> None:
    line = JsonLines().format(failed())
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("ValueError: no\n::error::way")


@contextmanager
def bare_loggers() -> Iterator[None]:
    """Take the handlers off the root logger, and put all back as it was."""
    root, own = logging.getLogger(), logging.getLogger("mockserver")
    handlers, levels = root.handlers, (root.level, own.level)
    root.handlers = []
    try:
        yield
    finally:
        root.handlers = handlers
        root.setLevel(levels[0])
        own.setLevel(levels[1])


@pytest.mark.parametrize(
    ("log_format", "line"),
    [("text", "info    hello"), ("json", '"level":"info","logger":"mockserver.requests","message":"hello"')],
)
def test_log_goes_to_stderr_as_the_settings_say(
    log_format: LogFormat, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with bare_loggers():
        configure(Settings(log_format=log_format, log_level="info"))
        logging.getLogger("mockserver.requests").info("hello")
        logging.getLogger("mockserver.requests").debug("not shown")
        logging.getLogger("aiohttp").info("not ours")
    (shown,) = stream.getvalue().splitlines()
    assert line in shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "no_color", "coloured"),
    [(Terminal(), "", True), (Terminal(), "1", False), (io.StringIO(), "", False), (io.StringIO(), "1", False)],
)
def test_text_is_coloured_on_a_terminal_that_does_not_say_no(
    stream: io.StringIO, no_color: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("NO_COLOR", no_color)
    with bare_loggers():
        configure(Settings(log_format="text"))
        logging.getLogger("mockserver.requests").error("hello")
    assert stream.getvalue().startswith("\x1b[31m") is coloured
