"""Memory of large bodies is given back when they are gone; what is stored is freed without the garbage collector."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from typing import Final
from weakref import ref

import aiohttp
import pytest

from mockserver.server.running import serving
from mockserver.settings import Settings
from tests.processes import ROOT, environment
from tests.sending import whisperr_event

LIBRARY: Final = """
import ctypes
names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
class Info(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in names]
info = ctypes.CDLL(None).mallinfo2
info.restype = Info
"""
SCRIPT: Final = """
from mockserver.server.own_process import give_back_large_blocks
give_back_large_blocks()
body = bytes(4_000_000)
del body
before = info().hblkhd
body = bytes(2_000_000)
print(info().hblkhd - before >= len(body))
"""


def printed(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True, text=True).stdout


@pytest.mark.skipif(sys.platform != "linux", reason="asks glibc what it has")
def test_large_body_is_no_part_of_the_heap_after_a_larger_one_is_gone() -> None:
    assert printed(LIBRARY + SCRIPT) == "True\n"


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
async def test_sessions_and_their_contracts_are_freed_without_the_collector() -> None:
    async with serving(Settings(port=0)) as (app, url), aiohttp.ClientSession(url) as http:
        parts: list[ref[object]] = []
        for number in range(6):  # the library keeps some of the latest contracts
            name = f"wrk_{number}"
            change = {"whisperr": {"patch": {"protocol": {"replies": {"counted": {"status": 290 + number}}}}}}
            async with http.patch(f"/_mock/sessions/{name}", json={"protocols": change}) as reply:
                assert reply.status == 200
            body = {"events": [whisperr_event("signed_up")]}
            async with http.post("/v1/events/batch", json=body, headers={"X-API-Key": name}) as reply:
                assert reply.status == 290 + number
            session = app.store.session(name)
            parts += [ref(session), ref(session.journal), ref(session.journal[0].contract)]
            del session
            async with http.delete(f"/_mock/sessions/{name}") as reply:
                assert reply.status == 204
        freed = [part() is None for part in parts]
        assert freed[:6] == [True] * 6
