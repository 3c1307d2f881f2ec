"""Pages in a real browser: the control surface is closed to those of another origin, the vendor surface is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.sdks.fixtures import serving
from tests.sdks.harness import Host, Session
from tests.server.control_client import ControlClient

pytestmark = pytest.mark.sdk

TOKEN = "secret"


@pytest.fixture(scope="module")
def closed_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of a server whose control surface wants a token."""
    with serving(tmp_path_factory.mktemp("closed"), "--admin-token", TOKEN) as url:
        yield url


async def assert_untouched(control: ControlClient, session: Session) -> None:
    """The session has the one event that the page sent, and no fault step that it might have sent."""
    status, answer = await control.get(f"/_mock/sessions/{session.key}")
    assert status == 200
    assert answer["counts"] == {"requests": 1, "accepted": 1, "duplicate": 0, "rejected": 0}
    assert await control.get(f"/_mock/sessions/{session.key}/faults") == (200, {"steps": []})


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"], ids=["of-another-site", "of-another-port"])
async def test_control_surface_refuses_a_page_of_another_origin_while_vendor_requests_pass(
    name: str, chromium: Host, whisperr: Session, control: ControlClient
) -> None:
    report = chromium.drive("foreign-page", replace(whisperr, url=whisperr.url.replace("127.0.0.1", name)))
    assert report.notes == {
        "read": "TypeError",
        "readOpaquely": "opaque 0",
        "readWithToken": "TypeError",
        "forget": "TypeError",
        "steer": "TypeError",
        "steerOpaquely": "opaque 0",
        "beacon": True,
        "frame": "hidden",
        "track": "cors 202",
    }
    answers = {problem.partition(": ")[0] for problem in report.problems if " answered " in problem}
    assert {"Fetch answered 403", "Preflight answered 403"} <= answers
    assert all(answer.endswith(" 403") for answer in answers)
    await assert_untouched(control, whisperr)


@pytest.mark.parametrize("name", ["rebound.test", "rebound"])
async def test_control_surface_refuses_a_page_whose_host_leads_here_by_a_foreign_name(
    name: str, chromium: Host, whisperr: Session, control: ControlClient
) -> None:
    rebound = whisperr.url.replace("127.0.0.1", name)
    report = chromium.drive("foreign-page", replace(whisperr, url=rebound), **{"from": rebound})
    assert report.notes == {
        "read": "basic 421",
        "readOpaquely": "basic 421",
        "readWithToken": "basic 421",
        "forget": "basic 421",
        "steer": "basic 421",
        "steerOpaquely": "basic 421",
        "beacon": True,
        "frame": "hidden",
        "track": "basic 202",
    }
    await assert_untouched(control, whisperr)


def test_control_surface_refuses_a_page_of_its_own_when_the_token_is_wrong(
    chromium: Host, whisperr: Session, closed_server: str
) -> None:
    session = replace(whisperr, url=closed_server)
    assert chromium.drive("own-page", session, token=TOKEN).notes == {
        "none": 401,
        "wrong": 401,
        "otherScheme": 401,
        "right": 200,
    }
    foreign = chromium.drive("foreign-page", session).notes
    assert foreign["readWithToken"] == "TypeError"
    assert foreign["track"] == "cors 202"


def test_control_surface_serves_a_page_whose_origin_is_allowed(
    chromium: Host, whisperr: Session, tmp_path: Path
) -> None:
    origin = chromium.drive("origin", whisperr).notes["origin"]
    with serving(tmp_path, "--admin-token", TOKEN, "--allow-origin", origin) as url:
        notes = chromium.drive("foreign-page", replace(whisperr, url=url)).notes
    assert notes == {
        "read": "cors 401",
        "readOpaquely": "opaque 0",
        "readWithToken": "cors 200",
        "forget": "cors 401",
        "steer": "cors 401",
        "steerOpaquely": "opaque 0",
        "beacon": True,
        "frame": "hidden",
        "track": "cors 202",
    }


def test_page_learns_that_its_request_is_too_long(chromium: Host, whisperr: Session) -> None:
    assert chromium.drive("too-long", whisperr).notes == {"status": 431}
