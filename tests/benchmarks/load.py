"""Load from another process: wrk, or a client of our own. Only replies that are the expected one count."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from tests.benchmarks import client
from tests.benchmarks.cores import LOAD, pinned
from tests.benchmarks.payloads import MARK, Payload

_SCRIPT = """
local parts = %(parts)s
local expected, wanted = %(expected)s, %(status)d
counter, bad = %(start)d, 0
local headers = %(headers)s
threads = {}
function setup(thread) table.insert(threads, thread) end
function init() bad = 0; counter = counter + math.random(1, 1000000) * 1000000 end
function request()
  counter = counter + 1
  local body = parts[1]
  if #parts > 1 then body = table.concat(parts, string.format("%%012x", counter)) end
  return wrk.format("POST", "%(path)s", headers, body)
end
function response(status, got, body)
  if status ~= wanted or body ~= expected then bad = bad + 1 end
end
function done(summary, latency)
  local wrong = 0
  for _, thread in ipairs(threads) do wrong = wrong + thread:get("bad") end
  local errors = summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout
  io.write(string.format("RESULT %%d %%d %%d %%d\\n", summary.requests, summary.duration, wrong, errors))
end
"""


SENDERS = ("client.py", "wrk")
chosen = ""


class WrongReplyError(Exception):
    """A reply was not the expected one: the round counts for nothing."""


def _lua(text: str) -> str:
    return json.dumps(text).replace("\\u", "\\\\u") if "]==]" in text else f"[==[{text}]==]"


def sender() -> str:
    """Return what sends: what was chosen, else wrk where it is installed."""
    return chosen or ("wrk" if shutil.which("wrk") else "client.py")


def requests_per_second(url: str, payload: Payload, *, connections: int, seconds: int) -> float:
    """Run one round; returns verified replies a second. Raises WrongReplyError."""
    by = _by_wrk if sender() == "wrk" else _by_client
    output = by(url, payload, connections, seconds)
    line = next(line for line in output.splitlines() if line.startswith("RESULT"))
    requests, duration_us, wrong, errors = map(int, line.split()[1:])
    if wrong or errors or not requests:
        raise WrongReplyError(f"{payload.name}: {requests} right replies, {wrong} wrong ones, {errors} errors")
    return requests / (duration_us / 1e6)


def _by_wrk(url: str, payload: Payload, connections: int, seconds: int) -> str:
    script = _SCRIPT % {
        "parts": "{" + ",".join(_lua(part) for part in payload.body.split(MARK)) + "}",
        "expected": _lua(payload.expected),
        "status": payload.status,
        "start": 1,
        "headers": "{" + ",".join(f'["{name}"]="{value}"' for name, value in payload.headers.items()) + "}",
        "path": payload.path,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "load.lua"
        path.write_text(script)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(path), url]
        return subprocess.run([*pinned(LOAD), *command], capture_output=True, text=True, check=True).stdout


def _by_client(url: str, payload: Payload, connections: int, seconds: int) -> str:
    parts = urlsplit(url)
    told = {
        "parts": payload.body.split(MARK),
        "expected": payload.expected,
        "status": payload.status,
        "headers": payload.headers,
        "path": payload.path,
    }
    where = [str(parts.hostname), str(parts.port), str(connections), str(seconds)]
    command = [*pinned(LOAD), sys.executable, client.__file__, *where]
    return subprocess.run(command, input=json.dumps(told), capture_output=True, text=True, check=True).stdout


def send(url: str, payload: Payload, *, requests: int) -> None:
    """Send a payload so many times on one connection, as fast as the server answers. Raises WrongReplyError."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    for number in range(requests):
        body = payload.body.replace(MARK, f"{number:012x}").encode()
        connection.request("POST", payload.path, body, payload.headers)
        reply = connection.getresponse()
        text = reply.read().decode()
        if reply.status != payload.status or text != payload.expected:
            raise WrongReplyError(f"{payload.name}: {reply.status} {text[:200]}")
    connection.close()
