"""The scores of Whisperr's published SDKs are those that are kept, run after run."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .harness import HERE, Host, program
from .test_outlit_score import END, PAGE, RUN, drive_pages

pytestmark = pytest.mark.sdk

DRIVERS = HERE / "drivers"
SCORES = HERE / "scores"
PYTHON = "whisperr-python-0.2.1"
NODE = "whisperr-node-0.1.2"
WEB = "whisperr-web-0.2.0"
TITLES = {PYTHON: "whisperr 0.2.1 for Python", NODE: "@whisperr/node 0.1.2", WEB: "@whisperr/web 0.2.0"}
EVENTS = {PYTHON: 4, NODE: 4, WEB: 5}


def command(client: str) -> Sequence[str]:
    """The program that drives a client."""
    if client == PYTHON:
        return [sys.executable, str(DRIVERS / "whisperr_exercised.py")]
    return [program("node"), str(DRIVERS / "whisperr-node-exercised.mjs")]


def score(client: str, program: Sequence[str], *flags: str) -> dict[str, str]:
    """What each rule comes to when the client is exercised."""
    events = f"--events={EVENTS[client]}"
    exercise = [sys.executable, "-m", "mockserver", "exercise", "--protocol", "whisperr", events, "--json"]
    done = subprocess.run([*exercise, *flags, "--", *program], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return {row["rule"]: row["verdict"] for row in json.loads(done.stdout)["rules"]}


def kept(client: str) -> dict[str, str]:
    """The score that is kept."""
    verdicts: dict[str, str] = json.loads((SCORES / f"{client}.json").read_text())
    return verdicts


@pytest.mark.parametrize("client", [PYTHON, NODE])
def test_whisperr_sdk_scores_as_before_when_nothing_makes_it_wait(client: str, packages: Path) -> None:
    whole, quick = kept(client), score(client, command(client), "--quick")
    exercised = {rule: verdict for rule, verdict in quick.items() if verdict != "not_exercised"}
    assert len(exercised) > 30
    assert exercised == {rule: whole[rule] for rule in exercised}
    assert quick.keys() == whole.keys()


@pytest.mark.full
@pytest.mark.parametrize("client", [PYTHON, NODE])
def test_whisperr_sdk_scores_as_before_when_it_waits_as_long_as_it_likes(client: str, packages: Path) -> None:
    assert score(client, command(client)) == kept(client)


@pytest.mark.full
def test_whisperr_web_scores_as_before_when_it_waits_as_long_as_it_likes(chromium: Host, tmp_path: Path) -> None:
    for name in ("orders", "answers"):
        os.mkfifo(tmp_path / name)
    with ThreadPoolExecutor() as pool:
        driven = pool.submit(drive_pages, chromium, tmp_path, "whisperr-web-exercised")
        found = score(WEB, ["sh", "-c", RUN, "sh", str(tmp_path)])
        if not driven.done():
            (tmp_path / "orders").write_text(END)
        assert set(driven.result()) == {"done"}
    assert found == kept(WEB)


@pytest.mark.parametrize("client", [PYTHON, NODE, WEB])
def test_page_explains_each_rule_that_is_broken_when_a_score_is_kept(client: str) -> None:
    whole = kept(client)
    counts = Counter(whole.values())
    page = PAGE.read_text().partition(f"\n## {TITLES[client]}\n")[2].partition("\n## ")[0]
    broken = {rule for rule, verdict in whole.items() if verdict == "fail"}
    assert broken == set(re.findall(r"^\| `(\w+)` \| ", page, re.M))
    assert f"{counts['pass']} of the {len(whole)} rules of Whisperr pass, {counts['fail']} " in page
    assert [rule for rule, verdict in whole.items() if verdict == "not_exercised" and f"`{rule}`" not in page] == []
