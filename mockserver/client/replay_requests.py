"""Replaying a recording: its requests go to any server, and the replies are compared with the recorded ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import RemoteDisconnected
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from mockserver.client.calls import default_tls
from mockserver.client.connections import BlockingClient
from mockserver.client.messages import ExchangeError, HttpReply, HttpRequest
from mockserver.client.replayed_requests import Sender, refused_keys, why_not
from mockserver.contract.contract import Contract
from mockserver.core.wire import WireReply, WireRequest
from mockserver.errors import SettingsError, UnreachableError, reason_of
from mockserver.jsonkit.formats import rfc3339_ms
from mockserver.lint.comparison import Difference
from mockserver.recording.normalisation.normal_form import normal_form
from mockserver.recording.recordings import RecordedExchange, Recording
from mockserver.recording.replay.compared_reply import ComparedReplies
from mockserver.settings import Address, server_address

if TYPE_CHECKING:
    from mockserver.client.client import Session

TIMEOUT_S: Final = 30.0
LARGEST: Final = 64 * 1024 * 1024
"""Maximum size of a reply in bytes."""
ADVICE: Final = "Check --target, and that the server is running"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """One exchange as it was replayed. `skipped` says why it was not sent, `differences` how the reply differs.

    `uncompared` says why there was nothing to compare the reply with.
    """

    exchange: RecordedExchange
    status: int | None = None
    differences: tuple[Difference, ...] = ()
    skipped: str | None = None
    uncompared: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send requests, and how. `session` is a session of a mockserver, `clock` the one whose clock is set."""

    url: str
    session: str | None = None
    timeout: float = TIMEOUT_S
    ca_file: Path | None = None
    clock: Session | None = None

    def address(self) -> Address:
        """Return the parts of the URL, with the session. Raises SettingsError."""
        try:
            address = server_address(self.url, session=True)
        except ValueError as error:
            raise SettingsError(f"--target: {error}") from None
        return (
            address if self.session is None else address._replace(path=f"{address.path}/_mock/s/{quote(self.session)}")
        )


@dataclass(slots=True)
class Replay:
    """The replay of a recording.

    `contracts` are by protocol, and so are `keys`, which replace the pseudonyms of those that were taken.
    """

    recording: Recording
    target: Target
    contracts: Mapping[str, Contract]
    keys: Mapping[str, Sequence[str]]
    rebase: bool = False
    pace: bool = False
    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    missing: set[str] = field(default_factory=set)

    def run(self) -> Iterator[Replayed]:
        """Send the requests in order, and yield each when it was answered. Raises UnreachableError."""
        address = self.target.address()
        client = BlockingClient(address.host, address.port, default_tls(address.scheme, self.target.ca_file))
        sender = Sender(self.contracts, self.keys, refused_keys(self.recording, self.contracts))
        self.missing = sender.missing
        ids = ComparedReplies()
        began = self.now()
        try:
            for exchange in self.recording.exchanges:
                reason = why_not(exchange)
                if reason is not None:
                    yield Replayed(exchange=exchange, skipped=reason)
                    continue
                if self.pace:
                    self.sleep(max(0.0, began + exchange.at_ms / 1000 - self.now()))
                if self.target.clock is not None:
                    self.target.clock.clock.freeze(rfc3339_ms(exchange.now_ms))
                shift_ms = int(self.now() * 1000) - exchange.now_ms if self.rebase else None
                yield self._replayed(exchange, sender.request(exchange, shift_ms), client, address.path, ids)
        finally:
            client.close()

    def _replayed(
        self, exchange: RecordedExchange, request: WireRequest, client: BlockingClient, path: str, ids: ComparedReplies
    ) -> Replayed:
        outgoing = HttpRequest(
            method=request.method,
            target=path + request.target,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers],
            body=request.body,
            total_timeout=self.target.timeout,
            max_reply=LARGEST,
        )
        try:
            got = _exchanged(client, outgoing)
        except ExchangeError as error:
            if isinstance(error.reason, ConnectionRefusedError) or not _is_of_this_request(error):
                raise UnreachableError(
                    f"no answer from {self.target.url}: {reason_of(error.reason)}. {ADVICE}"
                ) from None
            return _without_reply(exchange, reason_of(error.reason))
        reason = _why_not_compared(exchange)
        if reason is not None:
            return Replayed(exchange=exchange, status=got.status, uncompared=reason)
        reply = WireReply(status=got.status, headers=tuple(got.headers.items()), body=got.body)
        differences = tuple(ids.differences(exchange, reply, normal_form(self.contracts.get(exchange.protocol))))
        left_out = exchange.row["reply"]["body"].get("left_out")
        reason = None if left_out is None else f"the recorded body is left out: {left_out}"
        return Replayed(exchange=exchange, status=got.status, differences=differences, uncompared=reason)


def _why_not_compared(exchange: RecordedExchange) -> str | None:
    """Return why the recorded reply says nothing about the server; None if it does."""
    if exchange.reply is None:
        return "the client got no reply then"
    if exchange.fault is not None:
        return "the recorded reply is of a fault step"
    if exchange.origin not in ("contract", "upstream", "recording"):
        return "the recorded reply is this server's own, for want of an upstream's"
    return None


def _exchanged(client: BlockingClient, outgoing: HttpRequest) -> HttpReply:
    """Send a request, and once more over a new connection if a kept-alive one was closed."""
    try:
        return client.exchange(outgoing)
    except ExchangeError as error:
        if not error.reused or isinstance(error.reason, TimeoutError):
            raise
    return client.exchange(outgoing)


def _is_of_this_request(error: ExchangeError) -> bool:
    """Return whether the server was there, and only this request has no reply."""
    return isinstance(error.reason, RemoteDisconnected | ConnectionResetError | TimeoutError) or not isinstance(
        error.reason, OSError
    )


def _without_reply(exchange: RecordedExchange, reason: str) -> Replayed:
    if exchange.reply is None:
        return Replayed(exchange=exchange)
    message = f"expected {exchange.reply.status}, got no reply: {reason}"
    return Replayed(exchange=exchange, differences=(Difference("/status", exchange.reply.status, None, message),))
