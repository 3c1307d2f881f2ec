"""What a lie is: a good server with one fault, which verify must notice and name."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

from mockserver.contract.contract import Contract
from mockserver.contract.library import Patch, library
from mockserver.strategies.samples import Request
from mockserver.verify import Reply
from tests.verify.inprocess import InProcess

Json = Any
Forward = Callable[[Request], Reply]
"""The way to the good server."""
Proxy = Callable[[Forward, Request], Reply]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lie:
    """One faulty server.

    `told` are beginnings of rules and facts, of which a finding must name one. The server is a good one behind a
    `proxy`, made anew for each run, as some remember; or it keeps the contract with a `patch`. `flags` are what a
    default run lacks to try it: members of the setup. `tried` are the rules concerned, where those are not of the names
    told.
    """

    kind: str
    name: str
    protocol: str
    told: tuple[str, ...]
    proxy: Callable[[], Proxy] | None = None
    patch: Json = None
    flags: Mapping[str, Json] = field(default_factory=dict)
    tried: tuple[str, ...] = ()

    @property
    def only(self) -> tuple[str, ...]:
        """The rules to try."""
        return self.tried or self.told

    @property
    def id(self) -> str:
        return f"{self.protocol} {self.kind}: {self.name}"


class Liar(InProcess):
    """A target that tells a lie. Its replies have a `Date`, as those of servers do."""

    def __init__(self, lie: Lie | None, contract: Contract, *, keys_known: bool = False) -> None:
        patches = [Patch(name="lie", patch=lie.patch)] if lie is not None and lie.patch is not None else []
        served = library().protocol(contract.name).contract(contract.revision, patches) if patches else contract
        super().__init__(
            served, rate_mode="enforce" if lie is not None and lie.flags else "warn", allow_all=not keys_known
        )
        self._proxy = None if lie is None or lie.proxy is None else lie.proxy()

    def send(self, request: Request) -> Reply:
        return self._forward(request) if self._proxy is None else self._proxy(self._forward, request)

    def _forward(self, request: Request) -> Reply:
        reply = super().send(request)
        return replace(reply, headers={"date": formatdate(self.clock.ms // 1000, usegmt=True), **reply.headers})

    def clock_error_ms(self) -> int | None:
        return 1000


def always(proxy: Proxy) -> Callable[[], Proxy]:
    """Return the maker of a proxy that remembers nothing."""
    return lambda: proxy


def body_of(request: Request) -> Json:
    """Return the JSON of a request's body, None where there is none."""
    try:
        text = gzip.decompress(request.body) if ("content-encoding", "gzip") in request.headers else request.body
        return json.loads(text)
    except (ValueError, OSError, EOFError, RecursionError):
        return None


def events_of(request: Request) -> list[Json]:
    """Return the events of a request: those of its batch, or its body, which is one."""
    body = body_of(request)
    if isinstance(body, dict) and isinstance(body.get("events"), list):
        return list(body["events"])
    return [body] if isinstance(body, dict) else []


def inside(value: Json, *, depth: int = 0) -> Iterator[tuple[str, Json, int]]:
    """Yield every member in a value: its name, its value, how deep it is."""
    members = (
        value.items() if isinstance(value, dict) else [("", item) for item in value] if isinstance(value, list) else ()
    )
    for name, member in members:
        yield name, member, depth
        yield from inside(member, depth=depth + 1)


def with_body(request: Request, body: Json) -> Request:
    """Return the request with another JSON body."""
    headers = tuple(pair for pair in request.headers if pair[0] != "content-encoding")
    return replace(request, headers=headers, body=json.dumps(body).encode(), json=body)


def with_events(request: Request, change: Callable[[Json], Json]) -> Request:
    """Return the request with each event changed."""
    body = body_of(request)
    if isinstance(body, dict) and isinstance(body.get("events"), list):
        return with_body(request, {**body, "events": [change(event) for event in body["events"]]})
    return with_body(request, change(body)) if isinstance(body, dict) else request


def refused(forward: Forward, request: Request) -> Reply:
    """Return the protocol's own refusal of a request: that of one whose body is cut off."""
    return forward(
        replace(request, body=b"{", headers=tuple(pair for pair in request.headers if "encoding" not in pair[0]))
    )


def refusing(when: Callable[[Request], bool]) -> Callable[[], Proxy]:
    """Return the proxy that refuses some requests."""
    return always(lambda forward, request: refused(forward, request) if when(request) else forward(request))


def reading(change: Callable[[Request], Request]) -> Callable[[], Proxy]:
    """Return the proxy of a server that reads something else than was sent."""
    return always(lambda forward, request: forward(change(request)))


def replying(change: Callable[[Request, Reply], Reply]) -> Callable[[], Proxy]:
    """Return the proxy that changes replies."""
    return always(lambda forward, request: change(request, forward(request)))


def edited(reply: Reply, change: Callable[[Json], Json]) -> Reply:
    """Return a reply with its JSON object changed."""
    try:
        body = json.loads(reply.body)
    except ValueError:
        return reply
    return (
        replace(reply, body=json.dumps(change(body), separators=(",", ":")).encode())
        if isinstance(body, dict)
        else reply
    )


def with_header(reply: Reply, name: str, value: str | None) -> Reply:
    """Return a reply with a header set, or taken away."""
    headers = {each: text for each, text in reply.headers.items() if each != name}
    return replace(reply, headers=headers if value is None else {**headers, name: value})
