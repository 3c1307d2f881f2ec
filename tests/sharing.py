"""What is made of a session to be shared: exports, reports, failure texts, log lines, and what `check` says of them."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from mockserver import MockServer, WaitError
from mockserver.cli.parameters import json_text
from mockserver.client.calls import Call, Steps, at
from mockserver.client.client import Session
from mockserver.client.report_formats import FORMATS
from mockserver.client.session_calls import describe
from mockserver.client.session_report import Report
from mockserver.client.stream import Stream
from mockserver.client.stream_text import line_of
from mockserver.contract.library import library
from mockserver.jsonkit import Json
from mockserver.jsonkit.printable import printable_json
from mockserver.lint.checker import CheckOptions, check
from mockserver.server.logs import JsonLines, TextLines
from tests.placements import Sent


@contextmanager
def kept_log() -> Iterator[list[str]]:
    """Keep the lines of the log, in both formats, at level debug."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend((TextLines(colour=False).format(record), JsonLines().format(record)))

    root, own, handler = logging.getLogger(), logging.getLogger("mockserver"), Kept()
    level = own.level
    own.setLevel(logging.DEBUG)
    root.addHandler(handler)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        own.setLevel(level)


def answered(server: MockServer, sent: bytes) -> None:
    """Send bytes, and read until the server has answered."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        with suppress(OSError):  # it may have answered before it was sent everything
            connection.sendall(sent)
        with suppress(OSError):
            while connection.recv(65536):
                pass


def called(session: Session, method: str, path: str, body: Json) -> Steps[Json]:
    return (yield Call(method=method, path=at(session.name) + path, body=body))


def place(server: MockServer, sent: Sent, session: Session) -> None:
    """Send a request, after those that it needs."""
    for method, path, body in sent.control:
        session.connections.run(called(session, method, path, body))
    prefix = f"/_mock/s/{quote(session.name, safe='')}"
    if sent.key is not None:
        answered(server, Sent(headers={"X-API-Key": sent.key}).raw(prefix))
    answered(server, sent.raw(prefix))


def outputs(session: Session, raw: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what is made of a session to be shared: each output's name, and the text. `raw` is what it received."""
    exported = session.export()
    yield "export", exported
    report = Report(session, ("warning", "lost", "duplicate", "unused-fault"), final=True)
    yield from ((f"report as {name}", made(report).decode()) for name, made in FORMATS.items())
    yield "stream without secrets", asyncio.run(streamed(session))
    yield "failure text", session.connections.run(describe(session.name))
    with pytest.raises(WaitError) as failed:
        session.wait_for(count=5000, timeout=0)
    yield "error of a wait for events", str(failed.value)
    with pytest.raises(WaitError) as failed:
        session.wait_for_request(path="/none", timeout=0)
    yield "error of a wait for requests", str(failed.value)
    yield from checks("export", exported, folder)
    state = session.settings()
    if not (state.keys or state.credentials):  # what these hide is in no request
        yield from checks("recording", raw, folder)


async def streamed(session: Session) -> str:
    """Return the requests of a session as a stream has them for `tail`, as JSON and as lines."""
    lines, last = list[str](), [row.id for row in session.requests()][-1:]
    if not last:
        return ""
    async for event in Stream(session.target, session.name, "0", hidden=True).events():
        lines += [printable_json(json.dumps(event.as_json(), ensure_ascii=False)), line_of(event).text]
        if event.kind == "request" and event.data["request"]["id"] in last:
            break
    return "\n".join(lines)


def received(session: Session) -> str:
    """Return all that a session received, as its own test sees it."""
    rows = (session.connections.run(called(session, "GET", f"/requests/{row.id}", None)) for row in session.requests())
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)


def checks(name: str, lines: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what `check` prints about a file."""
    path = folder / f"{name}.ndjson"
    path.write_text(lines, encoding="utf-8")
    checked = check([path], library(), CheckOptions())
    yield f"check of the {name} as text", "\n".join(problem.text() for problem in checked.problems)
    yield f"check of the {name} as JSON", json_text(checked.as_json())
