"""Somebody with Python alone, a clone and an empty folder: the README's own commands, in a fresh environment."""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
from pathlib import Path

from tests.docs.markdown import ROOT, blocks, spans
from tests.docs.reader import reading
from tests.sdks.harness import absent

README = ROOT / "README.md"
SEARCH = 600
"""Seconds after which something hangs."""
MACHINE_TIME = 120
"""Seconds of a processor that it may take until the first test is green."""


def spent() -> float:
    """Return the processor's seconds that finished child processes took."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def installed(folder: Path, command: str) -> dict[str, str]:
    """Carry out an installation in a fresh virtual environment; return the environment of its shell."""
    subprocess.run([sys.executable, "-m", "venv", folder], timeout=SEARCH, check=True)
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    env |= {"PATH": f"{folder / 'bin'}:{env['PATH']}", "VIRTUAL_ENV": str(folder), "NO_COLOR": "1", "NO_PROXY": "*"}
    env |= {"PIP_NO_COMPILE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=SEARCH, check=False
    )
    if done.returncode:
        absent(f"{command}: this does not work here\n{done.stdout}{done.stderr}")
    return env


def test_readme_leads_to_a_green_test_when_nothing_is_installed(tmp_path: Path) -> None:
    first, *_ = re.findall(r"^(pip install .*?)(?: &&|$)", README.read_text(), re.M)
    second, *_ = [span for span in spans(README) if span.startswith("pip install")]
    before = spent()
    env = installed(tmp_path / "venv", f"{first} && mockserver --version && pip check && {second}")
    with reading(tmp_path) as reader:
        reader.env = env
        reader.read(list(blocks(README)))
        assert "1 passed" in reader.printed
    assert spent() - before < MACHINE_TIME
