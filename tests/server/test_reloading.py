"""Contract files that change while the server runs: taken as a whole, or not at all."""

from __future__ import annotations

import asyncio
import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.contract import Contract
from mockserver.contract.serving import ContractChoice, ServedContracts
from mockserver.errors import SettingsError
from mockserver.server import reloading
from mockserver.server.app import App
from mockserver.server.reloading import load, reload, state_of
from mockserver.server.running import serving
from mockserver.sessions.session_name import tagged
from mockserver.settings import Settings
from tests.judging import FOURTH
from tests.processes import SEARCH, ServerProcess, run, served
from tests.server.mutators import outlit
from tests.server.raw import Plain


def write(path: Path, max_bytes: int, protocol: str = "outlit") -> None:
    path.write_text(f"protocol: {protocol}\npatch: {{protocol: {{limits: {{body: {{max_bytes: {max_bytes}}}}}}}}}\n")


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


@pytest.fixture
def patch(tmp_path: Path) -> Path:
    path = tmp_path / "patch.yaml"
    write(path, 2000)
    return path


@pytest.fixture
def app(patch: Path) -> App:
    return App(Settings(contract_patches=(patch,), reload=True))


async def reloaded(app: App, patch: Path) -> bool:
    settings = Settings(contract_patches=(patch,), reload=True)
    return await reload(settings, app.handlers.contracts, app.store)


def outlit_of(app: App) -> Contract:
    return app.handlers.contracts.served["outlit"]


def status(server: ServerProcess, request: Plain) -> int:
    with server.connect(request.wire("Connection: close").decode()) as connection:
        return int(connection.recv(100).split()[1])


def test_change_is_taken_and_a_mistake_is_not(patch: Path, tmp_path: Path) -> None:
    request = outlit("pk_reload", "click")
    with served("--contract-patch", str(patch), "--reload") as server:
        assert status(server, request) == 200
        write(patch, 10)
        assert "contracts reloaded; changed: outlit" in server.log_until("reloaded")
        assert status(server, request) == 413
        patch.write_text("protocol: outlit\npatch: {protocol: {limit: {}}}\n")
        log = server.log_until("not reloaded")
        assert f"{patch}#/patch/protocol" in log
        assert "limits" in log
        assert status(server, request) == 413
        saved = tmp_path / "saved"
        write(saved, 2000)
        saved.replace(patch)
        server.log_until("contracts reloaded")
        assert status(server, request) == 200
        patch.unlink()
        assert f"{patch}#/: cannot be read: No such file or directory" in server.log_until("not reloaded")
        assert status(server, request) == 200


async def test_change_is_taken_when_it_comes_before_the_first_look(
    patch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = asyncio.Event()

    async def told(*arguments: Any) -> bool:
        done.set()
        return await reload(*arguments)

    monkeypatch.setattr(reloading, "reload", told)
    monkeypatch.setattr(reloading, "POLL_S", 0.01)
    async with serving(Settings(port=0, contract_patches=(patch,), reload=True)):
        write(patch, 10)
        async with asyncio.timeout(SEARCH):
            assert await done.wait()


async def test_journal_keeps_the_contract_of_its_time(app: App, patch: Path) -> None:
    before, library = outlit_of(app), app.handlers.contracts.library
    write(patch, 10)
    assert await reloaded(app, patch)
    assert (before.max_body, outlit_of(app).max_body) == (2000, 10)
    assert app.handlers.contracts.library is library
    assert app.handlers.contracts.served["apex"] is library.protocol("apex").contract()


async def test_nothing_changes_when_the_files_say_the_same(
    app: App, patch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = outlit_of(app)
    append(patch, "# a comment\n")
    with caplog.at_level(logging.INFO, "mockserver"):
        assert await reloaded(app, patch)
    assert outlit_of(app) is before
    assert caplog.messages == ["contracts reloaded; changed: none"]


async def test_session_keeps_its_own_patch(app: App, patch: Path) -> None:
    own = {"outlit": ContractChoice(patch={"protocol": {"limits": {"body": {"max_bytes": 64}}}})}
    app.store.session("pk_own").settings.protocols = own
    write(patch, 10)
    assert await reloaded(app, patch)
    assert app.handlers.contracts.of(own, "outlit").max_body == 64
    assert app.handlers.contracts.of({}, "outlit").max_body == 10


async def test_files_that_no_longer_fit_a_session_change_nothing(
    app: App, patch: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(patch, 10)
    own = {"outlit": ContractChoice(revision="gone")}
    app.store.session("pk_a-session-with-a-long-name").settings.protocols = own
    assert not await reloaded(app, patch)
    assert outlit_of(app).max_body == 2000
    message = caplog.messages[-1]
    assert message.startswith("contracts not reloaded, those in force stay: ")


async def test_session_that_chooses_while_the_files_are_read_is_checked(
    app: App, patch: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def slow(settings: Settings) -> ServedContracts:
        new = load(settings)
        app.store.session("pk_late").settings.protocols = {"outlit": ContractChoice(revision="gone")}
        return new

    monkeypatch.setattr(reloading, "load", slow)
    write(patch, 10)
    assert not await reloaded(app, patch)
    assert outlit_of(app).max_body == 2000
    assert f"in session {tagged('pk_late')}, whose own" in caplog.text


async def test_files_are_read_in_another_thread(app: App, patch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[Any] = []

    def noted(settings: Settings) -> ServedContracts:
        threads.append(threading.current_thread())
        return load(settings)

    monkeypatch.setattr(reloading, "load", noted)
    assert await reloaded(app, patch)
    assert threads != [threading.main_thread()]


async def test_folder_of_a_protocol_is_watched_and_cannot_vanish(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "contracts"
    for path in FOURTH.rglob("*"):
        if path.is_file():
            copy = folder / path.relative_to(FOURTH)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(path.read_bytes())
    settings = Settings(contracts=(folder,), reload=True)
    app = App(settings)
    before = state_of(settings)
    assert {path.suffix for path in before} <= {".yaml", ".py"}
    document = next(folder.rglob("protocol.yaml"))
    text = document.read_text()
    document.write_text(text + "\n# changed\n")
    assert state_of(settings) != before
    assert await reload(settings, app.handlers.contracts, app.store)
    document.write_text(text + "\nunheard_of: 1\n")
    assert not await reload(settings, app.handlers.contracts, app.store)
    assert "unheard_of" in caplog.text
    smaller = settings._replace(contracts=())
    assert not await reload(smaller, app.handlers.contracts, app.store)
    assert "the protocol is gone" in caplog.text


def test_reload_without_files_is_an_error() -> None:
    with pytest.raises(SettingsError, match="--reload watches the files of --contract-patch and --contracts"):
        App(Settings(reload=True))
    refused = run("serve", "--reload", "--port", "0")
    assert (refused.returncode, "give one of them" in refused.stderr) == (2, True)
