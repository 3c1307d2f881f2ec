"""What open waits cost the one who sends: throughput with 0, 1 and 500 of them on the session, matching nothing."""

from __future__ import annotations

import json
import socket
import statistics
from contextlib import ExitStack
from urllib.parse import urlsplit

from tests.benchmarks import payloads
from tests.benchmarks.load import requests_per_second
from tests.benchmarks.servers import Server, mock

WAITERS = (0, 1, 500)


def _open_waits(server: Server, count: int, stack: ExitStack) -> None:
    body = json.dumps({"match": {"type": "never"}, "timeout_ms": 600_000}).encode()
    head = f"POST /_mock/sessions/pk_bench/wait HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    parts = urlsplit(server.url)
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
        connection.sendall(head.encode() + body)


def measure(rounds: int, seconds: int) -> dict[str, float]:
    """Measure in turns on one server each; returns the medians of requests a second and their ratios to none."""
    payload = payloads.outlit(1)
    found: dict[int, list[float]] = {count: [] for count in WAITERS}
    with ExitStack() as stack:
        servers = {count: stack.enter_context(mock()) for count in WAITERS}
        for count, server in servers.items():
            _open_waits(server, count, stack)
        for _ in range(rounds):
            for count, server in servers.items():
                found[count].append(requests_per_second(server.url, payload, connections=16, seconds=seconds))
    made = {f"{count} waits/s": statistics.median(rates) for count, rates in found.items()}
    for count in WAITERS[1:]:
        made[f"ratio with {count}"] = statistics.median(
            many / none for many, none in zip(found[count], found[0], strict=True)
        )
    return made
