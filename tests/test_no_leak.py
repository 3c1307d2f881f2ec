"""A secret is in nothing that is made to be shared, wherever a client sent it and however it is spelt there.

These are the exchanges that somebody records while a client is still wrong.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

import pytest

from mockserver import MockServer
from tests.placements import Sent, placements
from tests.sharing import kept_log, outputs, place, received

PLACEMENTS = list(placements())
_BASE64 = re.compile("[A-Za-z0-9+/_-]{8,}={0,2}")
_JSON_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


@pytest.fixture
def log() -> Iterator[list[str]]:
    with kept_log() as lines:
        yield lines


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


def test_there_are_many_more_places_than_sixty() -> None:
    assert len({name for name, _, _ in PLACEMENTS}) >= 130


@pytest.mark.parametrize("text", ["S3cret/1", "%53%33cret%2F1", "%2553%2533cret/1", "\\u00533cret\\/1", "a~1S3cret~11"])
def test_a_secret_is_found_in_each_spelling(text: str) -> None:
    assert holds(f"x {text} y", "S3cret/1")
    assert holds(f"x {base64.b64encode(f'user:{text}:'.encode()).decode()} y", text)
    assert holds(base64.b64encode(zlib.compress(text.encode())).decode(), text)
