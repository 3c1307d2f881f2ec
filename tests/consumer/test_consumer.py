"""A consumer in plain Node, written from fixtures/README.md alone, plays golden cases and corpus against a server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cases import FIXTURES
from tests.sdks.fixtures import serving
from tests.sdks.harness import program

CONSUMER = Path(__file__).parent / "consumer.mjs"
HANGS_S = 300
EVERY = 7
"""Of the corpus, one line in so many is played: a number that divides no length of a group of lines alike."""

CASE: dict[str, Any] = {
    "case": "a",
    "protocol": "outlit",
    "dossier": "none",
    "settings": {"rate_limits": "enforce"},
    "clock": "2026-06-14T12:00:00.000Z",
    "steps": [
        {
            "request": {
                "path": "/api/i/v1/pk_1/events",
                "json": {
                    "visitorId": "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
                    "events": [
                        {
                            "$repeat": {
                                "times": 2,
                                "value": {"type": "pageview", "url": "u${i}", "path": "/", "timestamp": 5},
                            }
                        },
                    ],
                },
            },
            "expect": {
                "status": 200,
                "headers": {"x-ratelimit-limit": {"$match": "[0-9]+"}, "x-absent": None},
                "json": {"success": True, "processed": {"$number": True}},
                "events": [
                    {
                        "type": "pageview",
                        "verdict": "accepted",
                        "stored": {"type": "pageview", "url": f"u{n}", "path": "/", "timestamp": 5},
                    }
                    for n in range(2)
                ],
            },
        },
        {"advance_ms": 1000},
        {
            "request": {"path": "/api/i/v1/pk_1/events", "json": {"visitorId": "v", "events": [{"type": "nope"}]}},
            "expect": {"status": 400, "events": [{"type": "nope", "verdict": "rejected", "findings": ["/type"]}]},
        },
    ],
    "stored": 2,
}
CHANGES: dict[str, Callable[[Any], object]] = {
    "step 0 /status": lambda case: case["steps"][0]["expect"].update(status=207),
    "step 0 /headers/x-ratelimit-limit": lambda case: case["steps"][0]["expect"]["headers"].update(
        {"x-ratelimit-limit": {"$match": "[0-9]"}}
    ),
    "step 0 /headers/Content-Type": lambda case: case["steps"][0]["expect"]["headers"].update({"Content-Type": None}),
    "step 0 /json/processed": lambda case: case["steps"][0]["expect"]["json"].update(processed="2"),
    "step 0 /json/success: unexpected": lambda case: case["steps"][0]["expect"]["json"].pop("success"),
    "step 0 /json/more: missing": lambda case: case["steps"][0]["expect"]["json"].update(more=None),
    "step 0 /text": lambda case: case["steps"][0]["expect"].update(json=..., text=""),
    "step 0 /events: ": lambda case: case["steps"][0]["expect"]["events"].pop(),
    "step 0 /events/1/stored/url": lambda case: case["steps"][0]["expect"]["events"][1]["stored"].update(url="u0"),
    "step 2 /events/0/verdict": lambda case: case["steps"][2]["expect"]["events"][0].update(verdict="accepted"),
    "step 2 /events/0/findings": lambda case: case["steps"][2]["expect"]["events"][0].update(findings=[]),
    "/stored": lambda case: case.update(stored=3),
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield url


def play(url: str, *files: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("node"), str(CONSUMER), url, *map(str, files)],
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        check=False,
    )


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file; a text may hold other line breaks, such as U+2028."""
    return path.read_text().split("\n")[:-1]


def written(path: Path, *lines: object) -> Path:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_every_golden_case_passes_when_the_consumer_plays_it(url: str) -> None:
    file = FIXTURES / "cases.ndjson"
    done = play(url, file)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    assert done.stdout == f"{len(lines_of(file))} played, 0 wrong\n"


def test_lines_of_the_corpus_pass_when_the_consumer_plays_them(url: str, tmp_path: Path) -> None:
    lines = [line for path in sorted((FIXTURES / "corpus").glob("*.ndjson")) for line in lines_of(path)][::EVERY]
    file = tmp_path / "corpus.ndjson"
    file.write_text("\n".join(lines))
    done = play(url, file)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-3000:]
    assert done.stdout == f"{len(lines)} played, 0 wrong\n"
    assert len(lines) > 500


def test_case_with_every_feature_passes_when_nothing_is_changed(url: str, tmp_path: Path) -> None:
    done = play(url, written(tmp_path / "case.ndjson", CASE))
    assert (done.returncode, done.stdout) == (0, "1 played, 0 wrong\n")


@pytest.mark.parametrize("difference", CHANGES)
def test_consumer_names_the_difference_when_an_expectation_is_changed(
    url: str, tmp_path: Path, difference: str
) -> None:
    case = json.loads(json.dumps(CASE))
    CHANGES[difference](case)
    case["steps"][0]["expect"] = {name: value for name, value in case["steps"][0]["expect"].items() if value is not ...}
    done = play(url, written(tmp_path / "case.ndjson", case))
    told = [line for line in done.stdout.splitlines() if f":1 a: {difference}" in line]
    assert (done.returncode, len(told)) == (1, 1), done.stdout + done.stderr


def test_every_kind_of_expectation_of_the_corpus_fails_when_it_is_changed(url: str, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in lines_of(FIXTURES / "corpus" / "whisperr.ndjson")][::EVERY]
    changed = [
        {**line, "expect": {**line["expect"], "status": 299}}
        if number % 2 or "json" not in line["expect"]
        else {**line, "expect": {**line["expect"], "json": {"other": line["expect"]["json"]}}}
        for number, line in enumerate(lines)
    ]
    done = play(url, written(tmp_path / "corpus.ndjson", *changed[:100]))
    assert done.returncode == 1
    assert done.stdout.endswith("\n100 played, 100 wrong\n")


def test_consumer_fails_when_there_is_nothing_to_play_or_nobody_answers(url: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty.ndjson"
    empty.write_text("\n")
    assert play(url, empty).returncode == 2
    assert play("http://127.0.0.1:1", written(tmp_path / "case.ndjson", CASE)).returncode == 2
