"""Running a command in this process."""

from __future__ import annotations

import inspect
from contextlib import chdir
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from mockserver.cli.main import main


def run_command(*words: str) -> Result:
    """Run a command with stdout and stderr apart, which click before 8.2 does only when it is asked."""
    options: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
    return CliRunner(**options).invoke(main, words)


def run_in(folder: Path, *words: str) -> Result:
    """Run a command in a folder."""
    with chdir(folder):
        return run_command(*words)
