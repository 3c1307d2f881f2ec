"""The health probe on a machine that is busy: `ready` run as a user runs it is in test_main.py."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mockserver.cli import probe
from mockserver.errors import UnreachableError


def test_probe_whose_time_is_up_after_a_pause_has_a_timeout_that_a_socket_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    times, timeouts = iter([0.0, 0.0, 0.8, 1.5, 1.5]), list[float]()

    def asked(url: str, timeout: float, tls: object) -> str:
        timeouts.append(timeout)
        return "it stops"

    monkeypatch.setattr(probe, "time", SimpleNamespace(monotonic=lambda: next(times), sleep=lambda _: None))
    monkeypatch.setattr(probe, "ask", asked)
    with pytest.raises(UnreachableError, match="is not ready: it stops"):
        probe.run("http://127.0.0.1:1", wait=True, timeout=1)
    assert timeouts == [1.0, probe.SHORTEST_S]
