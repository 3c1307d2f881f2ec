"""A recording with one exchange of each kind that there is, made by servers as a user makes one."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from mockserver import MockServer

KEY = "wrk_S3cretKey4711"
MAIL = "ada@corp.example"
NOW = "2026-06-14T12:00:00.000Z"
BATCH = "/v1/events/batch"
OUTLIT = "/api/i/v1/pk_S3cretKey4711/events"
SECRETS = ("S3cretKey4711", "corp.example", "ada")


class _Upstream(BaseHTTPRequestHandler):
    """Answers as Whisperr does, compressed, with headers of its own."""

    def do_POST(self) -> None:
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        reply = gzip.compress(json.dumps({"accepted": 1, "rejected": 0, "for": MAIL}).encode())
        if b"as_text" in sent:
            reply = gzip.compress(b"as it is")
        self.send_response(202)
        for name, value in (("Content-Type", "application/json"), ("Content-Encoding", "gzip"), ("X-Trace", "t-1")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def an_upstream() -> Iterator[str]:
    """Run a server that is none of ours; yield its URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Upstream)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def event(name: str, **members: Any) -> dict[str, Any]:
    """Return a good event of Whisperr with an id."""
    return {"external_user_id": MAIL, "event_type": "paid", "context": {"$message_id": name}, **members}


def send(url: str, path: str, body: bytes, headers: Mapping[str, str], method: str = "POST") -> int | None:
    """Send a request; return the status of the reply, None for none."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        with suppress(http.client.RemoteDisconnected, ConnectionError):
            connection.request(method, parts.path + path, body, headers)
            reply = connection.getresponse()
            reply.read()
            return reply.status
        return None
    finally:
        connection.close()


def exchange_all(url: str, server: MockServer, *, proxied: bool) -> list[int | None]:
    """Send one request of each kind; return the statuses of the replies."""
    headers = {"X-API-Key": KEY, "Content-Type": "application/json", "User-Agent": "t/1", "Cookie": "sid=S3cretKey4711"}
    packed = {**headers, "Content-Encoding": "gzip"}
    good, batch = json.dumps({"events": [event("m-1")]}).encode(), json.dumps({"events": [event("m-2")]}).encode()
    statuses = [
        send(url, BATCH, good, headers),
        send(url, BATCH, good, headers),  # a duplicate
        send(url, BATCH, gzip.compress(batch), packed),
        send(url, BATCH, b"not json \xff", headers),
        send(url, BATCH, b'{"events": [{"event_type": "a", "event_type": "paid"}]}', headers),  # a duplicate key
        send(url, BATCH, json.dumps({"events": [event("m-3", event_type="No Name")]}).encode(), headers),
        send(url, f"{BATCH}?token=S3cretKey4711&page=2", b"", headers),
    ]
    server.clock.advance(1.5)
    if proxied:
        return statuses
    origin = {"Origin": "https://shop.example", "Content-Type": "application/json"}
    asks = {**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    mixed = {
        "visitorId": "00000000-0000-4000-8000-000000000001",
        "source": "client",
        "events": [
            {"type": "pageview", "timestamp": 1_781_438_400_000, "url": "https://shop.example/?q=1", "path": "/"},
            {"type": "nonsense", "timestamp": 1_781_438_400_000, "url": "https://shop.example/", "path": "/"},
        ],
    }
    statuses += [
        send(url, OUTLIT, b"", asks, "OPTIONS"),
        send(url, OUTLIT, json.dumps(mixed).encode(), origin),
    ]
    server.faults.add(match={"request": {"path": BATCH}}, reply={"status": 503, "body": {"oops": True}}, times=1)
    server.faults.add(match={"request": {"path": BATCH}}, connection="reset", when="after_commit", times=1)
    return [
        *statuses,
        send(url, BATCH, json.dumps({"events": [event("m-4")]}).encode(), headers),
        send(url, BATCH, json.dumps({"events": [event("m-5")]}).encode(), headers),
    ]


def recorded(upstream: str | None = None) -> bytes:
    """Return a recording of all kinds: of the contract's replies, or of those of an upstream that may be gone."""
    upstreams = {} if upstream is None else {"whisperr": upstream}
    with MockServer(session="recording", upstreams=upstreams) as server:
        server.clock.freeze(NOW)
        exchange_all(f"{server.target.url}/_mock/s/recording", server, proxied=upstream is not None)
        return server.export(format="recording").encode()


@cache
def recordings() -> Mapping[str, bytes]:
    """Return a recording of the contract's replies, one of an upstream's, and one of an upstream that was gone."""
    with an_upstream() as url:
        there = recorded(url)
    return {"contract": recorded(), "upstream": there, "gone": recorded("http://127.0.0.1:9")}
