"""The pytest plugin: a server for the run, a session for each test, and the session's data in failure reports.

The server is started before the fixtures of the first test, if a test uses it: tools that replace HTTP, files, sockets
or time for a test must not reach it. Nothing is imported in a run without such a test.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeAlias, get_args

import pytest

from mockserver.settings import RateMode, RecordMode, server_address

if TYPE_CHECKING:
    from mockserver.client.client import Client, Session
    from mockserver.client.local import MockServer, Options
    from mockserver.client.recording_files import RecordingFile
    from mockserver.client.suite import Suite

MARK: Final = "mockserver"
MARK_HELP: Final = (
    "mockserver(protocol, operation, revision, patch, faults, rate_limits, keys, recording, record, repeats, redact): "
    "configures the session of mock_server: the protocol of its key, the revision or a merge patch of its contract, "
    "fault steps, settings, a recording to answer from"
)
UNUSED_MARK: Final = (
    "the marker mockserver had no effect: it is for the fixture mock_server, which the test does not use; "
    "give its arguments to mock_server_sessions or mock_server_factory instead"
)
RATE_MODES: Final = get_args(RateMode)
RECORD_MODES: Final = get_args(RecordMode)
KEPT: Final = ("all", "failed")
HINTS: Final = (
    (
        "ScopeMismatch",
        "mock_server is for one test. In fixtures of a wider scope, use `mock_server_sessions`, which opens sessions, "
        "or `mock_server_url`, the URL of the server.",
    ),
    (
        "function-scoped fixture",
        "All examples would share the session of mock_server. Use a session for each example: request the fixture "
        "`mock_server_sessions`, and write `with mock_server_sessions() as session:` in the test.",
    ),
)
"""A part of an error that names the fixture `mock_server`, and what to do about it."""
Factory: TypeAlias = "Callable[..., MockServer]"
Sessions: TypeAlias = "Callable[..., AbstractContextManager[Session]]"


class _Run:
    """What the plugin keeps for a run: the server, or why it could not be started, and the sessions."""

    def __init__(self) -> None:
        self.suite: Suite | None = None
        self.problem: str | None = None
        self.running = ExitStack()
        self.open: list[Session] = []
        self.failed: list[tuple[str, str]] = []
        self.replayed: list[Session] = []
        self.kept: list[Mapping[str, bytes]] = []  # artifacts of sessions in `failed`, which are gone
        self.attempts: Counter[str] = Counter()
        self.lock = Lock()


RUN: Final = pytest.StashKey[_Run]()
USED: Final = pytest.StashKey[bool]()
PASSED: Final = pytest.StashKey[bool]()
"""What a test has done: used `mock_server`, and run to its end."""


class _Option(NamedTuple):
    help: str
    ini: Any = "string"
    more: Mapping[str, Any] = MappingProxyType({})


OPTIONS: Final = {
    "url": _Option(
        "use the server at this URL instead of starting one, for example 127.0.0.1:8207; the keys differ in every run, "
        "see --mockserver-namespace",
        more={"metavar": "URL"},
    ),
    "admin_token": _Option("admin token of that server", more={"metavar": "TOKEN"}),
    "revision": _Option(
        "pin the contract revision of a protocol, for example outlit=r4-2026-08; may be repeated",
        "linelist",
        {"action": "append", "metavar": "PROTOCOL=REVISION"},
    ),
    "contract_patch": _Option(
        "apply a contract patch from a file; may be repeated",
        "paths",
        {"action": "append", "type": Path, "metavar": "FILE"},
    ),
    "rate_limits": _Option(
        f"what happens when a rate limit is exceeded: {', '.join(RATE_MODES)}", more={"choices": RATE_MODES}
    ),
    "record": _Option(
        "write a recording of the session of each test into this folder, without credentials and personal data",
        more={"metavar": "DIR"},
    ),
    "keep": _Option(
        f"which recordings --mockserver-record keeps: {', '.join(KEPT)} (default: all)", more={"choices": KEPT}
    ),
    "redact": _Option(
        "what else to hide in recordings: header:NAME, query:NAME, regex:PATTERN or a JSON Pointer; may be repeated",
        "linelist",
        {"action": "append", "metavar": "RULE"},
    ),
    "record_mode": _Option(
        "override the argument record of all markers: none refuses requests that a recording does not have, once makes "
        "missing recordings, new_episodes adds requests, all makes every recording anew",
        more={"choices": RECORD_MODES},
    ),
    "artifacts": _Option(
        "keep the report (HTML and JSON) and the exchanges of each failed test in a folder of its own below this one",
        more={"metavar": "DIR"},
    ),
    "namespace": _Option(
        "text that is included in all keys, to separate runs that share a server; by default a random text with "
        "--mockserver-url, and none otherwise; with a namespace, the keys are the same in every run",
        more={"metavar": "TEXT"},
    ),
}


def flag(name: str) -> str:
    """Return the command-line flag of an option."""
    return f"--mockserver-{name.replace('_', '-')}"


def variable(name: str) -> str:
    """Return the environment variable of an option."""
    return "MOCKSERVER_URL" if name == "url" else f"MOCKSERVER_PYTEST_{name.upper()}"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options, their variables and ini keys; the command line precedes the environment and the ini file."""
    group = parser.getgroup("mockserver", "mockserver: a mock server with one session per test")
    for name, option in OPTIONS.items():
        text = f"{option.help} [env var: {variable(name)}]"
        group.addoption(flag(name), dest=f"mockserver_{name}", help=text, **option.more)
        parser.addini(f"mockserver_{name}", text, type=option.ini, default=None if option.ini == "string" else [])


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and validate the options before any test runs."""
    config.addinivalue_line("markers", MARK_HELP)
    config.stash[RUN] = _Run()
    _check_variables()
    _revisions(config)
    for name, choices in (("rate_limits", RATE_MODES), ("keep", KEPT), ("record_mode", RECORD_MODES)):
        if _value(config, name) not in (None, *choices):
            raise pytest.UsageError(f"{_source(config, name)}: expected one of {', '.join(choices)}")
    url = _value(config, "url")
    # A variable may be meant for the program under test; it matters only if a test uses our fixtures.
    if url is not None and _source(config, "url") != variable("url"):
        try:
            server_address(url)
        except ValueError as error:
            raise pytest.UsageError(f"{_source(config, 'url')}: {error}") from None


def _check_variables() -> None:
    from mockserver.errors import unknown

    prefix = "MOCKSERVER_PYTEST_"
    known = [variable(name) for name in OPTIONS]
    for name in os.environ:
        if name.startswith(prefix) and name not in known:
            raise pytest.UsageError(f"{unknown('environment variable', name, known)}; rename or unset it")


def _value(config: pytest.Config, name: str) -> Any:
    """Return the value of an option: from the command line, the environment or the ini file; None if it has none."""
    on_command_line = config.getoption(f"mockserver_{name}")
    if on_command_line is not None:
        return on_command_line
    in_environment = os.environ.get(variable(name), "").strip()
    if not in_environment:
        return config.getini(f"mockserver_{name}") or None
    if OPTIONS[name].ini == "string":
        return in_environment
    values = in_environment.split()
    return [Path(value) for value in values] if OPTIONS[name].ini == "paths" else values


def _source(config: pytest.Config, name: str) -> str:
    """Return where the value of an option comes from, for an error message."""
    if config.getoption(f"mockserver_{name}") is not None:
        return flag(name)
    return variable(name) if os.environ.get(variable(name), "").strip() else f"mockserver_{name}"


def _revisions(config: pytest.Config) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in _value(config, "revision") or ()]
    for protocol, equals, revision in pairs:
        if not (protocol and equals and revision):
            source = _source(config, "revision")
            raise pytest.UsageError(f"{source}: expected PROTOCOL=REVISION, got {protocol}{equals}{revision}")
    return {protocol: revision for protocol, _, revision in pairs}


def _options(config: pytest.Config) -> Options:
    """Return the options for the servers of this run."""
    options: Options = {
        "revisions": _revisions(config),
        "contract_patches": tuple(_value(config, "contract_patch") or ()),
        "admin_token": _value(config, "admin_token"),
    }
    if (rate_limits := _value(config, "rate_limits")) is not None:
        options["rate_limits"] = rate_limits
    return options


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Start the server before the fixtures of the first test, if a collected test uses it; stop it after the last."""
    run = session.config.stash[RUN]
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    with run.running:
        if session.config.option.collectonly or session.testsfailed:
            return (yield)
        if used & {"mock_server", "mock_server_sessions", "mock_server_url"}:
            _start(session.config)
        elif "mock_server_factory" in used:
            _bind()
        return (yield)


def _bind() -> None:
    """Load what servers and clients in this process use, before a tool replaces a part of it for a test."""
    from mockserver.client import http, local, session_calls, shareable  # noqa: F401
    from mockserver.server.preloading import preload

    preload()


def _start(config: pytest.Config) -> None:
    """Start the server of the run, or connect to it, once. Keeps an error that the user can fix for the fixtures."""
    run = config.stash[RUN]
    if run.suite is not None or run.problem is not None:
        return
    from mockserver.client.suite import Suite
    from mockserver.errors import MockServerError

    _bind()
    if _value(config, "artifacts") is not None:
        from mockserver.client import artifacts  # noqa: F401
    options = _options(config)
    try:
        server, ours = _server(config, options)
        run.running.enter_context(server)
        suite = Suite(server=server, scope=_scope(config))
        if not ours:
            suite = Suite(
                server=server,
                scope=_scope(config),
                revisions=options["revisions"],
                contract_patches=options["contract_patches"],
                rate_limits=options.get("rate_limits"),
            )
        suite.prepare()
    except (MockServerError, ValueError, OSError) as error:
        source = f"{_source(config, 'url')}: " if isinstance(error, ValueError) and _value(config, "url") else ""
        run.problem = f"{source}{error}"
    else:
        run.suite = suite


def _server(config: pytest.Config, options: Options) -> tuple[Client, bool]:
    """Return the server, and whether it is to run in this process."""
    from mockserver.client.local import MockServer

    url = _value(config, "url")
    if url is not None:
        return MockServer.connect(url, options["admin_token"]), False
    return MockServer(**options), True


def _scope(config: pytest.Config) -> str:
    """Return the text that separates the keys of this run and of this xdist worker from others."""
    worker: dict[str, Any] = getattr(config, "workerinput", {})
    namespace = _value(config, "namespace")
    if namespace is None:
        namespace = worker.get("testrunuid", secrets.token_hex(8)) if _value(config, "url") is not None else ""
    return f"{namespace}\n{worker.get('workerid', '')}"


def _fail(problem: str) -> NoReturn:
    """Fail the test with a problem that the user can fix, told once and without a traceback."""
    from mockserver.jsonkit.printable import printable_lines

    raise pytest.fail.Exception(printable_lines(problem), pytrace=False) from None


@pytest.fixture(scope="session")
def _mockserver_suite(pytestconfig: pytest.Config) -> Suite:
    """The server of the run or worker, started now if no collected test named a fixture that needs it."""
    _start(pytestconfig)
    run = pytestconfig.stash[RUN]
    if run.suite is None:
        _fail(str(run.problem))
    return run.suite


class _Use:
    """One test, or one name, and its session."""

    def __init__(self, config: pytest.Config, test: str, marks: list[Mapping[str, Any]], folder: Path) -> None:
        self.config, self.test, self.marks, self.folder = config, test, marks, folder
        self.passed: Callable[[], bool] = lambda: True
        self.recording: RecordingFile | None = None
        self.attempt = 1

    def open(self, suite: Suite) -> Session:
        """Return the session. Raises MockServerError, ValueError."""
        from mockserver.client.suite import recording_of

        mode, rules = _value(self.config, "record_mode"), _value(self.config, "redact") or ()
        self.recording = recording_of(self.marks, self.folder, mode, rules)
        session = suite.open(self.test, self.marks, attempt=self.attempt)
        if self.recording is not None:
            self.recording.play(session)
        return session

    def keep(self, session: Session) -> None:
        """Write what is to be kept of the session. Raises MockServerError."""
        from mockserver.client.recording_files import keep_in

        passed, kept = self.passed(), _value(self.config, "record")
        if self.recording is not None and passed:
            self.recording.keep(session)
        if kept is not None and not (passed and _value(self.config, "keep") == "failed"):
            rules = self._rules()
            keep_in(self.config.rootpath / kept, self.test, session, self.attempt, rules)

    def _rules(self) -> list[str]:
        """Return what else to hide, by the markers and the options."""
        marked = [rule for mark in self.marks for rule in mark.get("redact") or ()]
        return list(dict.fromkeys([*marked, *(_value(self.config, "redact") or ())]))


@contextmanager
def _session(run: _Run, suite: Suite, use: _Use) -> Iterator[Session]:
    """Yield a new session that failure reports show while it is open; at the end, keep its recording."""
    from mockserver.client.recording_files import unmatched
    from mockserver.errors import MockServerError

    with run.lock:
        run.attempts[use.test] += 1
        use.attempt = run.attempts[use.test]
    try:
        session = use.open(suite)
    except (MockServerError, ValueError) as error:
        problem = str(error)
    else:
        problem = ""
    if problem:
        _fail(problem)
    run.open.append(session)
    if use.recording is not None:
        run.replayed.append(session)
    try:
        yield session
    finally:
        run.open.remove(session)
        try:
            if session in run.replayed:
                run.replayed.remove(session)
                problem = unmatched(session)
            use.keep(session)
        except MockServerError as error:
            problem = f"cannot keep the recording: {error}"
        try:
            session.forget()
        except MockServerError as error:
            problem = f"cannot delete the session: {error}"
    if problem:
        _fail(problem)


@pytest.fixture
def mock_server(request: pytest.FixtureRequest, _mockserver_suite: Suite) -> Iterator[Session]:
    """A server session for this test alone; `mock_server.aio` has awaitable methods.

    Its key is derived from the node id of the test, so that it is the same in every run, unless `--mockserver-url` is
    used without `--mockserver-namespace`. A test that is run again gets a new session with another key.
    """
    node: pytest.Item = request.node
    node.stash[USED] = True
    marks = list(node.iter_markers(MARK))[::-1]
    if any(mark.args for mark in marks):
        _fail("the marker mockserver accepts keyword arguments only")
    run = request.config.stash[RUN]
    use = _Use(request.config, node.nodeid, [mark.kwargs for mark in marks], node.path.parent)
    use.passed = lambda: node.stash.get(PASSED, False)
    with _session(run, _mockserver_suite, use) as session:
        yield session


@pytest.fixture(scope="session")
def mock_server_sessions(pytestconfig: pytest.Config, _mockserver_suite: Suite) -> Sessions:
    """A function that opens a session, for fixtures of any scope and for each example of a property-based test.

    `with mock_server_sessions() as session:` opens one and deletes it at the end of the block. An argument names it:
    its key is derived from the name. Keyword arguments are those of the marker `mockserver`.
    """
    run = pytestconfig.stash[RUN]

    @contextmanager
    def open(name: str = "session", **mark: Any) -> Iterator[Session]:
        if not isinstance(name, str):
            _fail(f"mock_server_sessions: the name must be a string, got {name!r}")
        use = _Use(pytestconfig, name, [mark], pytestconfig.rootpath)
        with _session(run, _mockserver_suite, use) as session:
            try:
                yield session
            except BaseException as error:
                use.passed = lambda: False
                if not isinstance(error, pytest.skip.Exception) and not type(error).__module__.startswith("hypothesis"):
                    run.failed = [(session.name, _shown(session))]
                    run.kept = _artifacts(pytestconfig, [session])
                raise

    return open


@pytest.fixture(scope="session")
def mock_server_url(_mockserver_suite: Suite) -> str:
    """The URL of the server of this run, for fixtures of any scope."""
    return _mockserver_suite.server.url


@pytest.fixture
def mock_server_factory(request: pytest.FixtureRequest) -> Iterator[Factory]:
    """A function that starts another server in this process. Its keyword arguments override the options of the run."""
    from mockserver.client.local import MockServer

    with ExitStack() as running:

        def start(**options: Any) -> MockServer:
            __tracebackhide__ = True
            server = MockServer(**{**_options(request.config), **options}).__enter__()
            running.push(server)
            return server

        yield start


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail a test that sent a request which the recording of its session does not have."""
    result = yield
    missing = _unmatched(item.config.stash[RUN])
    if missing:
        _fail(missing[0])
    return result


def _unmatched(run: _Run) -> list[str]:
    """Describe what recordings do not have, each session once."""
    if not run.replayed:
        return []
    from mockserver.client.recording_files import unmatched

    described = {session: unmatched(session) for session in run.replayed}
    run.replayed = [session for session, text in described.items() if not text]
    return [text for text in described.values() if text]


def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Warn of a marker of the test itself that had no effect, because the test has not used `mock_server`."""
    marked = any(mark.name == MARK for mark in item.own_markers)
    if marked and PASSED in item.stash and USED not in item.stash:
        item.warn(pytest.PytestWarning(UNUSED_MARK))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the data of the sessions to the report of a failed test, and a hint to an error that names our fixture."""
    report = yield
    run = item.config.stash[RUN]
    if report.when == "call" and report.passed:
        item.stash[PASSED] = True
    if report.failed:
        shown = [*((session.name, _shown(session)) for session in run.open), *run.failed]
        report.sections += [(f"mockserver session {name}", text) for name, text in shown]
        report.sections += [("mockserver recording", text) for text in _unmatched(run)]
        artifacts = [*_artifacts(item.config, run.open), *run.kept]
        if artifacts:
            report.sections.append(("mockserver artifacts", _keep(item, artifacts)))
        error = "" if call.excinfo is None else str(call.excinfo.value)
        report.sections += [
            ("mockserver hint", hint) for part, hint in HINTS if part in error and "mock_server" in error
        ]
    run.failed, run.kept = [], []
    return report


def _artifacts(config: pytest.Config, sessions: Iterable[Session]) -> list[Mapping[str, bytes]]:
    """Return the artifacts of sessions, without those that cannot be read, where a folder for artifacts is named."""
    from mockserver.errors import MockServerError

    found: list[Mapping[str, bytes]] = []
    if _value(config, "artifacts") is not None:
        from mockserver.client.artifacts import artifacts_of

        for session in sessions:
            with suppress(MockServerError):
                found.append(artifacts_of(session))
    return found


def _keep(item: pytest.Item, artifacts: list[Mapping[str, bytes]]) -> str:
    """Write artifacts, and say where; or why that failed."""
    from mockserver.client.artifacts import keep

    folder = item.config.invocation_params.dir / _value(item.config, "artifacts")
    try:
        return str(keep(folder, item.nodeid, artifacts))
    except OSError as error:
        return f"cannot write to {folder}: {error.strerror}"


def _shown(session: Session) -> str:
    from mockserver.client.client import description
    from mockserver.errors import MockServerError

    try:
        return description(session)
    except MockServerError as error:
        return f"the session could not be read: {error}"
