"""The pytest plugin, in pytest runs of its own: found by its entry point, beside the plugins it must get on with."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from mockserver import MockServer

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
STRICT = ("-W", "error", "-p", "no:cacheprovider", "--strict-markers")
PATCH = """
protocol: whisperr
patch: {protocol: {replies: {counted: {status: 299}}}}
"""
SEND = """
import http.client, json
from datetime import UTC, datetime
from urllib.parse import urlsplit

def send(server, *types, key=None):
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    events = [
        {"external_user_id": "u", "event_type": type, "occurred_at": now, "context": {"$message_id": f"{type}-{n}"}}
        for n, type in enumerate(types)
    ]
    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    headers = {"Content-Type": "application/json", "X-API-Key": key or server.key}
    connection.request("POST", "/v1/events/batch", json.dumps({"events": events}), headers)
    status = connection.getresponse().status
    connection.close()
    return status
"""

TOO_LONG_S = 120.0
"""Seconds after which a run that hangs fails."""


class Runs:
    """Runs of pytest in a folder of their own, where the plugin is installed; other plugins are named with `-p`."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.folder = pytester.path
        pytester.makepyfile(sending=SEND)

    def write(self, **files: str) -> None:
        self.pytester.makepyfile(**files)

    def run(self, *args: str) -> pytest.RunResult:
        return self.pytester.runpytest_subprocess(*STRICT, "-p", "mockserver", *args, timeout=TOO_LONG_S)

    def run_here(self, *args: str) -> pytest.RunResult:
        """Run in this process, where all is imported: for what does not depend on how a process starts or ends."""
        return self.pytester.runpytest_inprocess(*STRICT, "-p", "mockserver", *args)


@pytest.fixture(scope="module")
def other_server() -> Iterator[MockServer]:
    """A server of all these tests. It imports what servers need, which runs in this process would else forget again."""
    with MockServer() as server:
        yield server


@pytest.fixture
def runs(
    other_server: MockServer,
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> Runs:
    # A file that is written anew within a second must not run as its old code.
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    site = tmp_path_factory.mktemp("site")
    found = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    installed = site / "mockserver-0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: mockserver\nVersion: 0\n")
    (installed / "entry_points.txt").write_text(
        "\n".join(["[pytest11]", *(f"{name} = {module}" for name, module in found.items())])
    )
    monkeypatch.setenv("PYTHONPATH", f"{site}:{ROOT}")
    monkeypatch.syspath_prepend(site)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # Where CI is set, pytest prints every failure's text twice: in full, and uncut in its summary.
    for inherited in ("PYTEST_ADDOPTS", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(inherited, raising=False)
    return Runs(pytester)


def test_readme_example_passes_when_the_plugin_is_installed(runs: Runs) -> None:
    runs.write(
        test_sdk="""
        from whisperr import Whisperr

        def test_sdk(mock_server):
            client = Whisperr(api_key=mock_server.key, base_url=mock_server.url)
            client.track("user_1", "trial_started"); client.flush()
            event = mock_server.wait_for(protocol="whisperr", type="trial_started")
            assert event.verdict == "accepted"
            client.shutdown()
        """
    )
    runs.run().assert_outcomes(passed=1)


def test_nothing_heavy_is_imported_when_tests_are_collected(runs: Runs) -> None:
    runs.write(
        conftest="""
        import sys

        def pytest_collection_finish(session):
            heavy = {"aiohttp", "http.client", "asyncio", "jsonschema", "jsonschema_rs", "orjson", "yaml"}
            print("imported:", sorted(heavy & set(sys.modules)))
        """,
        test_one="def test_one(mock_server): assert mock_server.events() == []",
    )
    result = runs.run("-p", "no:unraisableexception", "-p", "no:threadexception", "-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*imported: []"])


def test_keys_are_the_same_again_and_sessions_empty_when_tests_are_rerun(runs: Runs, other_server: MockServer) -> None:
    runs.write(
        test_keys="""
        import json, pathlib, pytest
        from sending import send

        @pytest.mark.parametrize("word", ["a", "b", "ü", "x" * 500, "a/b::c [d]"])
        def test_key(mock_server, word):
            assert mock_server.events() == []
            assert send(mock_server, "seen") == 202
            with pathlib.Path("keys").open("a") as keys:
                print(mock_server.key, file=keys)
        """
    )
    shared = ("--mockserver-url", other_server.url, "--mockserver-namespace", "")
    for args in ((), shared, shared):
        runs.run_here(*args).assert_outcomes(passed=5)
    keys = (runs.folder / "keys").read_text().split()
    assert keys[:5] == keys[5:10] == keys[10:]
    assert len(set(keys)) == 5
    assert all(key.startswith("pk_key_") and len(key) < 100 for key in keys)
    assert [other_server.session(key).settings().counts.requests for key in keys[:5]] == [0] * 5
    runs.run_here("--mockserver-namespace", "another-run").assert_outcomes(passed=5)
    assert not set((runs.folder / "keys").read_text().split()[15:]) & set(keys)


def test_session_begins_as_its_marks_say_when_there_are_some(runs: Runs) -> None:
    runs.write(
        test_marks="""
        import pytest
        from sending import send

        pytestmark = pytest.mark.mockserver(protocol="outlit", revision="r1-2026-01", rate_limits="off")

        @pytest.mark.mockserver(protocol="apex", operation="server_events", faults=[{"reply": {"status": 503}}])
        def test_marks(mock_server):
            assert mock_server.key.startswith("apex_sk_marks_")
            assert mock_server.key_for("outlit").startswith("pk_")
            settings = mock_server.settings()
            assert settings.rate_limits == "off"
            assert settings.protocols["outlit"].revision == "r1-2026-01"
            assert [step.step for step in mock_server.faults] == [{"reply": {"status": 503}}]

        @pytest.mark.mockserver(protocol="whisperr", patch={"protocol": {"replies": {"counted": {"status": 299}}}})
        @pytest.mark.mockserver(keys=["another"])
        def test_patch(mock_server):
            assert mock_server.key.startswith("wrk_")
            assert send(mock_server, "x") == 401
            mock_server.settings(keys=None)
            assert send(mock_server, "x") == 299
        """
    )
    runs.run_here().assert_outcomes(passed=2)


def test_mark_is_refused_when_it_cannot_be_carried_out(runs: Runs) -> None:
    runs.write(
        test_marks="""
        import pytest

        mark = pytest.mark.mockserver

        @pytest.mark.parametrize("x", [
            pytest.param(0, marks=mark(revison="r1")),
            pytest.param(0, marks=mark(revision="r1")),
            pytest.param(0, marks=mark(protocol="outlit", revision="r1")),
            pytest.param(0, marks=mark(protocol="outlet")),
            pytest.param(0, marks=mark(faults=[{"times": 1}])),
            pytest.param(0, marks=mark("outlit")),
        ])
        def test_mark(mock_server, x): pass
        """
    )
    result = runs.run_here()
    result.assert_outcomes(errors=6)
    result.stdout.fnmatch_lines(
        [
            '*unknown argument "revison", did you mean "revision"*',
            "*operation, revision and patch require protocol",
            '*unknown revision "r1", did you mean *',
            '*unknown protocol "outlet", did you mean "outlit"*',
            "*a step requires one of *",
            "*accepts keyword arguments only",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("where", ["in process", "other_server", "ini file"])
def test_options_hold_for_every_session_when_given(runs: Runs, other_server: MockServer, where: str) -> None:
    (runs.folder / "patch.yaml").write_text(PATCH)
    runs.write(
        test_options="""
        import pytest
        from sending import send

        @pytest.mark.mockserver(protocol="whisperr", patch={"protocol": {"replies": {"tracked": {"status": 298}}}})
        def test_options(mock_server):
            settings = mock_server.settings()
            assert settings.protocols["outlit"].revision == "r1-2026-01"
            assert settings.rate_limits == "enforce"
            assert send(mock_server, "x") == 299
        """
    )
    options = {"revision": "outlit=r1-2026-01", "contract-patch": "patch.yaml", "rate-limits": "enforce"}
    flags = [word for name, value in options.items() for word in (f"--mockserver-{name}", value)]
    if where == "ini file":
        lines = "\n".join(f"mockserver_{name.replace('-', '_')} = {value}" for name, value in options.items())
        (runs.folder / "pytest.ini").write_text(f"[pytest]\n{lines}\nmockserver_url = {other_server.url}\n")
        flags = []
    elif where == "other_server":
        flags += ["--mockserver-url", other_server.url]
    runs.run_here(*flags).assert_outcomes(passed=1)


def test_run_ends_with_a_hint_when_an_option_cannot_be_used(runs: Runs) -> None:
    runs.write(test_one="def test_one(mock_server): pass")
    result = runs.run_here("--mockserver-revision", "r1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--mockserver-revision: expected PROTOCOL=REVISION, got r1"])
    result = runs.run_here("--mockserver-revision", "outlit=r1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(['*unknown revision "r1"*'])
    result.stdout.no_fnmatch_line("*Traceback*")
    result = runs.run_here("--mockserver-url", "http://127.0.0.1:9")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["no answer from http://127.0.0.1:9 to *: Connection refused; check the URL*"])


def test_token_is_sent_when_the_server_elsewhere_wants_one(runs: Runs) -> None:
    runs.write(test_one="def test_one(mock_server): assert mock_server.events() == []")
    with MockServer(admin_token="secret") as guarded:
        runs.run_here("--mockserver-url", guarded.url).assert_outcomes(errors=1)
        runs.run_here("--mockserver-url", guarded.url, "--mockserver-admin-token", "secret").assert_outcomes(passed=1)


def test_report_shows_ledger_and_refusals_when_a_test_fails(runs: Runs) -> None:
    runs.write(
        test_fails="""
        import pytest
        from sending import send

        def test_passes(mock_server):
            send(mock_server, "fine")

        @pytest.mark.mockserver(faults=[{"reply": {"status": 503}, "times": 1}])
        def test_fails(mock_server):
            assert send(mock_server, "trial_started") == 503
            assert send(mock_server, "trial_started") == 202
            assert send(mock_server, "Not Good") == 400
            mock_server.faults.add(match={"type": "never"}, connection="reset")
            mock_server.wait_for(type="trial_ended", timeout=0.01)

        def test_without_server():
            assert False
        """
    )
    result = runs.run_here()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            '>*mock_server.wait_for(type="trial_ended", timeout=0.01)',
            "E*waited for 1 accepted event of type trial_ended: 0 arrived within 0.01 s",
            "*mockserver session pk_fails_*",
            "3 requests; events: 1 accepted, 0 duplicate, 2 rejected",
            "  r1 POST /v1/events/batch -> 503 (1 event: trial_started, fault injected: *",
            "  whisperr trial_started by $message_id trial_started-0: r1 503, r2 202 -> accepted_after_retry*",
            "refused events:",
            "*Not Good rejected*",
            "*event_type must match*",
            "pending fault steps:",
            '  {"match": {"type": "never"}, "connection": "reset"}',
        ]
    )
    assert result.stdout.str().count("mockserver session") == 1


def test_report_says_so_when_the_session_cannot_be_shown(runs: Runs) -> None:
    runs.write(
        test_gone="""
        def test_gone(mock_server_factory, mock_server, request):
            request.getfixturevalue("_mockserver_suite").server.close()
            assert False
        """
    )
    result = runs.run_here()
    result.stdout.fnmatch_lines(["the session could not be read: *"])


def test_servers_of_the_factory_are_stopped_when_the_test_ends(runs: Runs) -> None:
    runs.write(
        test_factory="""
        import threading

        def test_two(mock_server_factory):
            one, two = mock_server_factory(), mock_server_factory(rate_limits="off", session="pk_two")
            assert one.url != two.url
            assert two.key == "pk_two"
            assert (one.settings().rate_limits, two.settings().rate_limits) == ("enforce", "off")

        def test_gone():
            assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
        """
    )
    runs.run("--mockserver-rate-limits", "enforce").assert_outcomes(passed=2)


@pytest.mark.parametrize("mode", ["auto", "strict"])
def test_coroutines_use_the_session_when_pytest_asyncio_runs_them(runs: Runs, mode: str) -> None:
    runs.write(
        test_async="""
        import asyncio, pytest
        from sending import send

        pytestmark = pytest.mark.asyncio

        async def test_waits(mock_server):
            waiting = asyncio.create_task(mock_server.aio.wait_for(type="later"))
            assert await mock_server.aio.events() == []
            assert await asyncio.to_thread(send, mock_server, "later") == 202
            assert (await waiting).verdict == "accepted"

        async def test_runs_one_on_its_loop():
            from mockserver import MockServer
            async with MockServer() as server:
                assert await server.events() == []
        """
    )
    asked = ("-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function")
    runs.run("-p", "asyncio", *asked).assert_outcomes(passed=2)


def test_coroutines_use_the_session_when_pytest_aiohttp_is_there(runs: Runs) -> None:
    runs.write(
        test_aiohttp="""
        from aiohttp import web

        async def test_app_reports(mock_server, aiohttp_client):
            async def report(request):
                import aiohttp
                body = await request.json()
                url = f"{mock_server.url}/api/i/v1/{mock_server.key_for('outlit')}/events"
                async with aiohttp.ClientSession() as client, client.post(url, json=body) as reply:
                    return web.Response(status=reply.status)

            app = web.Application()
            app.router.add_post("/", report)
            client = await aiohttp_client(app)
            assert (await client.post("/", json={"events": [{}]})).status == 400
            assert (await mock_server.aio.requests())[0].protocol == "outlit"
        """
    )
    asked = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    runs.run("-p", "asyncio", "-p", "aiohttp", *asked).assert_outcomes(passed=1)


LEAKS = """
import gc, json, os, pathlib, threading
import pytest

def held():
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except OSError:
            continue
    gc.collect()
    return {"threads": len(threading.enumerate()), "sockets": sum(link.startswith("socket:") for link in links)}

def pytest_sessionstart(session):
    session.config.before = held()

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    pathlib.Path(f"held-{worker}.json").write_text(json.dumps([session.config.before, held()]))
"""


@pytest.mark.parametrize("shared", [False, True], ids=["a server each", "one server other_server"])
def test_two_hundred_tests_stay_apart_when_four_workers_run_them(
    runs: Runs, other_server: MockServer, shared: bool
) -> None:
    runs.write(
        conftest=LEAKS,
        test_many="""
        import pytest
        from sending import send

        @pytest.mark.parametrize("number", range(200))
        def test_one(mock_server, number):
            kind = f"kind_{number}"
            if number % 3 == 0:
                mock_server.faults.add(match={"type": kind}, reply={"status": 503}, times=1)
                assert send(mock_server, kind) == 503
            assert send(mock_server, kind) == 202
            assert mock_server.wait_for(verdict="any", count=1 + (number % 3 == 0))
            assert {event.type for event in mock_server.events()} == {kind}
            with pytest.raises(AssertionError):
                mock_server.wait_for(type="never", timeout=0)
        """,
    )
    where = ("--mockserver-url", other_server.url) if shared else ()
    result = runs.run("-p", "xdist", "-n", "4", *where)
    result.assert_outcomes(passed=200)
    held = {path.stem: json.loads(path.read_text()) for path in runs.folder.glob("held-*.json")}
    assert set(held) == {"held-main", "held-gw0", "held-gw1", "held-gw2", "held-gw3"}
    for before, after in held.values():
        assert before == after


RECORDED = """
    import pytest
    from sending import send

    @pytest.mark.mockserver(protocol="whisperr", recording="recordings/x.ndjson"{more})
    def test_it(mock_server):
        assert send(mock_server, *{types}) == {status}
"""


def recorded_test(types: str, status: int = 202, more: str = "") -> str:
    return RECORDED.format(types=types, status=status, more=more)


def test_recording_is_made_once_and_played_afterwards(runs: Runs) -> None:
    runs.write(test_a=recorded_test('["a_b"]', more=', record="once"'))
    runs.run_here().assert_outcomes(passed=1)
    file = runs.folder / "recordings" / "x.ndjson"
    first = file.read_text()
    assert json.loads(first.splitlines()[1])["events"][0]["type"] == "a_b"
    runs.write(test_a=recorded_test('["a_b"]'))
    runs.run_here().assert_outcomes(passed=1)
    assert file.read_text() == first


def test_request_that_is_not_in_the_recording_fails_the_test_with_the_nearest_one(runs: Runs) -> None:
    runs.write(test_a=recorded_test('["a_b"]', more=', record="once"'))
    runs.run_here().assert_outcomes(passed=1)
    runs.write(test_a=recorded_test('["a_c"]', status=404))
    result = runs.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "a request is not in the recording:",
            "  r1 POST /v1/events/batch: the recording has no such request; the nearest is x1: *",
            "    /body/events/0/event_type: recorded 'a_b', now 'a_c'",
        ]
    )
    runs.write(test_a=recorded_test('["a_c"]', status=299))
    result = runs.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*mockserver recording*", "a request is not in the recording:"])


def test_request_after_the_test_is_an_error_of_its_teardown(runs: Runs) -> None:
    runs.write(test_a=recorded_test('["a_b"]', more=', record="once"'))
    runs.run_here().assert_outcomes(passed=1)
    late = """
    @pytest.fixture
    def client(mock_server):
        yield mock_server
        send(mock_server, "late_one")

    @pytest.mark.mockserver(protocol="whisperr", recording="recordings/x.ndjson")
    def test_late(client):
        send(client, "a_b")
    """
    runs.write(test_a=RECORDED.partition("@")[0] + late)
    runs.run_here().assert_outcomes(passed=1, errors=1)


def test_new_requests_are_added_and_a_failed_test_writes_nothing(runs: Runs) -> None:
    runs.write(test_a=recorded_test('["a_b"]', more=', record="once"'))
    runs.run_here().assert_outcomes(passed=1)
    file = runs.folder / "recordings" / "x.ndjson"
    first = file.read_text()
    runs.write(test_a=recorded_test('["a_c"]', status=299, more=', record="new_episodes"'))
    runs.run_here().assert_outcomes(failed=1)
    assert file.read_text() == first
    runs.write(test_a=recorded_test('["a_c"]', more=', record="new_episodes"'))
    runs.run_here().assert_outcomes(passed=1)
    assert file.read_text().splitlines()[1] == first.splitlines()[1]
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()[1:]] == ["x1", "x2"]
    runs.write(test_a=recorded_test('["a_d"]'))
    runs.run_here("--mockserver-record-mode", "all").assert_outcomes(passed=1)
    assert [json.loads(line)["events"][0]["type"] for line in file.read_text().splitlines()[1:]] == ["a_d"]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("", 'there is no recording *x.ndjson; to make it, run the test once with record="once"*'),
        (', record="never"', 'marker mockserver: record must be one of none, once, new_episodes, all; got "never"*'),
        (", repeats=1", "marker mockserver: repeats must be True or False, got 1"),
    ],
)
def test_recording_that_cannot_be_used_is_an_error_of_the_test(runs: Runs, more: str, problem: str) -> None:
    runs.write(test_a=recorded_test('["a_b"]', more=more))
    result = runs.run_here()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*{problem}"])


@pytest.mark.parametrize(("keep", "kept"), [((), 2), (("--mockserver-keep", "failed"), 1)])
def test_recording_of_each_test_is_kept_in_a_folder(runs: Runs, keep: tuple[str, ...], kept: int) -> None:
    runs.write(
        test_a="""
            from sending import send

            def test_good(mock_server):
                assert send(mock_server, "a_b") == 202

            def test_bad(mock_server):
                assert send(mock_server, "a_b") == 299

            def test_silent(mock_server):
                pass
        """
    )
    runs.run_here("--mockserver-record", "kept", *keep).assert_outcomes(passed=2, failed=1)
    names = sorted(path.name.rpartition("-")[0] for path in (runs.folder / "kept").iterdir())
    assert names == ["test_a.py_test_bad", "test_a.py_test_good"][:kept]


def test_rules_hide_more_in_recordings(runs: Runs) -> None:
    rule = "/events/*/context/plan"
    runs.write(
        test_a=f"""
            import pytest
            from sending import send

            @pytest.mark.mockserver(protocol="whisperr", recording="x.ndjson", record="once", redact=["{rule}"])
            def test_it(mock_server):
                send(mock_server, "a_b")
        """
    )
    runs.run_here("--mockserver-record", "kept", "--mockserver-redact", "header:accept-encoding").assert_outcomes(
        passed=1
    )
    for file in (runs.folder / "x.ndjson", *(runs.folder / "kept").iterdir()):
        head, exchange = map(json.loads, file.read_text().splitlines())
        assert head["redaction"]["rules"] == 2
        assert ["Accept-Encoding", "<value:1>"] in exchange["request"]["headers"]


def test_recordings_work_with_xdist(runs: Runs) -> None:
    tests = "".join(
        f"""
            @pytest.mark.mockserver(protocol="whisperr", recording="{{n}}.ndjson".format(n={number}), record="once")
            def test_{number}(mock_server):
                assert send(mock_server, "a_{"bcdefg"[number]}") == 202
        """
        for number in range(6)
    )
    runs.write(
        test_a=f"""
            import pytest
            from sending import send
{tests}"""
    )
    for _ in range(2):
        runs.run("-p", "xdist", "-n", "2", "--mockserver-record", "kept").assert_outcomes(passed=6)
    assert len(list(runs.folder.glob("*.ndjson"))) == 6
    assert len(list((runs.folder / "kept").iterdir())) == 6
