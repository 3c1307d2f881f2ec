"""The HTTP client: the bytes it sends, the replies it reads, and what is left when it is closed or is not."""

from __future__ import annotations

import asyncio
import gc
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any, Final

import pytest

from mockserver import AsyncSession, Client, MockServer, UnreachableError
from mockserver.client.calls import Target, default_tls
from mockserver.client.connections import BlockingClient
from mockserver.client.messages import ExchangeError, HttpReply, HttpRequest, ReplyError
from mockserver.strategies.samples import Request
from mockserver.verify.transport import Http

ROOT = Path(__file__).parents[2]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
GET = HttpRequest(method="GET", target="/")
THREAD = "mockserver client"
LENGTH: Final = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\n"


class Peer(socketserver.ThreadingTCPServer):
    """A server of bytes: `talk` has each connection in a thread of its own; the connection closes when it returns."""

    def __init__(self, talk: Callable[[Peer, socket.socket], object]) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.talk = talk
        self.connections = 0
        self.requests: list[bytes] = []

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def read(self, link: socket.socket) -> bytes:
        """Read one request and keep it in `requests`; the client has hung up when it is empty."""
        text = b""
        while not text.endswith(b"\r\n\r\n") and (received := link.recv(1)):
            text += received
        length = LENGTH.search(text)
        while length is not None and len(text.partition(b"\r\n\r\n")[2]) < int(length[1]):
            text += link.recv(65536)
        self.requests += [text] if text else []
        return text

    def finish_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        self.talk(self, request)

    def shutdown_request(self, request: Any) -> None:
        request.close()


@contextmanager
def listening(talk: Callable[[Peer, socket.socket], object]) -> Iterator[Peer]:
    with Peer(talk) as peer:
        thread = threading.Thread(target=peer.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield peer
        finally:
            peer.shutdown()
            thread.join()


@contextmanager
def client_of(peer: Peer, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[BlockingClient]:
    client = BlockingClient(host, peer.port, tls)
    try:
        yield client
    finally:
        client.close()


@pytest.fixture
def threads() -> Callable[[], list[threading.Thread]]:
    """What returns the client threads that were started since the test began: tests before it may have left theirs."""
    others = set(threading.enumerate())
    return lambda: [thread for thread in threading.enumerate() if thread.name == THREAD and thread not in others]


def replying(*replies: bytes) -> Callable[[Peer, socket.socket], None]:
    """Answer one request after the other on a connection, then close it."""

    def talk(peer: Peer, link: socket.socket) -> None:
        for reply in replies:
            if peer.read(link):
                link.sendall(reply)

    return talk


def exchanged(reply: bytes, request: HttpRequest = GET) -> HttpReply:
    with listening(replying(reply)) as peer, client_of(peer) as client:
        return client.exchange(request)


def test_request_is_sent_byte_for_byte_when_it_is_unusual() -> None:
    request = HttpRequest(
        method="POST",
        target="//a/../%2F%zz?b=%20+&c=?",
        headers=[("X-ÜBER", "naïve ☃"), ("X-Twice", "1"), ("X-Twice", "2")],
        body=b"\x00\xff",
    )
    with listening(replying(OK)) as peer, client_of(peer) as client:
        client.exchange(request)
    assert peer.requests == [
        f"POST //a/../%2F%zz?b=%20+&c=? HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\nX-ÜBER: naïve ☃\r\n"
        "X-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 2\r\n\r\n".encode()
        + b"\x00\xff"
    ]


@pytest.mark.parametrize("target", ["/a?", "/a#b", "/?a=1?#"])
def test_target_is_not_touched_when_a_url_would_lose_a_part_of_it(target: str) -> None:
    with listening(replying(OK)) as peer, client_of(peer) as client:
        client.exchange(HttpRequest(method="GET", target=target))
    assert peer.requests == [f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{peer.port}\r\n\r\n".encode()]


def test_redirect_is_returned_when_one_comes() -> None:
    reply = exchanged(b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n")
    assert (reply.status, reply.headers["location"]) == (302, "/b")


def test_body_is_left_encoded_when_it_is() -> None:
    packed = b"\x1f\x8b not really"
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    assert exchanged(head + packed).body == packed


def test_headers_are_joined_when_they_are_repeated() -> None:
    reply = exchanged(b"HTTP/1.1 200 OK\r\nVary: Origin\r\nX-A: \xfc\r\nvary:  Accept \r\nContent-Length: 0\r\n\r\n")
    assert reply.headers == {"vary": "Origin, Accept", "x-a": "ü", "content-length": "0"}


def test_cookie_is_not_sent_back_when_one_is_set() -> None:
    cookie = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with listening(replying(cookie, OK)) as peer, client_of(peer, "localhost") as client:
        client.exchange(GET)
        client.exchange(GET)
    assert peer.connections == 1
    assert peer.requests[0] == peer.requests[1]


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (b"SSH-2.0-OpenSSH\r\n", r"ReplyError: the reply is not valid HTTP: "),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[1", "ReplyError: the reply is cut short"),
        (b"HTTP/1.1 200 OK\r\n", "RemoteDisconnected: Remote end closed"),
        (b"", "RemoteDisconnected: Remote end closed"),
    ],
)
def test_reason_is_named_when_there_is_no_whole_reply(reply: bytes, problem: str) -> None:
    with pytest.raises(ExchangeError) as failed:
        exchanged(reply)
    assert re.match(problem, f"{type(failed.value.reason).__name__}: {failed.value}")
    assert not failed.value.reused


def test_reply_is_refused_when_it_is_longer_than_asked() -> None:
    request = HttpRequest(method="GET", target="/", max_reply=1)
    with pytest.raises(ExchangeError, match="longer than 1 bytes") as failed:
        exchanged(OK, request)
    assert isinstance(failed.value.reason, ReplyError)


@pytest.mark.parametrize("close", ["close", "shutdown", "reset"])
@pytest.mark.parametrize("read", [1, 300_000])
@pytest.mark.parametrize(
    "reply", [TOO_LARGE + b"Content-Length: 2\r\n\r\n{}", TOO_LARGE + b"\r\n{}"], ids=["with length", "without length"]
)
def test_reply_is_read_when_the_server_hangs_up_before_the_body_is_sent(reply: bytes, read: int, close: str) -> None:
    def talk(peer: Peer, link: socket.socket) -> None:
        left = read
        while left > 0:
            left -= len(link.recv(left))
        link.sendall(reply)
        if close == "shutdown":
            link.shutdown(socket.SHUT_WR)
        if close == "reset":
            link.shutdown(socket.SHUT_RD)

    request = HttpRequest(method="POST", target="/", body=b" " * 4_000_000, total_timeout=30)
    replies: list[HttpReply] = []
    with listening(talk) as peer:
        for _ in range(20):
            with client_of(peer) as client:
                replies.append(client.exchange(request))
    assert {(reply.status, reply.body) for reply in replies} == {(413, b"{}")}


def test_nothing_is_left_open_when_the_server_answers_early_and_reads_no_more() -> None:
    finished = threading.Event()

    def talk(peer: Peer, link: socket.socket) -> None:
        link.recv(1)
        link.sendall(OK)
        finished.wait(30)

    with listening(talk) as peer:
        try:
            with client_of(peer) as client:
                assert client.exchange(HttpRequest(method="POST", target="/", body=b" " * 30_000_000)).status == 200
        finally:
            finished.set()
    gc.collect()  # an open socket would be a ResourceWarning


def test_request_is_not_sent_again_when_a_kept_connection_breaks() -> None:
    with listening(replying(OK, b"")) as peer, client_of(peer) as client:
        client.exchange(GET)
        with pytest.raises(ExchangeError) as failed:
            client.exchange(GET)
    assert isinstance(failed.value.reason, RemoteDisconnected)
    assert failed.value.reused
    assert len(peer.requests) == 2


def test_verify_sends_once_more_when_a_kept_connection_breaks() -> None:
    waits: list[float] = []
    with listening(replying(OK, b"")) as peer:
        target = Http(peer.url, 1, now=lambda: 0.0, sleep=waits.append)
        for _ in range(2):
            assert target.send(Request(method="POST", path="/a", headers=(), body=b"{}")).status == 200
        target.close()
    assert (len(peer.requests), peer.connections) == (3, 2)
    assert waits == [1.0, 2.0], "the second attempt keeps to the rate as well"


def test_verify_sends_once_when_a_new_connection_breaks() -> None:
    with listening(replying(b"")) as peer:
        target = Http(peer.url, 1000)
        with pytest.raises(UnreachableError, match="to GET /a: Remote end closed"):
            target.send(Request(method="GET", path="/a", headers=(), body=b""))
        target.close()
    assert len(peer.requests) == 1


def test_connection_is_shared_when_requests_follow_each_other() -> None:
    with listening(replying(OK, OK, OK)) as peer, client_of(peer) as client:
        for _ in range(3):
            client.exchange(GET)
    assert peer.connections == 1


def test_thread_ends_when_the_client_is_closed_and_starts_again_when_it_is_used(
    threads: Callable[[], list[threading.Thread]],
) -> None:
    with listening(replying(OK)) as peer:
        client = BlockingClient("127.0.0.1", peer.port, None)
        for _ in range(2):
            client.exchange(GET)
            assert len(threads()) == 1
            client.close()
            assert threads() == []
        client.close()


def test_thread_ends_when_nobody_holds_the_client_any_more(threads: Callable[[], list[threading.Thread]]) -> None:
    with listening(replying(OK)) as peer:
        client = BlockingClient("127.0.0.1", peer.port, None)
        client.exchange(GET)
        (thread,) = threads()
        del client
        gc.collect()
        thread.join(10)
    assert threads() == []


def test_request_is_finished_when_another_thread_closes_the_client() -> None:
    arrived, closed = threading.Event(), threading.Event()

    def talk(peer: Peer, link: socket.socket) -> None:
        peer.read(link)
        arrived.set()
        closed.wait(30)
        link.sendall(OK)

    with listening(talk) as peer, ThreadPoolExecutor(1) as pool:
        client = BlockingClient("127.0.0.1", peer.port, None)
        reply = pool.submit(client.exchange, GET)
        assert arrived.wait(10)
        client.close()
        closed.set()
        assert reply.result(10).status == 200


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT, check=False)


def test_interpreter_ends_silently_when_nothing_was_closed() -> None:
    code = """
import sys, threading
from mockserver import Client
client = Client(sys.argv[1], session="pk_x")
other = Client(sys.argv[1].replace("127.0.0.1", "localhost"), session="pk_x")
print(client.settings().session, other.settings().session)
threading.Thread(target=client.wait_for, kwargs={"timeout": 60}, daemon=True).start()
print(client.wait_for(exactly=0, quiet=0.1))
"""
    with MockServer() as server:
        ended = run(code, server.url)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "pk_x pk_x\n[]\n", "")


def test_request_is_cancelled_when_its_caller_is_interrupted() -> None:
    code = """
import os, signal, socket, threading
from mockserver.client.connections import BlockingClient
from mockserver.client.messages import HttpRequest
listener = socket.create_server(("127.0.0.1", 0))
client = BlockingClient("127.0.0.1", listener.getsockname()[1], None)

def serve():
    with listener, listener.accept()[0] as link:
        link.recv(1000)
        os.kill(os.getpid(), signal.SIGINT)
        assert link.recv(1000) == b"", "the client hangs up"

server = threading.Thread(target=serve)
server.start()
try:
    client.exchange(HttpRequest(method="GET", target="/"))
except KeyboardInterrupt:
    server.join()
    print("interrupted")
"""
    ended = run(code)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "interrupted\n", "")


async def test_connection_is_closed_when_an_awaited_call_is_cancelled() -> None:
    arrived, hung_up = asyncio.Event(), asyncio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        arrived.set()
        await reader.read()
        hung_up.set()
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        session = AsyncSession("pk_x", Target(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        call = asyncio.create_task(session.settings())
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        async with asyncio.timeout(10):
            await hung_up.wait()


def test_session_is_awaited_on_one_loop_after_the_other_when_nothing_is_closed() -> None:
    with MockServer() as server:
        session = Client(server.url, session="pk_x").aio
        assert [asyncio.run(session.settings()).session for _ in range(2)] == ["pk_x", "pk_x"]
    gc.collect()


def test_time_is_counted_from_the_last_byte_when_only_silence_is_limited() -> None:
    finished = threading.Event()

    def talk(peer: Peer, link: socket.socket) -> None:
        peer.read(link)
        link.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(4):
            link.sendall(b".")
            finished.wait(0.2)

    with listening(talk) as peer, client_of(peer) as client:
        assert client.exchange(HttpRequest(method="GET", target="/", idle_timeout=0.5)).body == b"...."
        with pytest.raises(ExchangeError, match=r"no whole reply in 0\.5 seconds") as failed:
            client.exchange(HttpRequest(method="GET", target="/", total_timeout=0.5))
        finished.set()
    assert isinstance(failed.value.reason, TimeoutError)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a self-signed certificate of localhost, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl command")
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    new = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [openssl, "req", *new, *names, "-keyout", str(path), "-out", str(path.with_suffix(".crt"))]
    subprocess.run(command, check=True, capture_output=True)
    path.write_text(path.read_text() + path.with_suffix(".crt").read_text())
    return path


@pytest.mark.parametrize("trusted", [True, False])
def test_certificate_is_checked_when_tls_is_spoken(certificate: Path, *, trusted: bool) -> None:
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate)

    def talk(peer: Peer, link: socket.socket) -> None:
        try:
            with server_side.wrap_socket(link, server_side=True) as secure:
                peer.read(secure)
                secure.sendall(OK)
        except ssl.SSLError:
            return

    client_side = default_tls("https")
    assert client_side is not None
    if trusted:
        client_side.load_verify_locations(certificate.with_suffix(".crt"))
    with listening(talk) as peer, client_of(peer, "localhost", client_side) as client:
        if trusted:
            assert client.exchange(GET).body == b"{}"
            return
        with pytest.raises(ExchangeError, match="certificate verify failed") as failed:
            client.exchange(GET)
    assert isinstance(failed.value.reason, ssl.SSLCertVerificationError)
