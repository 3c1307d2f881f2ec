"""https on the mocked port, with real clients: curl, Python, Node and an SDK."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest

from mockserver import MockServer
from mockserver.errors import SettingsError, UnreachableError
from mockserver.server.running import serving
from mockserver.sessions.steps import Cut
from mockserver.settings import Settings
from tests.command import run_command
from tests.processes import ServerProcess, environment, run, served
from tests.sdks.harness import absent, program
from tests.server.watching import WatchedUnseen

SELF_SIGNED = ("--tls", "self-signed")
EVENT = {"external_user_id": "user_1", "event_type": "trial_started", "context": {"$message_id": "m1"}}
BODY = json.dumps({"events": [EVENT]})


@pytest.fixture(autouse=True)
def _trustme() -> None:
    try:
        import trustme
    except ImportError:
        absent("trustme is not installed")
    assert trustme


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signs itself for nobody else, and its key."""
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.cert_chain_pems[0].write_to_path(str(cert))
    certificate.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return cert, key


def ca_file_of(server: ServerProcess) -> Path:
    assert server.process.stdout is not None
    line = server.process.stdout.readline().rstrip("\n")
    assert line.startswith("mockserver CA file /"), line
    return Path(line.removeprefix("mockserver CA file "))


def requests_seen(url: str, ca_file: Path, key: str) -> int:
    with MockServer.connect(url, session=key, ca_file=ca_file) as session:
        return len(session.requests())


def test_curl_node_python_and_an_sdk_speak_to_a_self_signed_server(tmp_path: Path) -> None:
    with served(*SELF_SIGNED, "--ready-file", str(tmp_path / "url.txt")) as server:
        ca_file = ca_file_of(server)
        assert ca_file == tmp_path / "url.txt.ca.pem"
        assert server.url.startswith("https://127.0.0.1:")
        assert (tmp_path / "url.txt").read_text() == f"{server.url}\n"
        track = f"{server.url}/v1/events/batch"
        headers = ("-H", "X-API-Key: wrk_tls", "-H", "Content-Type: application/json")
        curl = ["curl", "--silent", "--fail-with-body", "--cacert", str(ca_file), *headers, "-d", BODY]
        for host in ("127.0.0.1", "localhost"):
            there = track.replace("127.0.0.1", host)
            sent = subprocess.run([*curl, there], capture_output=True, timeout=30, check=False)
            assert sent.returncode == 0, sent
        script = f"""const reply = await fetch({track!r}, {{method: "POST", body: {BODY!r},
            headers: {{"X-API-Key": "wrk_tls", "Content-Type": "application/json"}}}}); console.log(reply.status)"""
        node = subprocess.run(
            [program("node"), "--input-type=module", "-e", script],
            env=environment({"NODE_EXTRA_CA_CERTS": str(ca_file)}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert node.stdout == "202\n", node.stderr
        request = urllib.request.Request(
            track, BODY.encode(), {"X-API-Key": "wrk_tls", "Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=ca_file)),
        )
        with opener.open(request, timeout=30) as reply:
            assert reply.status == 202
        code = f"""from whisperr import Whisperr
client = Whisperr(api_key="wrk_tls", base_url={server.url!r})
client.track("user_1", "trial_started")
client.flush()
client.close() if hasattr(client, "close") else None"""
        sdk = subprocess.run(
            [sys.executable, "-c", code],
            env=environment({"SSL_CERT_FILE": str(ca_file), "REQUESTS_CA_BUNDLE": str(ca_file)}),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert sdk.returncode == 0, sdk.stderr
        assert requests_seen(server.url, ca_file, "wrk_tls") == 5


def test_commands_take_the_ca_file() -> None:
    with served(*SELF_SIGNED) as server:
        ca_file = str(ca_file_of(server))
        report = ("report", server.url, "--session", "wrk_tls", "--allow-empty")
        dry = (
            "verify",
            "--target",
            server.url,
            "--protocol",
            "whisperr",
            "--key",
            "wrk_tls",
            "--only",
            "/protocol/cors",
        )
        assert run("ready", server.url, "--ca-file", ca_file).returncode == 0
        assert run("ready", server.url, variables={"SSL_CERT_FILE": ca_file}).returncode == 0
        assert run("ready", server.url, variables={"MOCKSERVER_READY_CA_FILE": ca_file}).returncode == 0
        own = {"MOCKSERVER_SERVE_TLS": "self-signed", "PORT": str(server.port)}
        assert run("ready", variables=own).returncode == 0
        assert run_command(*report, "--ca-file", ca_file).exit_code == 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SSL_CERT_FILE", ca_file)
            assert run_command(*report).exit_code == 0
        assert run_command(*dry, "--ca-file", ca_file).exit_code == 0
        for command in (report, ("ready", server.url), dry):
            untrusted = run_command(*command)
            assert untrusted.exit_code == 3
            assert "the certificate is not trusted: " in untrusted.stderr
            assert "--ca-file" in untrusted.stderr
        missing = run_command(*report, "--ca-file", "/none.pem")
        assert (missing.exit_code, "cannot read the CA file /none.pem" in missing.stderr) == (2, True)
        server.end()
        assert not Path(ca_file).exists()
        assert not Path(ca_file).parent.exists()


def test_certificate_of_the_user_is_served(pair: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = pair
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    for flags in (("--tls-cert", str(cert), "--tls-key", str(key)), ("--tls-cert", str(both))):
        with served(*flags) as server:
            assert server.url.startswith("https://")
            assert requests_seen(server.url, tmp_path / "ca.pem", "wrk_tls") == 0
            assert requests_seen(server.url, cert, "wrk_tls") == 0


def refusal(**options: Any) -> str:
    with pytest.raises(SettingsError) as error, MockServer(**options):
        pass
    return str(error.value)


def test_unusable_certificates_are_refused_at_the_start(pair: tuple[Path, Path], tmp_path: Path) -> None:
    import trustme
    from cryptography.hazmat.primitives import serialization as s

    cert, key = pair
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    other = tmp_path / "other.pem"
    foreign = trustme.CA().issue_cert("a.test").private_key_pem
    foreign.write_to_path(str(other))
    locked = tmp_path / "locked.pem"
    private = s.load_pem_private_key(foreign.bytes(), None)
    locked.write_bytes(
        private.private_bytes(s.Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret"))
    )
    assert "cannot read /none.pem" in refusal(tls_cert=Path("/none.pem"))
    assert "cannot read" in refusal(tls_cert=tmp_path)
    assert "--tls-key needs --tls-cert" in refusal(tls_key=key)
    assert "not a certificate and its private key" in refusal(tls_cert=empty, tls_key=key)
    assert "not a certificate and its private key" in refusal(tls_cert=cert)
    assert "does not belong to the certificate" in refusal(tls_cert=cert, tls_key=other)
    assert "encrypted" in refusal(tls_cert=cert, tls_key=locked)
    assert (
        refusal(tls="self-singed") == 'tls must be one of self-signed; got "self-singed", did you mean "self-signed"?'
    )
    assert "exclude each other" in refusal(tls="self-signed", tls_cert=cert)


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    assert "pip install 'mockserver[tls]'" in refusal(tls="self-signed")


def test_python_server_has_its_ca_file() -> None:
    server = MockServer(tls="self-signed")
    with pytest.raises(RuntimeError, match="there is no CA file"):
        _ = server.ca_file
    with server:
        ca_file = server.ca_file
        assert server.url.startswith("https://")
        assert server.events() == []
        with MockServer.connect(server.url, ca_file=str(ca_file)) as client:
            assert client.events() == []
        with pytest.raises(UnreachableError, match="certificate"), MockServer.connect(server.url) as stranger:
            stranger.events()
    assert not ca_file.exists()


async def test_python_server_on_the_loop_has_its_ca_file() -> None:
    async with MockServer(tls="self-signed") as session:
        assert await session.events() == []


async def exchange(url: str, context: ssl.SSLContext | None, *requests: bytes) -> bytes:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
    for request in requests:
        writer.write(request)
    if context is None:
        writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_failed_handshakes_are_told() -> None:
    async with serving(Settings(port=0, tls="self-signed")) as (app, url):
        unseen = WatchedUnseen(app.unseen)
        await exchange(url, None, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert await unseen.next() == "plain HTTP on the TLS port: use an https:// URL"
        with pytest.raises(ssl.SSLError):
            await exchange(url, ssl.create_default_context())
        assert "not finished its handshake" in await unseen.next()
        curl = await asyncio.create_subprocess_exec("curl", "--silent", url)
        assert await curl.wait() == 60
        assert "does not trust the certificate" in await unseen.next()
        context = ssl.create_default_context(cafile=app.ca_file)
        address = urlsplit(url)
        _, writer = await asyncio.open_connection(address.hostname, address.port, ssl=context)
        writer.close()
        assert "does the client trust the certificate" in await unseen.next()
        reply = await exchange(url, context, b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert reply.startswith(b"HTTP/1.1 200 OK")
        assert app.unseen.count == 4


@pytest.mark.parametrize("kind", get_args(Cut))
def test_connection_faults_work_on_tls(kind: Cut) -> None:
    with MockServer(tls="self-signed") as server:
        server.faults.add(connection=kind, times=1)
        context = ssl.create_default_context(cafile=server.ca_file)
        address = urlsplit(server.url)
        with (
            socket.create_connection((address.hostname or "", address.port or 0), timeout=20) as plain,
            context.wrap_socket(plain, server_hostname=address.hostname) as connection,
        ):
            head = f"POST /v1/events/batch HTTP/1.1\r\nHost: a\r\nX-API-Key: {server.key}\r\n"
            connection.sendall(f"{head}Content-Length: {len(BODY)}\r\n\r\n{BODY}".encode())
            received = b""
            try:
                while data := connection.recv(1000):
                    received += data
            except OSError:
                assert kind not in ("dribble", "close_idle")
        assert bool(received) == (kind not in ("reset", "drop"))
        assert len(server.requests()) == 1
