"""The command line: commands, flags and their variables, exit codes, what goes to which stream."""

from __future__ import annotations

import gc
import json
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from mockserver.__main__ import is_plain_probe
from mockserver.cli import contracts as contracts_command
from mockserver.cli import environment, probe
from mockserver.cli.main import COMMANDS, main
from mockserver.cli.parameters import ByteSize
from mockserver.contract import fidelity as facts
from mockserver.contract import library as loader
from mockserver.contract import publish
from mockserver.jsonkit import yamltext
from mockserver.settings import DEFAULT_PORT, Settings
from tests.processes import HOST_AND_PORT, OURS, SEARCH, run, served

ROOT = click.Context(main, info_name="mockserver", **main.context_settings)
NOT_FLAGS = {"body_timeout"}
"""Settings that no flag sets: only tests of slow senders change them."""

LIMIT = "/protocol/limits/body/max_bytes"


def every_command() -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something, with the words that call it."""
    waiting: list[tuple[str, click.Command]] = [("", main)]
    while waiting:
        words, command = waiting.pop()
        if isinstance(command, click.Group):
            inner = [(name, command.get_command(ROOT, name)) for name in command.list_commands(ROOT)]
            waiting += [(f"{words} {name}".strip(), found) for name, found in inner if found is not None]
        else:
            yield words, command


BY_WORDS: Mapping[str, click.Command] = dict(sorted(every_command()))
FLAGS = [
    pytest.param(words, option, id=f"{words} {option.opts[0]}")
    for words, command in BY_WORDS.items()
    for option in command.params
    if isinstance(option, click.Option)
]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(OURS) or name in HOST_AND_PORT]:
        monkeypatch.delenv(name)


def invoke(*arguments: str, **variables: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(main, arguments, env=variables, prog_name="mockserver")


@cache
def help_of(words: str) -> str:
    """Return the help of a command, printed once."""
    return invoke(*words.split(), "--help").output


def parsed(words: str, arguments: list[str], variables: Mapping[str, str]) -> dict[str, Any]:
    """Return what a command would be called with; arguments that are missing do not matter."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        return BY_WORDS[words].make_context(words, arguments, ROOT, resilient_parsing=True).params


def given(option: click.Option) -> list[str]:
    """Return values that a flag takes and that are not its default."""
    match option.type:
        case click.Choice(choices=choices):
            return [str(choices[-1])]
        case _ if option.name == "revisions":
            values = ["outlit=r4-2026-08", "apex=documented"]
        case _ if option.name == "bases":
            values = ["docs,spec"]
        case ByteSize():
            values = ["2MiB"]
        case click.types.IntParamType() | click.types.FloatParamType():
            values = ["7"]
        case click.types.BoolParamType():
            return []
        case _:
            values = ["some", "others"]
    return values if option.multiple else values[:1]


@pytest.mark.parametrize(("words", "option"), FLAGS)
def test_a_flag_and_its_variable_say_the_same(words: str, option: click.Option) -> None:
    flag = max(option.opts, key=len)
    variable = f"MOCKSERVER_{words}_{flag.removeprefix('--')}".upper().replace(" ", "_").replace("-", "_")
    values = given(option)
    by_flag = parsed(words, [part for value in values for part in (flag, value)] or [flag], {})
    by_variable = parsed(words, [], {variable: " ".join(values) or "1"})
    assert option.name is not None
    assert by_variable[option.name] == by_flag[option.name]
    assert by_flag[option.name] != parsed(words, [], {}).get(option.name)
    assert variable in help_of(words).replace("\n" + " " * 34, "")


@pytest.mark.parametrize("words", BY_WORDS)
def test_help_explains_every_flag_and_gives_examples_that_parse(words: str) -> None:
    command = BY_WORDS[words]
    assert all(option.help for option in command.params if isinstance(option, click.Option))
    group = words.split()[0]
    shown = help_of(words) + help_of(group)
    examples = re.findall(r"^ +(?:\w+=\S+ |\w+=\"[^\"]*\" )*mockserver (.+)$", shown, re.MULTILINE)
    assert examples
    for example in examples:
        called = next(name for name in sorted(BY_WORDS, reverse=True) if f"{example} ".startswith(f"{name} "))
        arguments = shlex.split(example.removeprefix(called).partition("|")[0].partition(">")[0])
        try:
            BY_WORDS[called].make_context(called, arguments, ROOT)
        except click.BadParameter as error:
            if "does not exist" not in error.message:
                raise


def test_every_setting_is_a_flag_of_serve() -> None:
    assert {parameter.name for parameter in BY_WORDS["serve"].params} == set(Settings._fields) - NOT_FLAGS


def test_serve_without_flags_is_the_default_settings() -> None:
    context = BY_WORDS["serve"].make_context("serve", [], ROOT)
    assert Settings(**context.params) == Settings()


@pytest.mark.parametrize(
    ("arguments", "variables", "port"),
    [
        (["--port", "1"], {"MOCKSERVER_SERVE_PORT": "2", "PORT": "3"}, 1),
        ([], {"MOCKSERVER_SERVE_PORT": "2", "PORT": "3"}, 2),
        ([], {"PORT": "3"}, 3),
        ([], {"PORT": "", "MOCKSERVER_SERVE_PORT": ""}, DEFAULT_PORT),
        ([], {}, DEFAULT_PORT),
    ],
)
def test_a_flag_wins_over_its_variable_and_that_over_the_plain_one(
    arguments: list[str], variables: Mapping[str, str], port: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        assert BY_WORDS["serve"].make_context("serve", arguments, ROOT).params["port"] == port


@pytest.mark.parametrize(
    ("text", "size"), [("4096", 4096), ("1KiB", 1024), ("64 MiB", 67_108_864), ("2GiB", 2_147_483_648)]
)
def test_sizes_are_bytes_with_or_without_a_unit(text: str, size: int) -> None:
    assert ByteSize().convert(text, None, None) == size


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--memory-limit", "64MB"], "write 67108864, 64MiB or 1GiB"),
        (["--memory-limit", "0"], "not a valid size"),
        (["--port", "70000"], "--port"),
        (["--revision", "outlit"], "for example outlit=r4-2026-08"),
        (["--revision", "apex=base", "--revision", "apex=documented"], "two revisions for the same protocol"),
        (["--revision", "outlit=r4-2026"], 'did you mean "r4-2026-08"?'),
        (["--revision", "outlet=r4-2026-08"], 'did you mean "outlit"?'),
        (["--admin-token", ""], "must not be empty"),
        (["--admin-token", "a\nb"], "U+000A at position 2"),
        (["--admin-token-file", "no/such/file"], "cannot read the admin token file no/such/file: No such file"),
        (["--admin-token-file", "."], "cannot read the admin token file .: Is a directory"),
        (["--admin-token-file", os.devnull], "must not be empty"),
        (["--admin-token", "a", "--admin-token-file", "b"], "exclude each other"),
        (["--contracts", "no/such/folder"], "no/such/folder"),
        (["--contract-patch", "no/such/file.yaml"], "no/such/file.yaml"),
        (["--prot", "1"], "--port"),
        (["--host", "192.0.2.1"], "set --host"),
    ],
)
def test_a_flag_that_cannot_be_used_ends_with_2_and_says_why(flags: list[str], said: str) -> None:
    ended = invoke("serve", "--port", "0", *flags)
    assert ended.exit_code == 2
    assert said in ended.output
    assert "Traceback" not in ended.output


@pytest.mark.parametrize(("command", "arguments"), [("serve", ["--port", "0"]), ("report", ["--session", "s"])])
@pytest.mark.parametrize("ending", ["ADMIN_TOKEN", "ADMIN_TOKEN_FILE"])
def test_an_empty_token_variable_does_not_open_the_server(command: str, arguments: list[str], ending: str) -> None:
    variable = f"MOCKSERVER_{command.upper()}_{ending}"
    ended = invoke(command, *arguments, **{variable: "", "MOCKSERVER_URL": "http://127.0.0.1:1"})
    assert ended.exit_code == 2
    assert f"{variable} is empty: give it a value, or unset it" in ended.output


@pytest.mark.parametrize("given", ["MOCKSERVER_SERVE_ADMIN_TOKEN", "MOCKSERVER_SERVE_ADMIN_TOKEN_FILE"])
def test_a_token_with_a_newline_is_that_of_the_clients(tmp_path: Path, given: str) -> None:
    file = tmp_path / "token"
    file.write_bytes(b"s3cret\r\n")
    with served(variables={given: str(file) if given.endswith("FILE") else "s3cret\n"}) as process:
        for flags in (["--admin-token", "s3cret"], ["--admin-token", "s3cret\n"], ["--admin-token-file", str(file)]):
            ended = invoke("report", process.url, "--session", "s", "--allow-empty", *flags)
            assert ended.exit_code == 0, ended.output
        ended = invoke("report", process.url, "--session", "s", "--allow-empty", "--admin-token", "other")
        assert (ended.exit_code, "401" in ended.output) == (2, True)
        log = process.log_until("control call refused: a wrong bearer token, from 127.0.0.1")
    assert "s3cret" not in log
    assert "other" not in log


def test_a_bad_patch_is_refused_with_its_file_and_place(tmp_path: Path) -> None:
    patch = tmp_path / "patch.yaml"
    patch.write_text("protocol: outlit\npatch: {protocol: {limits: {body: {max_bytes: many}}}}\n")
    ended = run("serve", "--port", "0", "--contract-patch", str(patch))
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"Error: {patch}#")
    assert LIMIT in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_taken_port_ends_with_2_and_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run("serve", variables={"PORT": str(taken.getsockname()[1])})
    assert ended.returncode == 2
    assert "the port is in use; stop the other program or choose another --port" in ended.stderr


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MOCKSERVER_SERVE_PROT", "MOCKSERVER_SERVE_PORT"),
        ("MOCKSERVER_SERVE_READYFILE", "MOCKSERVER_SERVE_READY_FILE"),
        ("MOCKSERVER_REPORT_JUNIT_FILE", "MOCKSERVER_REPORT_JUNIT"),
        ("MOCKSERVER_CONTRACTS_PRINT_REVISIONS", "MOCKSERVER_CONTRACTS_PRINT_REVISION"),
    ],
)
def test_a_variable_of_no_flag_ends_with_2_and_names_the_nearest(name: str, nearest: str) -> None:
    ended = invoke("serve", **{name: "1"})
    assert ended.exit_code == 2
    assert ended.output.startswith(f"Error: unknown environment variable {name}; did you mean {nearest}?")


FOREIGN = {
    "MOCKSERVER_URL": "http://mockserver:1080",
    "MOCKSERVER_LIVENESS_HTTP_GET_PATH": "/liveness/probe",
    "MOCKSERVER_LOG_LEVEL": "INFO",
    "MOCKSERVER_VERSION": "5.15",
}


def test_variables_of_another_product_are_ignored_with_one_line() -> None:
    with served(variables=FOREIGN) as server:
        _, _, log = server.end()
    (line,) = [line for line in log.splitlines() if "ignoring" in line]
    assert all(name in line for name in FOREIGN)
    assert "did you mean MOCKSERVER_SERVE_LOG_LEVEL?" in line
    ended = invoke("contracts", "list", **FOREIGN)
    assert ended.exit_code == 0
    (line,) = [line for line in ended.output.splitlines() if "ignoring" in line]
    assert "MOCKSERVER_VERSION" in line
    assert "MOCKSERVER_URL" not in ended.output
    ours = invoke("contracts", "list", MOCKSERVER_URL="http://x", MOCKSERVER_PYTEST_NAMESPACE="n")
    assert ours.output == invoke("contracts", "list").output


@pytest.mark.parametrize("host", ["x86_64-conda-linux-gnu", "0.0.0.0", "my-laptop"])
@pytest.mark.parametrize("port", ["tcp://10.0.0.8:80", "http", "8080/tcp", "²"])
def test_serve_takes_no_host_and_only_a_number_as_port_from_plain_variables(
    host: str, port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served_with: list[Settings] = []
    monkeypatch.setattr("mockserver.server.running.run_forever", served_with.append)
    assert invoke("serve", HOST=host, PORT=port).exit_code == 0
    assert [(settings.host, settings.port) for settings in served_with] == [("127.0.0.1", DEFAULT_PORT)]


def test_a_plain_port_out_of_range_ends_with_2() -> None:
    assert invoke("serve", PORT="99999").exit_code == 2


def test_report_asks_the_server_in_the_variable() -> None:
    ended = invoke("report", "--session", "s", MOCKSERVER_URL=f"127.0.0.1:{closed_port()}")
    assert (ended.exit_code, "refused" in ended.output) == (3, True)


def test_help_is_given_whatever_the_environment() -> None:
    assert invoke("serve", "--help", MOCKSERVER_SERVE_PROT="1").exit_code == 0
    assert invoke("--version", MOCKSERVER_SERVE_PROT="1").exit_code == 0


SERVICE_LINKS = {
    "MOCKSERVER_PORT": "tcp://10.0.0.7:8207",
    "MOCKSERVER_SERVICE_HOST": "10.0.0.7",
    "MOCKSERVER_SERVICE_PORT": "8207",
    "MOCKSERVER_SERVICE_PORT_HTTP": "8207",
    "MOCKSERVER_PORT_8207_TCP": "tcp://10.0.0.7:8207",
    "MOCKSERVER_PORT_8207_TCP_PROTO": "tcp",
    "MOCKSERVER_PORT_8207_TCP_PORT": "8207",
    "MOCKSERVER_PORT_8207_TCP_ADDR": "10.0.0.7",
    "MOCKSERVER_SERVE_PORT": "tcp://10.0.0.8:80",
    "MOCKSERVER_SERVE_SERVICE_HOST": "10.0.0.8",
    "MOCKSERVER_NAME": "/tests_web_1/mockserver",
    "MOCKSERVER_ENV_MOCKSERVER_SERVE_HOST": "0.0.0.0",
    "MOCKSERVER_SERVE_NAME": "/web/mockserver-serve",
    "MOCKSERVER_SERVE_ENV_PATH": "/bin",
}


def test_the_variables_that_kubernetes_makes_are_ignored_with_a_log_line() -> None:
    with served(variables=SERVICE_LINKS) as server:
        _, _, log = server.end()
    for name in SERVICE_LINKS:
        assert f"ignoring {name}, which Kubernetes sets" in log


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MOCKSERVER_PORT", "8207"),
        ("MOCKSERVER_SERVE_PORT", "8207"),
        ("MOCKSERVER_SERVICE", "10.0.0.7"),
        ("MOCKSERVER_PORT_TCP", "1"),
        ("MOCKSERVER_SERVE_NAME", "mock"),
    ],
)
def test_what_only_looks_like_a_variable_of_kubernetes_is_not_ignored(name: str, value: str) -> None:
    assert not environment.is_service_link(name, value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], 'unknown command "serv", did you mean "serve"?'),
        (["contracts", "explian"], 'did you mean "explain"?'),
        (["contracts", "print", "outlet"], 'did you mean "outlit"?'),
        (["contracts", "print", "outlit", "--revison", "x"], "--revision"),
    ],
)
def test_a_mistyped_name_ends_with_2_and_the_nearest(arguments: list[str], said: str) -> None:
    ended = invoke(*arguments)
    assert ended.exit_code == 2
    assert said in ended.output


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (RuntimeError("out of order"), 4, "RuntimeError: out of order\nError: this is a bug in mockserver"),
        (TimeoutError("too late"), 4, "TimeoutError: too late\nError: this is a bug in mockserver"),
        (OSError(107, "not connected"), 4, "not connected\nError: this is a bug in mockserver"),
        (PermissionError(13, "not allowed", "a.yaml"), 2, "Error: a.yaml: not allowed\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_nobody_expected_has_its_own_exit_code(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise error

    monkeypatch.setattr(loader, "library_of", broken)
    ended = invoke("contracts", "list")
    assert ended.exit_code == code
    assert said in ended.output


def test_a_command_whose_module_is_missing_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.cli.main.COMMANDS", (*COMMANDS, "not_there"))
    assert "not_there" not in main.list_commands(ROOT)
    assert invoke("not_there").exit_code == 2


@contextmanager
def answering(reply: bytes) -> Iterator[str]:
    """Answer one connection with these bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(SEARCH)


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_ready_file_is_never_stdout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ended = invoke("serve", "--port", "0", "--ready-file", "-")
    assert (ended.exit_code, "--ready-file needs a file" in ended.output) == (2, True)
    assert gc.isenabled()
    assert list(tmp_path.iterdir()) == []


def test_ready_ends_with_0_when_the_server_is() -> None:
    with served() as server:
        asked = run("ready", server.url)
        waited = run("ready", f"127.0.0.1:{server.port}", "--wait", "--timeout", "20")
        own = run("ready", variables={"PORT": str(server.port)})
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, f"{server.url} is ready\n", "")
    assert (waited.returncode, own.returncode) == (0, 0)


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no device that is always full")
def test_ready_says_when_its_output_cannot_be_written() -> None:
    with served() as server, Path("/dev/full").open("w") as full:
        for more in ((), ("--timeout", "20")):
            words = [sys.executable, "-m", "mockserver", "ready", server.url, *more]
            ended = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
            assert (ended.returncode, ended.stderr) == (2, "Error: cannot write the output: No space left on device\n")


@pytest.mark.parametrize("more", [(), ("--timeout", "1"), ("--wait", "--timeout", "0.05")])
def test_ready_ends_with_3_when_nobody_answers(more: tuple[str, ...]) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    ended = run("ready", url, *more)
    assert (ended.returncode, ended.stdout) == (3, "")
    assert ended.stderr == f"Error: {url} is not ready: Connection refused\n"


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", "/readyz returned 503 Service Unavailable"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "/readyz returned 404 Not Found"),
        (b"SSH-2.0-OpenSSH\r\n", "the reply is not HTTP"),
        (b"", "the reply is not HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "not a mockserver: /readyz returned 200 b''"),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Welcome", "returned 200 b'<html>Welcome'"),
        (b'HTTP/1.1 200 OK\r\n\r\n{"status":"stopping"}', "is not a mockserver"),
    ],
)
def test_ready_ends_with_3_when_something_else_answers(reply: bytes, said: str) -> None:
    with answering(reply) as url:
        ended = invoke("ready", url)
    assert ended.exit_code == 3
    assert said in ended.output


def test_ready_gives_up_on_a_server_that_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ended = invoke("ready", f"http://127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.05")
    assert ended.exit_code == 3
    assert "timed out" in ended.output


def test_ready_asks_again_until_the_server_is(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Iterator[str | None] = iter(["Connection refused", "/readyz returned 503", None])
    monkeypatch.setattr(probe, "ask", lambda *_, **__: next(answers))
    monkeypatch.setattr(probe, "PAUSE_S", 0)
    assert invoke("ready", "--wait").exit_code == 0
    assert next(answers, "asked no more") == "asked no more"


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http://127.0.0.1:port"])
def test_ready_ends_with_2_for_what_is_no_url(url: str) -> None:
    ended = run("ready", url)
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"Error: {url} is not a valid URL")


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, f"http://127.0.0.1:{DEFAULT_PORT}"),
        ({"MOCKSERVER_SERVE_HOST": "0.0.0.0", "PORT": "9000"}, "http://127.0.0.1:9000"),
        ({"HOST": "x86_64-conda-linux-gnu"}, f"http://127.0.0.1:{DEFAULT_PORT}"),
        ({"MOCKSERVER_SERVE_HOST": "::1", "MOCKSERVER_SERVE_PORT": "9001", "PORT": "9000"}, "http://[::1]:9001"),
        ({"PORT": "tcp://10.0.0.8:80"}, f"http://127.0.0.1:{DEFAULT_PORT}"),
        ({"MOCKSERVER_URL": "127.0.0.1:9003"}, "127.0.0.1:9003"),
        (
            {"MOCKSERVER_URL": "127.0.0.1:9003", "MOCKSERVER_READY_URL": "http://127.0.0.1:9002"},
            "http://127.0.0.1:9002",
        ),
        ({"MOCKSERVER_SERVE_PORT": "tcp://10.0.0.8:80"}, f"http://127.0.0.1:{DEFAULT_PORT}"),
        ({"MOCKSERVER_READY_URL": "http://127.0.0.1:9002"}, "http://127.0.0.1:9002"),
    ],
)
def test_ready_without_a_url_asks_where_serve_listens_in_that_environment(
    variables: Mapping[str, str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "ask", lambda asked, *_, **__: None if asked == url else f"not {url}")
    ended = invoke("ready", **variables)
    assert (ended.output, ended.exit_code) == (f"{url} is ready\n", 0)


@pytest.mark.parametrize(
    ("arguments", "variables", "plain"),
    [
        (["ready"], {"MOCKSERVER_SERVE_HOST": "0.0.0.0"}, True),
        (["ready", "http://127.0.0.1:1"], {}, True),
        (["ready", "--wait"], {}, False),
        (["ready", "http://127.0.0.1:1", "http://127.0.0.1:2"], {}, False),
        (["ready"], {"MOCKSERVER_READY_WAIT": "1"}, False),
        (["ready"], {"MOCKSERVER_REDAY_WAIT": "1"}, False),
        (["serve"], {}, False),
    ],
)
def test_only_a_probe_with_nothing_to_parse_goes_without_click(
    arguments: list[str], variables: Mapping[str, str], plain: bool
) -> None:
    assert is_plain_probe(arguments, variables) is plain


@pytest.mark.parametrize(
    ("more", "never"),
    [
        ((), {"click", "dataclasses", "http", "ssl", "inspect"}),
        (("--timeout", "1"), {"dataclasses", "http", "ssl", "urllib.request"}),
    ],
)
def test_ready_imports_next_to_nothing(more: tuple[str, ...], never: set[str]) -> None:
    url = f"http://127.0.0.1:{closed_port()}"
    ended = run("ready", url, *more, python=("-X", "importtime"), variables={"MOCKSERVER_SERVE_HOST": "0.0.0.0"})
    imported = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if "import time:" in line}
    assert "mockserver.cli.probe" in imported
    heavy = {"aiohttp", "asyncio", "jsonschema", "jsonschema_rs", "orjson", "uvloop", "yaml"}
    assert not imported & (heavy | never)
    assert "mockserver.cli.serve" not in imported


BATCH = json.dumps({"events": [{"event_type": 7, "external_user_id": "u"}]})
KEY = "wrk_0123456789_a_long_secret_key"
REFUSED = (
    f"POST /v1/events/batch HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\nConnection: close\r\n"
    f"Content-Type: application/json\r\nContent-Length: {len(BATCH)}\r\n\r\n{BATCH}"
)


def logged(*flags: str) -> str:
    """Return the log of a server that refuses one batch."""
    with served(*flags) as server:
        with server.connect(REFUSED) as connection, connection.makefile() as reader:
            assert reader.readline().startswith("HTTP/1.1 400 ")
        _, _, log = server.end()
    return log


def test_the_log_in_json_is_one_object_a_line_with_the_values() -> None:
    lines = [json.loads(line) for line in logged("--log-format", "json", "--log-level", "debug").splitlines()]
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)
    session = next(line for line in lines if line["message"].startswith("new session"))
    refusal = next(line for line in lines if line["message"].startswith("refused event"))
    request = next(line for line in lines if line["level"] == "debug")
    assert refusal["session"] == session["session"] == request["session"]
    assert (refusal["index"], refusal["status"], refusal["path"]) == (0, 400, "/v1/events/batch")
    assert refusal["pointer"] == "/event_type"
    assert refusal["rule"].startswith("/events/")
    assert (request["method"], request["status"]) == ("POST", 400)


def test_the_log_in_text_has_refusals_and_sessions_and_no_whole_key() -> None:
    log = logged()
    assert re.search(r"^\S+Z info +new session wrk_", log, re.MULTILINE)
    assert re.search(
        r"^\S+Z info +refused event 0 of POST /v1/events/batch \(400\) in session wrk_.* at /event_type \[/events/",
        log,
        re.MULTILINE,
    )
    assert " debug " not in log
    assert KEY not in log
    assert KEY not in logged("--log-level", "debug")


def test_the_log_has_neither_when_only_warnings_are_wanted() -> None:
    assert logged("--log-level", "warning") == ""


def test_a_client_cannot_forge_a_line_of_the_log() -> None:
    with served() as server:
        server.connect("GET /_mock/sessions/a%0Ab HTTP/1.1\r\nHost: localhost\r\n\r\n").close()
        named = json.dumps({"events": [{"event_type": "a", "external_user_id": "u", "a\nb\x1b": 7}]})
        forged = REFUSED.replace(BATCH, named).replace(f"Length: {len(BATCH)}", f"Length: {len(named)}")
        for request, status in ((REFUSED.replace("/v1/", "/_mock/s/a%0Ab%1B/v1/"), 404), (forged, 400)):
            with server.connect(request) as connection, connection.makefile() as reader:
                assert reader.readline().startswith(f"HTTP/1.1 {status} ")
        _, _, log = server.end()
    assert r"at /a\nb\x1b [" in log
    assert "\x1b" not in log
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+ (info|warning) ", line) for line in log.splitlines())


def test_data_of_an_event_cannot_forge_a_line_of_the_log_or_a_command() -> None:
    with served("--log-level", "debug") as server:
        body = BATCH.replace("7", json.dumps("a\n::error::b\x1b\u202e"))
        head = REFUSED.partition("Content-Length")[0]
        with (
            server.connect(f"{head}Content-Length: {len(body)}\r\n\r\n{body}") as connection,
            connection.makefile() as reader,
        ):
            assert reader.readline().startswith("HTTP/1.1 400 ")
        _, _, log = server.end()
    assert r'must match ^[a-z0-9]+(?:_[a-z0-9]+)*$, got "a\n::error::b' in log
    assert all(line.isprintable() and line.startswith("2") for line in log.splitlines())


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("name", "revision"), [("outlit", "r4-2026-08"), ("apex", None), ("whisperr", "classic-2026-06")]
)
def test_contracts_print_shows_the_whole_effective_contract(name: str, revision: str | None, as_json: bool) -> None:
    flags = [*(["--revision", revision] if revision else []), *(["--json"] if as_json else [])]
    output = invoke("contracts", "print", name, *flags).output
    printed = json.loads(output) if as_json else yamltext.loads(output, "printed")
    contract = loader.library().protocol(name).contract(revision)
    assert printed == {document: value for document, value in contract.documents.items() if value}


def test_contracts_print_names_what_a_patch_changed(tmp_path: Path) -> None:
    patch = tmp_path / "small.yaml"
    patch.write_text("protocol: outlit\npatch: {protocol: {limits: {body: {max_bytes: 9}}}}\n")
    output = invoke("contracts", "print", "outlit", "--contract-patch", str(patch)).output
    assert f"# {LIMIT} is changed by small.yaml" in output
    printed: Any = yamltext.loads(output, "printed")
    assert printed["protocol"]["limits"]["body"]["max_bytes"] == 9
    explained = json.loads(
        invoke("contracts", "explain", "outlit", LIMIT, "--contract-patch", str(patch), "--json").output
    )
    assert explained["facts"][0]["basis"] == "patch"


def test_contracts_print_refuses_a_patch_of_another_protocol(tmp_path: Path) -> None:
    patch = tmp_path / "apex.yaml"
    patch.write_text("protocol: apex\npatch: {}\n")
    ended = invoke("contracts", "print", "outlit", "--contract-patch", str(patch))
    assert ended.exit_code == 2
    assert "is a patch for apex, not for outlit" in ended.output


@pytest.mark.parametrize("place", [LIMIT, LIMIT[1:]])
def test_contracts_explain_gives_value_source_and_basis(place: str) -> None:
    body = loader.library().protocol("outlit").documents["protocol"]["limits"]["body"]
    output = invoke("contracts", "explain", "outlit", place).output
    assert output.splitlines() == [
        LIMIT,
        f"  value   {body['max_bytes']}",
        f"  source  {body['source']}",
        f"  basis   {body['source'].partition(':')[0]}",
    ]


@pytest.mark.parametrize("place", ["/protocol/limits", "/events/custom", LIMIT])
def test_contracts_explain_in_json_has_the_rows_of_the_ledger(place: str) -> None:
    """A keyword that a schema has from a shared one is in the ledger below that one; here it has the schema's place."""
    told = json.loads(invoke("contracts", "explain", "outlit", place, "--json").output)["facts"]
    contracts = {name: loader.library().protocol("outlit").contract(name) for name in (None, "r4-2026-08")}
    ledgers = {name: facts.facts(contract) for name, contract in contracts.items()}
    inherited = {name: list(contract.event_schemas["custom"].keywords()) for name, contract in contracts.items()}
    assert [fact for fact in told if "revision" not in fact and fact in ledgers[None]]
    for fact in told:
        revision = fact.pop("revision", None)
        keyword = (fact["pointer"], fact["value"], fact["source"])
        assert fact in ledgers[revision] or keyword in inherited[revision]
        assert fact["pointer"].startswith((place, "/events/shared/common/"))


def test_contracts_explain_looks_inside_a_fact() -> None:
    told = json.loads(invoke("contracts", "explain", "outlit", "/events/custom/required/0", "--json").output)["facts"]
    assert [(fact["pointer"], fact["value"], fact["basis"], fact.get("revision")) for fact in told] == [
        ("/events/custom/required/0", "eventName", "docs", None),
    ]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (f"{LIMIT}#body_too_large", [LIMIT, "  value   1048576"]),
        (f"#{LIMIT}", [LIMIT, "  value   1048576"]),
        ("/events/custom/required/eventName", ["/events/custom/required/eventName", "  value   eventName"]),
        ("/fault", ["/fault", "  source  patch: fault step", "  basis   patch"]),
        ("/events/custom/required/timestamp", ["  value   timestamp", "  only in r4-2026-08"]),
    ],
)
def test_contracts_explain_takes_the_rule_of_a_finding(rule: str, told: list[str]) -> None:
    lines = invoke("contracts", "explain", "outlit", rule).output.splitlines()
    assert [line for line in lines if line in told] == told
    assert len([line for line in lines if line.startswith("/")]) == 1


def test_contracts_explain_names_the_nearest_pointer() -> None:
    ended = invoke("contracts", "explain", "outlit", "/protocol/limits/body/max_byte")
    assert ended.exit_code == 2
    assert f"no fact at this pointer; did you mean {LIMIT}?" in ended.output


def test_contracts_list_has_every_revision_of_every_protocol() -> None:
    library = loader.library()
    every = [(name, revision) for name, protocol in library.protocols.items() for revision in protocol.revision_names()]
    rows = invoke("contracts", "list").output.splitlines()[1:]
    assert [tuple(row.split()[:2]) for row in rows] == every
    told = json.loads(invoke("contracts", "list", "--json").output)["protocols"]
    assert [(protocol["name"], revision["name"]) for protocol in told for revision in protocol["revisions"]] == every


def test_output_is_coloured_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("contracts", "list")
    assert "\x1b[" not in CliRunner().invoke(main, arguments).output
    assert "\x1b[1m" in CliRunner().invoke(main, arguments, color=True).output
    assert "\x1b[" not in CliRunner().invoke(main, arguments, color=True, env={"NO_COLOR": "1"}).output


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("mockserver se", {"serve"}),
        ("mockserver serve --log-l", {"--log-level"}),
        ("mockserver serve --log-format ", {"text", "json"}),
        ("mockserver serve --revision outlit=r4", {"outlit=r4-2026-08"}),
        ("mockserver contracts print whi", {"whisperr"}),
        ("mockserver contracts print outlit --revision r4", {"r4-2026-08"}),
    ],
)
def test_the_shell_completes(typed: str, offered: set[str]) -> None:
    words = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split(" ")) - 1), "_MOCKSERVER_COMPLETE": "bash_complete"}
    ended = run(variables=words)
    assert {line.partition(",")[2] for line in ended.stdout.splitlines()} == offered
    assert "complete" in run(variables={"_MOCKSERVER_COMPLETE": "bash_source"}).stdout


def test_documents_for_other_tools_are_printed() -> None:
    printed = CliRunner().invoke(main, ["contracts", "openapi", "outlit", "--revision", "r4-2026-08"])
    document = json.loads(printed.output)
    assert (document["openapi"], document["info"]["version"]) == ("3.1.0", "r4-2026-08")
    assert document["servers"][0]["url"] == f"http://127.0.0.1:{DEFAULT_PORT}"
    body = document["paths"]["/api/i/v1/{publicKey}/events"]["post"]["requestBody"]
    assert body["content"]["application/json"]["examples"]
    printed = CliRunner().invoke(
        main, ["contracts", "schemas", "outlit", "bodies", "--server", "https://mock.example/"]
    )
    schemas = json.loads(printed.output)
    assert schemas["$defs"]["events"]["$id"] == "https://mock.example/_mock/schemas/outlit/bodies/events.json"


def test_documents_that_can_be_printed_are_those_that_are_published() -> None:
    assert contracts_command.DOCUMENTS == publish.PUBLISHED_DOCUMENTS
    wrong = CliRunner().invoke(main, ["contracts", "schemas", "outlit", "event"])
    assert wrong.exit_code == 2
    assert "'event' is not one of 'requests', 'events', 'replies', 'bodies'" in wrong.output
