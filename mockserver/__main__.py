"""The entry point of the `mockserver` command and of `python -m mockserver`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence


def main() -> None:
    """Run the command line.

    A container runs `mockserver ready` every few seconds, and imports are most of its cost: with at most a URL as
    argument, it runs without click.
    """
    if is_plain_probe(sys.argv[1:], os.environ):
        from mockserver.cli import probe
        from mockserver.errors import MockServerError
        from mockserver.jsonkit.printable import printable

        try:
            probe.run(next(iter(sys.argv[2:]), None))
        except MockServerError as error:
            print(printable(f"Error: {error}"), file=sys.stderr)
            sys.exit(error.exit_code)
        except OSError as error:
            print(printable(f"Error: cannot write the output: {error.strerror}"), file=sys.stderr)
            sys.exit(MockServerError.exit_code)
    else:
        if sys.argv[1:2] == ["serve"]:
            end_when_told()
        from mockserver.cli.main import main as command_line

        command_line(prog_name="mockserver")


def end_when_told() -> None:
    """End at once on SIGTERM and SIGINT while imports run; process 1 would ignore SIGTERM by default.

    An exception such as SystemExit would not do: extension modules turn one that is raised while they load into others.
    """
    signal.signal(signal.SIGTERM, lambda number, frame: os._exit(0))
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))


def is_plain_probe(arguments: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether this is `ready` with at most a URL, and without variables that the command line must check."""
    return (
        arguments[:1] == ["ready"]
        and len(arguments) <= 2
        and not any(argument.startswith("-") for argument in arguments)
        and not any(name.startswith("MOCKSERVER_") and not name.startswith("MOCKSERVER_SERVE_") for name in environ)
    )


if __name__ == "__main__":
    main()
