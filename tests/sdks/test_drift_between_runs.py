"""Recordings of the same SDK that ran twice, with other keys, ids, times and page loads: they have no differences."""

import urllib.request
from uuid import uuid4

import pytest

from mockserver.contract.library import library
from mockserver.recording.drift.drift import drift
from mockserver.recording.drift.drift_report import lines
from mockserver.recording.recordings import Recording, recording_of

from .harness import Host, Session

pytestmark = pytest.mark.sdk

_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def recorded(host: Host, driver: str, server: str, prefix: str, count: int, **options: str) -> Recording:
    """Run a driver in a session of its own, wait for its events, and return the recording."""
    session = Session(url=server, key=f"{prefix}{uuid4().hex}")
    assert not host.drive(driver, session).problems
    session.events(count)
    query = "&".join(["format=recording", *(f"{name}={value}" for name, value in options.items())])
    with _direct.open(f"{server}/_mock/sessions/{session.key}/export?{query}") as reply:
        return recording_of(reply.read(), driver)


MOST_RUNS = 4
"""Requests that a browser sends at once, each on a connection of its own, arrive in either order: of so many runs, one
has the order of the first."""


@pytest.mark.parametrize(
    ("driver", "prefix", "count"),
    [
        ("outlit-module", "pk_", 15),
        ("outlit-class", "pk_", 14),
        ("outlit-script", "pk_", 15),
        ("whisperr-module", "wrk_", 12),
        ("whisperr-script", "wrk_", 5),
    ],
)
def test_browser_sdk_does_the_same_again(chromium: Host, server: str, driver: str, prefix: str, count: int) -> None:
    old = recorded(chromium, driver, server, prefix, count)
    for _ in range(MOST_RUNS):
        both = drift(old, recorded(chromium, driver, server, prefix, count, normalise="true"), library())
        if not both.differences:
            break
    assert both.events == count
    assert not both.differences, "\n".join(lines(both))


@pytest.mark.parametrize(("driver", "prefix", "count"), [("whisperr-node", "wrk_", 1209), ("outlit-core", "pk_", 266)])
def test_node_sdk_does_the_same_again(node: Host, server: str, driver: str, prefix: str, count: int) -> None:
    old = recorded(node, driver, server, prefix, count)
    both = drift(old, recorded(node, driver, server, prefix, count, normalise="true"), library())
    assert both.events == count
    assert not both.differences, "\n".join(lines(both))
