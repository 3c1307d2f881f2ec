"""A server with a file is killed under load: what it answered is there when it is started again, once and in order."""

from __future__ import annotations

import http.client
import json
import os
import random
import shutil
import signal
import sqlite3
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.processes import SEARCH, ServerProcess, served
from tests.server.vendor_client import clicks_body

CLIENTS = 8
SESSIONS = ("wrk_one", "wrk_two", "wrk_three")
ON_ONE_FILE = 5
"""After so many rounds, the next one has a new file."""
LIMIT = 1_000_000
PATCH = {"protocol": {"limits": {"rate_ingest": {"requests": LIMIT}}}}
Ids = tuple[str, ...]


@dataclass
class Answered:
    """What was answered with 2xx, by client in its order, and by session what was sent at all."""

    batches: dict[int, list[tuple[str, Ids]]] = field(default_factory=lambda: defaultdict(list))
    once: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    resent: list[tuple[str, str]] = field(default_factory=list)
    unavailable: int = 0


class Caller:
    """A connection to the server that is tried anew when it is needed."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SEARCH)

    def call(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        sent = {"Content-Type": "application/json", **(headers or {})}
        self.connection.request(method, path, None if body is None else json.dumps(body), sent)
        reply = self.connection.getresponse()
        text = reply.read()
        return reply.status, dict(reply.getheaders()), json.loads(text) if text else None

    def track(self, session: str, ids: Ids) -> int:
        events = [{"external_user_id": "u", "event_type": "paid", "context": {"$message_id": id}} for id in ids]
        return self.call("POST", "/v1/events/batch", {"events": events}, {"X-API-Key": session})[0]

    def order(self, session: str, key: str) -> int:
        """Send one event of Apex with an idempotency key."""
        headers = {"Authorization": "Bearer apex_sk_one", "Idempotency-Key": key}
        body = {"events": [{"type": "purchase", "url": "/cart"}]}
        return self.call("POST", f"/_mock/s/{session}/api/v1/events", body, headers)[0]

    def click(self, session: str) -> tuple[int, Mapping[str, str]]:
        """Send one event of Outlit, which counts its requests."""
        return self.call("POST", f"/_mock/s/{session}/api/i/v1/pk_one/events", clicks_body("paid"))[:2]


def load(url: str, client: int, numbers: Iterator[int], chance: random.Random, answered: Answered) -> None:
    """Send until the server is gone."""
    caller, session = Caller(url), SESSIONS[client % len(SESSIONS)]
    try:
        for number in numbers:
            if chance.random() < 0.2:
                if caller.order(session, f"k{number}") < 300:
                    answered.once[session].append(f"k{number}")
                caller.click(session)
                continue
            ids = tuple(f"{number}-{index}" for index in range(chance.choice((1, 3, 40))))
            status = caller.track(session, ids)
            if status < 300:
                answered.batches[client].append((session, ids))
            answered.unavailable += status == 503
            if chance.random() < 0.1 and caller.track(session, ids[:1]) < 300:
                answered.resent.append((session, ids[0]))
    except (OSError, http.client.HTTPException):
        caller.connection.close()


def kill_under_load(server: ServerProcess, numbers: Iterator[int], chance: random.Random, answered: Answered) -> None:
    """Let all clients send, and kill the server at a random moment."""
    clients = [
        threading.Thread(target=load, args=(server.url, n, numbers, random.Random(chance.random()), answered))
        for n in range(CLIENTS)
    ]
    killer = threading.Timer(chance.uniform(0.02, 0.6), os.kill, (server.process.pid, signal.SIGKILL))
    killer.start()
    for client in clients:
        client.start()
    for client in [killer, *clients]:
        client.join(SEARCH)
        assert not client.is_alive()


def rows(caller: Caller, path: str, member: str, after: Any = 0) -> Iterator[Any]:
    """Yield all rows of a list, page by page."""
    while after is not None:
        _, _, page = caller.call("GET", f"{path}?after={after}&limit=10000")
        yield from page[member]
        after = page["next"]


def check(url: str, answered: Answered) -> Counter[str]:
    """Hold what the server has to what it answered; return how much that was."""
    caller, found = Caller(url), Counter[str]()
    for session in SESSIONS:
        here = f"/_mock/sessions/{session}"
        requests = list(rows(caller, f"{here}/requests", "requests"))
        assert [row["seq"] for row in requests] == list(range(1, len(requests) + 1)), "none missing, none twice"
        events, accepted, place, next_event = Counter[str](), Counter[str](), dict[str, int](), 1
        for row in rows(caller, f"{here}/events", "events"):
            assert row["seq"] == next_event
            next_event += 1
            events[row["request_id"]] += 1
            if row["protocol"] == "whisperr":
                id_ = row["event"]["context"]["$message_id"]
                if row["verdict"] == "accepted":
                    accepted[id_] += 1
                    place[id_] = row["seq"]
        assert max(accepted.values(), default=1) == 1, "accepted once"
        assert {row["id"]: row["events"] for row in requests} == events, "no batch is half-written"
        for batches in answered.batches.values():
            ids = [id_ for name, batch in batches if name == session for id_ in batch]
            assert [id_ for id_ in ids if accepted[id_] != 1] == [], "what was answered is there"
            assert [place[id_] for id_ in ids] == sorted(place[id_] for id_ in ids), "in order"
            found["events"] += len(ids)
        _, _, settings = caller.call("GET", here)
        assert settings["counts"]["requests"] == len(requests)
        assert settings["counts"]["accepted"] + settings["counts"]["duplicate"] == next_event - 1
        protocols = Counter(row["protocol"] for row in requests)
        found["orders"] += protocols["apex"]
        _, headers = caller.click(session)
        assert int(headers["X-RateLimit-Remaining"]) == LIMIT - protocols["outlit"] - 1, "the window goes on"
        send_again(caller, session, answered)
        again = rows(caller, f"{here}/events", "events", after=next_event - 1)
        verdicts = Counter(row["verdict"] for row in again)
        assert verdicts.pop("accepted") == 1, "what was claimed stays claimed"
        assert verdicts.keys() <= {"duplicate"}
    caller.connection.close()
    return found


def send_again(caller: Caller, session: str, answered: Answered) -> None:
    """Send what was answered last again."""
    for key in answered.once[session][-20:]:
        assert caller.order(session, key) < 300
    for batches in answered.batches.values():
        ids = tuple(id_ for name, batch in batches[-5:] for id_ in batch if name == session)
        if ids:
            assert caller.track(session, ids) < 300


def look_at_a_copy(path: Path, folder: Path) -> None:
    """Check a copy of what the killed server left behind, as another program sees it."""
    folder.mkdir()
    for ending in ("", "-wal"):
        if path.with_name(path.name + ending).exists():
            shutil.copy(path.with_name(path.name + ending), folder / f"copy.db{ending}")
    connection = sqlite3.connect(folder / "copy.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    shown, stored = (connection.execute(f"SELECT count(*) FROM {name}").fetchone() for name in ("journal", "requests"))
    assert shown == stored
    connection.close()
    shutil.rmtree(folder)


@contextmanager
def server_of(path: Path) -> Iterator[ServerProcess]:
    """Run a server on a file whose sessions keep all and stand still."""
    with served("--store", f"sqlite:{path}", "--memory-limit", "1GiB", "--log-level", "error") as server:
        yield server


def play(folder: Path, rounds: int, seed: int) -> Counter[str]:
    """Kill a server so many times; return what was found of it."""
    chance, numbers, found = random.Random(seed), count(), Counter[str]()
    answered, path, stack = Answered(), folder / "none", ExitStack()
    with stack:
        for number in range(rounds + 1):
            if number % ON_ONE_FILE == 0 and number < rounds:
                stack.close()
                answered, path = Answered(), folder / f"{number}.db"
                server = stack.enter_context(server_of(path))
                caller = Caller(server.url)
                for session in SESSIONS:
                    here = f"/_mock/sessions/{session}"
                    caller.call("PUT", f"{here}/clock", {"now": "2026-06-14T12:00:00Z", "frozen": True})
                    assert caller.call("PATCH", here, {"protocols": {"outlit": {"patch": PATCH}}})[0] == 200
                caller.connection.close()
            if number < rounds:
                kill_under_load(server, numbers, chance, answered)
                stack.close()
                look_at_a_copy(path, folder / f"copy-{number}")
                server = stack.enter_context(server_of(path))
                found += check(server.url, answered)
                found["resent"] += len(answered.resent)
                assert answered.unavailable == 0
    return found


@pytest.mark.parametrize("rounds", [3, pytest.param(200, marks=pytest.mark.full)])
def test_what_was_answered_is_there_when_the_server_was_killed(
    rounds: int, tmp_path: Path, record_property: Any
) -> None:
    found = play(tmp_path, rounds, seed=rounds)
    assert min(found["events"], found["orders"], found["resent"]) > 0
    record_property("counted", f"killed {rounds} times: {dict(found)} are there")
