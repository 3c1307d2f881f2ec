"""What the SDK tests share: one session of the running server, and the Node process that drives the JavaScript SDKs.

Nothing here waits by the clock: the server says when it is ready, and ``POST /_mock/sessions/{key}/wait`` says when
everything has arrived and nothing more comes.
"""

import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypedDict

import pytest

HERE = Path(__file__).parent
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Row(TypedDict):
    """The members of an event row that these tests look at."""

    type: str
    verdict: str
    findings: list[dict[str, Any]]
    event: dict[str, Any]


def absent(reason: str) -> NoReturn:
    """A part this test needs is not here: skip on a laptop, fail in CI."""
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(name: str) -> str:
    """The path of an installed program."""
    return shutil.which(name) or absent(f"{name} is not installed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One key of the running server: where an SDK sends to, and what came of it."""

    url: str
    key: str

    def events(self, count: int) -> list[Row]:
        """The session's event rows, whatever their verdict, once ``count`` of them are there and the wire is quiet."""
        wait = {"match": {"verdict": "any"}, "exactly": count, "quiet_ms": 250, "timeout_ms": 10_000}
        self._call("wait", wait)
        rows: list[Row] = self._call("events?limit=10000")["events"]
        return rows

    def statuses(self) -> list[int]:
        """What each request of the session was answered with, in order."""
        return [row["status"] for row in self._call("requests")["requests"]]

    def _call(self, what: str, body: object = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_mock/sessions/{self.key}/{what}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with _direct.open(request) as reply:
            return json.load(reply)


def assert_accepted(session: Session, types: Mapping[str, int]) -> list[Row]:
    """Exactly these events came back, each of them accepted, and no request was refused; answers the rows."""
    rows = session.events(sum(types.values()))
    refused = [row for row in rows if row["verdict"] != "accepted"]
    assert not refused, json.dumps(refused, indent=2)
    assert Counter(row["type"] for row in rows) == types
    assert all(200 <= status < 300 for status in session.statuses())
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a driver did: the SDK's functions it called, what went wrong on the client's side, and what it noted.

    ``problems`` are console messages of level warning and up, exceptions, failed requests and error replies;
    ``traffic`` is what Chromium put on the wire towards the server, as its resource types ("Preflight", "Ping", …).
    """

    called: frozenset[str]
    problems: list[str]
    traffic: list[str]
    notes: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The Node process of ``drivers/host.mjs``; one line in, one line out for each driver it runs."""

    process: subprocess.Popen[str]

    def drive(self, driver: str, session: Session, **also: str) -> Report:
        """Run ``drivers/{driver}.mjs`` against the session; it may want to know more."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {**also, "driver": driver, "api": session.url, "key": session.key}
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline() or '{"failure": "the Node host is gone"}')
        if "failure" in answer:
            pytest.fail(f"{driver}: {answer['failure']}", pytrace=False)
        return Report(
            called=frozenset(answer["called"]),
            problems=answer["problems"],
            traffic=answer["traffic"],
            notes=answer["notes"],
        )


def declared(package: str, *, of: str | None = None) -> set[str]:
    """The functions that a package's type declarations promise: its exports, or the public methods ``of`` one type.

    Methods of a member that is a namespace come as ``namespace.method``.
    """
    text = "\n".join(path.read_text() for path in sorted((HERE / "node_modules" / package / "dist").glob("*.d.ts")))
    if of is None:
        return set(re.findall(r"^declare function (\w+)", text, re.M))
    (body,) = re.findall(rf"^(?:declare class|interface) {of}\b[^{{]*{{(.*?)^}}", text, re.M | re.S)
    methods = set(re.findall(r"^    (\w+)\(", body, re.M)) - {"constructor"}
    for namespace, members in re.findall(r"^    readonly (\w+): {(.*?)^    }", body, re.M | re.S):
        methods |= {f"{namespace}.{name}" for name in re.findall(r"^        (\w+): \(", members, re.M)}
    return methods
