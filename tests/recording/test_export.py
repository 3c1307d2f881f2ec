"""Exchanges as lines that can be kept: credentials replaced however they are spelt."""

from __future__ import annotations

import gzip
import json
import zlib
from base64 import b64decode
from typing import Any

import pytest

from mockserver.recording.export import PLACEHOLDER, Scrubber, export_line, secrets_of
from mockserver.sessions.views import View
from tests.judging import COLLECT, NOW, collection, contract_of, judged, sale, wire_request
from tests.sessions.keeping import exchange, new_store

WHISPERR = contract_of("whisperr")
SECRET = 'wrk_a"b/c é'


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        SECRET.replace('"', '\\"'),
        SECRET.replace("/", "\\/"),
        "wrk_a%22b%2Fc%20%c3%A9",
        "".join(f"\\u{ord(character):04x}" for character in SECRET),
        "".join(f"%{byte:02X}" for byte in SECRET.encode()),
        json.dumps(SECRET)[1:-1],
    ],
)
def test_secret_is_replaced_however_it_is_spelt(spelt: str) -> None:
    assert Scrubber([SECRET]).text(f"key={spelt}&x") == f"key={PLACEHOLDER}&x"


def test_longest_secret_is_replaced_first() -> None:
    scrub = Scrubber(["tk_a", "tk_a_long", ""])
    assert scrub.text("tk_a_long tk_a") == f"{PLACEHOLDER} {PLACEHOLDER}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("abc", PLACEHOLDER), ("key=abc.", f"key={PLACEHOLDER}."), ("xabc", "xabc"), ("abc1", "abc1")],
)
def test_short_secret_is_replaced_only_where_it_stands_alone(text: str, expected: str) -> None:
    assert Scrubber(["abc"]).text(text) == expected


def test_secret_of_four_characters_is_replaced_anywhere() -> None:
    assert Scrubber(["abcd"]).text("xabcd1") == f"x{PLACEHOLDER}1"


def test_nothing_is_replaced_without_secrets() -> None:
    assert Scrubber(["", ""]).text("anything") == "anything"


def test_character_outside_the_basic_plane_is_found_as_two_escapes() -> None:
    assert Scrubber(["key-🔑-x"]).text("key-\\ud83d\\udd11-x") == PLACEHOLDER


def test_names_of_members_are_replaced_only_where_clients_named_them() -> None:
    scrub = Scrubber(["accepted"])
    row: Any = {"accepted": "accepted", "event": {"accepted": ["accepted", 1, None]}}
    assert scrub.json(row) == {"accepted": PLACEHOLDER, "event": {PLACEHOLDER: [PLACEHOLDER, 1, None]}}


def test_bytes_that_are_not_utf8_are_kept() -> None:
    assert Scrubber(["tk_one"]).body(b"\xff tk_one \x00") == b"\xff " + PLACEHOLDER.encode() + b" \x00"


def test_secrets_are_all_credentials_a_request_carries() -> None:
    headers = {"X-API-Key": "wrk_a", "Authorization": "Bearer wrk_b"}
    kept = exchange(wire_request("/v1/nowhere", b"", headers), contract=WHISPERR)
    assert secrets_of(kept) == {"wrk_a", "wrk_b"}
    assert secrets_of(exchange(wire_request(COLLECT, collection(sale())))) == {"tk_one"}


async def exported(request: Any, *secrets: str, protocol: str = "tally") -> dict[str, Any]:
    """Return the line of one exchange."""
    store = new_store()
    kept, _ = await store.commit(store.session("tk_one"), judged(contract_of(protocol), request), received_ms=NOW)
    return export_line(View(kept), Scrubber(secrets or secrets_of(kept)))


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
        ("X-Other", "unlisted", "unlisted"),
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
