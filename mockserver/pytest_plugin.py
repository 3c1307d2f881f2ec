"""The pytest plugin: a server for the run, a session for each test, and the session's data in failure reports.

The server is imported only when a test requests it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

import pytest

from mockserver.settings import RateMode

if TYPE_CHECKING:
    from mockserver.client.client import Session
    from mockserver.client.local import MockServer, Options
    from mockserver.client.suite import Suite

SESSION: Final = pytest.StashKey["Session"]()
MARK: Final = "mockserver"
MARK_HELP: Final = (
    "mockserver(protocol, operation, revision, patch, faults, rate_limits, keys): configures the session of "
    "mock_server: the protocol of its key, the revision or a merge patch of its contract, fault steps, settings"
)
RATE_MODES: Final = get_args(RateMode)
Factory: TypeAlias = "Callable[..., MockServer]"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and their ini keys; the command line overrides the ini file."""
    group = parser.getgroup("mockserver", "mockserver: a mock server with one session per test")

    def option(name: str, help: str, *, ini: Any = "string", **more: Any) -> None:
        group.addoption(f"--mockserver-{name.replace('_', '-')}", dest=f"mockserver_{name}", help=help, **more)
        parser.addini(f"mockserver_{name}", help, type=ini, default=[] if ini in ("linelist", "paths") else None)

    option("url", "use the server at this URL instead of starting one", metavar="URL")
    option("admin_token", "admin token of that server", metavar="TOKEN")
    option(
        "revision",
        "pin the contract revision of a protocol, for example outlit=r4-2026-08; may be repeated",
        ini="linelist",
        action="append",
        metavar="PROTOCOL=REVISION",
    )
    option(
        "contract_patch",
        "apply a contract patch from a file; may be repeated",
        ini="paths",
        action="append",
        type=Path,
        metavar="FILE",
    )
    option("rate_limits", f"what happens when a rate limit is exceeded: {', '.join(RATE_MODES)}", choices=RATE_MODES)
    option("namespace", "text that is included in all keys, to separate runs that share a server", metavar="TEXT")


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker, and validate the options before any test runs."""
    config.addinivalue_line("markers", MARK_HELP)
    _revisions(config)
    if _value(config, "rate_limits") not in (None, *RATE_MODES):
        raise pytest.UsageError(f"mockserver_rate_limits: expected one of {', '.join(RATE_MODES)}")


def _value(config: pytest.Config, name: str) -> Any:
    option = config.getoption(f"mockserver_{name}")
    return option if option is not None else (config.getini(f"mockserver_{name}") or None)


def _revisions(config: pytest.Config) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in _value(config, "revision") or ()]
    for protocol, equals, revision in pairs:
        if not (protocol and equals and revision):
            raise pytest.UsageError(
                f"mockserver_revision: expected PROTOCOL=REVISION, got {protocol}{equals}{revision}"
            )
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


@pytest.fixture(scope="session")
def _mockserver_suite(request: pytest.FixtureRequest) -> Iterator[Suite]:
    """The server of the run or worker, started when the first test requests it."""
    from mockserver.client.local import MockServer
    from mockserver.client.suite import Suite

    config = request.config
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    scope = f"{_value(config, 'namespace') or ''}\n{worker}"
    options, url = _options(config), _value(config, "url")
    if url:
        with MockServer.connect(url, options["admin_token"]) as client:
            yield Suite(
                server=client,
                scope=scope,
                revisions=options["revisions"],
                contract_patches=options["contract_patches"],
                rate_limits=options.get("rate_limits"),
            )
    else:
        with _reported_errors(), MockServer(**options) as server:
            yield Suite(server=server, scope=scope)


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Turn an error that the user can fix into a test failure without a traceback."""
    from mockserver.errors import MockServerError

    try:
        yield
    except (MockServerError, ValueError) as error:
        raise pytest.fail.Exception(str(error), pytrace=False) from None


@pytest.fixture
def mock_server(request: pytest.FixtureRequest, _mockserver_suite: Suite) -> Iterator[Session]:
    """A server session for this test alone; `mock_server.aio` has awaitable methods.

    Its key is derived from the node id of the test, so that it is the same in every run.
    """
    node: pytest.Item = request.node
    marks = list(node.iter_markers(MARK))[::-1]
    if any(mark.args for mark in marks):
        pytest.fail("the marker mockserver accepts keyword arguments only", pytrace=False)
    with _reported_errors():
        session = _mockserver_suite.open(node.nodeid, [mark.kwargs for mark in marks])
    node.stash[SESSION] = session
    yield session
    del node.stash[SESSION]
    session.forget()


@pytest.fixture
def mock_server_factory(request: pytest.FixtureRequest) -> Iterator[Factory]:
    """A function that starts another server in this process. Its keyword arguments override the options of the run."""
    from mockserver.client.local import MockServer

    with ExitStack() as running:
        yield lambda **options: running.enter_context(MockServer(**{**_options(request.config), **options}))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the data of the session to the report of a failed test."""
    report = yield
    session = item.stash.get(SESSION, None)
    if report.failed and session is not None:
        from mockserver.client import session_calls
        from mockserver.errors import MockServerError

        try:
            text = session.connections.run(session_calls.describe(session.name))
        except MockServerError as error:
            text = f"the session could not be read: {error}"
        report.sections.append((f"mockserver session {session.name}", text))
    return report
