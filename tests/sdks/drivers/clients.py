"""Runs clients of the real ``whisperr`` package: one JSON line in is a call to a client, one JSON line out its end.

Each call has a thread of its own, so that many clients deliver and back off at once. Which events of one client come
first is decided by who writes the lines: it waits for an answer before it sends what comes after.
"""

import json
import sys
import threading
from collections.abc import Callable
from typing import Any

from whisperr import Whisperr, WhisperrError

NO_TIMER_S = 86_400.0
_writing = threading.Lock()


class Client:
    """One client, and the kinds of the errors it told its ``on_error``."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.errors: list[str] = []
        interval_ms = order["interval_ms"]
        self._whisperr = Whisperr(
            order["key"],
            base_url=order["api"],
            flush_at=order["flush_at"],
            flush_interval=interval_ms / 1000 if interval_ms else NO_TIMER_S,
            max_batch_size=order["batch"],
            max_retries=order["retries"],
            request_timeout=order["timeout_ms"] / 1000,
            on_error=self._note,
        )

    def _note(self, error: WhisperrError) -> None:
        self.errors.append(error.type)

    def track(self, order: dict[str, Any]) -> None:
        for event in order["events"]:
            self._whisperr.track("user_1", event["type"], {"n": event["n"]})

    def identify(self, order: dict[str, Any]) -> None:
        self._whisperr.identify(order["user"], traits={"plan": "pro"})

    def flush(self, order: dict[str, Any]) -> None:
        self._whisperr.flush()

    def shutdown(self, order: dict[str, Any]) -> None:
        self._whisperr.shutdown()


def main() -> None:
    clients: dict[str, Client] = {}

    def carry_out(order: dict[str, Any]) -> list[str]:
        if order["call"] == "open":
            clients[order["key"]] = Client(order)
        else:
            call: Callable[[dict[str, Any]], None] = getattr(clients[order["key"]], order["call"])
            call(order)
        return clients[order["key"]].errors

    def answer(order: dict[str, Any]) -> None:
        try:
            told: dict[str, Any] = {"errors": carry_out(order)}
        except Exception as error:
            told = {"failure": repr(error)}
        with _writing:
            print(json.dumps({"id": order["id"], **told}), flush=True)

    for line in sys.stdin:
        threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()


if __name__ == "__main__":
    main()
