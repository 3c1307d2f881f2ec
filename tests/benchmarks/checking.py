"""How long `mockserver check` takes for 50 MB of NDJSON, and how much memory: `python -m tests.benchmarks.checking`."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.usage import usage_of

MB: Final = 1_000_000
SIZE: Final = 50 * MB
VISITOR: Final = "a1b2c3d4-e5f6-4890-abcd-ef1234567890"
AT_MS: Final = 1_781_438_400_000


def pageview(number: int) -> dict[str, Any]:
    """Return an event of Outlit."""
    return {
        "type": "pageview",
        "url": f"https://shop.example/products/{number}?utm_source=mail",
        "path": f"/products/{number}",
        "timestamp": AT_MS + number,
        "title": f"Product {number}",
        "referrer": "https://www.example.com/",
    }


def custom(number: int) -> dict[str, Any]:
    """Return an event of Outlit with properties."""
    return {
        "type": "custom",
        "url": f"https://shop.example/checkout/{number}",
        "path": f"/checkout/{number}",
        "timestamp": AT_MS + number,
        "eventName": "order_placed",
        "properties": {"order": number, "total": number / 7, "currency": "EUR", "items": ["a", "b"]},
    }


def product_event(number: int) -> dict[str, Any]:
    """Return an event of Whisperr."""
    return {
        "external_user_id": f"user_{number % 9973}",
        "event_type": "order_placed",
        "occurred_at": "2026-06-14T12:00:00.000Z",
        "properties": {"order": number, "total": number / 7, "currency": "EUR"},
        "context": {"$message_id": f"7d444840-9dc0-41d1-b245-{number:012x}"},
    }


def bodies(size: int) -> Iterator[dict[str, Any]]:
    """Yield bodies of Outlit with so many events."""
    number = 0
    while True:
        events = [(custom if index % 3 else pageview)(number + index) for index in range(size)]
        yield {"source": "client", "visitorId": VISITOR, "events": events}
        number += size


def lines(kind: str) -> Iterator[Any]:
    """Yield the values of a file without end."""
    if kind.startswith("bodies of "):
        yield from bodies(int(kind.removeprefix("bodies of ")))
    makes = {"events": [pageview, custom], "events with a warning each": [warned], "events with an error each": [wrong]}
    for number, make in enumerate(cycle(makes.get(kind, [product_event]))):
        yield make(number)


def warned(number: int) -> dict[str, Any]:
    """Return an event of Outlit that the newest revision refuses."""
    return {**pageview(number), "url": "/"}


def wrong(number: int) -> dict[str, Any]:
    """Return an event of Outlit that every revision refuses."""
    return {**pageview(number), "url": ""}


KINDS: Final = (
    "events",
    "bodies of 1",
    "bodies of 3",
    "bodies of 100",
    "Whisperr events",
    "events with a warning each",
    "events with an error each",
)


def write(path: Path, kind: str, size: int = SIZE) -> int:
    """Write a file of about `size` bytes; returns its number of lines."""
    written = count = 0
    with path.open("wb") as file:
        for value in lines(kind):
            written += file.write(json.dumps(value).encode() + b"\n")
            count += 1
            if written >= size:
                return count
    return count


def check(path: Path) -> dict[str, float]:
    """Check a file in a process of its own; returns seconds, seconds of the processor, and MB of memory."""
    usage = usage_of([sys.executable, "-m", "mockserver", "check", "--no-progress", str(path)])
    assert usage.code in (0, 1), usage.code
    return {"s": usage.seconds, "CPU s": usage.cpu_seconds, "MB": usage.peak_bytes / MB}


def measure(kinds: tuple[str, ...] = KINDS) -> Mapping[str, Mapping[str, float]]:
    """Return for each kind of file what checking it takes."""
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.ndjson"
        for kind in kinds:
            count = write(path, kind)
            results[f"check 50 MB, {kind}"] = {"lines": count, **check(path)}
    return results


if __name__ == "__main__":
    for name, found in measure(tuple(sys.argv[1:]) or KINDS).items():
        print(f"{name}: " + ", ".join(f"{what} {value:.2f}" for what, value in found.items()), flush=True)
