"""The Dockerfile, read: what it copies is there, and how the container starts. `tests/container/run` builds it."""

from __future__ import annotations

import json
import re
import sys

import pytest

from mockserver.settings import DEFAULT_PORT
from tests.processes import ROOT, served

INSTRUCTIONS = [
    (line.partition(" ")[0], line.partition(" ")[2])
    for line in re.sub(r"\\\n\s*", "", re.sub(r"(?m)^\s*#.*\n", "", (ROOT / "Dockerfile").read_text())).splitlines()
    if line
]
FINAL = INSTRUCTIONS[max(at for at, (name, _) in enumerate(INSTRUCTIONS) if name == "FROM") :]


def last(name: str) -> str:
    """Return what an instruction of the final stage says."""
    return [rest for instruction, rest in FINAL if instruction == name][-1]


def test_sources_exist_and_are_let_in_when_copied() -> None:
    sources = [name for instruction, rest in INSTRUCTIONS if instruction == "COPY" for name in rest.split()[:-1]]
    wanted = {name for name in sources if not name.startswith(("--", "/"))}
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == wanted
    assert all((ROOT / name).exists() for name in wanted)


def test_commands_are_in_exec_form_when_the_container_starts_them() -> None:
    assert json.loads(last("ENTRYPOINT")) == ["mockserver", "serve"]
    assert json.loads(last("HEALTHCHECK").partition("CMD ")[2]) == ["mockserver", "ready"]


def test_user_is_a_number_and_not_root_when_the_container_starts() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))


def test_port_is_the_default_when_exposed() -> None:
    assert last("EXPOSE") == str(DEFAULT_PORT)


def test_bases_are_the_build_argument_when_a_stage_begins() -> None:
    bases = {rest.split()[0] for name, rest in INSTRUCTIONS if name == "FROM"}
    assert bases == {"${PYTHON_IMAGE}"}


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a machine has one loopback address")
def test_server_listens_on_every_address_when_set_up_as_the_image() -> None:
    variables = dict(re.findall(r"(MOCKSERVER_\w+)=(\S+)", last("ENV")))
    with (
        served(variables=variables) as process,
        process.connect("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", "127.0.0.2") as connection,
    ):
        assert connection.recv(64).startswith(b"HTTP/1.1 200")
