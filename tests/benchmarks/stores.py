"""What it costs to keep sessions in a file or in Redis: throughput beside a server in memory, in one run."""

from __future__ import annotations

import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.benchmarks import payloads
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import mock
from tests.benchmarks.throughput import Rounds, in_turns
from tests.redis_server import redis_server

CONNECTIONS: Final = 16
GOALS: Final = {"full": 0.6, "normal": 0.9}
"""Which share of the throughput in memory each `--store-sync` shall reach."""
SHARED: Final = (payloads.outlit(1), payloads.outlit(100))
PAYLOADS: Final = (payloads.outlit(100), payloads.whisperr(100))


def measure(rounds: int, seconds: int) -> dict[str, dict[str, float]]:
    """Measure servers with and without a file in turns; return medians and ratios. Raises WrongReplyError."""
    files = {f"stores, {payload.name}": _measure(payload, rounds, seconds) for payload in PAYLOADS}
    return files | {f"stores, shared, {payload.name}": _shared(payload, rounds, seconds) for payload in SHARED}


def _shared(payload: Payload, rounds: int, seconds: int) -> dict[str, float]:
    """Measure one server and two workers on a Redis beside a server in memory; all requests are for one session."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shared = ("--store", stack.enter_context(redis_server(folder)).url)
        servers = {"memory": stack.enter_context(mock()), "redis": stack.enter_context(mock(*shared))}
        servers["redis, 2 workers"] = stack.enter_context(mock(*shared, "--workers", "2", on_one_core=False))
        rounds_with = {name: Rounds(server, payload) for name, server in servers.items()}
        in_turns(list(rounds_with.values()), CONNECTIONS, rounds, seconds)
    return {f"{name}/s": each.rate for name, each in rounds_with.items()}


def _measure(payload: Payload, rounds: int, seconds: int) -> dict[str, float]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers = {"memory": stack.enter_context(mock())}
        for sync in GOALS:
            store = ("--store", f"sqlite:{folder / sync}.db", "--store-sync", sync)
            servers[sync] = stack.enter_context(mock(*store))
        rounds_with = {name: Rounds(server, payload) for name, server in servers.items()}
        in_turns(list(rounds_with.values()), CONNECTIONS, rounds, seconds)
    found = {f"{name}/s": each.rate for name, each in rounds_with.items()}
    found |= {f"{name} µs of processor time": each.cpu for name, each in rounds_with.items()}
    in_memory = rounds_with["memory"].rates
    for sync, goal in GOALS.items():
        ratios = [durable / held for durable, held in zip(rounds_with[sync].rates, in_memory, strict=True)]
        found |= {f"{sync} ratio": statistics.median(ratios), f"{sync} goal at least": goal}
    return found
