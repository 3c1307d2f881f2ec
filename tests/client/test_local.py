"""A server in this process: its life, its two ways to run, and what the package costs to import."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import pytest
from whisperr import Whisperr

import mockserver
from mockserver import AsyncSession, ContractError, MockServer, SettingsError, UnreachableError
from mockserver.client.local import Options
from mockserver.settings import Settings
from tests.sending import send_whisperr, whisperr_event

Started: TypeAlias = Callable[[], set[str]]


@pytest.fixture
def started() -> Started:
    """The names of the threads that were started since; those of other tests' servers may run as long as theirs."""
    before = set(threading.enumerate())
    return lambda: {thread.name for thread in set(threading.enumerate()) - before}


def test_sdk_is_tested_as_the_readme_says_when_the_server_runs_in_this_process() -> None:
    with MockServer() as mock_server:
        client = Whisperr(api_key=mock_server.key, base_url=mock_server.url)
        client.track("user_1", "trial_started")
        client.flush()
        event = mock_server.wait_for(protocol="whisperr", type="trial_started")
        assert event.verdict == "accepted"
        client.shutdown()


def test_thread_and_port_are_gone_when_the_block_ends(started: Started) -> None:
    with MockServer() as server:
        assert "mockserver" in started()
        send_whisperr(server, whisperr_event("x"))
        host, port = server.url.removeprefix("http://").split(":")
    assert "mockserver" not in started()
    with socket.socket() as probe:
        assert probe.connect_ex((host, int(port))) != 0
    with pytest.raises(RuntimeError, match="context manager"):
        _ = server.url


def test_thread_is_gone_when_the_block_fails(started: Started) -> None:
    with pytest.raises(ZeroDivisionError), MockServer():
        _ = 1 / 0
    assert "mockserver" not in started()


def test_server_starts_again_when_it_was_stopped() -> None:
    server = MockServer(session="pk_same")
    with server:
        send_whisperr(server, whisperr_event("first"))
        with pytest.raises(RuntimeError, match="already running"):
            server.__enter__()
    with server:
        assert server.events() == []


def test_servers_share_nothing_when_two_run_at_once() -> None:
    with MockServer(session="pk_both") as one, MockServer(session="pk_both", rate_limits="off") as two:
        send_whisperr(one, whisperr_event("one"))
        two.patch("whisperr", {"protocol": {"replies": {"counted": {"status": 299}}}})
        assert two.events() == []
        assert (one.settings().rate_limits, two.settings().rate_limits) == ("warn", "off")
        assert send_whisperr(one, whisperr_event("one")) == 202


def test_key_is_new_and_taken_by_all_protocols_when_none_is_given() -> None:
    with MockServer() as one, MockServer() as two:
        assert one.key != two.key
        assert one.key_for("outlit") == one.key
        assert one.key.startswith("pk_")


def test_start_says_what_is_wrong_when_a_setting_cannot_be_used(tmp_path: Path, started: Started) -> None:
    with pytest.raises(ContractError, match='unknown revision "r99"'), MockServer(revisions={"outlit": "r99"}):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=str(port)), MockServer(port=port):
            pass
    assert "mockserver" not in started()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate_limits": "of"}, 'rate_limits must be one of warn, enforce, off; got "of", did you mean "off"?'),
        ({"port": 65536}, "port must be at most 65535"),
        ({"port": -1}, "port must not be negative"),
        ({"max_sessions": -1}, "max_sessions must not be negative"),
    ],
)
def test_option_with_a_value_out_of_range_is_refused_when_the_server_is_made(options: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)):
        MockServer(**options)


def test_files_and_names_are_taken_from_lists_of_strings(tmp_path: Path) -> None:
    patch, token = tmp_path / "patch.yaml", tmp_path / "token"
    patch.write_text("protocol: whisperr\npatch: {protocol: {replies: {counted: {status: 299}}}}\n")
    token.write_text("secret")
    options: Any = {"contract_patches": [str(patch)], "allowed_hosts": ["mock.example"], "admin_token_file": str(token)}
    options |= {"rate_limits": None, "contracts": None}
    with MockServer(**options) as server:
        assert send_whisperr(server, whisperr_event("a")) == 299
        assert server.settings().rate_limits == "warn"


def test_options_are_the_settings_that_make_sense_in_process() -> None:
    of_a_process = {"ready_file", "log_level", "log_format", "workers"}
    names = set(Settings._fields) - of_a_process
    assert set(Options.__annotations__) == names


def test_control_surface_is_reached_when_a_token_guards_it() -> None:
    with MockServer(admin_token="secret") as server:
        assert server.events() == []
        with MockServer.connect(server.url, "secret", session=server.name) as elsewhere:
            assert elsewhere.settings().session == server.name
        with (
            MockServer.connect(server.url, "wrong", session="x") as stranger,
            pytest.raises(mockserver.ControlError, match="401"),
        ):
            stranger.events()


def test_control_surface_is_reached_when_its_token_is_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret\n")
    with MockServer(admin_token_file=file) as server:
        file.unlink()
        assert server.events() == []
        with MockServer.connect(server.url, "secret\r\n", session=server.name) as elsewhere:
            assert elsewhere.settings().session == server.name


async def test_server_runs_on_the_loop_when_entered_with_async_with(started: Started) -> None:
    before = asyncio.all_tasks()
    async with MockServer() as server:
        assert isinstance(server, AsyncSession)
        assert "mockserver" not in started()
        async with aiohttp.ClientSession() as client:
            waiting = asyncio.create_task(server.wait_for(type="signed_up"))
            body = {"events": [whisperr_event("signed_up")]}
            async with client.post(f"{server.url}/v1/events/batch", json=body, headers={"X-API-Key": server.key}) as r:
                assert r.status == 202
            assert (await waiting).type == "signed_up"
        await server.wait_until_quiet(0.01)
    assert asyncio.all_tasks() == before


async def test_wait_ends_at_once_when_its_task_is_cancelled() -> None:
    async with MockServer() as server:
        waiting = asyncio.create_task(server.wait_for(timeout=60))
        other = asyncio.create_task(server.wait_for(type="x", timeout=0.05))
        with pytest.raises(mockserver.WaitError):
            await other
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_blocking_call_is_refused_when_the_server_runs_on_the_loop() -> None:
    mock = MockServer()
    async with mock:
        with pytest.raises(RuntimeError, match="await"):
            mock.events()
        assert await mock.aio.events() == []


async def test_block_ends_when_a_wait_is_still_open_on_the_loop() -> None:
    async with MockServer() as server:
        waiting = asyncio.create_task(server.wait_for(timeout=60))
        assert await server.events() == []
    with pytest.raises((UnreachableError, mockserver.WaitError)):
        await waiting


def test_import_is_light_when_nothing_is_used() -> None:
    code = (
        "import sys, mockserver, mockserver.pytest_plugin\n"
        "assert mockserver.__all__\n"
        "heavy = {'aiohttp', 'asyncio', 'http.client', 'jsonschema', 'jsonschema_rs', 'orjson', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_there_when_asked_for() -> None:
    for name in mockserver.__all__:
        assert getattr(mockserver, name) is not None
    with pytest.raises(AttributeError, match="MockServre"):
        _ = mockserver.MockServre
