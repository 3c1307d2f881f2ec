"""A secret is in nothing that is made to be shared, wherever a client sent it and however it is spelt there.

These are the exchanges that somebody records while a client is still wrong.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import socket
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import pytest

from mockserver import MockServer, WaitError
from mockserver.client.calls import Call, Steps, at
from mockserver.client.client import Session
from mockserver.client.session_calls import describe
from mockserver.client.session_report import Report
from mockserver.contract.library import library
from mockserver.jsonkit import Json
from mockserver.lint.checker import CheckOptions, check
from mockserver.server.logs import JsonLines, TextLines
from tests.placements import Sent, placements

PLACEMENTS = list(placements())
_BASE64 = re.compile("[A-Za-z0-9+/_-]{8,}={0,2}")
_JSON_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def log() -> Iterator[list[str]]:
    """The lines of the log, in both formats, at level debug."""
    lines: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.extend((TextLines(colour=False).format(record), JsonLines().format(record)))

    root, own, handler = logging.getLogger(), logging.getLogger("mockserver"), Kept()
    level = own.level
    own.setLevel(logging.DEBUG)
    root.addHandler(handler)
    yield lines
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
    yield "report as text", report.text()
    yield "report as JSON", report.json()
    yield "report as JUnit XML", report.junit().decode()
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
    yield f"check of the {name} as JSON", json.dumps(checked.as_json(), ensure_ascii=False)


def readings(text: str) -> Iterator[str]:
    """Yield what a text says to somebody who looks for a secret in it: as it is, decoded, decompressed."""
    plain = text
    for _ in range(4):
        yield plain
        plain = (
            _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)), unquote(plain))
            .replace("\\/", "/")
            .replace("~1", "/")
        )
    for run in set(_BASE64.findall(text)):
        for start in range(4):
            part = run.rstrip("=")[start:].replace("-", "+").replace("_", "/")
            part += "=" * (-len(part) % 4)
            with suppress(binascii.Error):
                decoded = base64.b64decode(part)
                yield decoded.replace(b"\0", b"").decode("latin-1")  # so that UTF-16 is read too
                with suppress(zlib.error):
                    yield zlib.decompressobj(wbits=47).decompress(decoded).decode("latin-1")


def holds(text: str, secret: str) -> bool:
    return any(secret.casefold() in reading.casefold() for reading in readings(text))


@pytest.mark.parametrize(
    ("number", "secret", "sent"),
    [
        pytest.param(number, secret, sent, id=f"{name}, {secret[:2]}")
        for number, (name, secret, sent) in enumerate(PLACEMENTS)
    ],
)
def test_secret_is_in_nothing_that_is_shared(
    number: int, secret: str, sent: Sent, server: MockServer, log: list[str], tmp_path: Path
) -> None:
    session = server.session(f"place-{number}")
    place(server, sent, session)
    shown, arrived = [("log", "\n".join(log))], ""
    for reached in (session, server.session(secret)) if sent.bare else (session,):
        raw = received(reached)
        shown += outputs(reached, raw, tmp_path)
        state = reached.settings()
        arrived += f"{raw} {reached.name if raw else ''} {state.keys} {state.credentials} {list(reached.faults)}"
        reached.forget()
    assert sent.unread or holds(arrived, secret)
    assert [name for name, text in shown if holds(text, secret)] == []


def test_there_are_sixty_places_and_more() -> None:
    assert len({name for name, _, _ in PLACEMENTS}) >= 60


@pytest.mark.parametrize("text", ["S3cret/1", "%53%33cret%2F1", "%2553%2533cret/1", "\\u00533cret\\/1", "a~1S3cret~11"])
def test_a_secret_is_found_in_each_spelling(text: str) -> None:
    assert holds(f"x {text} y", "S3cret/1")
    assert holds(f"x {base64.b64encode(f'user:{text}:'.encode()).decode()} y", text)
    assert holds(base64.b64encode(zlib.compress(text.encode())).decode(), text)
