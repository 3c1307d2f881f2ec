"""What a full journal costs: throughput with a million events kept, memory of each, what the default bound keeps."""

from __future__ import annotations

import json
import statistics
import urllib.request
from typing import Any

from tests.benchmarks import payloads
from tests.benchmarks.load import requests_per_second, send
from tests.benchmarks.payloads import Payload
from tests.benchmarks.servers import Server, mock, resident_bytes

UNBOUNDED = ("--journal-limit", "10000000", "--memory-limit", "16GiB")


def counts(server: Server, key: str) -> dict[str, Any]:
    """Return the session's counts and what it evicted."""
    with urllib.request.urlopen(f"{server.url}/_mock/sessions/{key}") as reply:
        found: dict[str, Any] = json.load(reply)
        return found


def fill(server: Server, payload: Payload, events: int, per_request: int) -> None:
    """Send a payload until that many events are kept."""
    send(server.url, payload, requests=events // per_request)


def throughput(events: int, rounds: int, seconds: int) -> dict[str, float]:
    """Measure an empty and a filled server in turns; returns the medians and their ratio."""
    payload = payloads.outlit(100)
    with mock(*UNBOUNDED) as empty, mock(*UNBOUNDED) as full:
        fill(full, payload, events, 100)
        with_none: list[float] = []
        with_many: list[float] = []
        for _ in range(rounds):
            for server, found in ((empty, with_none), (full, with_many)):
                found.append(requests_per_second(server.url, payload, connections=16, seconds=seconds))
        ratios = [many / none for many, none in zip(with_many, with_none, strict=True)]
    return {
        "empty/s": statistics.median(with_none),
        "filled/s": statistics.median(with_many),
        "ratio": statistics.median(ratios),
        "goal at least": 0.9,
        "spread": max(ratios) - min(ratios),
    }


def memory(payload: Payload, events: int, per_request: int) -> dict[str, float]:
    """Return the bytes of resident memory that one stored event takes."""
    with mock(*UNBOUNDED) as server:
        fill(server, payload, per_request * 50, per_request)
        before = resident_bytes(server.pid)
        fill(server, payload, events, per_request)
        grown = resident_bytes(server.pid) - before
    return {
        "event bytes on the wire": len(payload.body) / per_request,
        "memory per event": grown / events,
        "goal below": 700.0,
    }


def bound(events: int) -> dict[str, float]:
    """Send more than the default bound keeps; return resident memory and what was evicted."""
    payload = payloads.outlit(100)
    with mock() as server:
        fill(server, payload, events, 100)
        found = counts(server, "pk_bench")
        return {
            "MB resident": resident_bytes(server.pid) / 1e6,
            "goal below": 512.0,
            "requests evicted": found["evicted"],
        }


def measure(events: int, rounds: int, seconds: int) -> dict[str, dict[str, float]]:
    """Measure memory, the default bound and throughput with so many events kept."""
    return {
        "memory, batches of 100": memory(payloads.outlit(100), events // 2, 100),
        "memory, one event a request": memory(payloads.outlit(1), events // 10, 1),
        "memory, one event with an id a request": memory(payloads.whisperr(1), events // 10, 1),
        "default bound": bound(events * 2),
        f"throughput with {events} events kept": throughput(events, rounds, seconds),
    }
