"""Sources of single facts: what reaches them from above, and what a patch leaves true."""

from __future__ import annotations

from typing import Any

import pytest

from mockserver.contract.library import Patch, library
from mockserver.contract.provenance import source_at, stated
from mockserver.errors import ContractError

LIMIT = {"max_bytes": 9, "source": "docs: page"}
DOCUMENTS: dict[str, Any] = {
    "protocol": {
        "source": "docs: all",
        "limits": {"body": LIMIT, "rate": {"requests": 1, "window_ms": 2, "source": "docs: rate"}},
        "replies": {"ok": {"status": 200, "body": {"source": "x", "ids": ["a"]}, "source": "spec: ok"}},
    },
    "events": {
        "click": {
            "source": "docs: click",
            "sources": {"required/b": "spec: b", "properties/c/pattern": "assumed: c"},
            "required": ["a", "b"],
            "properties": {
                "source": {"type": "string", "source": "docs: a member of that name"},
                "sources": {"type": "string"},
                "c": {"type": "string", "pattern": "x"},
            },
            "anyOf": [{"required": ["a"]}],
        }
    },
    "warnings": {"events": {"late": {"message": "late", "schema": {"minLength": 1}, "source": "inferred: x"}}},
}


def sources_of(documents: Any) -> dict[str, str]:
    return {"/".join(tokens): source for tokens, _, source in stated(documents, "none")}


def test_each_fact_has_the_nearest_source() -> None:
    assert sources_of(DOCUMENTS) == {
        "protocol/limits/body/max_bytes": "docs: page",
        "protocol/limits/rate/requests": "docs: rate",
        "protocol/limits/rate/window_ms": "docs: rate",
        "protocol/replies/ok/status": "spec: ok",
        "protocol/replies/ok/body": "spec: ok",
        "events/click/required/b": "spec: b",
        "events/click/required": "docs: click",
        "events/click/properties/source/type": "docs: a member of that name",
        "events/click/properties/sources/type": "docs: click",
        "events/click/properties/c/type": "docs: click",
        "events/click/properties/c/pattern": "assumed: c",
        "events/click/anyOf/0/required": "docs: click",
        "warnings/events/late": "inferred: x",
    }
    assert source_at(DOCUMENTS, "/events/click/required/b", "") == ("spec: b", True)
    assert source_at(DOCUMENTS, "/events/click/required/z", "") == ("docs: click", False)


def test_key_of_sources_that_leads_nowhere_is_a_load_error() -> None:
    patch = {"protocol": {"dedup": {"sources": {"pionter": "docs: a page"}}}}
    with pytest.raises(ContractError, match="pionter leads to nothing in this object"):
        library().protocol("outlit").contract(None, [Patch(name="mine.yaml", patch=patch)])
