"""Sessions with odd names: kept apart, read back, or told why they are not."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest

from tests.server.conftest import AppServer
from tests.server.mutators import headed, outlit, whisperr
from tests.server.raw import Plain, once, received

KEY = "pk_shell"


@pytest.fixture
def good() -> Plain:
    return outlit(KEY, "click")


@pytest.mark.parametrize("name", ["a/b", "...", "%41", "Größe 😀", "x" * 200, "?#&"])
async def test_session_of_any_name_is_kept_apart_and_read_back(app_server: AppServer, good: Plain, name: str) -> None:
    prefixed = replace(good, path=f"/_mock/s/{quote(name, safe='')}{good.path}")
    assert (await once(app_server.port, prefixed)).status == 200
    assert await received(app_server.port, name) == 1
    listed = (await once(app_server.port, Plain(method="GET", path="/_mock/sessions"))).json["sessions"]
    assert [row["session"] for row in listed] == [name]


@pytest.mark.parametrize("size", [201, 4000])
@pytest.mark.parametrize("place", ["path", "key", "header"])
async def test_long_name_leads_to_the_default_session_which_says_so(
    app_server: AppServer, place: str, size: int
) -> None:
    long = "pk_" + "a" * (size - 3)
    request = {
        "path": outlit(long, "click"),
        "key": whisperr(long, "click"),
        "header": headed(outlit(KEY, "click"), ("X-Mock-Session", long)),
    }[place]
    assert (await once(app_server.port, request)).status < 300
    row = (await once(app_server.port, Plain(method="GET", path="/_mock/sessions/default/requests/r1"))).json
    assert any("200 bytes" in finding["message"] for finding in row["findings"])


@pytest.mark.parametrize("prefix", ["/_mock/s/" + "a" * 201, "/_mock/s/", "/_mock/s//", "/_mock/s"])
async def test_prefix_without_a_usable_name_is_a_problem(app_server: AppServer, good: Plain, prefix: str) -> None:
    answer = await once(app_server.port, replace(good, path=prefix + good.path))
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
