"""npm packages for tests: those that the `package-lock.json` of a folder pins, installed into the folder once."""

from __future__ import annotations

import fcntl
import json
import subprocess
from pathlib import Path

from tests.sdks.harness import absent, program


def node_modules(folder: Path, kind: str) -> Path:
    """Return the folder `node_modules`. Where npm cannot install them, the test is skipped, or fails in CI."""
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # parallel test processes share the folder
        if not _are_installed(folder):
            install = [
                program("npm"),
                "install",
                "--no-save",
                "--prefer-offline",
                "--no-audit",
                "--no-fund",
                "--ignore-scripts",
            ]
            done = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False)
            if done.returncode:
                absent(f"npm could not install the {kind}:\n{done.stderr}")
    return folder / "node_modules"


def _are_installed(folder: Path) -> bool:
    """Tell whether the packages are there already, as npm wrote down what it installed."""
    kept = folder / "node_modules" / ".package-lock.json"
    pinned = json.loads((folder / "package-lock.json").read_text())["packages"]
    there = json.loads(kept.read_text())["packages"] if kept.is_file() else {}
    return there == {name: package for name, package in pinned.items() if name}
