"""All ways to name a session lead to the same one or to none: prefix, header, keys, control paths, credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mockserver.sessions.session_name import session_name
from tests.server.conftest import AppServer
from tests.server.control_client import ControlClient
from tests.server.mutators import apex, headed, outlit, whisperr
from tests.server.raw import Plain, once
from tests.server.vendor_client import VendorClient, track_body

NAMES = [
    *("pk_plain", " pk_trimmed\t", "\u00a0pk_no_break\u3000", "a/b", "a%2Fb", "%41", "?#&", "...", "a b"),
    *("Größe 😀", "Gr\u00f6\u00dfe", "Gro\u0308\u00dfe", "\u212b", "\u1100\u1161", "é" * 100, "x" * 200),
]
REFUSED = [
    *(".", "..", " .. ", "a\x1bb", "a\x7fb", "a\x00b", "a\r\nb", "a\u0085b", "a\u202eb", "a\u200db"),
    *("a\ud800b", "a\ufffdb", "é" * 101, "x" * 201, "x" * 4000),
]


def encoded(name: str) -> str:
    """Return a name with each of its bytes percent-encoded, so that no client and no parser changes any."""
    return "".join(f"%{byte:02X}" for byte in name.encode("utf-8", "surrogatepass"))


def as_header(name: str) -> str:
    """Return a text that `Plain` sends as the bytes of the name in UTF-8."""
    return name.encode("utf-8", "surrogatepass").decode("latin-1")


def vendor_requests(name: str) -> Iterator[tuple[str, Plain]]:
    """Yield requests with the name as their key or in X-Mock-Session, and where each has it."""
    yield "path", outlit(encoded(name), "click")
    yield "query", Plain(method="GET", path=f"/api/apex-js?key={encoded(name)}")
    yield "body", apex(name, "click")
    if not any(character < " " or character == "\x7f" for character in name.strip()):  # HTTP refuses these itself
        yield "api key", whisperr(as_header(name), "click")
        bearer = ("Authorization", f"Bearer {as_header(name)}")
        yield "bearer", replace(whisperr("", "click"), headers=(("Content-Type", "application/json"), bearer))
        yield "header", headed(outlit("pk_other", "click"), ("X-Mock-Session", as_header(name)))


async def sessions(port: int) -> dict[str, int]:
    """Return all sessions with the number of their requests."""
    rows = (await once(port, Plain(method="GET", path="/_mock/sessions"))).json["sessions"]
    return {row["session"]: row["requests"] for row in rows}


@pytest.mark.parametrize("name", NAMES)
async def test_all_ways_to_name_a_session_lead_to_the_same_one(app_server: AppServer, name: str) -> None:
    port, sent = app_server.port, 0
    session = session_name(name)
    for place, request in vendor_requests(name):
        await once(port, request)
        sent += 1
        assert await sessions(port) == {session: sent}, place
    prefixed = outlit("pk_other", "click")
    await once(port, replace(prefixed, path=f"/_mock/s/{encoded(name)}{prefixed.path}"))
    described = await once(port, Plain(method="GET", path=f"/_mock/sessions/{encoded(name)}"))
    assert (described.json["session"], described.json["counts"]["requests"]) == (session, sent + 1)
    change = json.dumps({"credentials": [name]}).encode()
    own = Plain(method="PATCH", path=f"/_mock/sessions/{encoded(name)}", body=change)
    assert (await once(port, own)).json["credentials"] == [session]
    assert (await once(port, replace(own, path="/_mock/sessions/other"))).status == 409
    assert (await once(port, Plain(method="DELETE", path=f"/_mock/sessions/{encoded(name)}"))).status == 204
    assert await sessions(port) == {}
    assert (await once(port, replace(own, path="/_mock/sessions/owner"))).json["credentials"] == [session]
    for place, request in vendor_requests(name):
        await once(port, request)
        assert set(await sessions(port)) == {"owner"}, place


@pytest.mark.parametrize("name", ["Größe", "é", "ÿ\u00a0x"])
async def test_header_in_latin_1_names_the_same_session_as_in_utf_8(app_server: AppServer, name: str) -> None:
    for value in (name, as_header(name)):
        await once(app_server.port, whisperr(value, "click"))
        await once(app_server.port, headed(outlit("pk_other", "click"), ("X-Mock-Session", value)))
    assert await sessions(app_server.port) == {name: 4}


@pytest.mark.parametrize("name", REFUSED)
async def test_name_is_refused_by_all_ways_and_vendor_requests_go_to_the_default_session(
    app_server: AppServer, name: str
) -> None:
    port = app_server.port
    prefixed = outlit("pk_other", "click")
    answers = [
        await once(port, replace(prefixed, path=f"/_mock/s/{encoded(name)}{prefixed.path}")),
        *[await once(port, Plain(method=verb, path=f"/_mock/sessions/{encoded(name)}")) for verb in ("GET", "DELETE")],
        await once(port, Plain(method="PATCH", path=f"/_mock/sessions/{encoded(name)}", body=b"{}")),
        await once(
            port,
            Plain(method="PATCH", path="/_mock/sessions/b", body=json.dumps({"credentials": ["x", name]}).encode()),
        ),
    ]
    assert [answer.status for answer in answers] == [404, 400, 400, 400, 400]
    assert all("the name of a session must" in answer.json["detail"] for answer in answers)
    assert answers[-1].json["pointer"] == "/credentials/1"
    assert await sessions(port) == {}
    plain = {place: (await once(port, request)).status for place, request in vendor_requests("odd")}
    for number, (place, request) in enumerate(vendor_requests(name), 1):
        assert (await once(port, request)).status == plain[place], place
        row = (await once(port, Plain(method="GET", path=f"/_mock/sessions/default/requests/r{number}"))).json
        kind = "long" if len(name) > 100 else "invalid"
        where = "session" if place == "header" else "credential"
        assert f"/server/{kind}_{where}" in [finding["rule"] for finding in row["findings"]], place
    assert set(await sessions(port)) == {"default", "odd"}


@pytest.mark.parametrize("owner", ["a", "default"])
async def test_no_session_owns_the_name_of_the_default_session(
    control: ControlClient, vendor: VendorClient, owner: str
) -> None:
    await vendor.post("/v1/events/batch", track_body("m1"), {})
    status, problem = await control.patch(f"/_mock/sessions/{owner}", {"credentials": ["x", " default"], "keys": []})
    assert (status, problem["pointer"]) == (409, "/credentials")
    assert "requests that name none" in problem["detail"]
    await vendor.post("/v1/events/batch", track_body("m2"), {})
    await control.delete(f"/_mock/sessions/{owner}")
    _, default = await control.get("/_mock/sessions/default")
    assert (default["counts"]["requests"], default["keys"]) == (0 if owner == "default" else 2, None)


@pytest.mark.parametrize("how", ["request", "prefix", "settings", "faults", "clock"])
async def test_name_of_an_existing_session_cannot_be_owned_until_that_is_deleted(
    control: ControlClient, vendor: VendorClient, how: str
) -> None:
    path = "/_mock/sessions/taken"
    match how:
        case "request":
            await vendor.post("/v1/events/batch", track_body("m1"), {"X-API-Key": "taken"})
        case "prefix":
            await vendor.post("/_mock/s/taken/v1/events/batch", track_body("m1"), {})
        case "settings":
            await control.patch(path, {"journal_limit": 5})
        case "faults":
            await control.put(f"{path}/faults", [])
        case _:
            await control.put(f"{path}/clock", {"offset_ms": 0})
    status, problem = await control.patch("/_mock/sessions/a", {"credentials": ["taken"]})
    assert (status, problem["pointer"]) == (409, "/credentials")
    assert "taken is the name of an existing session; delete that session first" in problem["detail"]
    _, listed = await control.get("/_mock/sessions")
    assert [row["session"] for row in listed["sessions"]] == ["taken"]
    await control.delete(path)
    assert (await control.patch("/_mock/sessions/a", {"credentials": ["taken"]}))[0] == 200


BAD_CHANGES: list[tuple[int, dict[str, Any]]] = [
    (400, {"protocols": {"outlit": {"patch": {"protocol": {"limit": {}}}}}}),
    (400, {"protocols": {"outlit": {"revision": "r9"}}}),
    (400, {"journal_limit": 0}),
    (409, {"credentials": ["fresh", "theirs"]}),
    (409, {"credentials": ["fresh", "default"]}),
    (400, {"credentials": ["fresh", "\u202e"]}),
]


@pytest.mark.parametrize(("status", "bad"), BAD_CHANGES)
@pytest.mark.parametrize("exists", [True, False])
async def test_change_that_fails_half_way_changes_nothing_and_makes_no_session(
    control: ControlClient, status: int, bad: dict[str, Any], exists: bool
) -> None:
    await control.patch("/_mock/sessions/other", {"credentials": ["theirs"]})
    if exists:
        await control.patch("/_mock/sessions/a", {"credentials": ["mine"], "keys": ["k"]})
    before, listed = await control.get("/_mock/sessions/a"), await control.get("/_mock/sessions")
    assert (await control.patch("/_mock/sessions/a", {"credentials": ["fresh"], "keys": [], **bad}))[0] == status
    assert (await control.get("/_mock/sessions/a"), await control.get("/_mock/sessions")) == (before, listed)
    assert (await control.get("/_mock/sessions/fresh"))[1]["session"] == "fresh"


async def test_delete_by_a_credential_deletes_its_session_and_frees_all_credentials(control: ControlClient) -> None:
    await control.patch("/_mock/sessions/a", {"credentials": ["x", "y"]})
    assert (await control.delete("/_mock/sessions/%20x"))[0] == 204
    _, listed = await control.get("/_mock/sessions")
    assert listed["sessions"] == []
    assert (await control.patch("/_mock/sessions/x", {"credentials": ["y", "a"]}))[1]["session"] == "x"
