"""A target without sockets: the core, a store and a clock of its own, asked as verify asks."""

from __future__ import annotations

from collections.abc import Callable

from mockserver.contract.contract import Contract
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Terms
from mockserver.core.route import route
from mockserver.core.wire import WireReply
from mockserver.sessions.session import Session, SessionSettings
from mockserver.settings import RateMode
from mockserver.strategies import NOW_MS
from mockserver.strategies.samples import Request
from mockserver.verify import Reply, Setup

START_MS = NOW_MS + 300
"""No whole second, and no whole minute: a window that starts on the clock began before."""
KEYS = {"outlit": "pk_1", "apex": "pk_live_1", "whisperr": "wrk_1"}
SERVER_KEY = "apex_sk_1"
REVOKED = ("pk_gone", "apex_sk_gone")
Fault = Callable[["InProcess", Request, WireReply], WireReply]


def setup_of(protocol: str, examples: int = 0, *, burst: bool = True) -> Setup:
    """Return a setup that tries all there is, as exactly as a frozen clock lets it."""
    return Setup(
        key=KEYS[protocol],
        server_key=SERVER_KEY,
        revoked=REVOKED,
        examples=examples,
        burst=burst,
        slack_ms=0,
        rate=1_000_000,
        max_wait_ms=10**9,
    )


class Ticking:
    """A clock that only a pause moves; targets of one set of rules share it, as rules look at it too."""

    ms = START_MS


class InProcess:
    """The server's own path of a request. Rates are enforced, and only the keys of the setup are known."""

    def __init__(
        self,
        contract: Contract,
        *,
        rate_mode: RateMode = "enforce",
        allow_all: bool = False,
        fault: Fault | None = None,
        clock: Ticking | None = None,
    ) -> None:
        self.contract = contract
        self.rate_mode = rate_mode
        self.fault = fault
        self.keys = None if allow_all else frozenset({*KEYS.values(), SERVER_KEY, "key_1"})
        self.clock = Ticking() if clock is None else clock
        self.clock.ms = START_MS
        self.sent = 0
        self.session = Session("target", SessionSettings())

    def send(self, request: Request) -> Reply:
        self.sent += 1
        reply = self.reply(request)
        return as_reply(reply if self.fault is None else self.fault(self, request, reply))

    def reply(self, request: Request) -> WireReply:
        terms = Terms(now_ms=self.clock.ms, keys=self.keys, rate_mode=self.rate_mode)
        judged = judge(route(RequestBody(request.wire()), self.contract), terms)
        return answer(judged, self.session.settle(judged))

    def forget(self) -> None:
        """Lose all memory of earlier requests."""
        self.session = Session("target", SessionSettings())

    def pause(self, ms: int) -> None:
        self.clock.ms += ms

    def now_ms(self) -> int:
        return self.clock.ms

    def clock_error_ms(self) -> int | None:
        return 0


def as_reply(reply: WireReply) -> Reply:
    """Return a reply of the core as a client sees it."""
    headers: dict[str, str] = {}
    for name, value in reply.headers:
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    return Reply(status=reply.status, headers=headers, body=reply.body)
