"""Load from another process: Debian's wrk, held to the expected reply; only verified replies count."""

from __future__ import annotations

import http.client
import json
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

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


class WrongReplyError(Exception):
    """A reply was not the expected one: the round counts for nothing."""


def _lua(text: str) -> str:
    return json.dumps(text).replace("\\u", "\\\\u") if "]==]" in text else f"[==[{text}]==]"


def requests_per_second(url: str, payload: Payload, *, connections: int, seconds: int, cpu: int | None) -> float:
    """Run one round; returns verified replies a second. Raises WrongReplyError."""
    parts = payload.body.split(MARK)
    script = _SCRIPT % {
        "parts": "{" + ",".join(_lua(part) for part in parts) + "}",
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
        if cpu is not None:
            command = ["taskset", "-c", str(cpu), *command]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in output.splitlines() if line.startswith("RESULT"))
    requests, duration_us, wrong, errors = map(int, line.split()[1:])
    if wrong or errors:
        raise WrongReplyError(f"{payload.name}: {wrong} wrong replies, {errors} errors")
    return requests / (duration_us / 1e6)


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
