"""Exchanges as lines that can be kept: credentials replaced however they are spelt."""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64decode
from typing import Any

import pytest

from mockserver.recording.exporting import export_line
from mockserver.recording.redaction.find_secrets import secrets_of
from mockserver.recording.redaction.redact import REDACTED, Redactor
from mockserver.recording.redaction.secret_names import PLACEHOLDER
from mockserver.sessions.views import View
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request
from tests.sessions.keeping import new_store


async def exported(request: Any, *secrets: str, protocol: str = "tally") -> dict[str, Any]:
    """Return the line of one exchange."""
    store = new_store()
    kept, _ = await store.commit(store.session("tk_one"), judged(contract_of(protocol), request), received_ms=NOW)
    return export_line(View(kept), Redactor(secrets or secrets_of(kept.request, kept.contract)))


async def test_line_holds_the_exchange_and_its_events_without_the_key() -> None:
    line = await exported(wire_request(COLLECT, collection(sale(), sale("b", -1))))
    assert "tk_one" not in json.dumps(line)
    assert (line["session"], line["status"], line["id"]) == (PLACEHOLDER, 202, "r1")
    assert json.loads(line["request"]["body"]["text"]) == collection(sale(), sale("b", -1), token=PLACEHOLDER)
    assert [row["verdict"] for row in line["events_detail"]] == ["accepted", "rejected"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("X-API-Key", "unlisted", PLACEHOLDER),
        ("authorization", "Bearer unlisted", f"Bearer {PLACEHOLDER}"),
        ("Authorization", "unlisted", PLACEHOLDER),
        ("Proxy-Authorization", "Basic unlisted", f"Basic {PLACEHOLDER}"),
        ("Cookie", "sid=unlisted; theme=dark", PLACEHOLDER),
        ("Set-Cookie", "sid=unlisted; Path=/", PLACEHOLDER),
        ("X-API-Key", "un listed", PLACEHOLDER),
        ("X-Other", "unlisted", REDACTED),
        ("User-Agent", "unlisted", "unlisted"),
    ],
)
async def test_header_that_holds_secrets_is_replaced_whatever_it_holds(name: str, value: str, shown: str) -> None:
    line = await exported(wire_request(COLLECT, collection(sale()), {name: value}), "nothing-else")
    assert line["request"]["headers"] == [[name, shown]]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_key_in_a_compressed_body_is_replaced_and_the_body_compressed_again(encoding: str) -> None:
    body = json.dumps({"external_user_id": "wrk_secret"}).encode()
    packed = gzip.compress(body) if encoding == "gzip" else zlib.compress(body)
    headers = {"Content-Encoding": encoding, "X-API-Key": "wrk_secret", "Content-Type": "application/json"}
    line = await exported(wire_request("/v1/identify", packed, headers), protocol="whisperr")
    again = b64decode(line["request"]["body"]["base64"])
    clean = gzip.decompress(again) if encoding == "gzip" else zlib.decompress(again)
    assert json.loads(clean) == {"external_user_id": PLACEHOLDER}


async def test_compressed_body_without_a_key_keeps_its_bytes() -> None:
    packed = gzip.compress(b'{"external_user_id": "u"}')
    headers = {"Content-Encoding": "gzip", "X-API-Key": "wrk_secret", "Content-Type": "application/json"}
    line = await exported(wire_request("/v1/identify", packed, headers), protocol="whisperr")
    assert b64decode(line["request"]["body"]["base64"]) == packed
