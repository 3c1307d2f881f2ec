"""The live page in a real Chromium: what it shows, what it copies, what it sets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.live_page.harness import Api, Page, pageview
from tests.processes import ROOT, environment, served
from tests.sdks.fixtures import chromium, node, packages
from tests.sdks.harness import Host, Session

__all__ = ["chromium", "node", "packages"]

REFUSED = {"type": "nope"}


def show(page: Page, api: Api, key: str, rest: str = "") -> None:
    page.go(f"{api.url}/_mock/ui/#/session/{key}{rest}")
    page.wait_for("() => document.querySelector('#state').className === 'live'")


def show_request(page: Page, api: Api, key: str) -> None:
    """Show the newest request of a session."""
    show(page, api, key)
    page.wait_for("() => document.querySelector('.row') !== null")
    page.click(".row")
    page.wait_for("() => document.querySelector('#detail h2') !== null")


def test_events_of_an_sdk_appear_without_a_reload(page: Page, api: Api, key: str, chromium: Host) -> None:
    show(page, api, key)
    page.call("evaluate", "window.loaded = true")
    chromium.drive("outlit-module", Session(url=api.url, key=key))
    api.send("POST", f"/_mock/sessions/{key}/wait", {"for": "requests", "count": 1, "quiet_ms": 500})
    page.wait_for_rows(len(api.send("GET", f"/_mock/sessions/{key}/requests")[1]["requests"]))
    assert page.call("evaluate", "window.loaded") is True
    assert any("pageview" in text for text in page.texts(".row .what"))
    assert page.problems() == []


def test_first_steps_work_as_they_stand(page: Page) -> None:
    with served() as server:
        api = Api(url=server.url)
        page.go(f"{api.url}/_mock/ui/")
        page.wait_for_text("No request has arrived yet")
        codes = page.texts(".first-steps pre")
        commands = [code for code in codes if code.startswith("curl")]
        assert len(commands) == 2
        assert all(api.url in code for code in codes)
        for command in commands:
            subprocess.run(["bash", "-c", f"{command} --silent --show-error"], check=True, capture_output=True)
        page.wait_for_rows(2)
        assert api.verdicts("pk_demo") == ["accepted", "rejected"]
        assert api.verdicts("pk_live_demo") == ["accepted"]
        page.wait_for("() => document.querySelector('#empty').hidden")


def test_filters_narrow_down_and_stand_in_the_address(page: Page, api: Api, key: str) -> None:
    for number in range(3):
        api.outlit(key, pageview(number))
    api.outlit(key, {"type": "custom", "eventName": "plan_chosen", "url": "https://shop.example/", "path": "/"})
    api.outlit(key, REFUSED)
    show(page, api, key)
    page.wait_for_rows(5)
    page.call("fill", "#filter-text", "PLAN_chosen")
    page.wait_for_rows(1)
    page.call("fill", "#filter-text", "")
    page.call("selectOption", "#filter-verdict", "rejected")
    page.wait_for_rows(1)
    assert "nope" in page.texts(".row .what")[0] or "Invalid" in page.texts(".row .reason")[0]
    page.call("selectOption", "#filter-verdict", "accepted")
    page.call("fill", "#filter-type", "pageview")
    page.wait_for_rows(3)
    address = page.call("url")
    assert "verdict=accepted" in address
    assert "type=pageview" in address
    other = page.browser.open(f"{page.name} again")
    other.go(address)
    other.wait_for_rows(3)
    assert other.call("inputValue", "#filter-type") == "pageview"
    other.call("close")


def test_address_of_a_request_shows_that_request(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    api.outlit(key, pageview(2), REFUSED)
    show_request(page, api, key)
    address = page.copied("Copy address")
    other = page.browser.open(f"{page.name} again")
    other.go(address)
    other.wait_for_text("/p2")
    assert other.texts("#detail .badge") == ["accepted", "rejected"]
    other.call("close")


def test_pause_holds_the_list_and_loses_nothing(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key)
    page.wait_for_rows(1)
    page.press("p")
    page.wait_for("() => document.querySelector('#pause').getAttribute('aria-pressed') === 'true'")
    api.outlit(key, pageview(2))
    page.wait_for("() => document.querySelector('#count').innerText === '1 request, 1 new'")
    assert len(page.texts(".row")) == 1
    page.click("#pause")
    page.wait_for_rows(2)


def test_keyboard_reaches_everything(page: Page, api: Api, key: str) -> None:
    for number in range(3):
        api.outlit(key, pageview(number))
    show(page, api, key)
    page.wait_for_rows(3)
    page.press("j")
    page.press("j")
    page.wait_for("() => document.querySelector('[aria-selected=true]')?.innerText.includes('pageview')")
    page.wait_for("() => document.querySelector('#detail h2') !== null")
    assert "/p1" in "".join(page.texts("#detail .json"))
    page.call("focus", "#list")
    page.press("Home")
    page.press("Enter")
    page.wait_for("() => document.activeElement.tagName === 'H2'")
    page.press("Escape")
    page.wait_for("() => document.querySelector('#detail').hidden && document.activeElement.id === 'list'")
    page.press("/")
    page.wait_for("() => document.activeElement.id === 'filter-text'")
    page.press("j")
    assert page.call("inputValue", "#filter-text") == "j"
    page.call("fill", "#filter-text", "")
    page.call("focus", "#list")
    page.press("?")
    page.wait_for("() => document.querySelector('#help').open")
    page.press("Escape")
    page.wait_for("() => !document.querySelector('#help').open")


def test_refusal_is_explained_at_its_place_in_two_clicks(page: Page, api: Api, key: str) -> None:
    pinned = api.send("PATCH", f"/_mock/sessions/{key}", {"protocols": {"outlit": {"revision": "r2-2026-04"}}})
    assert pinned[0] == 200
    api.outlit(key, {"type": "custom", "eventName": 5, "url": "https://shop.example/", "path": "/"})
    show(page, api, key)
    page.wait_for_rows(1)
    page.click(".row")
    page.wait_for("() => document.querySelector('.finding.error') !== null")
    for place in (".events .line.error", "#detail section:not(.events) .line.error"):
        (line,) = page.texts(place)
        assert '"eventName": 5' in line
    page.click(".finding.error summary")
    page.wait_for_text("In the contract (r2-2026-04)")
    page.wait_for_text("In the newest revision (")
    (finding,) = api.send("GET", f"/_mock/sessions/{key}/events?verdict=any")[1]["events"][0]["findings"]
    shown = "\n".join(page.texts(".finding.error"))
    for part in (finding["rule"], finding["source"], finding["pointer"], json.dumps(finding["got"])):
        assert part in shown


@pytest.mark.parametrize("body", ["plain", "quotes", "large"])
def test_copied_curl_gives_the_same_verdict(page: Page, api: Api, key: str, body: str) -> None:
    title = {"plain": "a title", "quotes": 'it\'s "$(x)" `y` \\ \n é 👋 \u0000', "large": "x" * 200_000}[body]
    status = api.outlit(key, pageview(1, title=title), REFUSED)
    show_request(page, api, key)
    command = page.copied("Copy as curl")
    done = subprocess.run(["bash"], input=command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"HTTP/1.1 {status} "), done.stdout
    assert api.verdicts(key) == ["accepted", "rejected"] * 2
    sent = [row["event"] for row in api.send("GET", f"/_mock/sessions/{key}/events?verdict=any")[1]["events"]]
    assert sent[0] == sent[2]


def test_copied_test_passes(page: Page, api: Api, key: str, tmp_path: Path) -> None:
    api.outlit(key, pageview(1, title='it\'s "quoted" \\ \u2028 👋'), REFUSED)
    show_request(page, api, key)
    (tmp_path / "test_copied.py").write_text(page.copied("Copy as pytest"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path)]
    variables = {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_fault_and_clock_are_set_from_the_page(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show_request(page, api, key)
    page.click("button:text-is('Set a fault for this')")
    page.wait_for_text("Add the step")
    page.click("button:text-is('Add the step')")
    page.wait_for_text("The step was added.")
    assert api.outlit(key, pageview(2)) == 503
    assert api.outlit(key, pageview(3)) == 200
    page.call("fill", "#fault-step", '{"tims": 1}')
    page.click("button:text-is('Add the step')")
    page.wait_for_text('unknown key "tims"')
    page.click("button:text-is('Advance')")
    page.wait_for_text("The clock was moved.")
    assert api.send("GET", f"/_mock/sessions/{key}/clock")[1]["offset_ms"] == 3_600_000
    page.call("fill", "#clock-moment", "2026-06-14T12:00:00Z")
    page.call("check", "#clock-frozen")
    page.click("button:text-is('Set')")
    page.wait_for_text("The clock was set.")
    clock = api.send("GET", f"/_mock/sessions/{key}/clock")[1]
    assert (clock["now"], clock["frozen"]) == ("2026-06-14T12:00:00.000Z", True)
    page.click("button:text-is('Back to real time')")
    page.wait_for_text("The clock shows real time.")


def test_deliveries_are_drawn_and_lead_to_their_requests(page: Page, api: Api, key: str) -> None:
    event = {"external_user_id": "ada", "event_type": "paid", "context": {"$message_id": "m-1"}}
    api.send("PATCH", f"/_mock/sessions/{key}", {"credentials": [f"wrk_{key}"]})
    api.send("POST", f"/_mock/sessions/{key}/faults", {"times": 1, "reply": {"status": 503}})
    for _ in range(2):
        api.send("POST", "/v1/events/batch", {"events": [event]}, **{"X-API-Key": f"wrk_{key}"})
    show(page, api, key, "/deliveries")
    page.wait_for("() => document.querySelectorAll('.lane .attempt').length === 2")
    assert page.call("textContent", ".lane .fate").startswith("accepted after retry")
    assert page.call("getAttribute", ".lane .server-error", "aria-label").endswith("503, fault step")
    page.call("focus", ".lane .taken")
    page.press("Enter")
    page.wait_for("() => document.querySelector('#detail h2') !== null")
    assert "202" in "".join(page.texts("#detail .summary"))


def test_score_names_broken_rules_and_leads_to_their_requests(page: Page, api: Api, key: str) -> None:
    event = {"external_user_id": "ada", "event_type": "paid", "context": {"$message_id": "m-1"}}
    api.send("PATCH", f"/_mock/sessions/{key}", {"credentials": [f"wrk_{key}"]})
    for _ in range(2):
        api.send("POST", "/v1/events/batch", {"events": [event]}, **{"X-API-Key": f"wrk_{key}"})
    show(page, api, key, "/score")
    page.wait_for("() => document.querySelector('.score tbody tr') !== null")
    shown = dict(zip(page.texts(".score td:nth-child(2) code"), page.texts(".score td:nth-child(1)"), strict=True))
    score = api.send("GET", f"/_mock/sessions/{key}/conformance")[1]
    words = {"pass": "pass", "fail": "fail", "not_exercised": "not exercised"}
    assert {rule: said.removesuffix("must").removesuffix("should").strip() for rule, said in shown.items()} == {
        row["rule"]: words[row["verdict"]] for row in score["rules"]
    }
    assert shown["nothing_twice"].split() == ["fail", "must"]
    page.click("tr:has(code:text-is('nothing_twice')) a:text-is('r2')")
    page.wait_for("() => document.querySelector('#detail h2') !== null")
    assert "202" in "".join(page.texts("#detail .summary"))


def test_restart_of_the_server_is_survived_and_said(page: Page) -> None:
    with served() as first:
        port, api = first.port, Api(url=first.url)
        api.outlit("pk_before", pageview(1))
        page.go(f"{first.url}/_mock/ui/")
        page.wait_for_rows(1)
    page.wait_for("() => document.querySelector('#state').className === 'lost'")
    with served("--port", str(port)):
        page.wait_for_text("The server was restarted")
        api.outlit("pk_after", pageview(2))
        page.wait_for("() => document.querySelector('.row .of-session')?.innerText === 'pk_after'")
        assert page.texts("#count") == ["1 request"]


def test_session_that_is_deleted_goes_from_the_list(page: Page, api: Api, key: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key)
    page.wait_for_rows(1)
    api.send("DELETE", f"/_mock/sessions/{key}")
    page.wait_for_rows(0)


@pytest.mark.parametrize("file", ["recording.ndjson", "recording.har", "cassette.yaml", "case.yaml", "report.html"])
def test_files_are_downloaded(page: Page, api: Api, key: str, file: str) -> None:
    api.outlit(key, pageview(1))
    show(page, api, key, "/control")
    page.wait_for_text(f"Download {file}")
    page.click(f"button:text-is('Download {file}')")
    page.wait_for_text(f"{file} was downloaded.")
    assert page.problems() == []
