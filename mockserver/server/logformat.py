"""Log formats for stderr: text, or one JSON object per line."""

from __future__ import annotations

import logging
import os
import sys
from typing import Final

from mockserver.jsonkit import Json
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.jsonkit.jsontext import render
from mockserver.settings import Settings

_FIELDS: Final = "fields"
_COLOURS: Final = {logging.DEBUG: "2", logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}


def fields(**values: Json) -> dict[str, dict[str, Json]]:
    """Return the `extra` of a log call: the values in its message, as fields of the JSON line."""
    return {_FIELDS: values}


class TextLines(logging.Formatter):
    """Time, level and message; unprintable characters are escaped, so that clients cannot inject lines."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802, the name is the base class's
        """Return the line without a traceback."""
        level = record.levelname.lower()
        line = f"{rfc3339_ms(int(record.created * 1000))} {level:<7} {_printable(record.message)}"
        code = _COLOURS.get(record.levelno) if self._colour else None
        return line if code is None else f"\x1b[{code}m{line}\x1b[0m"


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, further fields, and a traceback as `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the JSON object as text."""
        line: dict[str, Json] = {
            "time": rfc3339_ms(int(record.created * 1000)),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, _FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return render(line).decode()


def configure(settings: Settings) -> None:
    """Configure logging to stderr from the settings."""
    handler = logging.StreamHandler(sys.stderr)
    colour = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    handler.setFormatter(JsonLines() if settings.log_format == "json" else TextLines(colour=colour))
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("mockserver").setLevel(settings.log_level.upper())


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
