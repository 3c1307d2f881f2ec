"""Text that a client sends cannot act where a person or a CI runner reads it: it forges no line, it is no command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from mockserver import MockServer
from mockserver.cli.main import main
from mockserver.jsonkit.printable import printable
from tests.placements import EVENT, OUTLIT, Sent, apex, track
from tests.sharing import kept_log, outputs, place, received

HOSTILE = [
    "a\n::error::forged",
    "::error::forged",
    "a ##vso[task.complete]forged",
    "##teamcity[testFailed]",
    "\x1b]0;forged\x07\x1b[2J",
    "a\r\u2028\u2029\x85b",
    "\u202egpj.exe\u2066\u200f",
    "in\u200bvis\U000e0041ible\x7f\x9b",
    "half \ud83d of a pair",
]
GITHUB = "report as github"
PLACES = {
    "event type": lambda text: Sent(body=track(event_type=text)),
    "event id": lambda text: Sent(body=track(context={"$message_id": text}, event_type="No")),
    "value": lambda text: Sent(body=track(occurred_at=text)),
    "name of a member": lambda text: Sent(body=track(**{text: 1})),
    "unknown type": lambda text: Sent(path="/api/events", body=apex("k", events=[{**EVENT, "type": text}])),
    "Outlit event": lambda text: Sent(
        path="/api/i/v1/pk_a/events", body=b'{"events": [%s]}' % track(**{**OUTLIT, "type": text})
    ),
    "step": lambda text: Sent(control=(("POST", "/faults", {"match": {"where": {"/a": text}}, "delay_ms": 0}),)),
}


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


ANNOTATION = re.compile(r"^::(?:error|warning|notice) title=mockserver[^:]*::")
"""What a line of the report for GitHub begins with: a command of ours, whose texts have every other colon escaped."""


def acting(text: str) -> list[str]:
    """Return the lines of a text that do more than show themselves."""
    return [line for line in text.split("\n") if printable(line) != line]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("where", PLACES)
def test_text_of_a_client_is_only_shown(where: str, text: str, server: MockServer, tmp_path: Path) -> None:
    session = server.session("hostile")
    with kept_log() as log:
        place(server, PLACES[where](text), session)
    recorded = received(session)
    shown = [("log", "\n".join(log)), *outputs(session, recorded, tmp_path)]
    session.forget()
    texts = {name: acting(output) for name, output in shown if name not in ("export", GITHUB)}
    annotations = dict(shown)[GITHUB].removesuffix("\n").split("\n")
    assert [line for line in annotations if not ANNOTATION.match(line)] == []
    assert acting("\n".join(ANNOTATION.sub("", line) for line in annotations)) == []
    assert {name: lines for name, lines in texts.items() if lines} == {}


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("flags", [(), ("--json",)])
def test_check_only_shows_what_is_in_a_file(text: str, flags: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "::error::\n\x1b.ndjson"
    path.write_bytes(track(event_type=text) + b"\n" + track(**{text: text}))
    result = CliRunner().invoke(main, ["check", *flags, str(path)])
    assert (result.exit_code, acting(result.stdout_bytes.decode())) == (1, [])


@pytest.mark.parametrize("name", ["no\n::error::\x1b", "::error::\u202e"])
@pytest.mark.parametrize(
    "words", [("check",), ("check", "--protocol"), ("contracts", "print"), ("report", "--session", "s"), ("sample",)]
)
def test_error_only_shows_what_was_given(words: tuple[str, ...], name: str) -> None:
    result = CliRunner().invoke(main, [*words, name])
    assert result.exit_code in (2, 3)
    assert acting(result.output.partition("Error: ")[2].removesuffix("\n")) == []
    assert re.search(r"^Error: ", result.output, re.MULTILINE)
