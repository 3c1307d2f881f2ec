"""The lock files of the image: they fit pyproject.toml, are complete, and nothing is installed around them."""

from __future__ import annotations

import re
import shlex
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.container.test_dockerfile import INSTRUCTIONS
from tests.processes import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCKS = {
    "requirements.txt": PROJECT["project"]["dependencies"],
    "build-requirements.txt": PROJECT["build-system"]["requires"],
}
IMAGES = [
    {"python_version": version, "python_full_version": f"{version}.0", "sys_platform": "linux", "extra": ""}
    for version in ("3.11", "3.12", "3.13")
]
"""The environments of base images that the package supports."""


def locked(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Return the requirements of a lock file by name, each with its hashes."""
    text = (ROOT / ".container" / name).read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    found = dict[str, tuple[Requirement, list[str]]]()
    for line in lines:
        requirement, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        parsed = Requirement(requirement)
        found[canonicalize_name(parsed.name)] = (parsed, hashes)
    assert len(found) == len(lines)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_every_dependency_in_its_range(name: str) -> None:
    pinned = locked(name)
    for wanted in map(Requirement, LOCKS[name]):
        requirement, _ = pinned[canonicalize_name(wanted.name)]
        (pin,) = requirement.specifier
        assert pin.operator == "=="
        assert pin.version in wanted.specifier, f"{requirement} is outside of {wanted}: run .container/lock"


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_a_version_and_hashes_for_each_package(name: str) -> None:
    for requirement, hashes in locked(name).values():
        assert re.fullmatch(r"==[0-9][0-9.]*", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch("[0-9a-f]{64}", found) for found in hashes), requirement


@pytest.mark.parametrize("image", IMAGES, ids=lambda image: image["python_version"])
def test_lock_is_complete_for_the_packages_that_it_installs(image: dict[str, str]) -> None:
    pinned = locked("requirements.txt")
    installed = {name for name, (found, _) in pinned.items() if found.marker is None or found.marker.evaluate(image)}
    assert set(map(canonicalize_name, ("aiohttp", "uvloop", "jsonschema-rs", "ahocorasick-rs"))) <= installed
    for name in installed:
        for needed in map(Requirement, _requires(name)):
            if needed.marker is None or needed.marker.evaluate(image):
                assert canonicalize_name(needed.name) in installed, f"{name} needs {needed}: run .container/lock"


def _requires(name: str) -> list[str]:
    """Return what an installed package requires; nothing for one that only other versions of Python need."""
    try:
        return metadata.requires(name) or []
    except metadata.PackageNotFoundError:
        return []


def pip_commands() -> list[list[str]]:
    """Return the words of each command of the Dockerfile that installs or builds packages."""
    commands = [part for name, rest in INSTRUCTIONS if name == "RUN" for part in re.split("&&|;", rest)]
    words = [shlex.split(command) for command in commands]
    return [found for found in words if {"install", "wheel", "download"} & set(found)]


def test_image_installs_nothing_without_a_hash() -> None:
    commands = pip_commands()
    hashed = [words for words in commands if "--require-hashes" in words]
    assert {words[words.index("--requirement") + 1] for words in hashed} == set(LOCKS)
    for words in commands:
        assert words in hashed or {"--no-deps", "--no-index"} <= set(words), words
        assert "wheel" not in words[4:6] or "--no-build-isolation" in words, words


def test_image_is_built_with_the_lock_files_that_are_written() -> None:
    copied = {rest.split()[0] for name, rest in INSTRUCTIONS if name == "COPY"}
    assert {f".container/{name}" for name in LOCKS} <= copied
    script = (ROOT / ".container" / "lock").read_text()
    assert set(re.findall(r">(\S+)", script)) == set(LOCKS)
    assert sorted(path.name for path in Path(ROOT / ".container").iterdir()) == sorted([*LOCKS, "lock"])


def test_no_secret_is_in_a_layer_of_the_image() -> None:
    named = [rest for name, rest in INSTRUCTIONS if name in ("ARG", "ENV", "LABEL")]
    assert named
    assert [text for text in named if re.search("token|secret|password|credential|api_?key", text, re.IGNORECASE)] == []
