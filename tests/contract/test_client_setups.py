"""How clients are pointed at a server: read beside the contract, and refused where it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mockserver.contract.client_setups import FILE, client_setups
from mockserver.contract.library import library
from mockserver.errors import ContractError
from mockserver.jsonkit import yamltext

SETUP = {"title": "A client", "text": "its package:", "code": 'use("{url}")', "source": "assumed: a test"}


@pytest.mark.parametrize("name", [*library().protocols])
def test_each_protocol_says_how_its_clients_are_pointed_here(name: str) -> None:
    setups = library().protocol(name).client_setups
    assert setups
    assert len({setup.title for setup in setups}) == len(setups)
    for setup in setups:
        assert setup.as_json().keys() == {"name", *SETUP}


def test_protocol_without_the_file_has_none(tmp_path: Path) -> None:
    assert client_setups(tmp_path, library().meta) == ()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"code": "use()"}, "code"),
        ({"titel": "A client"}, 'unknown key "titel"'),
        ({"source": "hearsay"}, "source"),
    ],
    ids=["no address", "unknown key", "no basis"],
)
def test_file_that_is_wrong_is_refused(tmp_path: Path, change: Any, problem: str) -> None:
    (tmp_path / FILE).write_text(yamltext.dumps({"one": {**SETUP, **change}}))
    with pytest.raises(ContractError, match=problem):
        client_setups(tmp_path, library().meta)
