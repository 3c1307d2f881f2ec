"""The plugin beside the tools of others in the same test: real ones, each in a run of pytest of its own."""

from __future__ import annotations

import importlib.util
import os

import pytest

from mockserver import MockServer
from tests.test_pytest_plugin import Runs, other_server, runs

__all__ = ["other_server", "runs"]

pytest_plugins = ["pytester"]
LOOP = ("-o", "asyncio_default_fixture_loop_scope=function", "-o", "asyncio_mode=auto")


def need(module: str) -> None:
    """Skip without the tool on a laptop, never in CI."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("CI"):
            pytest.fail(f"{module} is not installed", pytrace=False)
        pytest.skip(f"{module} is not installed")


def test_cassettes_neither_refuse_nor_record_our_own_calls(runs: Runs) -> None:
    need("pytest_recording")
    runs.write(
        test_vcr="""
        import pathlib
        import pytest
        from sending import send

        @pytest.mark.vcr
        def test_none(mock_server):
            assert mock_server.events() == []
            mock_server.faults.add(reply={"status": 503}, times=1)
            with pytest.raises(AssertionError):
                mock_server.wait_for(type="never", timeout=0)

        @pytest.mark.vcr
        async def test_aio(mock_server):
            assert await mock_server.aio.events() == []

        @pytest.mark.vcr(record_mode="all")
        def test_all(mock_server, request):
            assert send(mock_server, "seen") == 202
            assert mock_server.wait_for(type="seen")

        def test_cassette():
            (cassette,) = pathlib.Path("cassettes").rglob("*.yaml")
            text = cassette.read_text()
            assert "/v1/events/batch" in text
            assert "/_mock/" not in text
        """
    )
    runs.run("-p", "recording", "-p", "asyncio", *LOOP, "--record-mode=none", "-W", "default").assert_outcomes(passed=4)


@pytest.mark.parametrize("late", [False, True], ids=["named by the test", "asked for inside a cassette"])
def test_aiohttp_is_ours_when_it_is_replaced_before_a_client_is_made(runs: Runs, late: bool) -> None:
    need("vcr")
    fixture = "request" if late else "mock_server"
    get = "request.getfixturevalue('mock_server')" if late else "mock_server"
    runs.write(
        test_vcr=f"""
        import vcr

        def test_none({fixture}):
            with vcr.use_cassette("none.yaml", record_mode="none"):
                assert {get}.events() == []
        """
    )
    runs.run("-W", "default").assert_outcomes(passed=1)


WALK = """
import http.client
import json
import sys
from urllib.parse import urlsplit

import pytest
import yaml

from mockserver import WaitError
from sending import send


def ask(server, method, path, body=None, headers={}):
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    try:
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()


def test_first(fs, mock_server):
    assert send(mock_server, "a_b") == 202
    assert send(mock_server, "A B") == 400
    assert mock_server.events(verdict="rejected")[0].findings[0].message


def test_walk(fs, mock_server):
    before = set(sys.modules)
    assert send(mock_server, "fine", "A B") == 400
    status, document = ask(mock_server, "GET", "/_mock/openapi.json")
    paths = json.loads(document)["paths"]
    values = {
        "session": mock_server.key, "id": mock_server.requests()[0].id, "protocol": "whisperr", "document": "events"
    }
    asked = 0
    for path, item in paths.items():
        for method in sorted(set(item) & {"get", "put", "post", "patch", "delete"}):
            if method in ("put", "post", "patch", "delete"):
                continue
            place = path
            for name, value in values.items():
                place = place.replace("{%s}" % name, value)
            if "stream" in place:
                continue
            status, body = ask(mock_server, method.upper(), place)
            if place.endswith("/report"):  # another process makes it, and pyfakefs replaces the pipes to that
                assert (status, "no process can be run" in body.decode()) == (503, True)
                continue
            assert status < 500, (method, place, body)
            asked += status == 200
    assert asked > 12
    for method, what, body in [
        ("PATCH", "", {"rate_limits": "enforce", "protocols": {"whisperr": {"revision": "classic-2026-06"}}}),
        ("PATCH", "", {"protocols": {"apex": {"patch": {"protocol": {"limits": None}}}}}),
        ("PATCH", "", {"protocols": {"outlit": {"patch": {"protocol": {"polcy": 1}}}}}),
        ("PATCH", "", {"rate_limit": "x"}),
        ("POST", "/wait", {"match": {"type": "nothing"}, "timeout_ms": 1}),
        ("PUT", "/faults", [{"reply": {"status": 503}}]),
        ("POST", "/faults", {"reply": {"status": 429}}),
        ("DELETE", "/faults", None),
        ("PUT", "/clock", {"now": "2026-01-01T00:00:00Z"}),
        ("POST", "/clock/advance", {"ms": 1}),
        ("DELETE", "/clock", None),
    ]:
        place = f"/_mock/sessions/{mock_server.key}{what}"
        status, reply = ask(mock_server, method, place, None if body is None else json.dumps(body))
        assert status < 500, (method, place, reply)
    with pytest.raises(WaitError):
        mock_server.wait_for(type="never", timeout=0.01)
    mock_server.key_for("apex", "server_events")
    mock_server.deliveries()
    mock_server.export()
    assert [name for name in set(sys.modules) - before if not name.startswith(("pyfakefs", "encodings"))] == []


BODIES = [
    b"", b"{", b"[]", b"null", b'{"events": 1}', b'{"events": []}', b'{"events": [{}]}',
    b'{"events": [1, "\\\\ud800", null]}',
    b'{"source": "client", "events": [{"type": "custom", "eventName": 1, "timestamp": "x"}, {"type": "page"}]}',
    b'{"projectKey": "pk_x", "events": [{"type": "click", "url": 1, "data": []}]}',
    b'{"external_user_id": "", "traits": 1, "channels": [{"type": "email", "address": "@"}]}',
    b'{"external_user_id": "u", "event_type": "A B", "occurred_at": "2026-13-45", "properties": []}',
]


def test_vendors(fs, mock_server):
    status, facts = ask(mock_server, "GET", "/_mock/fidelity")
    operations = {}
    for fact in json.loads(facts)["facts"]:
        words = fact["pointer"].split("/")
        if words[1:3] == ["protocol", "operations"] and len(words) == 5:
            operations.setdefault((fact["protocol"], words[3]), {})[words[4]] = fact["value"]
    done = 0
    for (protocol, name), operation in operations.items():
        if "path" not in operation:
            continue
        place = operation["path"]
        for part in [word for word in place.split("/") if word.startswith("{")]:
            place = place.replace(part, mock_server.key_for("outlit"))
        for method in ("OPTIONS", "GET", operation.get("method", "POST")):
            for body in BODIES if method not in ("OPTIONS", "GET") else [None]:
                for key in ("X-API-Key", "X-Nothing"):
                    headers = {"Content-Type": "application/json", key: mock_server.key, "Origin": "http://x"}
                    status, reply = ask(mock_server, method, f"/_mock/s/{mock_server.key}{place}", body, headers)
                    assert status < 500, (protocol, name, reply)
                    done += 1
    assert done > 200
    rows = mock_server.events(verdict="rejected")
    assert len(rows) > 20 and all(row.findings for row in rows)
    assert not [row for row in mock_server.requests() if row.status == 500]
    details = [mock_server.request(row.id) for row in mock_server.requests()]
    assert any(detail.findings for detail in details)


def test_report_is_made_too(fs, mock_server):
    send(mock_server, "A B")
    assert not "shown"
"""


def test_nothing_of_ours_needs_files_when_pyfakefs_has_replaced_them(runs: Runs) -> None:
    need("pyfakefs")
    runs.write(test_fs=WALK)
    result = runs.run("-p", "pyfakefs.pytest_plugin", "-W", "default")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*mockserver session pk_report_is_made_too_*", "*event_type must match*"])


@pytest.mark.parametrize("frozen", ["freezegun.freeze_time", "time_machine.travel"])
@pytest.mark.parametrize("before", [False, True], ids=["in the test", "before the fixtures"])
def test_waits_and_delays_take_real_time_when_time_is_frozen(runs: Runs, frozen: str, before: bool) -> None:
    need(frozen.partition(".")[0])
    runs.write(
        test_frozen=f"""
        import datetime, time
        import {frozen.partition(".")[0]}
        import pytest
        from mockserver import WaitError
        from sending import send

        clock = time.perf_counter.__call__
        HOW = dict(tick=False) if "{frozen}".startswith("time_machine") else dict()

        @pytest.fixture
        def frozen():
            with {frozen}("2024-01-15T10:00:00Z", **HOW):
                yield

        @pytest.fixture(autouse={before})
        def first(request):
            if {before}:
                request.getfixturevalue("frozen")

        def check(mock_server):
            assert datetime.datetime.now(datetime.UTC).year == 2024
            mock_server.faults.add(delay_ms=200, times=1)
            assert send(mock_server, "a_b") == 202
            assert mock_server.wait_for(type="a_b").verdict == "accepted"
            mock_server.wait_for(exactly=1, quiet=0.2, timeout=2)
            mock_server.wait_until_quiet(0.1)
            with pytest.raises(WaitError, match="within 0.3 s"):
                mock_server.wait_for(type="never", timeout=0.3)

        def test_waits(mock_server, frozen):
            check(mock_server)
        """
    )
    runs.run("-W", "default", "-o", "faulthandler_timeout=20").assert_outcomes(passed=1)


def test_sleep_of_the_server_is_real_when_a_test_replaces_it(runs: Runs) -> None:
    runs.write(
        test_sleep="""
        import asyncio, time
        from sending import send

        def test_sleep(mock_server, monkeypatch):
            delays = []
            monkeypatch.setattr(time, "sleep", delays.append)

            async def sleep(seconds, result=None):
                delays.append(seconds)

            monkeypatch.setattr(asyncio, "sleep", sleep)
            mock_server.faults.add(delay_ms=300)
            began = time.perf_counter()
            assert send(mock_server, "a_b") == 202
            assert time.perf_counter() - began >= 0.3
            assert mock_server.events() and mock_server.deliveries()
            assert delays == []
        """
    )
    runs.run().assert_outcomes(passed=1)


def test_sockets_can_be_disabled(runs: Runs) -> None:
    need("pytest_socket")
    runs.write(
        test_socket="""
        import pytest
        from sending import send

        def test_disabled(mock_server):
            assert mock_server.events() == []

        async def test_aio(mock_server):
            assert await mock_server.aio.events() == []

        @pytest.mark.allow_hosts(["10.0.0.1"])
        def test_hosts(mock_server):
            assert mock_server.session("pk_other").events() == []

        @pytest.mark.enable_socket
        def test_enabled(mock_server):
            assert send(mock_server, "a_b") == 202
        """
    )
    options = ("--disable-socket", "--allow-unix-socket", "-p", "asyncio", *LOOP, "-W", "default")
    runs.run("-p", "socket", *options).assert_outcomes(passed=4)


def test_network_can_be_blocked_by_pytest_recording(runs: Runs) -> None:
    need("pytest_recording")
    runs.write(
        test_block="""
        import pytest

        @pytest.mark.block_network
        def test_blocked(mock_server):
            assert mock_server.events() == []
            with pytest.raises(AssertionError):
                mock_server.wait_for(type="never", timeout=0)

        @pytest.mark.block_network
        async def test_aio(mock_server):
            assert await mock_server.aio.events() == []
        """
    )
    runs.run("-p", "recording", "-p", "asyncio", *LOOP, "-W", "default").assert_outcomes(passed=2)


def test_classes_of_aiohttp_may_be_replaced(runs: Runs) -> None:
    runs.write(
        test_mocked="""
        from unittest import mock

        async def test_mocked(mock_server):
            with mock.patch("aiohttp.ClientSession"), mock.patch("aiohttp.TCPConnector"), mock.patch("socket.socket"):
                assert await mock_server.aio.events() == []
                assert mock_server.events() == []
        """
    )
    runs.run("-p", "asyncio", *LOOP, "-W", "default").assert_outcomes(passed=1)


def test_aioresponses_does_not_answer_our_own_calls(runs: Runs) -> None:
    need("aioresponses")
    runs.write(
        test_faked="""
        from aioresponses import aioresponses

        def test_faked(mock_server):
            with aioresponses():
                assert mock_server.events() == []

        async def test_aio(mock_server):
            with aioresponses():
                assert await mock_server.aio.events() == []
        """
    )
    runs.run("-p", "asyncio", *LOOP, "-W", "default").assert_outcomes(passed=2)


@pytest.mark.parametrize("how", ["reruns", "flaky", "count"])
def test_second_attempt_has_an_empty_session_of_its_own(runs: Runs, how: str) -> None:
    module, plugin, args = {
        "reruns": ("pytest_rerunfailures", "rerunfailures", ("--reruns", "2")),
        "flaky": ("flaky", "flaky", ("--force-flaky", "--max-runs", "3")),
        "count": ("pytest_repeat", "repeat", ("--count", "3")),
    }[how]
    need(module)
    runs.write(
        test_again="""
        import pathlib
        from sending import send

        def test_again(mock_server):
            assert mock_server.events() == []
            assert send(mock_server, "seen") == 202
            keys = pathlib.Path("keys")
            with keys.open("a") as file:
                print(mock_server.key, file=file)
            assert "COUNT" == "count" or len(keys.read_text().split()) == 3
        """.replace("COUNT", how)
    )
    runs.run("-p", plugin, *args, "-W", "default")
    keys = (runs.folder / "keys").read_text().split()
    assert len(keys) == len(set(keys)) == 3
    if how != "count":
        (runs.folder / "keys").unlink()
        runs.run("-W", "default")
        assert (runs.folder / "keys").read_text().split() == keys[:1]


def test_examples_of_hypothesis_have_a_session_each(runs: Runs) -> None:
    runs.write(
        test_given="""
        from hypothesis import given, settings, strategies as st
        from sending import send

        seen = set()

        @settings(max_examples=20, deadline=None)
        @given(st.from_regex("[a-z]{1,9}", fullmatch=True))
        def test_example(mock_server_sessions, kind):
            with mock_server_sessions() as session:
                assert session.key not in seen
                seen.add(session.key)
                assert send(session, kind) == 202
                assert [event.type for event in session.events()] == [kind]

        @settings(max_examples=20, deadline=None, derandomize=True, database=None)
        @given(st.integers(0, 9))
        def test_shown(mock_server_sessions, number):
            with mock_server_sessions("example", protocol="whisperr") as session:
                assert session.key.startswith("wrk_example_")
                send(session, f"a_{number}")
                assert number < 3

        @given(st.integers())
        def test_shared(mock_server, number):
            pass
        """
    )
    result = runs.run("-p", "hypothesispytest", "-W", "default")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*mockserver session wrk_example_*",
            "*whisperr a_3 by*",
            "*mockserver hint*",
            "*`with mock_server_sessions() as session:`*",
        ]
    )
    assert result.stdout.str().count("mockserver hint") == 1


def test_fixtures_of_a_wider_scope_have_sessions_and_the_url(runs: Runs) -> None:
    runs.write(
        test_wide="""
        import pytest
        from sending import send

        @pytest.fixture(scope="session", autouse=True)
        def settings(mock_server_url):
            assert mock_server_url.startswith("http://127.0.0.1:")
            return mock_server_url

        @pytest.fixture(scope="module")
        def telemetry(mock_server_sessions):
            with mock_server_sessions("telemetry", protocol="whisperr", rate_limits="off") as session:
                yield session

        def test_one(telemetry, mock_server, settings):
            assert telemetry.url == mock_server.url == settings
            assert telemetry.key != mock_server.key
            assert telemetry.settings().rate_limits == "off"
            assert send(telemetry, "first") == 202

        def test_two(telemetry):
            assert [event.type for event in telemetry.events()] == ["first"]
            assert False

        @pytest.fixture(scope="module")
        def narrow(mock_server):
            return mock_server

        def test_narrow(narrow): pass

        def test_unknown(mock_server_sessions):
            with mock_server_sessions("x", protocl="outlit"):
                pass
        """
    )
    result = runs.run_here()
    result.assert_outcomes(passed=1, failed=2, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_narrow*",
            "*mockserver hint*",
            "*`mock_server_sessions`, which opens sessions, or `mock_server_url`*",
            "*mockserver session wrk_telemetry_*",
            '*unknown argument "protocl", did you mean "protocol"*',
        ]
    )
    result.stdout.no_fnmatch_line("*During handling*")


def test_unittest_cases_get_sessions(runs: Runs) -> None:
    runs.write(
        test_case="""
        import unittest
        import pytest
        from mockserver import MockServer
        from sending import send

        class PerTest(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _mock_server(self, mock_server):
                self.server = mock_server

            def test_one(self):
                self.assertEqual(send(self.server, "a_b"), 202)
                self.server.wait_for(type="a_b")

            def test_two(self):
                self.assertEqual(self.server.events(), [])

        @pytest.fixture(scope="class")
        def telemetry(request, mock_server_sessions):
            with mock_server_sessions("telemetry") as session:
                request.cls.server = session
                yield

        @pytest.mark.usefixtures("telemetry")
        class PerClass(unittest.TestCase):
            def test_one(self):
                self.assertEqual(send(self.server, "a_b"), 202)

        class Alone(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.server = cls.enterClassContext(MockServer())

            def test_one(self):
                session = self.server.session(self.id())
                self.assertEqual(session.events(), [])
        """
    )
    runs.run_here().assert_outcomes(passed=4)


@pytest.mark.parametrize("workers", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "two workers"])
def test_runs_on_a_shared_server_stay_apart_when_nobody_names_them(
    runs: Runs, other_server: MockServer, workers: tuple[str, ...]
) -> None:
    runs.write(
        test_shared="""
        import pathlib, time
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_shared(mock_server, number):
            with pathlib.Path("keys").open("a") as keys:
                print(number, mock_server.key, file=keys)
        """
    )
    for _ in range(2):
        runs.run(*workers, "--mockserver-url", other_server.url).assert_outcomes(passed=4)
    keys = (runs.folder / "keys").read_text().split()[1::2]
    assert len(set(keys)) == 8


@pytest.mark.parametrize("form", ["{}", " {}/", "{}/ ", "http://{}", "HTTP://{}/", "//{}"])
@pytest.mark.parametrize("where", ["option", "variable", "ini"])
def test_url_is_taken_in_every_usual_form(
    runs: Runs, other_server: MockServer, form: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = form.format(other_server.url.removeprefix("http://"))
    runs.write(
        test_url=f"""
        def test_url(mock_server, mock_server_url):
            assert mock_server.events() == []
            assert mock_server.url == mock_server_url == {other_server.url!r}
        """
    )
    args: tuple[str, ...] = ()
    if where == "option":
        args = ("--mockserver-url", url)
        monkeypatch.setenv("MOCKSERVER_URL", "http://127.0.0.1:9")
    if where == "variable":
        monkeypatch.setenv("MOCKSERVER_URL", url)
    if where != "option":
        (runs.folder / "pytest.ini").write_text(
            f"[pytest]\nmockserver_url = {'http://127.0.0.1:9' if where == 'variable' else url}\n"
        )
    runs.run_here(*args).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://127.0.0.1:8207", "*--mockserver-url: ftp://127.0.0.1:8207 is not a valid URL*must be http or https*"),
        ("http://user:hunter2@127.0.0.1:8207", "*credentials in a URL are not supported*"),
        ("8207", "*write 127.0.0.1:8207*"),
        ("http:/127.0.0.1:8207", "*// is missing after http:*"),
        ("127.0.0.1:99999", "*Port out of range*"),
        ("127.0.0.1:0", "*port 0*"),
        ("127.0.0.1:8207/_mock/s/pk_x", "*without /_mock/s/pk_x*"),
        ("http://127.0.0.1:8207?x=1", "*must not have a query*"),
        ("::1:8207", "*is not a valid URL*"),
    ],
)
def test_run_ends_at_once_when_the_url_cannot_be_used(runs: Runs, url: str, said: str) -> None:
    runs.write(test_one="def test_one(mock_server): pass")
    result = runs.run_here("--mockserver-url", url)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([said])
    assert len([line for line in result.stderr.lines if line]) == 1
    assert "hunter2" not in result.stderr.str()


def test_url_of_a_variable_matters_only_to_tests_that_use_it(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.write(test_one="def test_one(): pass\ndef test_two(mock_server): pass")
    monkeypatch.setenv("MOCKSERVER_URL", "http://127.0.0.1:8207/_mock/s/pk_x")
    result = runs.run_here()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["MOCKSERVER_URL: * write it without /_mock/s/pk_x; expected a URL such as *"])


def test_sessions_of_many_threads_and_of_any_name_are_apart(runs: Runs) -> None:
    runs.write(
        test_many="""
        from concurrent.futures import ThreadPoolExecutor
        from sending import send

        def test_many(mock_server_sessions):
            def one(number):
                with mock_server_sessions("same") as session:
                    assert session.events() == []
                    assert send(session, "a_b") == 202
                    return session.key

            with ThreadPoolExecutor(8) as pool:
                assert len(set(pool.map(one, range(40)))) == 40

        def test_names(mock_server_sessions):
            for name in ("", "ü", "x" * 1000, "a/b c\\n", "\\ud800"):
                with mock_server_sessions(name) as one, mock_server_sessions(name) as two:
                    assert one.key != two.key
                    assert one.events() == []
        """
    )
    runs.run().assert_outcomes(passed=2)


def test_options_have_variables(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.write(
        test_options="""
        def test_options(mock_server):
            settings = mock_server.settings()
            assert settings.protocols["outlit"].revision == "r2-2026-04"
            assert settings.protocols["whisperr"].revision == "classic-2026-06"
            assert settings.rate_limits == "enforce"
        """
    )
    (runs.folder / "pytest.ini").write_text(
        "[pytest]\nmockserver_revision = outlit=r1-2026-01\nmockserver_rate_limits = off\n"
    )
    monkeypatch.setenv("MOCKSERVER_PYTEST_REVISION", "outlit=r2-2026-04 whisperr=classic-2026-06")
    monkeypatch.setenv("MOCKSERVER_PYTEST_RATE_LIMITS", "off")
    runs.run_here("--mockserver-rate-limits", "enforce").assert_outcomes(passed=1)
    help = runs.run_here("--help").stdout.str()
    assert "MOCKSERVER_PYTEST_REVISION" in help
    assert "MOCKSERVER_URL" in help
    monkeypatch.setenv("MOCKSERVER_PYTEST_RATE_LIMITS", "sometimes")
    result = runs.run_here()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*MOCKSERVER_PYTEST_RATE_LIMITS: expected one of warn, enforce, off*"])
    monkeypatch.setenv("MOCKSERVER_PYTEST_RATE_LIMITS", "")
    monkeypatch.setenv("MOCKSERVER_PYTEST_RATELIMITS", "off")
    result = runs.run_here()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['*did you mean "MOCKSERVER_PYTEST_RATE_LIMITS"*'])


@pytest.mark.parametrize("tool", ["trio", "pytest_trio"])
def test_aio_says_asyncio_only_under_trio(runs: Runs, tool: str) -> None:
    need(tool)
    under = "@pytest.mark.trio\nasync def test_trio(mock_server):\n    await check(mock_server)\n"
    if tool == "trio":
        under = "def test_trio(mock_server):\n    trio.run(check, mock_server)\n"
    runs.write(
        test_trio=f"""
import pytest, trio
from mockserver import MockServer, WaitError
from sending import send

async def check(mock_server):
    for use in (mock_server.aio.events, mock_server.aio.faults.list, MockServer().__aenter__):
        with pytest.raises(RuntimeError, match="asyncio only.*trio.to_thread.run_sync"):
            await use()
    assert await trio.to_thread.run_sync(send, mock_server, "a_b") == 202
    assert (await trio.to_thread.run_sync(lambda: mock_server.wait_for(type="a_b"))).type == "a_b"
    with pytest.raises(WaitError, match="trio.to_thread.run_sync"):
        mock_server.wait_for(type="never", timeout=0.01)

{under}
"""
    )
    plugin = ("-p", "trio") if tool == "pytest_trio" else ()
    runs.run(*plugin, "-W", "default").assert_outcomes(passed=1)


def test_blocking_wait_in_a_coroutine_says_that_it_blocked_the_loop(runs: Runs) -> None:
    runs.write(
        test_blocked="""
        import asyncio
        from sending import send

        async def test_blocked(mock_server):
            task = asyncio.create_task(asyncio.to_thread(send, mock_server, "a_b"))
            mock_server.wait_for(type="a_b", timeout=0.2)

        async def test_quiet(mock_server):
            mock_server.wait_until_quiet(5, timeout=0.01)

        async def test_awaited(mock_server):
            await mock_server.aio.wait_for(type="a_b", timeout=0.2)
        """
    )
    result = runs.run("-p", "asyncio", *LOOP, "-W", "default")
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        ["E *blocked the event loop*`await session.aio.wait_for(*", "E *blocked*`await session.aio.wait_until_quiet(*"]
    )
    assert result.stdout.str().count("  The wait blocked the event loop") == 2
    assert result.stdout.str().count("was it flushed?") == 1, "the hint of the awaited wait, which blocked nothing"
    result.stdout.no_fnmatch_line("*During handling*")
    result.stdout.no_fnmatch_line("*mockserver/client/*: in *")


def test_wait_for_silence_that_blocked_other_tasks_is_warned_of(runs: Runs) -> None:
    runs.write(
        test_blocked="""
        import asyncio, threading
        import pytest
        from sending import send

        SAID = "blocked the event loop of the test.*`await session.aio.wait_.*says little"

        async def client(server):
            await asyncio.to_thread(send, server, "a_b")

        @pytest.mark.parametrize("wait", [
            lambda s: s.wait_for(type="a_b", exactly=0, timeout=0.05),
            lambda s: s.wait_for(exactly=0, quiet=0.05),
            lambda s: s.wait_for_request(exactly=0, quiet=0.05),
            lambda s: s.wait_until_quiet(0.05),
        ])
        async def test_warned(mock_server, wait):
            task = asyncio.create_task(client(mock_server))
            with pytest.warns(RuntimeWarning, match=SAID) as told:
                wait(mock_server)
            assert told[0].filename == __file__
            await task

        async def test_client_in_a_thread(mock_server):
            thread = threading.Thread(target=send, args=(mock_server, "a_b"))
            thread.start()
            mock_server.wait_for(type="a_b")
            mock_server.wait_until_quiet(0.05)
            thread.join()

        async def test_awaited(mock_server):
            task = asyncio.create_task(client(mock_server))
            await mock_server.aio.wait_for(type="a_b", exactly=1, quiet=0.05)
            await task

        def test_no_loop(mock_server):
            mock_server.wait_until_quiet(0.05)
        """
    )
    runs.run("-p", "asyncio", *LOOP).assert_outcomes(passed=7)


def test_marker_without_effect_is_warned_of(runs: Runs) -> None:
    runs.write(
        test_marks="""
        import pytest

        UNAVAILABLE = pytest.mark.mockserver(faults=[{"reply": {"status": 503}}])

        @UNAVAILABLE
        def test_sessions(mock_server_sessions):
            with mock_server_sessions() as session:
                assert len(session.faults) == 0

        @UNAVAILABLE
        def test_nothing(): pass

        @UNAVAILABLE
        def test_asked_for_later(request):
            assert len(request.getfixturevalue("mock_server").faults) == 1

        @UNAVAILABLE
        class TestClass:
            def test_without(self): pass

            def test_with(self, mock_server):
                assert len(mock_server.faults) == 1

        @pytest.mark.skip
        @UNAVAILABLE
        def test_skipped(): pass
        """
    )
    result = runs.run_here("-W", "default")
    result.assert_outcomes(passed=5, skipped=1, warnings=2)
    result.stdout.fnmatch_lines(["*PytestWarning: the marker mockserver had no effect*mock_server_sessions*"])


def test_errors_of_calls_show_the_line_of_the_test_alone(runs: Runs) -> None:
    runs.write(
        test_lines="""
        import pytest
        from mockserver import MockServer

        CALLS = [
            lambda s: s.faults.add(tims=1),
            lambda s: s.faults.replace({}),
            lambda s: s.wait_for(whre=1),
            lambda s: s.wait_for(timeout=0),
            lambda s: s.wait_for(timeout=-1),
            lambda s: s.events(protocol="outlet"),
            lambda s: s.key_for("outlit", "evnts"),
            lambda s: s.patch("outlit", {"protcol": 1}),
            lambda s: s.clock.set("noon"),
            lambda s: s.session(".."),
            lambda s: MockServer(prt=1),
            lambda s: MockServer(port=-1),
            lambda s: MockServer(revisions={"outlit": "r1"}).__enter__(),
            lambda s: MockServer.connect("ftp://a"),
            lambda s: MockServer.connect("127.0.0.1:9").name,
            lambda s: MockServer().events(),
        ]

        @pytest.mark.parametrize("number", range(len(CALLS)))
        def test_call(mock_server, number):
            CALLS[number](mock_server)

        async def test_awaited(mock_server):
            await mock_server.aio.events(protocol="outlet")

        async def test_dead(mock_server):
            await MockServer.connect("127.0.0.1:9", session="x").aio.events()
        """
    )
    result = runs.run("-p", "asyncio", *LOOP, "-W", "default")
    result.assert_outcomes(failed=18)
    for never in ("During handling", "direct cause", "mockserver/client/", "mockserver/sessions/", "settings.py"):
        assert never not in result.stdout.str(), never


def test_failed_test_names_the_session_that_got_its_requests(runs: Runs) -> None:
    runs.write(
        test_key="""
        from sending import send

        def test_before(mock_server):
            send(mock_server, "a_b", key="wrk_of_an_earlier_test")

        def test_wrong(mock_server):
            send(mock_server, "a_b", key="wrk_with_a_typing_error")
            assert mock_server.events()
        """
    )
    result = runs.run_here()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*mockserver session pk_wrong_*",
            "0 requests; events: *",
            "requests to other sessions:",
            "  wrk_wit…or: 1 request, the latest POST /v1/events/batch -> 202",
        ],
        consecutive=True,
    )
    result.stdout.no_fnmatch_line("*  wrk_of_an*")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_sessions_are_used_in_a_child_process(runs: Runs) -> None:
    runs.write(
        test_child="""
        import multiprocessing
        from sending import send

        def child(session, results):
            send(session, "from_child")
            results.put([event.type for event in session.events()])

        def test_child(mock_server):
            assert mock_server.events() == []
            fork = multiprocessing.get_context("fork")
            results = fork.SimpleQueue()
            process = fork.Process(target=child, args=(mock_server, results))
            process.start()
            process.join(20)
            process.kill()
            assert process.exitcode == 0
            assert results.get() == ["from_child"]
            assert [event.type for event in mock_server.events()] == ["from_child"]
        """
    )
    runs.run("-W", "default").assert_outcomes(passed=1)


def test_errors_of_fixtures_are_told_once_and_without_our_frames(runs: Runs) -> None:
    runs.write(
        test_errors="""
        import pytest

        @pytest.mark.mockserver(protocol="outlit", revision="r1")
        def test_mark(mock_server): pass

        @pytest.mark.mockserver(faults=[{"times": 1}])
        def test_faults(mock_server): pass

        @pytest.mark.mockserver(keys=3)
        def test_type(mock_server): pass

        def test_gone(mock_server, request):
            request.getfixturevalue("_mockserver_suite").server.close()

        def test_factory(mock_server_factory):
            mock_server_factory(revisions={"outlit": "r1"})
        """
    )
    result = runs.run_here()
    text = result.stdout.str()
    result.assert_outcomes(passed=1, failed=1, errors=4)
    for never in ("During handling", "direct cause", "mockserver/client/", "mockserver/pytest_plugin", "Traceback"):
        assert never not in text, never
    assert text.count('unknown revision "r1"') == 2
