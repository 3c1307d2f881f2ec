"""The report of a session for callers without Python: the command `mockserver report`, run by the server for itself.

A process of its own reads the session over HTTP as everybody does. So a large report takes neither memory of the server
nor a turn of its loop, whatever is in it.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from aiohttp import web
from multidict import CIMultiDict

from mockserver.server.aiohttp_io import SERVER
from mockserver.server.control import Call, RejectedError
from mockserver.server.handlers.handler_base import HandlerBase

MEDIA_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "json": "application/json",
        "text": "text/plain; charset=utf-8",
        "junit": "application/xml; charset=utf-8",
        "markdown": "text/markdown; charset=utf-8",
        "html": "text/html; charset=utf-8",
        "github": "text/plain; charset=utf-8",
    }
)
AT_ONCE: Final = 2
"""How many reports are made at the same time; others wait."""
TIMEOUT_S: Final = 60.0
VERDICTS: Final[Mapping[int, str]] = MappingProxyType({0: "passed", 1: "failed"})
"""The verdict by the exit code of the command; any other one is an error."""
VERDICT_HEADER: Final = "X-Mock-Verdict"
SANDBOX: Final = "sandbox; frame-ancestors 'none'"
"""The policy of a page about what clients sent, beside its own: it can do nothing in the name of this server."""
FLAGS: Final = ("final", "allow_empty", "conformance")
PREFIX: Final = "MOCKSERVER_"


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnAddress:
    """How a process on this machine reaches the control surface."""

    url: str
    token: str | None = None
    ca_file: Path | None = None


class ReportHandlers(HandlerBase):
    """The handler of reports. `own_address` is set when the server listens."""

    own_address: OwnAddress | None = None

    @cached_property
    def _reports(self) -> asyncio.Semaphore:
        return asyncio.Semaphore(AT_ONCE)

    async def get_report(self, call: Call) -> web.Response:
        """Return the verdict for a session, which a header has too."""
        address, format = self.own_address, call.query.get("format", "json")
        if address is None:
            raise RejectedError(503, "the server does not listen yet", headers={"Retry-After": "1"})
        media_type = MEDIA_TYPES[format]
        options = [f"--format={format}", *_gates(call)]
        options += [f"--{flag.replace('_', '-')}" for flag in FLAGS if call.query.get(flag)]
        options += [f"--min-events={call.query['min_events']}"] if "min_events" in call.query else []
        environment = environment_of(os.environ, address, self.read(call).name)
        async with self._reports:
            try:
                done = await asyncio.to_thread(partial(made, options, environment))
            except OSError as error:
                reason = error.strerror or str(error)
                raise RejectedError(503, f"the report could not be made, as no process can be run: {reason}") from None
        verdict = VERDICTS.get(done.returncode)
        if verdict is None:
            detail = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
            raise RejectedError(503, f"the report could not be made: {detail or 'it took too long'}")
        headers = {"Content-Type": media_type, "Server": SERVER, VERDICT_HEADER: verdict}
        if format == "html":
            headers["Content-Security-Policy"] = SANDBOX
        return web.Response(body=done.stdout, headers=CIMultiDict(headers))


def _gates(call: Call) -> list[str]:
    """Return the flags for what else fails the verdict. Raises RejectedError for an unknown name."""
    known = ("warning", "lost", "duplicate", "unused-fault")
    named = [name for name in call.query.get("fail_on", "").split(",") if name]
    for name in named:
        if name not in known:
            detail = f"fail_on: expected {', '.join(known)}, joined by commas; got {name!a}"
            raise RejectedError(400, detail, parameter="fail_on")
    return [f"--fail-on={name}" for name in named]


def environment_of(environ: Mapping[str, str], address: OwnAddress, session: str) -> dict[str, str]:
    """Return the environment of the command: keys and tokens are there, as lists of processes show command lines."""
    kept = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    own = {"MOCKSERVER_URL": address.url, "MOCKSERVER_REPORT_SESSION": session, "PYTHONIOENCODING": "utf-8"}
    if address.token is not None:
        own["MOCKSERVER_REPORT_ADMIN_TOKEN"] = address.token
    if address.ca_file is not None:
        own["MOCKSERVER_REPORT_CA_FILE"] = str(address.ca_file)
    return {**kept, **own}


def made(options: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end; an exit code that is no verdict stands for one that takes too long."""
    command = [sys.executable, "-m", "mockserver", "report", *options]
    try:
        return subprocess.run(command, env=dict(environment), capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, returncode=-1, stdout=b"", stderr=b"")
