"""How clients are pointed at a server: `clients.yaml` beside the contract, for who has not sent anything yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from mockserver.contract.language import Meta
from mockserver.jsonkit import Json, yamltext

FILE: Final = "clients.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSetup:
    """Code that points one client at a server; `{url}` in it stands for the address of the server."""

    name: str
    title: str
    text: str
    code: str
    source: str

    def as_json(self) -> dict[str, Json]:
        """Return it as the control surface shows it."""
        return {"name": self.name, "title": self.title, "text": self.text, "code": self.code, "source": self.source}


@lru_cache(maxsize=32)
def client_setups(folder: Path, meta: Meta) -> Sequence[ClientSetup]:
    """Return the clients in a protocol's folder, none where it has no file. Raises ContractError for a bad one."""
    path = folder / FILE
    if not path.is_file():
        return ()
    document = yamltext.load(path)
    meta.check("clients", document, str(path))
    return tuple(ClientSetup(name=name, **row) for name, row in document.items())
