"""The server of `record`, whose journal this process reads itself: a long one would take too long over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from mockserver.client.local import MockServer
from mockserver.jsonkit.patterns import matches
from mockserver.recording.exporting import secrets_of_session
from mockserver.recording.making import Told, recording_lines
from mockserver.recording.recorder import Known
from mockserver.recording.redaction.find_secrets import secrets_of_url
from mockserver.recording.redaction.redaction_rules import Rules
from mockserver.sessions.session import Session, Waiter

if TYPE_CHECKING:
    from mockserver.server.app import App

FULL: Final = 0.9
"""The share of the memory limit from which on recording ends: whatever is still under way fits into the rest."""
MOST_REQUESTS: Final = 2**62
"""The journal's limit: the memory is what bounds a recording."""


class RecordingServer(MockServer):
    """A server with one session for all requests, whatever their keys are."""

    app: App
    program_url: str
    """The URL for the program, which names the session."""

    def any_key(self) -> str:
        """Return a key that is well-formed for as many protocols as possible."""
        served = self.app.handlers.contracts.served

        def fits(key: str) -> int:
            known = (contract.credentials.values() for contract in served.values())
            return sum(any(each.pattern is None or matches(each.pattern, key) for each in each_of) for each_of in known)

        return max(map(self.key_for, served), key=fits)

    @property
    def session_state(self) -> Session:
        """The session itself; made when it is first asked for."""
        return self.app.store.session(self.name)

    @property
    def is_full(self) -> bool:
        """Whether the memory limit is nearly reached."""
        store = self.app.store
        return store.bytes + store.shared_uses.bytes > FULL * store.max_bytes

    def watch(self, waiter: Waiter) -> None:
        """Let a waiter know of each exchange from now on."""
        self._on_loop(lambda: self.session_state.waiters.add(waiter))

    def settle(self, timeout: float) -> None:
        """Wait until no request is under way at an upstream; at most so many seconds."""
        rested = _Rested()

        async def settled() -> None:
            session = self.session_state
            session.waiters.add(rested)
            try:
                async with asyncio.timeout(timeout):
                    while session.in_flight:
                        rested.event.clear()
                        await rested.event.wait()
            except TimeoutError:
                return
            finally:
                session.waiters.discard(rested)

        assert self._thread is not None, "it runs"
        asyncio.run_coroutine_threadsafe(settled(), self._thread.loop).result()

    def lines(self, rules: Rules, now_ms: int, told: Told, *, normalise: bool) -> list[bytes]:
        """Return the lines of the recording. Raises UnfaithfulError. The server is stopped, or nobody calls it."""
        session, upstreams = self.session_state, self.app.upstreams
        served = self.app.handlers.contracts.served
        urls = {name: upstreams.url(name) or "" for name in served}
        secrets = secrets_of_session(session).union(*map(secrets_of_url, urls.values()))
        known = Known(secrets, served.values(), normalise=normalise)
        return recording_lines(list(session.journal), known, rules, urls, session.clock.now(now_ms), told)

    def _open_at(self, started: tuple[App, str]) -> None:
        self.app, url = started
        self.program_url = f"{url}/_mock/s/{self.name}"
        super()._open_at(started)

    def _on_loop(self, work: Callable[[], object]) -> None:
        async def done() -> None:
            work()

        assert self._thread is not None, "it runs"
        asyncio.run_coroutine_threadsafe(done(), self._thread.loop).result()


class _Rested(Waiter):
    """Sets its event when a request that was held up is answered."""

    def __init__(self) -> None:
        self.event = asyncio.Event()

    def offer(self, exchange: object, view: object) -> None:
        """Take no note of an exchange."""

    def rest(self) -> None:
        """Set the event."""
        self.event.set()

    def end(self, reason: object) -> None:
        """Set the event."""
        self.event.set()
