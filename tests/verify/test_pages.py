"""Servers written from the pages alone pass verify, as far as the pages go: it holds nobody to what they do not say."""

from __future__ import annotations

import ast
import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest
from aiohttp import web
from click.testing import CliRunner

from mockserver.cli.main import main
from mockserver.contract.library import library
from mockserver.strategies.samples import Request
from mockserver.verify import Outcome, Reply, Setup, Status
from tests.conftest import COUNTED
from tests.verify.inprocess import KEYS, Ticking
from tests.verify.pages import apex, outlit, read_otherwise, whisperr
from tests.verify.pages.readings import Reading
from tests.verify.pages.web import Asked, Server, Silent, handler
from tests.verify.prepared import verify

SERVERS: dict[str, Server] = {"outlit": outlit.server, "apex": apex.server, "whisperr": whisperr.server}
SILENT = {
    "plain": Silent(),
    "other statuses": Silent(
        refused=422, taken=202, none_taken=422, words="please check ", headers={"X-Served-By": "page"}
    ),
    "strict": Silent(refused=403, unlisted=False),
    "nulls are absent": Silent(taken=204, none_taken=207, null_is_absent=True),
}
"""What the pages leave open, decided in several ways."""
FOLDER = Path(outlit.__file__).parent


class Page:
    """The way to a page's server without sockets. No time passes there."""

    def __init__(self, server: Server, silent: Silent) -> None:
        self.server = server
        self.silent = silent
        self.clock = Ticking()

    def send(self, request: Request) -> Reply:
        headers = {name.lower(): value for name, value in request.headers}
        now = self.clock.ms / 1000
        asked = Asked(method=request.method, path=request.path, headers=headers, body=request.body, now=now)
        answer = self.server(asked, self.silent)
        kind = {} if answer.value is None else {"content-type": "application/json"}
        own = {name.lower(): value for name, value in (*answer.headers.items(), *self.silent.headers.items())}
        return Reply(
            status=answer.status, headers={**own, **kind}, body=b"" if request.method == "HEAD" else answer.body
        )

    def pause(self, ms: int) -> None:
        """Take no time."""

    def now_ms(self) -> int:
        return self.clock.ms

    def clock_error_ms(self) -> int | None:
        return None


def outcomes_of(protocol: str, silent: Silent, server: Server | None = None) -> list[Outcome]:
    contract = library().protocol(protocol).contract("documented")
    setup = Setup(key=KEYS[protocol], rate=1_000_000, bases=frozenset({"docs"}))
    return verify(contract, setup, Page(server or SERVERS[protocol], silent))


@pytest.mark.parametrize("choice", SILENT)
@pytest.mark.parametrize("protocol", SERVERS)
def test_server_written_from_the_page_fails_nothing_when_only_the_page_counts(
    protocol: str, choice: str, record_property: Callable[[str, object], None]
) -> None:
    outcomes = outcomes_of(protocol, SILENT[choice])
    failed = {outcome.rule.id: outcome.finding for outcome in outcomes if outcome.status is Status.FAILED}
    passed = sum(outcome.status is Status.PASSED for outcome in outcomes)
    record_property(COUNTED, f"the page of {protocol}, {choice}: {passed} of {len(outcomes)} rules passed")
    assert failed == {}
    assert passed >= 0.8 * len(outcomes)


@contextmanager
def serving(server: Server, silent: Silent) -> Iterator[str]:
    """Serve a page over HTTP, from a thread; yield its URL."""
    loop, ready, addresses = asyncio.new_event_loop(), threading.Event(), list[str]()

    async def start() -> web.ServerRunner:
        runner = web.ServerRunner(web.Server(handler(server, silent, time.time)))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        addresses.append(f"http://{host}:{port}")
        return runner

    def run() -> None:
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield addresses[0]
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


@pytest.mark.parametrize("protocol", SERVERS)
def test_report_is_short_and_clean_when_the_page_is_served_over_http(protocol: str) -> None:
    with serving(SERVERS[protocol], SILENT["other statuses"]) as url:
        words = ["verify", "--target", url, "--protocol", protocol, "--key", KEYS[protocol]]
        words += ["--revision", "documented", "--basis", "docs", "--rate", "100000", "--examples", "3"]
        result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) < 60, result.output


@pytest.mark.parametrize("module", ["outlit", "apex", "whisperr", "web", "readings", "read_otherwise"])
def test_page_knows_nothing_of_the_product(module: str) -> None:
    tree = ast.parse((FOLDER / f"{module}.py").read_text())
    imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    allowed = {"aiohttp", "tests.verify.pages.web", "tests.verify.pages.readings"}
    foreign = [name for name in imported if name not in allowed and name.partition(".")[0] in ("mockserver", "tests")]
    assert foreign == []
    assert imported


READINGS = range(5)


@pytest.mark.parametrize("number", READINGS)
@pytest.mark.parametrize("protocol", SERVERS)
def test_server_fails_nothing_when_its_page_is_read_otherwise(protocol: str, number: int) -> None:
    reading = Reading(number)
    outcomes = outcomes_of(protocol, Silent(), lambda asked, _: read_otherwise.SERVERS[protocol](asked, reading))
    failed = {outcome.rule.id: outcome.finding for outcome in outcomes if outcome.status is Status.FAILED}
    assert failed == {}
    assert sum(outcome.status is Status.PASSED for outcome in outcomes) >= 0.8 * len(outcomes)


FAULTS: list[tuple[ModuleType, str, object, str]] = [
    (outlit, "MOST", 101, "/requests/envelope/properties/events/maxItems"),
    (outlit, "KEY", re.compile("pk"), "/protocol/credentials/public_key/pattern"),
    (outlit, "SOURCES", (*outlit.SOURCES, "CLIENT"), "/requests/envelope/properties/source/enum"),
    (outlit, "REQUIRED", ("type", "url"), "/events/pageview/required/path"),
    (outlit, "UNKNOWN", "Unknown type", "/protocol/messages/unknown_type"),
    (outlit, "UTM", {**outlit.UTM, "term": bool}, "/events/shared/common/properties/utm/properties/term"),
    (apex, "SNIPPET", {**apex.SNIPPET, "visitorId": apex.text}, ""),
    (apex, "EVENT", {"type": apex.named}, "/events/batch_event/required/url"),
    (apex, "OPTIONAL", {"timestamp": apex.moment}, "/events/snippet/properties/data/type"),
    (whisperr, "NAME", re.compile("[a-z0-9]+(?:[_-][a-z0-9]+)*"), "/events/event/properties/event_type/pattern"),
    (whisperr, "MOST", 499, "/requests/batch/properties/events"),
    (whisperr, "LATE_S", 0, "/events/event/properties/occurred_at"),
    (whisperr, "EARLY_S", 31 * 24 * 3600, "/protocol/windows/occurred_at/past_ms"),
    (whisperr, "TIME", re.compile("[0-9T:.-]+Z"), ""),
    (apex, "EVENT", {"type": apex.named, "url": apex.text}, ""),
]
"""What a page's server gets wrong, by the name that it gives it, and the fact that this breaks; none where the page
does not say so, but a contract has it."""


@pytest.mark.parametrize(
    ("page", "name", "value", "told"),
    FAULTS,
    ids=[f"{page.__name__.rpartition('.')[2]} {name} {number}" for number, (page, name, *_) in enumerate(FAULTS)],
)
def test_page_is_noticed_when_it_is_read_wrongly(
    monkeypatch: pytest.MonkeyPatch, page: ModuleType, name: str, value: object, told: str
) -> None:
    monkeypatch.setattr(page, name, value)
    outcomes = outcomes_of(page.__name__.rpartition(".")[2], Silent())
    named = [name for outcome in outcomes if outcome.finding for name in (outcome.rule.id, outcome.finding.fact)]
    assert any(name.startswith(told) for name in named) if told else named == []
