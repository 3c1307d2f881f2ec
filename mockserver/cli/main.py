"""The command line: a thin layer over library functions. A command is loaded when it is used."""

from __future__ import annotations

import errno
import io
import os
import sys
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from mockserver import __version__
from mockserver.cli import environment
from mockserver.cli.parameters import SuggestingGroup
from mockserver.errors import MockServerError
from mockserver.jsonkit.printable import printable

COMMANDS: Final = (
    *("serve", "ready", "check", "sample", "verify", "report", "tail"),
    *("conformance", "exercise", "export", "record", "convert", "diff", "replay", "learn", "contracts"),
)
PROBE: Final = "ready"
"""Loads no other command to check that command's variables, so that it starts fast."""

HELP_FLAGS: Final = ("-h", "--help")
FAILED: Final = MockServerError.exit_code
NOT_WRITTEN: Final = (errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF)
"""Errors of the operating system for an output, which has no file name."""
INTERRUPTED: Final = 130
INTERNAL: Final = 4

EPILOG: Final = """\b
Examples:
  mockserver serve
  mockserver serve --port 0 --ready-file url.txt --revision outlit=r4-2026-08
  mockserver ready http://127.0.0.1:8207 --wait
  mockserver contracts explain outlit /protocol/limits/body/max_bytes

Every flag has an environment variable, MOCKSERVER_<COMMAND>_<FLAG>; the flag overrides the variable. An unknown
variable of a command is an error; other variables that start with MOCKSERVER_ are ignored with a message. The variable
of a repeatable flag holds all values, separated by whitespace (those of verify --header by line breaks). MOCKSERVER_URL
is the server that `ready`, `report`, `tail`, `export` and the pytest plugin use by default.

\b
Exit code 0: success; 1: findings; 2: usage or configuration error; 3: target unreachable; 4: internal error.

\b
Shell completion, for bash (also zsh_source, fish_source):
  eval "$(_MOCKSERVER_COMPLETE=bash_source mockserver)"
"""


def fail(ctx: click.Context, message: str, exit_code: int) -> NoReturn:
    """End the command with a message on stderr."""
    click.echo(printable(f"Error: {message}"), err=True)
    ctx.exit(exit_code)


class CommandLine(SuggestingGroup):
    """The commands of this package, each loaded from its module on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the available commands."""
        return [name for name in COMMANDS if self.get_command(ctx, name) is not None]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command and give its flags their environment variables."""
        module = f"mockserver.cli.{cmd_name}"
        if cmd_name not in COMMANDS:
            return None
        try:
            command: click.Command = import_module(module).command
        except ModuleNotFoundError as error:
            if error.name != module:
                raise
            return None
        environment.name_variables(command, f"{environment.PREFIX}_{cmd_name}")
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Check the environment before a command reads it; `--help` works in any environment."""
        words = list(args)
        if os.environ.get("NO_COLOR"):
            ctx.color = False
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing and not set(HELP_FLAGS) & set(words):
            self._check_environment(ctx, next(iter(words), ""))
        return rest

    def _check_environment(self, ctx: click.Context, command: str) -> None:
        """Take foreign variables out of the environment. `serve` logs that they are ignored, others print it."""
        links, port = environment.take_service_links(os.environ), environment.take_port(os.environ)
        ctx.obj = [f"ignoring {name}, which Kubernetes sets for a service of this name, or Docker" for name in links]
        ctx.obj += [f"ignoring {name}, because its value is not a number" for name in port]
        for name in (*links, *port):
            del os.environ[name]

        def load(name: str) -> click.Command | None:
            return self.get_command(ctx, name)

        try:
            foreign = environment.check(os.environ, COMMANDS, load, PROBE if command == PROBE else "")
        except MockServerError as error:
            fail(ctx, str(error), error.exit_code)
        if command == "serve":
            ctx.obj += environment.ignored(foreign, load)
        else:
            own = (environment.URL, environment.KEY)
            for line in environment.ignored([name for name in foreign if name not in own], load):
                click.echo(printable(line), err=True)

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command line. Characters that the encoding of an output lacks are printed as escapes."""
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        return super().main(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; each outcome has its own exit code."""
        try:
            return super().invoke(ctx)
        except MockServerError as error:
            fail(ctx, str(error), error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            ctx.exit(INTERRUPTED)
        except click.ClickException as error:
            vars(error)["message"] = printable(error.message)
            raise
        except (click.exceptions.Exit, BrokenPipeError):
            raise
        except OSError as error:
            if error.filename is None and error.errno not in NOT_WRITTEN:
                self._fail_as_bug(ctx)
            fail(ctx, f"{error.filename or 'cannot write the output'}: {error.strerror}", FAILED)
        except Exception:
            self._fail_as_bug(ctx)

    def _fail_as_bug(self, ctx: click.Context) -> NoReturn:
        import traceback

        traceback.print_exc()
        fail(ctx, "this is a bug in mockserver; please report it with the traceback above", INTERNAL)


@click.command(cls=CommandLine, epilog=EPILOG, context_settings={"help_option_names": list(HELP_FLAGS)})
@click.version_option(__version__, prog_name="mockserver")
def main() -> None:
    """Mock and contract-test the Outlit, Apex and Whisperr event-ingestion APIs."""
