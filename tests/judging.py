"""Requests on their way through the core, for unit tests: contracts with small patches, what they make of a request."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from shutil import copytree
from typing import Any, Final

from mockserver.contract.contract import Contract
from mockserver.contract.library import Library, Patch, library
from mockserver.core.body import RequestBody
from mockserver.core.judge import judge
from mockserver.core.model import Judged, Terms
from mockserver.core.route import route
from mockserver.core.wire import WireRequest

NOW: Final = 1_781_438_400_000
"""2026-06-14T12:00:00.000Z."""
TERMS: Final = Terms(now_ms=NOW)
MADE_UP: Final = "assumed: made up for a test"
"""The source of every fact in the made-up protocol."""
FOURTH: Final = Path(__file__).parent / "fourth"
TALLY: Final = Library([FOURTH]).protocol("tally")
COLLECT: Final = "/tally/v2/main/collect"


def contract_of(protocol: str, patch: Mapping[str, Any] | None = None, revision: str | None = None) -> Contract:
    """Return a protocol's contract with a merge patch over it; `tally` is the made-up protocol."""
    patches = [] if patch is None else [Patch(name="test", patch=patch)]
    owner = TALLY if protocol == TALLY.name else library().protocol(protocol)
    return owner.contract(revision, patches)


def tally_before(folder: Path, newest: Mapping[str, Any]) -> Contract:
    """Return the contract of the made-up protocol with another newest revision, a patch, in an empty folder."""
    copytree(FOURTH, folder, dirs_exist_ok=True)
    document = {"protocol": "tally", "revision": "strict", "title": "a", "source": MADE_UP, "patch": newest}
    (folder / "tally" / "revisions" / "strict.yaml").write_text(json.dumps(document))
    return Library([folder]).protocol("tally").contract()


def wire_request(
    target: str,
    body: object = b"",
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
    truncated: bool = False,
    late: bool = False,
) -> WireRequest:
    """Return a request as it arrives; a body that is not bytes is written as JSON."""
    pairs = tuple((name.encode(), value.encode()) for name, value in (headers or {}).items())
    return WireRequest(
        method=method,
        target=target,
        headers=pairs,
        fields={name.lower(): value for name, value in pairs},
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
        truncated=truncated,
        late=late,
    )


def routed(contract: Contract, request: WireRequest) -> Judged:
    """Return what routing makes of a request."""
    return route(RequestBody(request), contract)


def judged(contract: Contract, request: WireRequest, terms: Terms = TERMS) -> Judged:
    """Return what a contract makes of a request."""
    return judge(routed(contract, request), terms)


def collection(*items: Any, **members: Any) -> dict[str, Any]:
    """Return a good body of the made-up protocol around some items; `members` replace its own."""
    total = sum(item.get("cents", 0) for item in items if isinstance(item, dict))
    return {"token": "tk_one", "total": total, "items": list(items), **members}


def sale(ref: str = "a", cents: int = 5) -> dict[str, Any]:
    """Return a good item of the made-up protocol."""
    return {"kind": "sale", "ref": ref, "cents": cents}
