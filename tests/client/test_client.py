"""A client for a running server: connecting, and the errors when that fails."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler

import pytest
from click.testing import CliRunner

from mockserver import AsyncSession, Client, ControlError, MockServer, Session, UnreachableError
from mockserver.cli.main import main
from mockserver.client.messages import ExchangeError
from mockserver.client.session_parts import AsyncClock, AsyncFaults, Clock, Faults
from tests.sending import send_whisperr, whisperr_event
from tests.threaded import listening


@pytest.fixture(scope="module")
def server() -> Iterator[MockServer]:
    with MockServer() as server:
        yield server


def unused_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


def test_session_is_the_same_when_client_and_server_name_it(server: MockServer) -> None:
    send_whisperr(server, whisperr_event("seen_by_both"))
    with MockServer.connect(f"{server.url}/", session=server.name) as client:
        assert isinstance(client, Client)
        assert client.wait_for(type="seen_by_both") == server.wait_for(type="seen_by_both")
        assert client.url == server.url


def test_name_is_new_each_time_when_none_is_given(server: MockServer) -> None:
    with MockServer.connect(server.url) as one, MockServer.connect(server.url) as two:
        assert one.key != two.key
        assert one.key_for("outlit") == one.key


async def test_client_is_awaited_when_entered_with_async_with(server: MockServer) -> None:
    async with MockServer.connect(server.url) as session:
        assert session.name.startswith("pk_")
        assert await session.events() == []


def test_error_names_the_url_when_nobody_listens() -> None:
    url = unused_url()
    with (
        pytest.raises(UnreachableError, match=f"{url} to GET /_mock/fidelity: .*refused;"),
        MockServer.connect(url) as c,
    ):
        _ = c.key


async def test_error_names_the_url_when_nobody_listens_and_it_is_awaited() -> None:
    url = unused_url()
    with MockServer.connect(url, session="x") as client, pytest.raises(UnreachableError, match=url):
        await client.aio.events()


@pytest.mark.parametrize(
    "url", ["", ":8207", "ftp://127.0.0.1", "http://", "http://127.0.0.1/_mock/", "http://[::1", "http://a:99999"]
)
def test_url_is_refused_when_it_is_none(url: str) -> None:
    with pytest.raises(ValueError, match="expected a URL such as"):
        MockServer.connect(url)


def test_token_is_refused_when_a_header_cannot_hold_it() -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        MockServer.connect("http://127.0.0.1:1", "a\r\nb")


class Stranger(BaseHTTPRequestHandler):
    """A server that is none of ours: a page where it is asked for one, else JSON of another kind."""

    def do_GET(self) -> None:
        page = self.path.endswith("events")
        body = b"<h1>Hello</h1>" if page else b'{"error": "nope"}'
        self.send_response(200 if page else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def test_error_says_so_when_another_kind_of_server_answers() -> None:
    with listening(Stranger) as url, MockServer.connect(url, session="x") as client:
        with pytest.raises(UnreachableError, match=r"is not a mockserver: GET .* returned 200 b'<h1>Hello"):
            client.events()
        with pytest.raises(UnreachableError, match="is not a mockserver"):
            client.settings()
        with pytest.raises(UnreachableError, match="is not a mockserver"):
            asyncio.run(client.aio.events())


class OtherApi(BaseHTTPRequestHandler):
    """A server that is none of ours and answers every path with JSON."""

    status, body = 200, b"{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"{}"), (200, b"[1]"), (200, b"null"), (200, b'{"events": 1}'), (404, b'{"detail": "no"}')],
)
def test_error_says_so_when_another_api_answers(status: int, body: bytes) -> None:
    handler = type("Handler", (OtherApi,), {"status": status, "body": body})
    with listening(handler) as url:
        with MockServer.connect(url, session="x") as client:
            for call in (client.events, client.settings, client.faults.list, client.clock.read):
                with pytest.raises(UnreachableError, match=rf"is not a mockserver: GET .* returned {status} b'"):
                    call()
            with pytest.raises(UnreachableError, match="is not a mockserver"):
                asyncio.run(client.aio.settings())
        result = CliRunner().invoke(main, ["report", url, "--session", "x"])
    assert result.exit_code == 3
    (line,) = result.output.splitlines()
    assert line.startswith(f"Error: {url} is not a mockserver: GET /_mock/sessions")


def test_refused_call_names_the_member_when_one_is_to_blame(server: MockServer) -> None:
    with pytest.raises(ControlError, match=r"PATCH /_mock/sessions/.*: 400, .*sometimes") as refused:
        server.settings(rate_limits="sometimes")  # type: ignore[arg-type]
    assert (refused.value.status, refused.value.member) == (400, "/rate_limits")
    with pytest.raises(ControlError) as refused:
        server.faults.add(times=1)
    assert "delay_ms" in refused.value.detail
    with pytest.raises(ControlError, match="404"):
        server.request("r999")


def test_session_is_reached_when_its_name_needs_quoting(server: MockServer) -> None:
    odd = server.session("a b/ü?#%2F..")
    assert odd.settings(rate_limits="off").session == odd.name
    assert server.settings().rate_limits == "warn"
    key = odd.key_for("outlit")
    send_whisperr(odd, whisperr_event("odd"), key=key)
    assert odd.wait_for().type == "odd"


async def test_session_is_reached_by_await_when_its_name_needs_quoting(server: MockServer) -> None:
    odd = server.session("a b/ü?#%2F").aio
    assert (await odd.settings()).session == odd.name


def test_answers_are_kept_apart_when_many_threads_ask(server: MockServer) -> None:
    def ask(number: int) -> str:
        session = server.session(f"pk_thread_{number}")
        send_whisperr(session, whisperr_event(f"from_{number}"))
        session.settings(keys=[session.name])
        return f"{session.settings().session} {session.wait_for().type}"

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(ask, range(64)))
    assert said == [f"pk_thread_{number} from_{number}" for number in range(64)]


def test_many_waits_are_open_at_once_when_threads_block_in_them(server: MockServer) -> None:
    sessions = [server.session(f"pk_waits_{number}") for number in range(32)]
    with ThreadPoolExecutor(32) as pool:
        waits = [pool.submit(session.wait_for, type="late") for session in sessions]
        for session in sessions:
            send_whisperr(session, whisperr_event("late"))
        assert {wait.result().type for wait in waits} == {"late"}


def test_connection_is_made_anew_when_the_server_hung_up_meanwhile() -> None:
    server = MockServer(session="pk_x")
    with server:
        port = int(server.url.rpartition(":")[2])
        client = MockServer.connect(server.url, session="pk_x")
        assert client.events() == []
    with MockServer(port=port), client:
        assert client.events() == []


def test_all_pages_are_read_when_there_are_more_rows_than_one_holds(server: MockServer) -> None:
    session = server.session("pk_pages")
    for part in range(5):
        batch = [whisperr_event("row", user=f"user_{part}_{number}") for number in range(250)]
        assert send_whisperr(session, *batch) == 202
    assert [event.seq for event in session.events()] == list(range(1, 1251))
    assert len(session.deliveries()) == 1250


def test_tls_is_spoken_when_the_url_says_https(server: MockServer) -> None:
    client = Client(server.url.replace("http:", "https:"), session="x")
    with client, pytest.raises(UnreachableError) as failed:
        client.events()
    assert isinstance(failed.value.__context__, ExchangeError)
    assert isinstance(failed.value.__context__.reason, ssl.SSLError)


def test_awaited_session_offers_the_same_when_compared_with_the_blocking_one() -> None:
    def offered(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert offered(AsyncSession) == offered(Session) - {"aio", "connections"}
    assert offered(AsyncFaults) == offered(Faults)
    assert offered(AsyncClock) == offered(Clock)
