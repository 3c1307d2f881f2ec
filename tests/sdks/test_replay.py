"""Real clients against a recording of themselves: same replies and verdicts, though ids and times are new."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from whisperr import Whisperr, WhisperrError

from mockserver import MockServer
from tests.processes import ROOT, SEARCH, command_line, environment
from tests.server.recorded import Answer, ask, batch, zipped
from tests.server.recorded import event as made

from .fixtures import serving
from .harness import Host, Session

pytestmark = pytest.mark.sdk


@pytest.fixture(scope="module")
def mock_servers() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


def program(session: Any, run: str) -> tuple[list[str], list[Answer]]:
    """Send with the client of PyPI, and what it cannot send beside it."""
    errors: list[WhisperrError] = []
    client = Whisperr(session.key, base_url=session.url, app_version="2026.11.2", on_error=errors.append)
    client.track(f"user_{run}", "payment_failed", {"amount_cents": 4900, "note": "Zoë 👋", "retry": None})
    client.identify(f"user_{run}", email=f"ada-{run}@corp.example", traits={"plan": "pro", "seats": 3})
    client.flush()
    client.track(f"other_{run}", "trial_expired", {"order": uuid4().hex, "by": f"ada-{run}@corp.example"})
    client.flush()
    client.shutdown()
    again = made("paid", f"m-{run}", f"user_{run}")
    outlit = {
        "visitorId": str(uuid4()),
        "events": [{"type": "pageview", "url": "https://a.example/", "path": "/"}, {"type": "x"}],
    }
    answers = [
        batch(session, again),
        batch(session, again),
        zipped(session, made("paid", f"z-{run}", f"user_{run}")),
        batch(session, {"event_type": "Not A Name"}),
        ask(session, f"/_mock/s/{session.name}/api/i/v1/pk_live_{run * 8}/events", outlit),
    ]
    return [type(error).__name__ for error in errors], answers


def test_whisperr_python_gets_the_same_replies_and_verdicts_from_a_recording(mock_servers: MockServer) -> None:
    there, here = mock_servers.session(f"wrk_{uuid4().hex}"), mock_servers.session(f"wrk_{uuid4().hex}")
    there.faults.add(reply={"status": 503, "headers": {"Retry-After": "0"}}, times=1, match={"type": "trial_expired"})
    errors, answers = program(there, "a")
    here.replay(there.export(format="recording").encode())
    errors_now, answers_now = program(here, "b")
    assert errors_now == errors
    assert [answer.status for answer in answers] == [202, 202, 202, 400, 207]
    assert [answer.status for answer in answers_now] == [answer.status for answer in answers]
    assert [sorted(answer.json) for answer in answers_now] == [sorted(answer.json) for answer in answers]
    old, new = there.requests(), here.requests()
    assert 503 in [row.status for row in old]
    assert [(row.operation, row.status, row.events) for row in new] == [
        (row.operation, row.status, row.events) for row in old
    ]
    assert {row.reply_from for row in new} == {"recording"}
    assert [row.verdict for row in here.events()] == [row.verdict for row in there.events()]
    assert {"accepted", "duplicate", "rejected"} == {row.verdict for row in there.events()}
    state = here.settings().replay
    assert state is not None
    assert (state.played, state.unmatched) == (state.exchanges, 0)


APP = """
import os, sys, uuid
from whisperr import Whisperr

user = f"{sys.argv[1]}-{uuid.uuid4().hex}@corp.example"
errors = []
client = Whisperr(os.environ["MOCKSERVER_KEY"], base_url=os.environ["MOCKSERVER_URL"], on_error=errors.append)
client.track(user, "trial_started", {"order": uuid.uuid4().hex})
client.identify(user, traits={"plan": "pro"})
client.flush()
client.track(user, "Not A Name")
client.shutdown()
print(sorted(str(error).replace(user, "user") for error in errors))
"""


def test_program_that_was_recorded_plays_against_the_file(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    python, file = (sys.executable, str(tmp_path / "app.py")), str(tmp_path / "r.ndjson")
    with MockServer(session="wrk_up") as upstream:
        upstream.patch("whisperr", {"protocol": {"replies": {"counted": {"status": 299}}}})
        first = subprocess.run(
            command_line(
                "record", "--upstream", f"whisperr={upstream.target.url}", "--out", file, "--", *python, "ada"
            ),
            env=environment({"PYTHONPATH": str(ROOT), "MOCKSERVER_KEY": "wrk_up"}),
            capture_output=True,
            text=True,
            timeout=2 * SEARCH,
            check=False,
        )
    assert first.returncode == 0, first.stderr
    with serving(tmp_path, "--replay", file) as url:
        again = subprocess.run(
            [*python, "grace"],
            env=environment({"PYTHONPATH": str(ROOT), "MOCKSERVER_KEY": "wrk_other", "MOCKSERVER_URL": url}),
            capture_output=True,
            text=True,
            timeout=2 * SEARCH,
            check=False,
        )
        played = Session(url=url, key="wrk_other")
        rows = json.loads(call(played, "requests"))["requests"]
        events = json.loads(call(played, "events"))["events"]
    assert (again.returncode, again.stdout) == (0, first.stdout), again.stderr
    recorded = [json.loads(line) for line in Path(file).read_text().splitlines()[1:]]
    assert 299 in [row["status"] for row in rows]
    assert [(row["status"], row["from"]) for row in rows] == [(row["reply"]["status"], "recording") for row in recorded]
    verdicts = [(event["type"], event["verdict"]) for row in recorded for event in row["events"]]
    assert [(event["type"], event["verdict"]) for event in events] == verdicts


def call(session: Session, what: str, body: bytes | None = None) -> bytes:
    """Make a control call; one with a body is a PUT of lines."""
    request = urllib.request.Request(
        f"{session.url}/_mock/sessions/{session.key}/{what}",
        data=body,
        headers={"Content-Type": "application/x-ndjson"},
        method="GET" if body is None else "PUT",
    )
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request) as reply:
        content: bytes = reply.read()
        return content


def statuses(session: Session) -> list[int]:
    """Return the statuses of the replies; not those to preflights, which a browser leaves out at times."""
    rows = json.loads(call(session, "requests?limit=10000"))["requests"]
    return [row["status"] for row in rows if row["operation"] != "preflight"]


def play_again(host: Host, driver: str, session: Session, prefix: str) -> None:
    """Record a driver, run it again in a session that plays the recording, and compare what became of it."""
    there, here = session, Session(url=session.url, key=f"{prefix}{uuid4().hex}")
    first = host.drive(driver, there)
    call(here, "recording", call(there, "export?format=recording"))
    second = host.drive(driver, here)
    rows = json.loads(call(here, "requests?limit=10000"))["requests"]
    unmatched = [
        json.loads(call(here, f"requests/{row['id']}"))["findings"] for row in rows if row["from"] == "unmatched"
    ]
    assert unmatched == [], json.dumps(unmatched)[:5000]
    assert second.problems == first.problems
    assert sorted(statuses(here)) == sorted(statuses(there))
    verdicts = [
        sorted((row["type"], row["verdict"]) for row in json.loads(call(each, "events?limit=10000"))["events"])
        for each in (there, here)
    ]
    assert verdicts[0] == verdicts[1]
    assert {row["from"] for row in rows if row["operation"] != "preflight"} == {"recording"}


def test_whisperr_node_plays_its_own_recording(node: Host, whisperr: Session) -> None:
    play_again(node, "whisperr-node", whisperr, "wrk_")


def test_outlit_core_plays_its_own_recording(node: Host, outlit: Session) -> None:
    play_again(node, "outlit-core", outlit, "pk_")


@pytest.mark.parametrize("driver", ["outlit-module", "outlit-class"])
def test_outlit_browser_plays_its_own_recording(chromium: Host, outlit: Session, driver: str) -> None:
    play_again(chromium, driver, outlit, "pk_")


def test_whisperr_web_plays_its_own_recording(chromium: Host, whisperr: Session) -> None:
    play_again(chromium, "whisperr-module", whisperr, "wrk_")
