"""The score of `@outlit/browser` in Chromium under every stimulus is the one that is kept, run after run."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from .harness import HERE, Host, Session

pytestmark = pytest.mark.sdk

SCORES = HERE / "scores"
END = "end"
PAGE = HERE.parents[1] / "docs" / "explanation" / "client-scores.md"
RUN = 'echo "$MOCKSERVER_URL $MOCKSERVER_KEY" > "$1/orders" && read -r done < "$1/answers" && test "$done" = done'
"""The program that is exercised: it asks this process to drive a page, as a browser of its own would take seconds."""


def drive_pages(host: Host, folder: Path, driver: str) -> list[str]:
    """Drive a page for each run that asks for one, until the order to end comes; answers how each of them ended."""
    endings = []
    for order in iter((folder / "orders").read_text, END):
        url, key = order.split()
        try:
            host.drive(driver, Session(url=url, key=key))
            endings.append("done")
        except pytest.fail.Exception as failure:
            endings.append(str(failure))
        answers = os.open(folder / "answers", os.O_WRONLY | os.O_NONBLOCK)  # fails where the run was given up meanwhile
        os.write(answers, b"done\n" if endings[-1] == "done" else b"failed\n")
        os.close(answers)
    return endings


def test_outlit_browser_scores_as_before_when_it_meets_every_stimulus(chromium: Host, tmp_path: Path) -> None:
    for name in ("orders", "answers"):
        os.mkfifo(tmp_path / name)
    command = [sys.executable, "-m", "mockserver", "exercise", "--protocol", "outlit", "--events", "12", "--json", "--"]
    with ThreadPoolExecutor() as pool:
        driven: Future[list[str]] = pool.submit(drive_pages, chromium, tmp_path, "outlit-exercised")
        done = subprocess.run(
            [*command, "sh", "-c", RUN, "sh", str(tmp_path)], capture_output=True, text=True, check=False
        )
        if not driven.done():
            (tmp_path / "orders").write_text(END)
        endings = driven.result()
    assert done.returncode == 0, done.stderr
    score = json.loads(done.stdout)
    assert endings == ["done"] * len(score["runs"])
    verdicts = {row["rule"]: row["verdict"] for row in score["rules"]}
    assert dict(sorted(verdicts.items())) == json.loads((SCORES / "outlit-browser-1.4.0.json").read_text())


def test_page_explains_each_rule_that_is_not_passed_when_a_score_is_kept() -> None:
    kept = json.loads((SCORES / "outlit-browser-1.4.0.json").read_text())
    counts = Counter(kept.values())
    page = PAGE.read_text().partition("\n## @outlit/browser 1.4.0\n")[2].partition("\n## ")[0]
    broken = page.partition("\nThese rules are not exercised")[0]
    assert {rule for rule, verdict in kept.items() if verdict == "fail"} == set(
        re.findall(r"^\| `(\w+)` \| ", broken, re.M)
    )
    assert [rule for rule, verdict in kept.items() if verdict == "not_exercised" and f"`{rule}`" not in page] == []
    exercised = len(kept) - counts["not_exercised"]
    assert (
        f"{exercised} of the {len(kept)} rules of Outlit are exercised: {counts['pass']} pass, {counts['fail']} fail."
        in page
    )
