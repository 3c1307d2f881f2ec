"""Both ways to judge a body, held to one verdict over bodies that are good, bad, and spoilt in many ways.

    python -m tests.core.both_paths 1000000 [SEED]

prints how many bodies were judged and how many the fast reader took. It stops at the first difference.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from msgspec import structs

from mockserver.contract.contract import Contract
from mockserver.core import fast_reader
from mockserver.core.answer import answer
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.core.wire import WireReply, WireRequest
from mockserver.sessions.session import SessionSettings
from mockserver.sessions.stores.memory import MemoryStore
from mockserver.strategies import invalid, requests
from mockserver.strategies.sampling import draw
from tests.core.json_shapes import BLANKS, NAMES, VALUES
from tests.core.seeds import PATCHES, SEEDS
from tests.judging import NOW, contract_of, wire_request

CONTRACTS: Final = (
    *((name, None, False) for name in ("outlit", "apex", "whisperr")),
    ("outlit", "r4-2026-08", False),
    ("outlit", "documented", False),
    ("apex", "documented", False),
    ("whisperr", "async-2026-10", False),
    ("whisperr", "classic-2026-06", False),
    *((name, None, True) for name in ("outlit", "apex", "whisperr")),
)
POOL: Final = 120
"""Good requests, and bad ones, of a contract that the others are made of."""
JSON: Final = {"Content-Type": "application/json"}
LONGEST: Final = 3_000
"""Bytes of a body of the pool: judged often."""
_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|true|false|null|[{}\[\],:]')
_MEMBER: Final = re.compile(rb'"(?:[^"\\]|\\.)*"\s*:\s*(?:"(?:[^"\\]|\\.)*"|[0-9.]+|null)\s*,?\s*')
_NAME: Final = re.compile(rb'"(?:[^"\\]|\\.)*"(?=\s*:)')


@dataclass(frozen=True)
class Pool:
    """Requests of one contract that others are made of."""

    contract: Contract
    requests: Sequence[WireRequest]
    likely: Sequence[WireRequest]
    """Those that are likely to be read fast."""


def pool_of(name: str, revision: str | None, patched: bool, size: int = POOL) -> Pool:
    """Draw the requests of a contract, good and bad ones; with the size 0 it is only those that clients write."""
    patch = PATCHES[name] if patched else None
    contract = contract_of(name, patch, revision)
    options: dict[str, Any] = {"revision": revision, "patch": patch, "now_ms": NOW}
    samples = [*draw(requests(name, **options), size), *draw(invalid(name, **options), size)] if size else []
    found = [sample.request.wire() for sample in samples]
    small = [request for request in found if request.body and len(request.body) <= LONGEST]
    plain = [wire_request(target, body, {**JSON, **headers}) for target, headers, body in SEEDS[name]]
    paths = Paths(contract)
    taken = [request for request in small if paths.judge(request, fast=True).decoded is not None]
    return Pool(contract, small or plain, [*plain * (1 + len(taken) // len(plain)), *taken])


def spoilt(rng: Random, text: bytes) -> bytes:
    """Change a text in one place, or a few."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if text:
            text = _changed(rng, text)
    return text


def _changed(rng: Random, text: bytes) -> bytes:
    at, way = rng.randrange(len(text)), rng.randrange(14)
    if way == 0:
        return text[:at] + bytes((rng.randrange(256),)) + text[at + 1 :]
    if way == 1:
        return text[:at] + text[at + 1 + rng.randrange(3) :]
    if way == 2:
        return text[:at] + text[at - rng.randrange(20) :]
    if way == 3:
        return text[:at]
    if way == 4:
        return text + rng.choice((*VALUES, *BLANKS))
    token = _TOKEN.search(text, at) or _TOKEN.search(text)
    if token is None:
        return text
    start, end = token.span()
    if way == 5:
        return text[:end] + rng.choice(BLANKS) + text[end:]
    if way == 6:
        return text[:start] + rng.choice((*NAMES, token[0].lower(), token[0].upper(), b"")) + text[end:]
    if way in (7, 8):
        brace = text.find(b"{", at)
        brace = text.find(b"{") if brace < 0 else brace
        return text[: brace + 1] + rng.choice(NAMES) + b":" + rng.choice(VALUES) + b"," + text[brace + 1 :]
    if way == 11:
        member = _MEMBER.search(text, at) or _MEMBER.search(text)
        return text if member is None else text[: member.start()] + text[member.end() :]
    name = _NAME.search(text, at) or _NAME.search(text)
    if way == 9 and name is not None:
        twice = name[0] + b":" + rng.choice(VALUES) + b","
        return text[: name.start()] + twice + text[name.start() :]
    if way == 10 and token[0][:1] == b'"' and len(token[0]) > 2 and token[0][1] not in b"\\":
        return text[: start + 1] + b"\\u%04x" % token[0][1] + text[start + 2 :]
    return text[:start] + rng.choice(VALUES) + text[end:]


def bodies(rng: Random, pool: Pool) -> Iterator[WireRequest]:
    """Yield requests without end: as they were drawn, some, and spoilt."""
    while True:
        request = rng.choice(pool.likely if rng.random() < 0.7 else pool.requests)
        yield request if rng.random() < 0.1 else structs.replace(request, body=spoilt(rng, request.body))


def shaped(request: WireRequest, share: int = 1) -> Iterator[WireRequest]:
    """Yield a request with each shape at each of its members: in place of its value, and before it under its name.

    With a share of n, each member gets one shape of n, every one another part of them.
    """
    body, seen = request.body, set[bytes]()
    for found in _NAME.finditer(body):
        if found[0] in seen:
            continue
        start = len(seen) % share
        seen.add(found[0])
        value = _TOKEN.search(body, body.index(b":", found.end()) + 1)
        assert value is not None
        for shape in VALUES[start::share]:
            twice = found[0] + b":" + shape + b","
            yield structs.replace(request, body=body[: found.start()] + twice + body[found.start() :])
            if value[0] not in (b"{", b"["):
                yield structs.replace(request, body=body[: value.start()] + shape + body[value.end() :])


class Paths:
    """Both paths, each with a store of its own."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self._stores = [MemoryStore(SessionSettings(), max_bytes=1 << 28, max_sessions=9) for _ in range(2)]
        self.judged = 0
        self.fast = 0
        for _ in range(fast_reader.USES_BEFORE + 1):
            for operation in contract.operations.values():
                fast_reader.reader_of(contract, operation)

    def check(self, request: WireRequest) -> None:
        """Judge and commit a request on both paths, and compare everything that they say."""
        full, fast = (self.judge(request, fast=fast) for fast in (False, True))
        self.judged += 1
        self.fast += fast.decoded is not None
        assert _said(fast) == _said(full), (self.contract, request)
        (full_reply, full_state), (fast_reply, fast_state) = map(self._commit, (full, fast), self._stores)
        assert fast_reply == full_reply, (self.contract, request)
        assert fast_state == full_state, (self.contract, request)
        if fast.decoded is not None:
            assert (fast.body, fast.events) == (full.body, full.events), (self.contract, request)

    def judge(self, request: WireRequest, *, fast: bool) -> Judged:
        judged = route(RequestBody(request, fast=fast), self.contract)
        return judge(judged, Terms(now_ms=NOW, keys=None, rate_mode="warn"))

    def _commit(self, judged: Judged, store: MemoryStore) -> tuple[WireReply, Any]:
        session = store.session("both")
        exchange, reply = store.commit_plain(session, judged, NOW, "", (), answer)
        claims = session.claims
        state = (exchange.receipt.verdicts, exchange.receipt.created, exchange.receipt.first_event, exchange.refused)
        return reply, (state, session.counts, claims.remembered, claims.bytes)


def _said(judged: Judged) -> tuple[Any, ...]:
    return (
        judged.refusal,
        judged.event_errors,
        judged.form,
        judged.count,
        judged.dedup,
        judged.entities,
        judged.credential,
        judged.credential_name,
        judged.idempotency,
        judged.rate,
    )


def run(count: int, number: int = 0) -> tuple[int, int]:
    """Check `count` bodies spread over all contracts; return how many were judged and how many were read fast."""
    judged = fast = 0
    for place, contract in enumerate(CONTRACTS):
        pool, rng = pool_of(*contract), Random(number * 1000 + place)
        paths, found = Paths(pool.contract), bodies(rng, pool)
        begin = time.process_time()
        share = count // len(CONTRACTS) + (place < count % len(CONTRACTS))
        for index in range(share):
            if index % 20_000 == 19_999:
                judged, fast, paths = judged + paths.judged, fast + paths.fast, Paths(pool.contract)
            paths.check(next(found))
        judged, fast = judged + paths.judged, fast + paths.fast
        print(*contract, judged, fast, f"{time.process_time() - begin:.0f} s", flush=True)
    return judged, fast


if __name__ == "__main__":
    judged, fast = run(*map(int, sys.argv[1:]))
    print(f"{judged} bodies judged, {fast} of them read fast, no difference")
