"""The export of a session: what was exchanged, and no credential of any of its requests."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest

from tests.server.control_client import ControlClient
from tests.server.vendor_client import VendorClient, track_body

PROJECT_KEY = "pk_exported_7"
SERVER_KEY = "apex_sk_exported_8"
SNIPPET = {"type": "pageview", "visitorId": "v", "url": "https://a.example/", "projectKey": PROJECT_KEY}


async def exported(control: ControlClient, name: str) -> list[dict[str, Any]]:
    async with control.http.get(f"{control.url}/_mock/sessions/{name}/export") as reply:
        return [json.loads(line) for line in (await reply.text()).splitlines()]


async def test_key_of_one_request_is_not_in_another_of_its_session(
    control: ControlClient, vendor: VendorClient
) -> None:
    await vendor.post("/_mock/s/ours/api/events", {**SNIPPET, "data": {SERVER_KEY: [f"see {SERVER_KEY}"]}})
    batch = {"events": [{"type": "paid", "data": {"from": PROJECT_KEY}}]}
    await vendor.post("/_mock/s/ours/api/v1/events", batch, {"x-api-key": SERVER_KEY, "x-was": f"/{PROJECT_KEY}/"})
    lines = await exported(control, "ours")
    assert [line["status"] for line in lines] == [200, 200]
    assert PROJECT_KEY not in json.dumps(lines)
    assert SERVER_KEY not in json.dumps(lines)
    assert lines[0]["events_detail"][0]["event"]["data"] == {"<credential>": ["see <credential>"]}


async def test_second_credential_of_a_request_is_not_exported(control: ControlClient, vendor: VendorClient) -> None:
    body = track_body("m1", properties={"first": "wrk_first", "second": "wrk_second"})
    keys = {"X-API-Key": "wrk_first", "Authorization": "Bearer wrk_second"}
    await vendor.post("/_mock/s/two/v1/events/batch", body, keys)
    (line,) = await exported(control, "two")
    assert line["events_detail"][0]["event"]["properties"] == {"first": "<credential>", "second": "<credential>"}


@pytest.mark.parametrize("spelling", ["pk_%65xported_7", "%70%6b_exported_7", "pk%5fexported_7", "pk%5Fexported_7"])
async def test_percent_encoded_key_is_not_exported(control: ControlClient, vendor: VendorClient, spelling: str) -> None:
    await vendor.post(f"/_mock/s/path/api/i/v1/{spelling}/events", {"events": []})
    (line,) = await exported(control, "path")
    assert line["path"] == "/api/i/v1/<credential>/events"


async def test_key_with_json_escapes_is_not_exported(control: ControlClient, vendor: VendorClient) -> None:
    body = json.dumps(SNIPPET).replace("pk_e", r"\u0070k_\u0065")
    await vendor.post("/_mock/s/escaped/api/events", body.encode())
    (line,) = await exported(control, "escaped")
    assert (line["status"], json.loads(line["request"]["body"]["text"])["projectKey"]) == (200, "<credential>")


@pytest.mark.parametrize(("encoding", "squeeze"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_key_inside_a_compressed_body_is_not_exported(
    control: ControlClient, vendor: VendorClient, encoding: str, squeeze: Any
) -> None:
    body = squeeze(json.dumps(SNIPPET).encode())
    await vendor.post(f"/_mock/s/{encoding}/api/events", body, {"Content-Encoding": encoding})
    lines = await exported(control, encoding)
    assert lines == await exported(control, encoding)
    kept = zlib.decompress(base64.b64decode(lines[0]["request"]["body"]["base64"]), wbits=47)
    assert (lines[0]["status"], json.loads(kept)["projectKey"]) == (200, "<credential>")


async def test_key_as_short_as_a_word_of_the_line_leaves_the_line_readable(
    control: ControlClient, vendor: VendorClient
) -> None:
    await vendor.post("/_mock/s/short/api/events", {**SNIPPET, "projectKey": "e"})
    (line,) = await exported(control, "short")
    assert line["events_detail"][0]["event"] == {**SNIPPET, "projectKey": "<credential>"}


async def test_keys_a_session_was_told_of_are_not_exported(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await control.call("PATCH", session, {"keys": [vendor.key, "pk_allowed_9"], "credentials": ["apex_sk_given_9"]})
    await vendor.track("m1", properties={"a": "pk_allowed_9", "b": "apex_sk_given_9"})
    (line,) = await exported(control, vendor.key)
    assert line["session"] == "<credential>"
    assert line["events_detail"][0]["event"]["properties"] == {"a": "<credential>", "b": "<credential>"}


async def test_secrets_that_an_export_hides_are_listed(
    control: ControlClient, vendor: VendorClient, session: str
) -> None:
    await vendor.track("m1", properties={"password": "opaque-Value-7", "pin": "1234"})
    status, known = await control.get(f"{session}/secrets")
    assert (status, known["secrets"]) == (200, sorted([vendor.key, "opaque-Value-7"]))
    assert known["prefixes"] == ["apex_", "pk_", "wrk_"]
    assert (await control.get("/_mock/sessions/unseen/secrets"))[1]["secrets"] == []


async def test_long_secret_is_listed_by_its_beginning(control: ControlClient, vendor: VendorClient) -> None:
    await vendor.post("/_mock/s/ours/api/events", {**SNIPPET, "projectKey": "k" * 100_000})
    _, known = await control.get("/_mock/sessions/ours/secrets")
    assert known["secrets"] == ["k" * 256]
